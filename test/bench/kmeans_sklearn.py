"""The peer of the k-means benchmarks: scikit-learn's KMeans over an array in memory.

kmeans_sklearn.py ROWS FEATURES CENTRES makes the data and then answers lines from standard input:

    versions                               what runs here
    write DTYPE FILE                       writes the data for COPY ... (FORMAT binary), as doubles that hold what
                                           DTYPE holds
    fit DTYPE ALGORITHM K N_INIT SEED      trains; answers "milliseconds iterations inertia"
    quit

DTYPE is float32 or float64, ALGORITHM lloyd or elkan. How many threads it uses is up to OMP_NUM_THREADS.
"""

import sys
import time

import numpy as np
import sklearn
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_info

# Centres this far apart, in standard deviations of a cluster, make Lloyd's algorithm need 20 to 30 iterations for
# eight clusters.
SPREAD = 0.8


def make_points(rows, features, clusters):
    rng = np.random.default_rng(20260101)
    centres = rng.normal(0, SPREAD, (clusters, features))
    return centres[rng.integers(0, clusters, rows)] + rng.normal(0, 1, (rows, features))


def write_copy_file(points, path):
    """PostgreSQL's binary COPY: each value with its length, each row with its number of values."""
    features = points.shape[1]
    fields = [("fields", ">i2")]
    for i in range(features):
        fields += [(f"size{i}", ">i4"), (f"value{i}", ">f8")]
    rows = np.empty(len(points), dtype=np.dtype(fields))
    rows["fields"] = features
    for i in range(features):
        rows[f"size{i}"] = 8
        rows[f"value{i}"] = points[:, i]
    with open(path, "wb") as file:
        file.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        rows.tofile(file)
        file.write(b"\xff\xff")


def versions():
    blas = [entry for entry in threadpool_info() if entry["user_api"] == "blas"]
    if [entry["internal_api"] for entry in blas] != ["openblas"]:
        sys.exit(f"not OpenBLAS: {blas}")
    threads = max(entry["num_threads"] for entry in threadpool_info() if entry["user_api"] == "openmp")
    return (
        f"scikit-learn {sklearn.__version__}, NumPy {np.__version__}, "
        f"OpenBLAS {blas[0]['version']} ({blas[0]['architecture']}), {threads} thread{'s' if threads > 1 else ''}"
    )


def fit(points, algorithm, k, n_init, seed):
    model = KMeans(
        n_clusters=int(k), n_init=int(n_init), algorithm=algorithm, tol=1e-4, max_iter=300, random_state=int(seed)
    )
    start = time.perf_counter()
    model.fit(points)
    milliseconds = (time.perf_counter() - start) * 1000
    return f"{milliseconds:.1f} {model.n_iter_} {model.inertia_:.6f}"


def main():
    points = make_points(*(int(argument) for argument in sys.argv[1:]))
    arrays = {"float64": points, "float32": points.astype(np.float32)}
    commands = {
        "versions": versions,
        "write": lambda dtype, path: write_copy_file(arrays[dtype], path),
        "fit": lambda dtype, *rest: fit(arrays[dtype], *rest),
    }
    for line in sys.stdin:
        command, *rest = line.split()
        if command == "quit":
            break
        print(commands[command](*rest), flush=True)


main()
