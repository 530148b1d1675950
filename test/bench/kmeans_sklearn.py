"""The peer of kmeans.sh: scikit-learn's KMeans over an array in memory.

kmeans_sklearn.py ROWS FILE makes the data, writes them to FILE for COPY ... (FORMAT binary), and then answers
lines from standard input:

    versions            what runs here
    float32 SEED        trains; answers "milliseconds iterations inertia"
    float64 SEED
    quit
"""

import sys
import time

import numpy as np
import sklearn
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_info

CLUSTERS = 8
FEATURES = 8
# Centres this far apart, in standard deviations of a cluster, make Lloyd's algorithm need 20 to 30 iterations.
SPREAD = 0.8


def make_points(rows):
    rng = np.random.default_rng(20260101)
    centres = rng.normal(0, SPREAD, (CLUSTERS, FEATURES))
    return centres[rng.integers(0, CLUSTERS, rows)] + rng.normal(0, 1, (rows, FEATURES))


def write_copy_file(points, path):
    """PostgreSQL's binary COPY: each value with its length, each row with its number of values."""
    fields = [("fields", ">i2")]
    for i in range(FEATURES):
        fields += [(f"size{i}", ">i4"), (f"value{i}", ">f8")]
    rows = np.empty(len(points), dtype=np.dtype(fields))
    rows["fields"] = FEATURES
    for i in range(FEATURES):
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
    openmp = [entry["num_threads"] for entry in threadpool_info() if entry["user_api"] == "openmp"]
    return (
        f"scikit-learn {sklearn.__version__}, NumPy {np.__version__}, "
        f"OpenBLAS {blas[0]['version']} ({blas[0]['architecture']}), {max(openmp)} threads"
    )


def train(points, seed):
    model = KMeans(n_clusters=CLUSTERS, n_init=1, algorithm="lloyd", tol=1e-4, max_iter=300, random_state=seed)
    start = time.perf_counter()
    model.fit(points)
    milliseconds = (time.perf_counter() - start) * 1000
    return f"{milliseconds:.1f} {model.n_iter_} {model.inertia_:.6f}"


def main():
    points = make_points(int(sys.argv[1]))
    write_copy_file(points, sys.argv[2])
    arrays = {"float64": points, "float32": points.astype(np.float32)}
    for line in sys.stdin:
        command, *rest = line.split()
        if command == "quit":
            break
        print(versions() if command == "versions" else train(arrays[command], int(rest[0])), flush=True)


main()
