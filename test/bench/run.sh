#!/usr/bin/env bash
# The benchmarks: ours beside a peer, in one run on one machine.
#
#   test/bench/run.sh [--quick] [--rounds N] [SECTION...]
#
#   SECTION     kmeans, rfm, ...: the other .sh files of this folder; all of them by default
#   --quick     small data and few rounds, to check the benchmarks themselves; documents nothing
#   --rounds N  another number of rounds
#
# Builds the release module, starts a throw-away server, and for each section makes the data, warms up, and runs the
# variants in turn, A B A B ..., round by round, so that what else the machine does falls on all of them alike. Prints
# medians and ratios, and puts the table into docs/benchmarks.md between the section's marker comments.
#
# A section's file defines bench_NAME (makes the data, calls "record" for each variant of each round) and
# table_NAME (prints Markdown). They use: $WORK, $quick, $rounds and the functions below.
set -euo pipefail
export LC_ALL=C

BENCH=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$BENCH/../.." && pwd)
# shellcheck source=test/server.sh
source "$ROOT/test/server.sh"

die() { echo "bench: $*" >&2; exit 1; }

quick='' rounds='' sections=()
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=1 ;;
    --rounds) [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die '--rounds needs a number'; rounds=$2; shift ;;
    -*) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 2 ;;
    *) [ -f "$BENCH/$1.sh" ] && [ "$1" != run ] || die "no such section: $1"; sections+=("$1") ;;
    esac
    shift
done
if [ "${#sections[@]}" = 0 ]; then
    for file in "$BENCH"/*.sh; do
        name=$(basename "$file" .sh)
        [ "$name" = run ] || sections+=("$name")
    done
fi

WORK=$(mktemp -d -t pgseg_bench.XXXXXX)
finish() {
    local status=$?
    trap - EXIT INT TERM
    set +e
    server_stop
    # A peer that runs beside this script ends with its input; it must be gone before its files are.
    [ -z "${COPROC_PID:-}" ] || { kill "$COPROC_PID" && wait "$COPROC_PID"; } 2>/dev/null
    rm -rf "$WORK"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# ---- for the sections

# sql [psql options] <script
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

# The milliseconds of the statement after \timing in a script's output.
milliseconds() { sed -nE 's/^Time: ([0-9.]+) ms.*/\1/p'; }

# record SECTION ROUND VARIANT MILLISECONDS [OTHER COLUMNS]
record() {
    local section=$1
    shift
    (IFS=$'\t'; echo "$*") >>"$WORK/$section.tsv"
    printf '  round %-3s %-20s %10.1f ms  %s\n' "$1" "$2" "$3" "${*:4}" >&2
}

_column() { awk -F '\t' -v v="$2" -v c="$3" '$2 == v { print $c }' "$WORK/$1.tsv"; }
_median() { sort -g | awk '{ x[NR] = $1 } END { print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'; }

# median SECTION VARIANT [COLUMN]: of the milliseconds, or of another column
median() { _column "$1" "$2" "${3:-3}" | _median; }

thousands() { sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta' <<<"$1"; }

seconds() { awk -v x="$1" 'BEGIN { printf x < 9950 ? "%.2f" : "%.1f", x / 1000 }'; }

# ratio SECTION A B: ratio of the medians of A and B, with the least and the largest ratio within one round
ratio() {
    [ "$2" != "$3" ] || { echo 1.00; return; }
    awk -F '\t' -v a="$2" -v b="$3" -v ma="$(median "$1" "$2")" -v mb="$(median "$1" "$3")" '
        $2 == a { at[$1] = $3 }
        $2 == b { bt[$1] = $3 }
        END {
            for (r in at) {
                q = at[r] / bt[r]
                if (low == "" || q < low) low = q
                if (q > high) high = q
            }
            printf "%.2f (%.2f to %.2f)", ma / mb, low, high
        }' "$WORK/$1.tsv"
}

# ---- the driver

build_release() {
    chmod 711 "$WORK"
    server_build "$ROOT" "$WORK" || die 'the build failed'
}

# The data fit into shared memory; otherwise the defaults, so that the figures are those of a plain server.
start_server() {
    SERVER_DESTDIR=$WORK/dest server_start "$WORK/server" -c shared_buffers=1GB -c max_wal_size=8GB -c autovacuum=off \
        -c wal_level=minimal -c max_wal_senders=0 -c timezone=UTC -c unix_socket_permissions=0700
    # Threads of a peer must not decide how many workers the server has.
    export PGOPTIONS='-c client_min_messages=warning'
    sql <<<'CREATE EXTENSION pg_segment'
}

machine() {
    echo "$(nproc) cores ($(uname -m)), PostgreSQL $(sql -c "SELECT split_part(current_setting('server_version'), ' ', 1)")"
}

warn_of_company() {
    local load
    read -r load _ </proc/loadavg
    awk -v load="$load" 'BEGIN { exit load < 0.5 }' && echo "bench: other work is running here (load $load): the figures will suffer" >&2
    return 0
}

# Replaces what is between the markers; the text around them is written by hand.
document() { # SECTION TABLE
    local page=$ROOT/docs/benchmarks.md marker
    for marker in "<!-- bench:$1 -->" "<!-- /bench:$1 -->"; do
        grep -qxF -- "$marker" "$page" || die "$page has no line $marker"
    done
    awk -v open="<!-- bench:$1 -->" -v close_="<!-- /bench:$1 -->" -v table="$2" '
        $0 == close_ { inside = 0 }
        !inside { print }
        $0 == open { inside = 1; while ((getline line < table) > 0) print line }' "$page" >"$WORK/page.md"
    cat "$WORK/page.md" >"$page"
}

run_section() {
    local name=$1
    echo "$name" >&2
    # shellcheck source=/dev/null
    source "$BENCH/$name.sh"
    "bench_$name"
    "table_$name" >"$WORK/$name.md"
    printf '\n%s\n\n' "$name"
    cat "$WORK/$name.md"
    if [ -n "$quick" ]; then
        echo 'bench: --quick is for checking the benchmarks; docs/benchmarks.md stays as it is' >&2
    else
        document "$name" "$WORK/$name.md"
    fi
}

warn_of_company
echo 'builds the release module' >&2
build_release
start_server
for section in "${sections[@]}"; do run_section "$section"; done
