#!/usr/bin/env bash
# Runs ./check.sh in other Debian releases, each with its own PostgreSQL: as root, in change roots made by debootstrap.
# Then restores there what was dumped here (test/restore.sh).
#
#   test/matrix.sh [SUITE...]      default: trixie (PostgreSQL 17) and sid (18)
#
# MATRIX_DIR     where the change roots are, DIR/SUITE each; one that exists is used as it is, and kept. Default: a new
#                directory, removed at the end.
# MATRIX_MIRROR  the mirror to install from; default: the first one that this machine's apt installs from
# MATRIX_CHECK   arguments of check.sh; default: none
set -euo pipefail
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SUITES=("$@")
[ $# -gt 0 ] || SUITES=(trixie sid)
remove=
if [ -z "${MATRIX_DIR:-}" ]; then
    MATRIX_DIR=$(mktemp -d -t matrix.XXXXXX)
    remove=$MATRIX_DIR
fi
dump=$(mktemp -d -t restore.XXXXXX)
mounted=()
failures=0

# Nothing may be removed while a part of this machine is still mounted in it.
unmount_all() {
    local i
    for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do
        umount "${mounted[i]}" 2>/dev/null || umount -l "${mounted[i]}"
    done
    mounted=()
}

finish() {
    local status=$?
    trap - EXIT INT TERM
    unmount_all
    rm -rf "$dump"
    if [ -n "$remove" ] && ! grep -q " $remove/" /proc/mounts; then rm -rf --one-file-system "$remove"; fi
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# The first address that apt installs Debian itself from, in either format of its sources.
apt_mirror() {
    # shellcheck disable=SC2016 # apt-get's own syntax
    apt-get indextargets --format '$(ORIGIN)|$(SITE)|$(REPO_URI)' 2>/dev/null |
        awk -F'|' '$1 == "Debian" { sub("/$", "", $3); print $3; exit }'
}

mirror() {
    local address=${MATRIX_MIRROR:-$(apt_mirror)}
    [ -n "$address" ] || { echo 'matrix.sh: set MATRIX_MIRROR' >&2; return 1; }
    echo "$address"
}

mount_in() { # DIR PLACE ARGUMENTS OF MOUNT...
    local place=$1/$2
    shift 2
    mkdir -p "$place"
    mountpoint -q "$place" && return
    mount "$@" "$place"
    mounted+=("$place")
}

make_root() { # SUITE DIR
    if [ ! -x "$2/usr/bin/apt-get" ]; then
        command -v debootstrap >/dev/null ||
            DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq install -y debootstrap
        mkdir -p "$2"
        debootstrap --variant=minbase "$1" "$2" "$(mirror)"
    fi
    cp /etc/resolv.conf /etc/hosts "$2/etc/"
    # A mirror that was frozen is as good: what it serves is still signed.
    echo 'Acquire::Check-Valid-Until "false";' >"$2/etc/apt/apt.conf.d/90matrix"
    # Packages must not start servers in there.
    printf '#!/bin/sh\nexit 101\n' >"$2/usr/sbin/policy-rc.d"
    chmod 755 "$2/usr/sbin/policy-rc.d"
    mount_in "$2" proc -t proc proc
    mount_in "$2" dev --bind /dev
    mount_in "$2" dev/shm -t tmpfs tmpfs # parallel queries; not this machine's, which others use
}

# What a checkout holds and is about to hold.
copy_tree() { # DIR
    rm -rf "$1"
    mkdir -p "$1"
    (
        cd "$ROOT"
        if [ -e .git ]; then
            git -c "safe.directory=$ROOT" ls-files -z --cached --others --exclude-standard |
                while IFS= read -r -d '' file; do [ ! -f "$file" ] || printf '%s\0' "$file"; done
        else
            find . -name build -prune -o -type f ! -name '*.o' ! -name '*.d' ! -name '*.so' -print0
        fi | tar --null -T - -cf -
    ) | tar -C "$1" --no-same-owner -xf -
}

run_in() { # DIR COMMAND...
    local dir=$1
    shift
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM="${TERM:-dumb}" \
        chroot "$dir" "$@"
}

check_in() { # SUITE
    local dir=$MATRIX_DIR/$1 summary
    make_root "$1" "$dir"
    copy_tree "$dir/srv/pg_segment"
    # shellcheck disable=SC2086 # arguments, several of them
    run_in "$dir" /srv/pg_segment/check.sh ${MATRIX_CHECK:-} 2>&1 | tee "$MATRIX_DIR/$1.check.log" || true
    rm -rf "$dir/srv/dump"
    cp -r "$dump" "$dir/srv/dump"
    run_in "$dir" /srv/pg_segment/test/restore.sh restore /srv/dump || failures=$((failures + 1))
    unmount_all
    summary=$(tail -n 1 "$MATRIX_DIR/$1.check.log")
    case $summary in
    *' passed, 0 failed') ;;
    *) failures=$((failures + 1)) ;;
    esac
    summaries+=("$1: $(sed -n 's/^\(PostgreSQL [^ ,]*\).*/\1/p' "$MATRIX_DIR/$1.check.log" | head -n 1), $summary")
}

[ "$(id -u)" = 0 ] || { echo 'matrix.sh: only root can change roots' >&2; exit 1; }
"$ROOT/test/restore.sh" dump "$dump"
summaries=()
for suite in "${SUITES[@]}"; do
    echo "== $suite"
    check_in "$suite"
done
printf '%s\n' "${summaries[@]}"
[ "$failures" = 0 ]
