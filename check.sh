#!/usr/bin/env bash
# Everything that must pass, from a clean checkout on Debian, as root or with sudo. Installs the packages that are
# missing, builds and tests in a copy of its own, and needs no network beyond Debian's packages.
#
#   ./check.sh [--quick] [--long] [--keep]
#
#   --quick  leaves out the TAP tests (whole-server tests)
#   --long   adds the long soaks
#   --keep   keeps the work directory, also after success
#
# PG_CONFIG chooses the server where several majors are installed. One line a step; what failed is shown below it.
# The last line is always "N passed, N failed".
set -euo pipefail
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The major version of clang-format that the style was made with: others format some lines differently.
CLANG_FORMAT_MAJOR=14

quick='' long='' keep=''
for argument in "$@"; do
    case $argument in
    --quick) quick=1 ;;
    --long) long=1 ;;
    --keep) keep=1 ;;
    *)
        sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
        exit 2
        ;;
    esac
done

# shellcheck source=test/server.sh
source "$ROOT/test/server.sh"
WORK=$(mktemp -d -t pgseg.XXXXXX)
BUILD=$WORK/build   # the release module, built with -Werror
TESTED=$WORK/tested # the tree whose module the test server runs: the release build, with the test hooks if any
passed=0 failed=0 step_number=0
cluster_settings=

finish() {
    local status=$?
    trap - EXIT INT TERM
    server_stop
    [ -z "$cluster_settings" ] || as_root rm -f "$cluster_settings"
    # A status without a counted failure is this script's own end: an interrupt, a package that cannot be had.
    [ "$status" = 0 ] || [ "$failed" != 0 ] || failed=1
    if [ "$failed" = 0 ] && [ -z "$keep" ]; then rm -rf "$WORK"; else echo "logs are kept in $WORK"; fi
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ] || exit 1
}
trap finish EXIT
trap 'exit 130' INT TERM

# ---- packages

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null)" = "ii " ]; }

# The server that PG_CONFIG names if it is complete, else the one that the distribution's metapackage asks for.
server_major() {
    local pg_config
    if pg_config=$(server_pg_config 2>/dev/null) &&
        { [ -n "${PG_CONFIG:-}" ] || [ -x "$("$pg_config" --bindir)/postgres" ]; }; then
        "$pg_config" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/'
    else
        apt-cache depends postgresql | sed -nE 's/.*Depends: postgresql-([0-9]+)$/\1/p' | head -n 1
    fi
}

wanted_packages() {
    local major
    major=$(server_major)
    # Server and headers in one call: a module built with newer headers may not load into an older minor version.
    echo "postgresql-$major postgresql-server-dev-$major g++ make libboost-dev" \
        "cmake libgtest-dev perl libipc-run-perl binutils diffutils"
    # Only where it is the version of the style.
    case $(apt-cache policy clang-format 2>/dev/null) in
    *"Candidate: 1:$CLANG_FORMAT_MAJOR."*) echo clang-format ;;
    esac
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq "$@"
}

# A package of the server makes a cluster and starts it, which a machine that only runs tests does not want.
prevent_main_cluster() {
    if command -v pg_lsclusters >/dev/null && [ -n "$(pg_lsclusters -h)" ]; then return; fi
    cluster_settings=/etc/postgresql-common/createcluster.d/pg_segment_check.conf
    as_root mkdir -p "${cluster_settings%/*}"
    echo 'create_main_cluster = false' | as_root tee "$cluster_settings" >/dev/null
}

install_packages() {
    local package missing=()
    command -v apt-get >/dev/null || { echo 'not a Debian: the packages are yours to install'; return 0; }
    # A fresh system knows no packages before the first update.
    [ -n "$(apt-cache policy postgresql 2>/dev/null)" ] || apt_get update
    for package in $(wanted_packages); do installed "$package" || missing+=("$package"); done
    [ "${#missing[@]}" -gt 0 ] || return 0
    echo "installs: ${missing[*]}"
    prevent_main_cluster
    apt_get update
    apt_get install -y --no-install-recommends "${missing[@]}"
}

# ---- steps

seconds_since() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }'; }

# Counters print "passed failed" of a log. Steps that are one test count by their exit status.
count_one() { :; }
count_gtest() {
    awk '/^\[       OK \]/ { ok++ } /^\[  FAILED  \].* ms\)$/ { bad++ } END { print ok + 0, bad + 0 }' "$1"
}
# pg_regress prints "test x ... ok" up to 15 and TAP from 16 on.
count_regress() {
    awk '/^ok |^(test|    ) .*\.\.\. ok/ { ok++ } /^not ok |^(test|    ) .*\.\.\. FAILED/ { bad++ }
         END { print ok + 0, bad + 0 }' "$1"
}
count_tap() {
    awk '/^ok .*# (skip|SKIP)/ { next } /^ok / { ok++ } /^not ok .*# TODO/ { next } /^not ok / { bad++ }
         END { print ok + 0, bad + 0 }' "$1"
}

# step LABEL COUNTER COMMAND...: runs the command and adds up its tests. Never stops the script.
step() {
    local label=$1 counter=$2 log ok bad status start
    shift 2
    step_number=$((step_number + 1))
    log=$WORK/$(printf %02d $step_number).log
    start=$(date +%s.%N)
    set +e
    (set -e; trap - EXIT INT TERM; "$@") >"$log" 2>&1
    status=$?
    set -e
    read -r ok bad <<<"$("$counter" "$log")" || true
    # A harness that ended before it counted, and a step that is a test itself.
    if [ "$counter" = count_one ]; then ok=$((status == 0)) bad=$((status != 0)); fi
    if [ "$status" != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
    if [ "$status" = 0 ] && [ "$ok" = 0 ]; then echo 'no test ran' >>"$log"; bad=1; fi
    passed=$((passed + ok)) failed=$((failed + bad))
    printf '%-6s %-44s %4d passed %3d failed  %6s s\n' "$([ "$bad" = 0 ] && echo ok || echo FAILED)" "$label" \
        "$ok" "$bad" "$(seconds_since "$start")"
    [ "$bad" = 0 ] || show_failure "$log"
}

skip() { printf '%-6s %-44s %s\n' skip "$1" "$2"; }

show_failure() { # LOG
    local diffs
    echo "------ $1"
    # The complaints where the log has any, else its end.
    grep -nE -A6 '(: error: |ERROR: |FATAL: |FAILED|^ *not ok|: Failure$|Failed test|No such file)' "$1" |
        head -n 100 | grep . || tail -n 40 "$1"
    for diffs in "$TESTED"/regression.diffs "$TESTED"/output_iso/regression.diffs; do
        [ -s "$diffs" ] || continue
        mv "$diffs" "$1.diffs" # the next failure has its own
        echo "------ $1.diffs"
        head -n 200 "$1.diffs"
    done
    echo '------'
}

# ---- the copy that is built

# What a checkout holds and is about to hold, without what was built in it. Works without git, too.
tree_files() {
    cd "$ROOT"
    local git=(git -c "safe.directory=$ROOT")
    if [ -e .git ] && "${git[@]}" ls-files >/dev/null 2>&1; then
        "${git[@]}" ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
            [ ! -f "$file" ] || printf '%s\0' "$file"
        done
    else
        find . -name .git -prune -o -name build -prune -o -type f ! -name '*.o' ! -name '*.d' ! -name '*.so' -print0
    fi
}

copy_tree() {
    chmod 755 "$WORK" # the server's user tests in there
    mkdir "$BUILD"
    tree_files | tar -C "$ROOT" --null -T - -cf - | tar -C "$BUILD" --no-same-owner -xf -
    chmod -R u+w,a+rX "$BUILD"
}

in_build() { (cd "$BUILD" && "$@"); }
make_release() { in_build make -s -j"$(nproc)" PG_CONFIG="$pg_config" CC='gcc -Werror' CXX='g++ -Werror' "$@"; }

# Only the files that know about the hooks are compiled again. The release build stays as it is.
build_tested() {
    local hooks=()
    cp -a "$BUILD" "$TESTED"
    cd "$TESTED"
    if grep -rq PGSEG_TEST_HOOKS src; then
        hooks=(PGSEG_TEST_HOOKS=1)
        grep -rl PGSEG_TEST_HOOKS src --include='*.[ch]' --include='*.[ch]pp' | xargs touch
    fi
    make -s -j"$(nproc)" PG_CONFIG="$pg_config" "${hooks[@]}"
    make -s PG_CONFIG="$pg_config" "${hooks[@]}" install DESTDIR="$WORK/dest"
    [ "$(id -u)" != 0 ] || chown -R "$(server_user)" "$TESTED" "$WORK/dest"
}

release_has_no_hooks() {
    ! nm -D --defined-only "$BUILD/pg_segment.so" | grep -i 'test_\|hook'
}

# ---- lints

lint_meta() {
    cd "$BUILD"
    perl -MJSON::PP -0777 -e '
        my $meta = decode_json(<STDIN>);
        my ($version) = do { local @ARGV = "pg_segment.control"; local $/; <> } =~ /^default_version\s*=\s*\x27(.*?)\x27/m;
        for my $field (qw(name abstract version maintainer license provides meta-spec)) {
            die "META.json has no \"$field\"\n" unless $meta->{$field};
        }
        for ($meta->{version}, $meta->{provides}{pg_segment}{version}) {
            die "META.json says version $_, pg_segment.control $version\n" unless $_ eq $version;
        }
    ' <META.json
}

# Paths of somebody's machine. The brackets keep this line out of its own result.
lint_paths() {
    cd "$BUILD"
    ! grep -rnIE '(^|[^a-z0-9_.$}-])/(r[o]ot|w[o]rk|h[o]me/[a-z])(/|$)' . --exclude-dir=build --exclude='*.d'
}

check_format() {
    in_build make -s check-format
}

have_clang_format() {
    [[ $(clang-format --version 2>/dev/null) == *"version $CLANG_FORMAT_MAJOR."* ]]
}

# ---- tests

# As root the configuration and the build are ours, the tests run as the server's user.
unit_tests() {
    cd "$BUILD"
    cmake -S . -B build/unit -DPGSEG_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo
    cmake --build build/unit -j"$(nproc)"
    UBSAN_OPTIONS=print_stacktrace=1 server_run build/unit/unit_tests
}

# One harness of "make installcheck" at a time.
installcheck() {
    cd "$TESTED"
    server_run env PG_CONFIG="$pg_config" make -s installcheck PG_CONFIG="$pg_config" "$@"
}
regression_tests() { installcheck ISOLATION= TAP_TESTS=; }
isolation_tests() { installcheck REGRESS= TAP_TESTS=; }

# The nodes of the TAP tests find the build as the test server does.
tap_tests() {
    local modules
    modules=$(dirname "$("$pg_config" --pgxs)")/../../src/test/perl
    server_extension_settings >"$WORK/tap.conf"
    cd "$TESTED"
    server_run env TEMP_CONFIG="$WORK/tap.conf" PGSEG_DATA="$reference_data" PGSEG_LONG="$long" PGSEG_HOOKS_SQL="$hooks_sql" \
        make -s installcheck PG_CONFIG="$pg_config" REGRESS= ISOLATION= TAP_TESTS=1 \
        PROVE_FLAGS="-I $modules --verbose"
}

upgrade_tests() {
    cd "$TESTED"
    server_run env PG_CONFIG="$pg_config" PATH="$PATH" test/upgrade/upgrade.sh
}

server_log_has_no_crash() { ! grep -nE 'terminated by signal|TRAP:|PANIC' "$WORK/server/log"; }

# ---- all of it

started=$(date +%s.%N)
step 'packages' count_one install_packages
pg_config=$(server_pg_config)
export SERVER_DESTDIR=$WORK/dest
echo "$("$pg_config" --version), $(g++ --version | head -n 1), $(nproc) cores"

step 'copy of the tree' count_one copy_tree
step 'core purity' count_one in_build make -s check-core-purity
step 'boundary' count_one in_build make -s check-boundary
if have_clang_format; then
    step 'format' count_one check_format
else
    skip 'format' "needs clang-format $CLANG_FORMAT_MAJOR"
fi
step 'no machine paths' count_one lint_paths
step 'META.json' count_one lint_meta
step 'build, warnings are errors' count_one make_release
step 'exports' count_one make_release check-exports
step 'unit tests under ASan and UBSan' count_gtest unit_tests
step 'build for the test server' count_one build_tested
# Real data with published answers, where there is any: in $PGSEG_DATA, or beside the checkout. The server's user
# reads a copy.
reference_data=
for candidate in "${PGSEG_DATA:-}" "$ROOT/../shared/data"; do
    if [ -z "$reference_data" ] && [ -d "$candidate/cdnow" ]; then
        reference_data=$WORK/data
        cp -rL "$candidate" "$reference_data"
        chmod -R u+w,a+rX "$reference_data"
    fi
done
hooks_sql=
[ ! -f "$TESTED/test/hooks/hooks.sql" ] || hooks_sql=$TESTED/test/hooks/hooks.sql
[ -z "$hooks_sql" ] || step 'no test hooks in the release' count_one release_has_no_hooks

if [ -f "$TESTED/pg_segment.so" ]; then
    server_start "$WORK/server"
    step 'regression tests' count_regress regression_tests
    step 'isolation tests' count_regress isolation_tests
    step 'upgrade' count_tap upgrade_tests
    step 'no crash in the server log' count_one server_log_has_no_crash
    server_stop
    if [ -n "$quick" ]; then skip 'TAP tests' '--quick'; else step 'TAP tests' count_tap tap_tests; fi
else
    skip 'tests in a server' 'there is no module to test'
fi
echo "total $(seconds_since "$started") s"
