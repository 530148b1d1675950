#!/usr/bin/env bash
# What installing, dropping and upgrading the extension leaves in the catalog. Prints TAP.
#
# Needs a server that has the extension (PGHOST etc., see test/server.sh), and SERVER_DESTDIR, where the released
# scripts of sql/released are put beside the current one for the time of the test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=test/server.sh
source test/server.sh

EXTENSION=pg_segment
CURRENT=$(sed -n "s/^default_version *= *'\([^']*\)'.*/\1/p" $EXTENSION.control)
SCRIPTS=${SERVER_DESTDIR:-}$("$(server_pg_config)" --sharedir)/extension
WORK=$(mktemp -d -t upgrade.XXXXXX)
added=()
tests=0 failures=0

finish() {
    [ "${#added[@]}" = 0 ] || rm -f "${added[@]}"
    rm -rf "$WORK"
}
trap finish EXIT

sql() { # DATABASE, a statement as argument or a script on stdin
    local database=$1
    shift
    psql -XAtq -v ON_ERROR_STOP=1 -d "$database" ${1:+-c "$1"}
}

# report LABEL [COMPLAINTS]: passes when there is nothing to complain about.
report() {
    tests=$((tests + 1))
    if [ -z "${2:-}" ]; then
        echo "ok $tests - $1"
    else
        failures=$((failures + 1))
        echo "not ok $tests - $1"
        printf '%s\n' "$2" | head -n 100 | sed 's/^/#   /'
    fi
}

# attempt LABEL COMMAND...: passes when the command succeeds.
attempt() {
    local label=$1 output
    shift
    if output=$("$@" 2>&1); then report "$label"; else report "$label" "${output:-failed}"; fi
}

fresh_database() {
    sql postgres "DROP DATABASE IF EXISTS $1" 2>/dev/null
    sql postgres "CREATE DATABASE $1"
}

# no_rows LABEL DATABASE QUERY: passes when the query returns nothing. A query that fails is a complaint, too.
no_rows() {
    local output
    if output=$(sql "$2" "$3" 2>&1); then report "$1" "$output"; else report "$1" "${output:-failed}"; fi
}

# Everything that the extension's members are, as text without object ids.
catalog_of() { sql "$1" <test/upgrade/catalog.sql; }

same_catalog() { # LABEL EXPECTED ACTUAL
    report "$1" "$(diff "$2" "$3" || true)"
}

# ---- a fresh install, as the database's owner may do it

check_install() {
    fresh_database upgrade_fresh
    attempt 'CREATE EXTENSION' sql upgrade_fresh "CREATE EXTENSION $EXTENSION"
    catalog_of upgrade_fresh >"$WORK/fresh"
    report 'the catalog is not empty' "$([ "$(wc -l <"$WORK/fresh")" -gt 20 ] || echo 'too few lines')"
    no_rows 'installs the current version' upgrade_fresh \
        "SELECT extversion FROM pg_extension WHERE extname = '$EXTENSION' AND extversion <> '$CURRENT'"

    attempt 'DROP EXTENSION' sql upgrade_fresh "DROP EXTENSION $EXTENSION"
    no_rows 'DROP EXTENSION leaves nothing behind' upgrade_fresh "
        SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE pronamespace = to_regnamespace('segment')
        UNION ALL SELECT 'type ' || oid::regtype FROM pg_type WHERE typnamespace = to_regnamespace('segment')
        UNION ALL SELECT 'relation ' || oid::regclass FROM pg_class WHERE relnamespace = to_regnamespace('segment')
        UNION ALL SELECT 'operator ' || oid::regoperator FROM pg_operator WHERE oprnamespace = to_regnamespace('segment')"
    attempt 'CREATE EXTENSION again' sql upgrade_fresh "CREATE EXTENSION $EXTENSION"
    catalog_of upgrade_fresh >"$WORK/again"
    same_catalog 'a second install leaves the same catalog' "$WORK/fresh" "$WORK/again"

    if grep -q '^trusted *= *true' $EXTENSION.control; then
        fresh_database upgrade_owned
        sql postgres "DROP ROLE IF EXISTS upgrade_owner" 2>/dev/null
        sql postgres "CREATE ROLE upgrade_owner LOGIN; ALTER DATABASE upgrade_owned OWNER TO upgrade_owner"
        attempt "the database's owner may install it" env PGUSER=upgrade_owner \
            psql -XAtq -v ON_ERROR_STOP=1 -d upgrade_owned -c "CREATE EXTENSION $EXTENSION"
        sql postgres 'DROP DATABASE upgrade_owned'
        sql postgres 'DROP ROLE upgrade_owner'
    fi
}

# ---- what every object must have

members="SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
         WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = '$EXTENSION'"

check_objects() {
    no_rows 'every public object has a comment' upgrade_fresh "
        WITH member AS ($members)
        SELECT pg_describe_object(classid, objid, 0) FROM member
        WHERE obj_description(objid, classid::regclass::name) IS NULL
          AND classid IN ('pg_proc'::regclass, 'pg_type'::regclass, 'pg_class'::regclass, 'pg_operator'::regclass,
                          'pg_opclass'::regclass, 'pg_opfamily'::regclass, 'pg_am'::regclass)
          -- arrays, the row types of tables and views, and indexes have none of their own
          AND objid NOT IN (SELECT oid FROM pg_type WHERE typcategory = 'A' AND typelem <> 0)
          AND objid NOT IN (SELECT reltype FROM pg_class WHERE relkind <> 'c')
          AND objid NOT IN (SELECT oid FROM pg_class WHERE relkind IN ('i', 'I', 't', 'c'))
        ORDER BY 1"
    no_rows 'every SQL and PL/pgSQL function pins search_path' upgrade_fresh "
        WITH member AS ($members)
        SELECT p.oid::regprocedure || ': ' || coalesce(array_to_string(proconfig, ', '), 'no setting')
        FROM member JOIN pg_proc p ON p.oid = objid JOIN pg_language l ON l.oid = prolang
        CROSS JOIN LATERAL regexp_replace(prosrc, '--[^\n]*|select \*|operator\(pg_catalog\.[^)]*\)|''[^'']*''', '', 'gi') AS body
        WHERE classid = 'pg_proc'::regclass AND l.lanname NOT IN ('c', 'internal') AND prosqlbody IS NULL
          AND NOT EXISTS (SELECT FROM unnest(proconfig) s WHERE s = 'search_path=pg_catalog, pg_temp')
          -- A function that sets anything is never inlined, and hides the caller's path from a condition that the caller
          -- wrote: where that matters, a body may name the schema of everything.
          AND (l.lanname NOT IN ('sql', 'plpgsql')
               OR body ~* '::\s*(?!(pg_catalog|segment)\.)'
               OR body ~* '\y(from|join)\s+(?!\(|lateral\y|(pg_catalog|segment)\.)'
               OR body ~* '(?<![.\w])(?!(values|row|as|in|and|or|not|from|select|over|filter|lateral|coalesce)\y)[a-z_]\w*\('
               OR body ~ '[+/<>=~!@#%^&|-]|[\w)] *\* *[\w(]')"
    no_rows 'no function is SECURITY DEFINER' upgrade_fresh "
        WITH member AS ($members)
        SELECT objid::regprocedure FROM member WHERE classid = 'pg_proc'::regclass
          AND (SELECT prosecdef FROM pg_proc WHERE oid = objid)"
    no_rows 'every object is in schema segment' upgrade_fresh "
        WITH member AS ($members)
        SELECT pg_describe_object(classid, objid, 0) FROM member, pg_identify_object(classid, objid, 0) i
        WHERE i.schema IS DISTINCT FROM 'segment' AND i.type NOT IN ('cast', 'schema', 'access method')"
    no_rows 'every aggregate is parallel safe and can be combined' upgrade_fresh "
        WITH member AS ($members)
        SELECT p.oid::regprocedure FROM member JOIN pg_aggregate a ON aggfnoid = objid JOIN pg_proc p ON p.oid = objid
        WHERE classid = 'pg_proc'::regclass
          AND (proparallel <> 's' OR aggcombinefn = 0 OR aggtranstype = 'internal'::regtype)"
    no_rows 'every immutable or stable C function says how it may run in parallel plans' upgrade_fresh "
        WITH member AS ($members)
        SELECT p.oid::regprocedure FROM member JOIN pg_proc p ON p.oid = objid JOIN pg_language l ON l.oid = prolang
        WHERE classid = 'pg_proc'::regclass AND lanname = 'c' AND provolatile IN ('i', 's') AND proparallel = 'u'"
    report 'the install script creates, and replaces nothing' "$(grep -niE \
        '^ *CREATE.*(OR REPLACE|IF NOT EXISTS)|SECURITY DEFINER' "$SCRIPTS/$EXTENSION--$CURRENT.sql" || true)"
}

# ---- from every released version

# Values that were stored under the old version, and what the new one reads in them.
store_values() { # DATABASE
    sql "$1" "
        CREATE SCHEMA kept;
        CREATE TABLE kept.models AS
            SELECT segment.kmeans(f, 2) AS model, segment.kmeans_state(f, 2) AS state
            FROM (SELECT ARRAY[i, i % 3]::float8[] FROM generate_series(1, 20) i) AS r (f)"
}
read_values() { # DATABASE
    sql "$1" 'SELECT md5(model::text), md5(segment.finalize(state)::text), md5(state::text) FROM kept.models'
}

check_upgrade_from() { # SCRIPT
    local version database before after installed=$SCRIPTS/${1##*/}
    version=${1##*--}
    version=${version%.sql}
    if [ "$version" = "$CURRENT" ]; then
        report "the script of release $version has not changed" "$(diff "$1" "$installed" || true)"
        return
    fi
    database=upgrade_from_${version//./_}
    [ -e "$installed" ] || added+=("$installed")
    cp "$1" "$installed"
    fresh_database "$database"
    attempt "CREATE EXTENSION VERSION '$version'" sql "$database" "CREATE EXTENSION $EXTENSION VERSION '$version'"
    attempt "values are stored under $version" store_values "$database"
    before=$(read_values "$database")
    attempt "upgrade from $version" sql "$database" "ALTER EXTENSION $EXTENSION UPDATE"
    after=$(read_values "$database")
    report "values of $version are read as before" "$([ "$before" = "$after" ] || echo "$before, then $after")"
    catalog_of "$database" >"$WORK/from-$version"
    same_catalog "an upgrade from $version leaves the catalog of a fresh install" "$WORK/fresh" "$WORK/from-$version"
    sql postgres "DROP DATABASE $database"
}

check_upgrades() {
    local script
    for script in "sql/released/$EXTENSION"--*.sql; do
        [ ! -e "$script" ] || check_upgrade_from "$script"
    done
    # Adjacent hops only, and each of them ends where the next one begins.
    no_rows 'every update script leads to the current version' postgres "
        SELECT source || ' has no path to $CURRENT' FROM pg_extension_update_paths('$EXTENSION')
        WHERE target = '$CURRENT' AND path IS NULL"
}

check_install
check_objects
check_upgrades
sql postgres 'DROP DATABASE upgrade_fresh'
echo "1..$tests"
[ "$failures" = 0 ]
