# shellcheck shell=bash
# A private throw-away server, to be sourced by bash scripts: check.sh, demo.sh, the benchmarks.
#
#   source test/server.sh
#   D=$(mktemp -d -t seg.XXXXXX)
#   trap 'server_stop; rm -rf "$D"' EXIT
#   make install DESTDIR="$D/dest"
#   SERVER_DESTDIR=$D/dest server_start "$D/server" -c work_mem=64MB
#   psql -Xc 'CREATE EXTENSION pg_segment'
#
# server_start DIR [server options]   DIR is made where it is missing; the caller removes it after server_stop
# server_stop                         safe to call at any time, and twice
# server_run COMMAND...               runs a command as the server's user
# server_bindir                       where the server's programs are
# server_build ROOT DIR               builds the release of the checkout ROOT in a copy and installs it under DIR/dest;
#                                     prints what went wrong
# server_extension_settings           the settings with which a server finds the build under $SERVER_DESTDIR
#
# In:  PG_CONFIG (default: the pg_config in PATH, else the newest under /usr/lib/postgresql), SERVER_DESTDIR (the
#      DESTDIR of a "make install"; empty: the extension as it is installed in the system).
# Out: PGHOST, PGPORT, PGUSER, PGDATABASE are exported, and the server's programs come first in PATH.
#
# The server listens on a socket in DIR only, on a port number that no real server has: a client that loses PGHOST
# finds no server rather than somebody's. It never touches another cluster: it refuses a directory that holds
# one, and stops only what it has started.

_server_data=

_server_say() { echo "server.sh: $*" >&2; }

server_pg_config() {
    local candidate
    for candidate in "${PG_CONFIG:-}" "$(command -v pg_config)" \
        $(printf '%s\n' /usr/lib/postgresql/*/bin/pg_config | sort -rV); do
        [ -n "$candidate" ] && "$candidate" --version >/dev/null 2>&1 && { echo "$candidate"; return 0; }
        [ -z "${PG_CONFIG:-}" ] || break # asked for by name: nothing else will do
    done
    _server_say "no pg_config${PG_CONFIG:+: $PG_CONFIG}"
    return 1
}

server_bindir() {
    local pg_config
    pg_config=$(server_pg_config) && "$pg_config" --bindir
}

server_build() { # ROOT DIR
    local pg_config status=0
    pg_config=$(server_pg_config) || return 1
    mkdir "$2/build"
    (cd "$1" && find Makefile pg_segment.control sql src -type f ! -name '*.[od]' ! -name '*.bc' -print0) |
        tar -C "$1" --null -T - -cf - | tar -C "$2/build" --no-same-owner -xf -
    {
        make -C "$2/build" -s -j"$(nproc)" PG_CONFIG="$pg_config" &&
            make -C "$2/build" -s PG_CONFIG="$pg_config" install DESTDIR="$2/dest"
    } >"$2/build.log" 2>&1 || { status=1; cat "$2/build.log" >&2; }
    rm -rf "$2/build"
    return $status
}

# The server refuses to run as root; then it runs as the user that Debian's package makes for it.
server_user() {
    if [ "$(id -u)" != 0 ]; then
        id -un
    elif id postgres >/dev/null 2>&1; then
        echo postgres
    else
        echo nobody
    fi
}

server_run() {
    if [ "$(id -u)" != 0 ]; then
        "$@"
    else
        runuser -u "$(server_user)" -- env HOME=/nonexistent "$@"
    fi
}

# The caller's directory may be closed to the server's user (root's home), and no server program needs it.
_server_program() { (cd / && server_run "$@"); }

server_extension_settings() {
    local pg_config major destdir=${SERVER_DESTDIR:-}
    [ -n "$destdir" ] || return 0
    pg_config=$(server_pg_config) || return 1
    major=$("$pg_config" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
    echo "dynamic_library_path = '$destdir$("$pg_config" --pkglibdir):\$libdir'"
    if [ "$major" -ge 18 ]; then
        echo "extension_control_path = '$destdir$("$pg_config" --sharedir):\$system'"
    else
        echo "extension_destdir = '$destdir'" # Debian's own; other builds want a real "make install"
    fi
}

_server_write_settings() { # DIR
    cat <<SETTINGS
listen_addresses = ''
unix_socket_permissions = 0700
unix_socket_directories = '$1'
port = $PGPORT
fsync = off
SETTINGS
    server_extension_settings
}

# What a user's environment must not decide: where clients connect to and how.
_server_clean_environment() {
    unset PGHOSTADDR PGSERVICE PGSERVICEFILE PGOPTIONS PGDATA PGTZ PGDATESTYLE PGCLIENTENCODING PGSSLMODE \
        PGREQUIRESSL PGPASSFILE PGCHANNELBINDING PGTARGETSESSIONATTRS
}

server_start() { # DIR [server options]
    local dir=$1 bindir option options=
    shift
    bindir=$(server_bindir) || return 1
    [ "${dir#/}" != "$dir" ] || { _server_say "not an absolute path: $dir"; return 1; }
    [ -z "$_server_data" ] || { _server_say "one server at a time"; return 1; }
    [ ! -e "$dir/data" ] || { _server_say "$dir is in use"; return 1; }
    [ "${#dir}" -le 80 ] || { _server_say "too long for a socket's path: $dir"; return 1; }
    _server_clean_environment
    export PGHOST=$dir PGPORT=65432 PGUSER=postgres PGDATABASE=postgres PATH="$bindir:$PATH"
    mkdir -p "$dir"
    if [ "$(id -u)" = 0 ]; then
        chown "$(server_user)" "$dir"
        [ -z "${SERVER_DESTDIR:-}" ] || chmod -R a+rX "$SERVER_DESTDIR" # root's umask may have hidden it
    fi
    for option in "$@"; do options+=" $(printf %q "$option")"; done
    _server_write_settings "$dir" >"$dir/settings.conf"
    if ! _server_program initdb -D "$dir/data" -A trust -U postgres -E UTF8 --locale=C.UTF-8 --no-sync \
        >"$dir/initdb.log" 2>&1; then
        cat "$dir/initdb.log" >&2
        _server_say "cannot make a server in $dir: must be a place that user $(server_user) can reach"
        return 1
    fi
    cat "$dir/settings.conf" >>"$dir/data/postgresql.conf"
    _server_data=$dir/data
    if ! _server_program pg_ctl -w -s -D "$dir/data" -l "$dir/log" -o "$options" start; then
        cat "$dir/log" >&2
        _server_data=
        return 1
    fi
}

server_stop() {
    [ -n "$_server_data" ] || return 0
    _server_program pg_ctl -D "$_server_data" -m fast -s stop >/dev/null 2>&1 ||
        _server_program pg_ctl -D "$_server_data" -m immediate -s stop >/dev/null 2>&1 || true
    _server_data=
}
