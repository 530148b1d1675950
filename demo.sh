#!/usr/bin/env bash
# Builds pg_segment, starts a private throw-away server and segments a shop's customers: an imagined shop's, or
# those of your own CSV file. Nothing outside one directory of its own is touched, apart from Debian packages that are
# missing; "./demo.sh --stop" removes that directory again. "./demo.sh --help" lists the options.
set -euo pipefail
charmap=$(locale charmap 2>/dev/null || true) # the terminal's, before it is hidden from the programs
export LC_ALL=C
unset CDPATH

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
    cat <<'USAGE'
usage: ./demo.sh [options]      segment the customers of an imagined shop, or of your own orders
       ./demo.sh --stop         stop the demo's server and remove everything it made

Your orders:
  --orders FILE        a CSV file with a header, also gzipped; - reads standard input
  --customer COL       the column with the customer (an integer, a uuid or any text)
  --time COL           the column with the order's time or date
  --amount COL         the column with the amount of money
  --quantity COL       the amount is this column times --amount (a file of order lines with unit prices)
  --delimiter C        what separates the columns, "tab" for tabulators
  --encoding NAME      the file's encoding, as iconv knows it
  --dates mdy|dmy      how to read dates like 03/04/2026
What is not given is guessed from the header and the values.

The imagined shop:
  --customers N        how many customers it has (20000)
  --seed S             another seed makes another shop (42)

The segmentation:
  --as-of TIME         look at the customers as they were at this time (midnight after the last order)
  --frequency WHAT     what counts as frequency: days (with an order) or orders (rows); days
  --clusters K         how many clusters k-means makes, or "auto" (5)
USAGE
}

# ---- saying things

broken_line='' # a progress line has begun and has not ended

die() { # MESSAGE [DETAIL]...
    [ -z "$broken_line" ] || echo
    broken_line=''
    printf 'demo.sh: %s\n' "$1" >&2
    shift
    [ $# = 0 ] || printf '  %s\n' "$@" >&2
    exit 1
}

say() { # a line of its own below the step that has begun
    [ -z "$broken_line" ] || echo
    broken_line=''
    printf '              %s\n' "$*"
}

elapsed() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }

thousands() { sed -E ':a; s/^([-+]?[0-9]+)([0-9]{3})/\1,\2/; ta' <<<"$1"; }

# step LABEL FUNCTION: runs the function, then prints what it left in $note, and its seconds.
step() {
    local label=$1 start=$EPOCHREALTIME
    note=
    printf '  %-10s' "$label"
    broken_line=1
    "$2"
    [ -n "$broken_line" ] || printf '  %10s' ''
    broken_line=''
    printf '  %-66s %6s s\n' "$note" "$(elapsed "$start")"
}

# ---- options

orders_file='' customer_column='' time_column='' amount_column='' quantity_column='' delimiter='' encoding=''
date_order='' as_of='' stop_only='' shop_options=''
customers=20000 seed=42 frequency=days clusters=5

is_number() { [[ $1 =~ ^[0-9]{1,9}$ ]]; }

read_options() {
    while [ $# -gt 0 ]; do
        case $1 in
        -h | --help) usage; exit 0 ;;
        --stop) stop_only=1; shift; continue ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
        --orders | --customer | --time | --amount | --quantity | --delimiter | --encoding | --dates | --customers | \
            --seed | --as-of | --frequency | --clusters)
            [ $# -gt 1 ] || die "$1 needs a value" "see ./demo.sh --help"
            [ -n "$2" ] || die "$1: the value is empty"
            ;;
        *) die "unknown option: $1" "see ./demo.sh --help" ;;
        esac
        case $1 in
        --orders) orders_file=$2 ;;
        --customer) customer_column=$2 ;;
        --time) time_column=$2 ;;
        --amount) amount_column=$2 ;;
        --quantity) quantity_column=$2 ;;
        --delimiter) delimiter=$2 ;;
        --encoding) encoding=$2 ;;
        --dates) date_order=${2^^} ;;
        --customers) customers=$2 shop_options=$1 ;;
        --seed) seed=$2 shop_options=$1 ;;
        --as-of) as_of=$2 ;;
        --frequency) frequency=$2 ;;
        --clusters) clusters=$2 ;;
        esac
        shift 2
    done
}

check_options() {
    [ "$clusters" = auto ] || { is_number "$clusters" && [ "$((10#$clusters))" -ge 1 ]; } || die "--clusters: not a number of clusters: $clusters"
    is_number "$customers" && [ "$((10#$customers))" -ge 1 ] && [ "$((10#$customers))" -le 10000000 ] ||
        die "--customers: must be a number from 1 to 10000000: $customers"
    [[ $seed =~ ^-?[0-9]{1,18}$ ]] || die "--seed: not an integer: $seed"
    [ "$frequency" = days ] || [ "$frequency" = orders ] || die "--frequency: must be days or orders: $frequency"
    case $date_order in '' | MDY | DMY) ;; *) die "--dates: must be mdy or dmy: ${date_order,,}" ;; esac
    case $delimiter in tab | TAB | '\t') delimiter=$'\t' ;; esac
    [ "${#delimiter}" -le 1 ] || die "--delimiter: must be one character, or tab: $delimiter"
    if [ -z "$orders_file" ]; then
        local option
        for option in "$customer_column" "$time_column" "$amount_column" "$quantity_column" "$delimiter" "$encoding" \
            "$date_order"; do
            [ -z "$option" ] || die "columns and formats are those of a file: give it with --orders FILE"
        done
    elif [ -n "$shop_options" ]; then
        die "$shop_options belongs to the imagined shop and does not go with --orders"
    fi
}

# ---- the directory that holds everything

# One for each user. Root's server runs as another user, who may not be able to enter root's own TMPDIR.
choose_state_directory() {
    local base=${TMPDIR:-/tmp}
    base=$(cd "$base" 2>/dev/null && pwd -P) || base=/tmp
    if [ "${#base}" -gt 50 ]; then base=/tmp; fi # a socket's path has to be short
    if [ "$(id -u)" = 0 ] && ! runuser -u nobody -- test -x "$base" 2>/dev/null; then base=/tmp; fi
    STATE=${base%/}/pg_segment_demo.$(id -u)
    DEST=$STATE/dest SERVER=$STATE/server
}

# In a directory where everybody may write, somebody else's could be waiting.
check_state_directory() {
    if [ -L "$STATE" ] || { [ -e "$STATE" ] && { [ ! -d "$STATE" ] || [ ! -O "$STATE" ]; }; }; then
        die "$STATE is there already and is not yours" "set TMPDIR to another directory"
    fi
}

open_state_directory() {
    mkdir -p "$STATE"
    check_state_directory
    chmod 711 "$STATE" # root's server runs as another user, who goes through
    exec 9>"$STATE/lock"
    flock -n 9 || die "another ./demo.sh is at work in $STATE"
}

# ---- the server

postmaster_line() { sed -n "$1p" "$SERVER/data/postmaster.pid" 2>/dev/null; }

# A process number alone proves nothing after a reboot; a postmaster works in its data directory.
server_is_running() {
    local pid
    pid=$(postmaster_line 1) && [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$SERVER/data" ]
}

connect_to_running_server() {
    PGPORT=$(postmaster_line 4)
    PATH=$(server_bindir):$PATH
    export PGHOST=$SERVER PGPORT PGUSER=postgres
}

stop_server() {
    local pid tries
    if server_is_running; then
        pid=$(postmaster_line 1)
        kill -INT "$pid" # a fast shutdown
        for ((tries = 0; tries < 100; tries++)); do
            server_is_running || break
            sleep 0.1
        done
        ! server_is_running || kill -QUIT "$pid"
    fi
    rm -rf "$SERVER"
}

stop_everything() {
    check_state_directory
    [ -d "$STATE" ] || { echo "nothing to stop"; exit 0; }
    open_state_directory
    stop_server
    rm -rf "$STATE"
    echo "stopped, and removed $STATE"
}

start_server() {
    local started=started
    if server_is_running && [ -z "$built_anew" ]; then
        connect_to_running_server
        started='was running'
    else
        stop_server
        # The lock ends with this script: the server must not inherit it.
        SERVER_DESTDIR=$DEST server_start "$SERVER" -c unix_socket_permissions=0700 -c timezone=UTC \
            -c jit=off -c work_mem=64MB -c wal_level=minimal -c max_wal_senders=0 -c max_wal_size=4GB 9>&-
    fi
    export PGCLIENTENCODING=UTF8 PGOPTIONS='-c client_min_messages=warning'
    note="PostgreSQL $(query postgres "SELECT split_part(current_setting('server_version'), ' ', 1)"), $started in $SERVER"
    # What is made now gets its final name at the end: until then the result of an earlier run stays.
    query postgres 'DROP DATABASE IF EXISTS demo_unfinished WITH (FORCE)'
    query postgres 'CREATE DATABASE demo_unfinished'
    sql <<<"ALTER DATABASE demo_unfinished SET search_path = public; CREATE EXTENSION pg_segment;"
}

query() { psql -XAtq -v ON_ERROR_STOP=1 -d "$1" -c "$2" 2>&1 </dev/null || die "the server says:" "$(tail -n 5 "$SERVER/log")"; }

# sql [psql options] <script: runs a script in the database of this run; its messages go to a file.
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@" -d demo_unfinished -f - 2>"$STATE/messages"; }

message() { sed -nE "s/^.*$1: +//p" "$STATE/messages" | head -n 1; }

finish_database() {
    query postgres 'DROP DATABASE IF EXISTS demo WITH (FORCE)'
    query postgres 'ALTER DATABASE demo_unfinished RENAME TO demo'
}

# An earlier run's result stays; a server without one is of no use.
abandon_run() {
    if server_is_running && [ -z "${PGHOST:-}" ]; then return 0; fi # nothing was begun
    if server_is_running && psql -Xq -d demo -c 'DROP DATABASE IF EXISTS demo_unfinished WITH (FORCE)' >/dev/null 2>&1; then return; fi
    stop_server
}

# ---- whatever happens

cluster_settings='' state_is_open='' complete=''

clean_up() {
    local status=$?
    trap - EXIT INT TERM HUP
    set +e
    [ -z "$broken_line" ] || echo
    [ -z "$cluster_settings" ] || as_root rm -f "$cluster_settings"
    [ -z "$state_is_open" ] || rm -f "$STATE/messages" "$STATE/apt.log"
    if [ -n "$state_is_open" ] && [ -z "$complete" ]; then
        rm -rf "$STATE/build" "$STATE/build.log" "$STATE/dest.new"
        abandon_run
        [ -d "$DEST" ] || rm -rf "$STATE" # a finished build is worth keeping
    fi
    rm -rf "${spool:-}"
    exit "$status"
}

# ---- packages

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null)" = 'ii ' ]; }

# The server that PG_CONFIG names or that is installed, else the one of this Debian.
postgresql_major() {
    local pg_config
    if pg_config=$(server_pg_config 2>/dev/null) &&
        { [ -n "${PG_CONFIG:-}" ] || [ -x "$("$pg_config" --bindir)/postgres" ]; }; then
        "$pg_config" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/'
    else
        apt-cache depends postgresql 2>/dev/null | sed -nE 's/.*Depends: postgresql-([0-9]+)$/\1/p' | head -n 1
    fi
}

# A PostgreSQL that is not Debian's has brought its own header files.
is_debian_postgresql() {
    local pg_config
    pg_config=$(server_pg_config 2>/dev/null) || return 0
    [ -z "${PG_CONFIG:-}" ] || [[ $("$pg_config" --bindir) == /usr/lib/postgresql/* ]]
}

missing_packages() {
    local package major
    for package in g++ make libboost-dev; do
        is_installed "$package" || echo "$package"
    done
    is_debian_postgresql || return 0
    major=$(postgresql_major)
    is_installed "postgresql-$major" && is_installed "postgresql-server-dev-$major" ||
        # Both in one call: a module built with newer headers may not load into an older minor version.
        echo "postgresql-$major" "postgresql-server-dev-$major"
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q "$@" >>"$STATE/apt.log" 2>&1; }

# Some source of packages that has nothing to do with this may be out of order: what is missing shows on installing.
update_package_lists() {
    [ -z "${lists_are_fresh:-}" ] || return 0
    apt_get update || true
    lists_are_fresh=1
}

# The package of the server would make a cluster and start it, which nobody asked for.
prevent_main_cluster() {
    if command -v pg_lsclusters >/dev/null && [ -n "$(pg_lsclusters -h)" ]; then return; fi
    cluster_settings=/etc/postgresql-common/createcluster.d/pg_segment_demo.conf
    as_root mkdir -p "${cluster_settings%/*}"
    echo 'create_main_cluster = false' | as_root tee "$cluster_settings" >/dev/null
}

install_packages() {
    local missing
    note='nothing to install'
    command -v apt-get >/dev/null || { note='not a Debian system: taken as they are'; return 0; }
    # A fresh system knows no packages before the first update.
    if [ -z "$(postgresql_major)" ]; then
        need_root 'PostgreSQL, a C++ compiler, make and Boost'
        say 'reading the package lists ...'
        update_package_lists
        [ -n "$(postgresql_major)" ] || die 'no package source offers PostgreSQL; apt-get update says:' "$(tail -n 15 "$STATE/apt.log")"
    fi
    missing=$(missing_packages | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    need_root "$missing"
    say "installing $missing..."
    prevent_main_cluster
    update_package_lists
    # shellcheck disable=SC2086 # a list of words
    apt_get -y --no-install-recommends install $missing ||
        die 'the packages could not be installed; apt-get says:' "$(tail -n 15 "$STATE/apt.log")"
    if [ -n "$cluster_settings" ]; then
        as_root rm -f "$cluster_settings"
        cluster_settings=
    fi
    note="installed $(wc -w <<<"$missing") packages and what they need"
}

need_root() {
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || die "packages are missing, and there is no sudo: $1" \
        'as root: apt-get install --no-install-recommends g++ make libboost-dev postgresql postgresql-server-dev-all'
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null || { say 'sudo asks for your password:' && sudo true; }
}

# ---- the build

source_files() { (cd "$ROOT" && find Makefile pg_segment.control sql src -type f ! -name '*.[od]' ! -name '*.bc' | sort); }

# What the build depends on: as long as it stays the same there is nothing to build.
build_fingerprint() {
    (cd "$ROOT" && source_files | tr '\n' '\0' | xargs -0 sha256sum
        "$pg_config" --version --pkglibdir
        uname -m) | sha256sum
}

# In a copy, so that the checkout stays as it is.
build_extension() {
    local fingerprint jobs
    pg_config=$(server_pg_config)
    fingerprint=$(build_fingerprint)
    note='up to date'
    [ "$(cat "$DEST/fingerprint" 2>/dev/null)" != "$fingerprint" ] || return 0
    jobs=$(nproc)
    rm -rf "$STATE/build" "$STATE/dest.new"
    mkdir "$STATE/build"
    source_files | tar -C "$ROOT" -T - -cf - | tar -C "$STATE/build" --no-same-owner -xf -
    { make -C "$STATE/build" -s -j"$jobs" PG_CONFIG="$pg_config" &&
        make -C "$STATE/build" -s PG_CONFIG="$pg_config" install DESTDIR="$STATE/dest.new"; } >"$STATE/build.log" 2>&1 ||
        die 'the build failed; it says:' "$(tail -n 20 "$STATE/build.log")"
    echo "$fingerprint" >"$STATE/dest.new/fingerprint"
    stop_server
    rm -rf "$DEST" "$STATE/build" "$STATE/build.log"
    mv "$STATE/dest.new" "$DEST"
    built_anew=1
    note="$("$pg_config" --version | cut -d' ' -f1,2), $(g++ --version | sed -nE '1s/^(g\+\+).* ([0-9.]+)$/\1 \2/p'), $jobs jobs"
}

# ---- a file of orders

# The bytes of the file, unpacked. What comes through a pipe is kept, because it is read more than once.
orders_bytes() {
    local source=${spool:-$orders_file}
    if is_gzip "$source"; then gzip -dc <"$source"; else cat <"$source"; fi
}
is_gzip() { [ "$(head -c 2 "$1" | od -An -tx1 | tr -d ' \n')" = 1f8b ]; }

# UTF-8 without a byte order mark and with Unix line ends, and without empty lines at the end.
orders_text() {
    orders_bytes | iconv -f "$encoding" -t UTF-8 | perl -ne '
        BEGIN { $blank = "" }
        s/^\xEF\xBB\xBF// if $. == 1;
        s/\r+\n?$/\n/;
        tr/\r/\n/;
        if ($_ eq "\n") { $blank .= $_; next }
        print $blank, $_;
        $blank = "";'
}

# Delimiter and column names of a header, one a line. Perl is part of every Debian.
parse_header() { # [DELIMITER]
    perl -e '
        my $delimiter = $ARGV[0] // "";
        my $text = do { local $/; <STDIN> };
        my $header = "";
        for (split /(?<=\n)/, $text) { $header .= $_; last if 0 == (($header =~ tr/"//) % 2) }
        chomp $header;
        if ($delimiter eq "") {
            (my $bare = $header) =~ s/"(?:[^"]|"")*"//g;
            my %count = map { my $c = $_; ($c => scalar(() = $bare =~ /\Q$c\E/g)) } (",", ";", "\t", "|");
            ($delimiter) = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
        }
        my $field = qr/\s*"((?:[^"]|"")*)"\s*|([^\Q$delimiter\E]*)/;
        my @names;
        while ($header =~ /\G(?:$field)(\Q$delimiter\E|$)/g) {
            my ($quoted, $bare, $end) = ($1, $2, $3);
            my $name = defined $quoted ? $quoted =~ s/""/"/gr : $bare;
            $name =~ s/\s+/ /g;
            $name =~ s/^ | $//g;
            push @names, $name;
            last if $end eq "";
        }
        print "$_\n" for $delimiter, @names;
    ' -- "$@"
}

open_orders() {
    if [ "$orders_file" = - ]; then
        [ ! -t 0 ] || die '--orders -: standard input is a terminal; send a CSV file through a pipe'
        spool=$(mktemp -t pg_segment_orders.XXXXXX)
        cat >"$spool"
        file_name='standard input'
    else
        [ -e "$orders_file" ] || die "no such file: $orders_file"
        [ -r "$orders_file" ] && [ ! -d "$orders_file" ] || die "cannot read $orders_file"
        # A pipe, like that of a process substitution, can be read only once.
        if [ ! -f "$orders_file" ]; then
            spool=$(mktemp -t pg_segment_orders.XXXXXX)
            cat <"$orders_file" >"$spool"
        fi
        file_name=${orders_file##*/}
    fi
    [ -s "${spool:-$orders_file}" ] || die "$file_name is empty"
    orders_bytes >/dev/null 2>&1 || die "$file_name is not a complete gzip file"
}

choose_encoding() {
    local start
    start=$(orders_bytes 2>/dev/null | head -c 2 | od -An -tx1 | tr -d ' \n' || true)
    if [ -n "$encoding" ]; then
        iconv -f "$encoding" -t UTF-8 </dev/null >/dev/null 2>&1 || die "--encoding: iconv does not know $encoding"
        orders_bytes | iconv -f "$encoding" -t UTF-8 >/dev/null 2>&1 || die "$file_name is not valid $encoding" \
            'another encoding can be given with --encoding, for instance --encoding latin1'
    elif [ "$start" = fffe ] || [ "$start" = feff ]; then
        encoding=UTF-16
    elif orders_bytes | iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1; then
        encoding=UTF-8
    elif orders_bytes | iconv -f WINDOWS-1252 -t UTF-8 >/dev/null 2>&1; then
        encoding=WINDOWS-1252 # latin1 with the euro
    else
        encoding=latin1
    fi
}

read_header() {
    local lines
    mapfile -t lines < <(orders_text 2>/dev/null | head -c 262144 | parse_header "$delimiter")
    delimiter=${lines[0]}
    header=("${lines[@]:1}")
    if [ "${#header[@]}" -lt 3 ]; then
        die "the header of $file_name has ${#header[@]} column$([ "${#header[@]}" = 1 ] || echo s), and three are needed: customer, time and amount" \
            "it reads: ${header[*]:-}" 'if the columns are separated by something else, give it with --delimiter'
    fi
}

plain_name() { tr -d -c 'a-z0-9' <<<"${1,,}"; }

# Index of a column given by its name: exactly so, or but for case and punctuation.
find_column() { # OPTION NAME
    local i
    for i in "${!header[@]}"; do
        if [ "${header[i]}" = "$2" ]; then column=$i; return; fi
    done
    for i in "${!header[@]}"; do
        if [ -n "$(plain_name "$2")" ] && [ "$(plain_name "${header[i]}")" = "$(plain_name "$2")" ]; then column=$i; return; fi
    done
    die "$1: $file_name has no column \"$2\"" "its columns: $(list_columns)"
}

# Index of the first column whose name is in a list, the names that say most first; the last is a prefix.
guess_column() { # OPTION WHAT PREFIX NAMES...
    local option=$1 what=$2 prefix=$3 name i
    shift 3
    for name in "$@"; do
        for i in "${!header[@]}"; do
            if [ "${plain_header[i]}" = "$name" ]; then column=$i; return; fi
        done
    done
    for i in "${!header[@]}"; do
        if [[ ${plain_header[i]} == "$prefix"* ]]; then column=$i; return; fi
    done
    die "cannot tell which column of $file_name holds the $what: name it with $option COL" "its columns: $(list_columns)"
}

list_columns() {
    local name list=
    for name in "${header[@]}"; do list+="${list:+, }$name"; done
    echo "$list"
}

CUSTOMER_NAMES=(customerid customer customerno customernumber customerkey custid cust clientid client userid user
    accountid account memberid member householdid householdkey buyerid buyer shopperid subscriberid contactid masterid
    personid visitorid email customeremail)
TIME_NAMES=(orderedat orderdate ordertime orderdatetime ordertimestamp orderpurchasetimestamp invoicedate purchasedat
    purchasedate purchasetime transactiondate transactiontime transactiontimestamp transactedat paidat date datetime
    createdat timestamp time ts eventtime day)
AMOUNT_NAMES=(amount orderamount totalamount amountpaid dollarvalue revenue ordertotal total totalprice totalsales
    salesvalue salesamount sales grossamount netamount linetotal value ordervalue spend spent monetary payment
    paymentvalue price unitprice itemprice)
PRICE_NAMES=(unitprice priceperunit itemprice price "${AMOUNT_NAMES[@]}")

choose_columns() {
    local column name
    plain_header=()
    for name in "${header[@]}"; do plain_header+=("$(plain_name "$name")"); done

    if [ -n "$customer_column" ]; then find_column --customer "$customer_column"
    else guess_column --customer customer customer "${CUSTOMER_NAMES[@]}"; fi
    customer_index=$column
    if [ -n "$time_column" ]; then find_column --time "$time_column"
    else guess_column --time 'time of the order' orderdate "${TIME_NAMES[@]}"; fi
    time_index=$column
    if [ -n "$amount_column" ]; then find_column --amount "$amount_column"
    elif [ -n "$quantity_column" ]; then guess_column --amount 'unit price' unitprice "${PRICE_NAMES[@]}"
    else guess_column --amount amount amount "${AMOUNT_NAMES[@]}"; fi
    amount_index=$column
    # A unit price is no amount: with a quantity beside it nobody means the sum of prices.
    if [ -z "$quantity_column$amount_column" ] && [ "${plain_header[amount_index]}" = unitprice ]; then
        for name in "${header[@]}"; do
            case $(plain_name "$name") in quantity | qty) quantity_column=$name ;; esac
        done
    fi
    quantity_index=
    if [ -n "$quantity_column" ]; then find_column --quantity "$quantity_column"; quantity_index=$column; fi
}

# All that can be found out about a file before anything is installed or started.
inspect_orders() {
    open_orders
    choose_encoding
    read_header
    choose_columns
}

# ---- loading

load_orders() {
    if [ -n "$orders_file" ]; then
        copy_rows
        pick_columns
        learn_formats
        convert_rows
    else
        make_shop
    fi
    describe_orders
}

make_shop() {
    sql -v customers="$customers" -v seed="$seed" <<'SQL' || die "$(message ERROR)"
CREATE TABLE orders AS SELECT * FROM segment.demo_orders(:customers, :seed);
SQL
    customer_type=bigint
    file_name="an imagined shop, seed $seed"
}

# Every row as text first: what cannot be read can then be shown with its row.
copy_rows() {
    local i definitions='' names=''
    for i in "${!header[@]}"; do
        definitions+=", c$i text"
        names+="${names:+, }c$i"
    done
    sql <<SQL || die "$(message ERROR)"
CREATE UNLOGGED TABLE raw (row_number bigint GENERATED ALWAYS AS IDENTITY (START 2) $definitions);
SQL
    orders_text | psql -Xq -v ON_ERROR_STOP=1 -d demo_unfinished 2>"$STATE/messages" \
        -c "\\copy raw ($names) FROM pstdin (FORMAT csv, HEADER true, DELIMITER '$(sql_delimiter)')" || explain_copy_error
}

sql_delimiter() {
    case $delimiter in
    "'") echo "''" ;;
    *) printf '%s\n' "$delimiter" ;;
    esac
}

explain_copy_error() {
    local i line what
    what=$(message ERROR)
    for i in "${!header[@]}"; do what=${what/\"c$i\"/\"${header[i]}\"}; done
    line=$(sed -nE 's/^CONTEXT: +COPY raw, line ([0-9]+).*/\1/p' "$STATE/messages" | head -n 1)
    die "$file_name${line:+, line $line}: $what" "the header has ${#header[@]} columns: $(list_columns)" \
        "$(sed -nE 's/^CONTEXT: +COPY raw, line [0-9]+: /the line: /p' "$STATE/messages" | head -n 1)"
}

# The four columns that matter, with NULL for what means "nothing".
pick_columns() {
    sql -v customer="c$customer_index" -v time="c$time_index" -v amount="c$amount_index" \
        -v quantity="${quantity_index:+c}${quantity_index:-NULL::text}" <<'SQL' || die "$(message ERROR)"
CREATE FUNCTION present(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN btrim(value) NOT IN ('', 'NA', 'na', 'N/A', 'n/a', 'NaN', 'nan', 'NaT', 'NULL', 'null', 'None', '\N')
                THEN btrim(value) END
$$;

CREATE UNLOGGED TABLE given AS
SELECT row_number, present(:customer) AS customer, present(:time) AS time, present(:amount) AS amount,
       present(:quantity) AS quantity
FROM raw;

DROP TABLE raw;
SQL
}

# What the values look like: how customers are numbered, how decimals and dates are written.
learn_formats() {
    local facts
    facts=$(sql <<'SQL'
WITH customers AS (SELECT DISTINCT customer AS value FROM given WHERE customer IS NOT NULL),
     times AS (SELECT DISTINCT time AS value FROM given WHERE time IS NOT NULL),
     numbers AS (SELECT amount AS value FROM given WHERE amount IS NOT NULL
                 UNION SELECT quantity FROM given WHERE quantity IS NOT NULL)
SELECT (SELECT count(*) FROM given),
       (SELECT CASE WHEN bool_and(value ~ '^(0|-?[1-9]\d{0,17})$') THEN 'bigint'
                    WHEN bool_and(value ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') THEN 'uuid'
                    WHEN count(*) > 0 THEN 'text' END
        FROM customers),
       (SELECT coalesce(bool_and(value ~ '^[-+]?(\d+\.?\d*|\.\d+)$'), true) FROM numbers),
       -- Digits behind a comma that are not three are decimals, unless a point has that role.
       (SELECT coalesce(bool_or(value ~ ',(\d{1,2}|\d{4,})\D*$' OR value ~ '\.\d{3},')
                        AND NOT bool_or(value ~ '\.(\d{1,2}|\d{4,})\D*$'), false)
        FROM numbers),
       coalesce(bool_and(value ~ '\d'), true),
       coalesce(bool_or(value ~ '^\d{1,2}\.\d{1,2}\.\d{2,4}'), false),
       coalesce(bool_or(value ~ '^\d{1,2}[-/]\d{1,2}[-/]\d{2,4}'), false)
FROM times;
SQL
    ) || die "$(message ERROR)"
    IFS='|' read -r row_count customer_type plain_numbers decimal_comma sane_times dotted_dates ambiguous_dates <<<"$facts"
    [ "$row_count" != 0 ] || die "$file_name has a header, but no rows"
    [ -n "$customer_type" ] || die "$file_name: the column \"${header[customer_index]}\" holds no customer"
}

# Days come first where they are followed by a point; otherwise the values decide, months first if both is possible.
convert_rows() {
    local order tries=(MDY DMY)
    [ "$dotted_dates" != t ] || tries=(DMY MDY)
    [ -z "$date_order" ] || tries=("$date_order")
    define_readers
    for order in "${tries[@]}"; do
        if [ "$sane_times" = t ] && convert_with "$order"; then
            date_order_used=$order
            sql <<<'DROP TABLE given; DROP FUNCTION read_amount, read_time, first_unreadable, present;' ||
                die "$(message ERROR)"
            return
        fi
    done
    explain_unreadable "${tries[@]}"
}

# A value without a digit is no number or time, whatever PostgreSQL makes of "now" and "infinity".
define_readers() {
    sql <<'SQL' || die "$(message ERROR)"
CREATE FUNCTION read_amount(value text, decimal_comma boolean) RETURNS numeric LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    digits text := regexp_replace(value, '[\s$€£¥'']', '', 'g');
BEGIN
    IF digits !~ '\d' THEN
        RAISE invalid_text_representation;
    END IF;
    IF decimal_comma THEN
        digits := replace(replace(digits, '.', ''), ',', '.');
    ELSIF digits ~ '^[-+]?\d{1,3}(,\d{3})+(\.\d*)?$' THEN
        digits := replace(digits, ',', '');
    END IF;
    RETURN digits::numeric;
END
$$;

CREATE FUNCTION read_time(value text) RETURNS timestamptz LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    IF value !~ '\d' THEN
        RAISE invalid_datetime_format;
    END IF;
    RETURN value::timestamptz;
END
$$;

CREATE FUNCTION first_unreadable(decimal_comma boolean)
RETURNS TABLE (row_number bigint, what text, value text) LANGUAGE plpgsql AS $$
BEGIN
    FOR row_number, what, value IN
        SELECT g.row_number, cell.what, cell.value
        FROM given AS g, LATERAL (VALUES ('time', g.time), ('amount', g.amount), ('quantity', g.quantity)) AS cell (what, value)
        ORDER BY g.row_number
    LOOP
        BEGIN
            IF what = 'time' THEN
                PERFORM read_time(value);
            ELSE
                PERFORM read_amount(value, decimal_comma);
            END IF;
        EXCEPTION WHEN data_exception THEN
            RETURN NEXT;
            RETURN;
        END;
    END LOOP;
END
$$;
SQL
}

convert_with() { # MDY or DMY
    local amount=amount::numeric quantity=quantity::numeric
    if [ "$plain_numbers" = f ]; then
        amount="read_amount(amount, '$decimal_comma')" quantity="read_amount(quantity, '$decimal_comma')"
    fi
    [ -z "$quantity_index" ] || amount+=" * $quantity"
    sql -v order="ISO, $1" -v type="$customer_type" -v amount="$amount" <<'SQL'
SET datestyle = :'order';
CREATE TABLE orders AS
SELECT customer:::type AS customer_id, time::timestamptz AS ordered_at, :amount AS amount
FROM given;
SQL
}

# The row that stops every order of day and month; of two, the later: the other order gets further there.
explain_unreadable() { # ORDERS...
    local order found row=0 what='' value='' this_row this_what this_value column
    convert_error=$(message ERROR)
    for order in "$@"; do
        found=$(sql -v order="ISO, $order" -v decimal_comma="$decimal_comma" -F $'\x1f' <<'SQL'
SET datestyle = :'order';
SELECT row_number, what, value FROM first_unreadable(:'decimal_comma');
SQL
        ) || die "$(message ERROR)"
        IFS=$'\x1f' read -r this_row this_what this_value <<<"$found" || true
        if [ -n "$this_row" ] && [ "$this_row" -gt "$row" ]; then
            row=$this_row what=$this_what value=$this_value
        fi
    done
    [ "$row" != 0 ] || die "$file_name: $convert_error"
    case $what in time) column=$time_index ;; quantity) column=$quantity_index ;; *) column=$amount_index ;; esac
    [ "$what" = time ] || what=number
    die "$file_name, row $row (the header is row 1), column \"${header[column]}\": not a $what: \"$value\"" \
        "another column can be chosen with --$([ "$what" = time ] && echo time || echo amount) COL; the columns are: $(list_columns)"
}

describe_orders() {
    local facts
    sql -v as_of="$as_of" <<'SQL' || die "--as-of: not a time: $as_of" "$(message ERROR)"
SELECT :'as_of' <> '' AS is_given \gset
\if :is_given
CREATE TABLE as_of AS SELECT :'as_of'::timestamptz AS at;
\else
CREATE TABLE as_of AS SELECT date_trunc('day', max(ordered_at)) + interval '1 day' AS at FROM orders;
\endif
ANALYZE orders;
SQL
    facts=$(sql <<'SQL'
SELECT count(*), at::timestamp, count(*) FILTER (WHERE ordered_at < at AND amount IS NOT NULL AND customer_id IS NOT NULL),
       count(*) FILTER (WHERE customer_id IS NULL), count(*) FILTER (WHERE ordered_at IS NULL OR amount IS NULL),
       count(*) FILTER (WHERE ordered_at >= at), min(ordered_at)::timestamp
FROM orders, as_of GROUP BY at;
SQL
    ) || die "$(message ERROR)"
    IFS='|' read -r row_count as_of usable without_customer without_value too_late first_at <<<"$facts"
    sql <<<'DROP TABLE as_of;'
    [ "$usable" != 0 ] || die "no order is left to segment as of $as_of" \
        "of $row_count rows $without_customer have no customer, $without_value no time or no amount, $too_late are not before that time"
    note="$(thousands "$row_count") rows from $file_name"
}

# ---- the main job

score_customers() {
    case $customer_type in
    bigint) rfm_function=segment.rfm ;;
    *) rfm_function=segment.rfm_$customer_type ;;
    esac
    sql -v rfm="$rfm_function" -v as_of="$as_of" -v frequency="$frequency" <<'SQL' || die "$(message ERROR)"
CREATE TABLE rfm AS
SELECT * FROM :rfm('orders', 'customer_id', 'ordered_at', 'amount', as_of => :'as_of', frequency => :'frequency');
ANALYZE rfm;
SQL
    note="$(thousands "$(query demo_unfinished 'SELECT count(*) FROM rfm')") customers scored and named by $rfm_function"
}

cluster_customers() {
    sql -v k="$clusters" -v assign="segment.assign${rfm_function#segment.rfm}" <<'SQL' || die "k-means: $(message ERROR)" "$(message DETAIL)" "--clusters K chooses another number"
SELECT segment.train('shop', 'rfm', '{recency_days,frequency,monetary}', k => nullif(:'k', 'auto')::integer) \g /dev/null

CREATE TABLE clusters AS
SELECT rfm.customer_id, assigned.cluster_id AS cluster, assigned.margin, rfm.segment
FROM :assign('shop', key => 'customer_id') AS assigned JOIN rfm ON rfm.customer_id = assigned.key;
SQL
    note="$(query demo_unfinished "SELECT k FROM segment.model_info(segment.model_get('shop'))") clusters by segment.train"
}

# ---- the report

report() {
    local style=ascii
    [[ $charmap != *UTF-8* ]] || style=unicode
    psql -Xq -d demo -v style="$style" -v as_of="$as_of" -v frequency="$frequency" -v ON_ERROR_STOP=1 <<'SQL' || die 'the report failed'
\pset pager off
\pset footer off
\pset border 2
\pset linestyle :style
\pset numericlocale on
\pset null ''

\pset title 'The orders'
SELECT count(*) AS orders, count(DISTINCT customer_id) AS customers, round(sum(amount), 2) AS revenue,
       min(ordered_at)::date AS "from", max(ordered_at)::date AS "to"
FROM orders;

SELECT CASE :'frequency' WHEN 'days' THEN 'days with orders' ELSE 'orders' END AS frequency_title,
       regexp_replace(:'as_of', ' 00:00:00$', '') AS moment \gset
\set rfm_title 'RFM segments as of ' :moment ' (recency and frequency: medians, monetary: mean)'
\pset title :rfm_title
SELECT coalesce(rfm.segment, '(no name)') AS segment,
       count(*) AS customers,
       round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS "of all %",
       round(sum(monetary)) AS revenue,
       round(100 * sum(monetary) / nullif(sum(sum(monetary)) OVER (), 0), 1) AS "of all %",
       percentile_disc(0.5) WITHIN GROUP (ORDER BY recency_days) AS "recency, days",
       percentile_disc(0.5) WITHIN GROUP (ORDER BY frequency) AS :"frequency_title",
       round(avg(monetary), 2) AS monetary
FROM rfm
    LEFT JOIN (SELECT name, min(priority) AS rank FROM segment.rfm_map WHERE map = 'cells125' GROUP BY name) AS map
        ON map.name = rfm.segment
GROUP BY rfm.segment, map.rank
ORDER BY map.rank;

\pset title 'Clusters found by k-means (recency, frequency and monetary: centroids)'
SELECT c.cluster_id AS cluster, c.label, c.size AS customers, round(100 * c.share::numeric, 1) AS "of all %",
       max(value) FILTER (WHERE name = 'recency_days')::numeric(20, 1) AS "recency, days",
       max(value) FILTER (WHERE name = 'frequency')::numeric(20, 1) AS :"frequency_title",
       max(value) FILTER (WHERE name = 'monetary')::numeric(20, 2) AS monetary,
       (SELECT mode() WITHIN GROUP (ORDER BY segment) FROM clusters WHERE cluster = c.cluster_id) AS "mostly"
FROM (SELECT segment.model_get('shop') AS model) AS shop,
     segment.clusters(model) AS c JOIN segment.centroids(model) AS centroid USING (cluster_id)
GROUP BY c.cluster_id, c.label, c.size, c.share
ORDER BY c.cluster_id;

\pset title
\pset format unaligned
\pset tuples_only on
SELECT format('The model: %s clusters of %s customers, %s %% of the variance explained, silhouette %s, %s iterations, %s; seed %s, best of %s starts.',
              info.k, to_char(info.rows, 'FM999,999,999,990'),
              to_char(100 * between_ss / nullif(total_ss, 0), 'FM990.0'),
              to_char(segment.silhouette(stored.clustering), 'FM0.00'), iterations,
              CASE WHEN converged THEN 'converged' ELSE 'not converged' END, seed, n_init)
FROM segment.model AS stored, segment.model_info(stored.clustering) AS info;
SELECT format('Column %s: %s (%s).', column_name, split_part(treatment, ';', 1), reason)
FROM segment.prepare_info(segment.model_get('shop'));
SQL
    report_notes
}

report_notes() {
    local note
    if [ -n "$orders_file" ]; then
        note="customer = ${header[customer_index]}, time = ${header[time_index]}, amount = ${quantity_index:+${header[quantity_index]} * }${header[amount_index]}"
        [ "$encoding" = UTF-8 ] || note+=", encoding $encoding"
        [ "$ambiguous_dates$dotted_dates" = ff ] || note+=", dates read as ${date_order_used,,}"
        [ "$decimal_comma" = f ] || note+=', decimal commas'
        echo "Columns: $note."
        hint_at_quantity
    fi
    [ "$without_customer" = 0 ] || echo "Left out: $(thousands "$without_customer") rows without a customer."
    [ "$without_value" = 0 ] || echo "Left out: $(thousands "$without_value") rows without a time or an amount."
    [ "$too_late" = 0 ] || echo "Left out: $(thousands "$too_late") rows at or after $as_of."
}

hint_at_quantity() {
    local name
    [ -z "$quantity_column" ] && [[ ${plain_header[amount_index]} == *price* ]] || return 0
    for name in "${header[@]}"; do
        case $(plain_name "$name") in
        quantity | qty) echo "Column $name is not used: if ${header[amount_index]} is the price of one piece, add --quantity $name." ;;
        esac
    done
}

# Looks back a quarter of the time that the orders cover.
earlier_time() {
    query demo "SELECT (date_trunc('day', '$as_of'::timestamp) - greatest(1, ('$as_of'::date - '$first_at'::date) / 4) * interval '1 day')::date"
}

farewell() {
    local client=psql
    [ -x /usr/bin/psql ] || client=$(server_bindir)/psql
    cat <<TEXT

The server is yours until you stop it. Connect with

    $client -h $(printf %q "$SERVER") -p $PGPORT -U postgres demo

and try

    -- whom to win back: customers who were worth much and stay away
    SELECT customer_id, recency_days, frequency, monetary FROM rfm
    WHERE segment IN ('At Risk', 'Cannot Lose') ORDER BY monetary DESC LIMIT 10;

    -- how the named segments and the clusters overlap
    SELECT segment, cluster, count(*) FROM clusters GROUP BY segment, cluster ORDER BY count(*) DESC LIMIT 15;

    -- who was in which segment earlier, and where they are now: any moment of the past can be asked for
    SELECT earlier.segment AS earlier, now.segment AS now, count(*) AS customers
    FROM $rfm_function('orders', 'customer_id', 'ordered_at', 'amount', as_of => '$(earlier_time)', frequency => '$frequency') AS earlier
        JOIN rfm AS now USING (customer_id)
    GROUP BY 1, 2 ORDER BY customers DESC LIMIT 15;

Stop the server and remove all of it:

    $(printf %q "$ROOT")/demo.sh --stop

TEXT
    echo "Total: $(elapsed "$began") s"
}

# ---- all of it

main() {
    local variable
    began=$EPOCHREALTIME built_anew='' spool=''
    read_options "$@"
    check_options
    # What a user's environment says about other servers must not lead anywhere.
    for variable in "${!PG@}"; do [ "$variable" = PG_CONFIG ] || unset "$variable"; done
    # shellcheck source=test/server.sh
    source "$ROOT/test/server.sh"
    choose_state_directory
    [ -z "$stop_only" ] || { stop_everything; exit 0; }
    trap clean_up EXIT
    trap 'exit 130' INT TERM HUP
    [ -z "$orders_file" ] || inspect_orders
    open_state_directory
    state_is_open=1

    printf '\npg_segment: customers segmented where their data lives\n\n'
    step packages install_packages
    step build build_extension
    step server start_server
    step orders load_orders
    step RFM score_customers
    step k-means cluster_customers
    finish_database
    complete=1
    echo
    report
    farewell
}

main "$@"
