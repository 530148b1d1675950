-- Every member of the extension with everything about it that a user could notice, one line a fact, sorted. Object ids
-- and the order of creation do not show: a fresh install and an upgraded one must print the same.
WITH member AS (
    SELECT d.classid, d.objid, i.type || ' ' || i.identity AS name
    FROM pg_depend d
    JOIN pg_extension e ON e.oid = d.refobjid
    CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) i
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'pg_segment'
), fact AS (
    SELECT name, 'comment: ' || coalesce(obj_description(objid, classid::regclass::name), 'none') AS fact FROM member

    UNION ALL
    SELECT name, 'definition: ' || pg_get_functiondef(p.oid)
    FROM member JOIN pg_proc p ON p.oid = objid
    WHERE classid = 'pg_proc'::regclass AND prokind <> 'a'
    UNION ALL
    SELECT name, format('function: %s(%s) returns %s, volatile %s, parallel %s, leakproof %s, support %s, acl %s',
                        proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), provolatile, proparallel,
                        proleakproof, prosupport::regproc, proacl)
    FROM member JOIN pg_proc p ON p.oid = objid
    WHERE classid = 'pg_proc'::regclass
    UNION ALL
    SELECT name, format('aggregate: kind %s, %s, state %s space %s initially %s, final %s %s %s, combine %s, serial %s %s, '
                        'moving %s %s %s, sort %s',
                        aggkind, aggtransfn::regprocedure, aggtranstype::regtype, aggtransspace, agginitval,
                        aggfinalfn::regprocedure, aggfinalextra, aggfinalmodify, aggcombinefn::regprocedure,
                        aggserialfn::regproc, aggdeserialfn::regproc, aggmtransfn::regproc, aggminvtransfn::regproc,
                        aggmfinalfn::regproc, aggsortop::regoperator)
    FROM member JOIN pg_aggregate ON aggfnoid = objid
    WHERE classid = 'pg_proc'::regclass

    UNION ALL
    SELECT name, format('type: %s %s, length %s by value %s, %s %s %s %s, alignment %s, storage %s, category %s preferred %s, '
                        'default %s, base %s not null %s, acl %s',
                        typname, typtype, typlen, typbyval, typinput::regproc, typoutput::regproc, typreceive::regproc,
                        typsend::regproc, typalign, typstorage, typcategory, typispreferred, typdefault,
                        typbasetype::regtype, typnotnull, typacl)
    FROM member JOIN pg_type t ON t.oid = objid
    WHERE classid = 'pg_type'::regclass
    UNION ALL
    SELECT name, format('label: %s %s', row_number() OVER (PARTITION BY enumtypid ORDER BY enumsortorder), enumlabel)
    FROM member JOIN pg_enum ON enumtypid = objid
    WHERE classid = 'pg_type'::regclass

    UNION ALL
    SELECT name, format('relation: kind %s, persistence %s, options %s, row security %s, acl %s, dumped %s',
                        relkind, relpersistence, reloptions, relrowsecurity, relacl,
                        (SELECT extcondition[array_position(extconfig, c.oid)] FROM pg_extension
                         WHERE extname = 'pg_segment' AND c.oid = ANY (extconfig)))
    FROM member JOIN pg_class c ON c.oid = objid
    WHERE classid = 'pg_class'::regclass
    UNION ALL
    -- Columns by name: a column that was added later has another number.
    SELECT name, format('column: %s %s, not null %s, default %s, collation %s, identity %s, generated %s, comment %s',
                        attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid),
                        attcollation::regcollation, attidentity, attgenerated, col_description(attrelid, attnum))
    FROM member
    JOIN pg_attribute ON attrelid = objid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE classid = 'pg_class'::regclass
    UNION ALL
    SELECT name, format('column: %s %s', attname, format_type(atttypid, atttypmod))
    FROM member JOIN pg_type t ON t.oid = objid JOIN pg_attribute ON attrelid = typrelid AND attnum > 0
    WHERE classid = 'pg_type'::regclass AND NOT attisdropped
    UNION ALL
    SELECT name, format('constraint: %s %s', conname, pg_get_constraintdef(c.oid))
    FROM member JOIN pg_constraint c ON conrelid = objid AND classid = 'pg_class'::regclass
                                     OR contypid = objid AND classid = 'pg_type'::regclass
    UNION ALL
    SELECT name, 'index: ' || pg_get_indexdef(indexrelid)
    FROM member JOIN pg_index ON indrelid = objid
    WHERE classid = 'pg_class'::regclass
    UNION ALL
    SELECT name, 'trigger: ' || pg_get_triggerdef(t.oid)
    FROM member JOIN pg_trigger t ON tgrelid = objid AND NOT tgisinternal
    WHERE classid = 'pg_class'::regclass
    UNION ALL
    SELECT name, 'rule: ' || pg_get_ruledef(r.oid)
    FROM member JOIN pg_rewrite r ON ev_class = objid
    WHERE classid = 'pg_class'::regclass
    UNION ALL
    SELECT name, 'content: ' || md5(query_to_xml(format('SELECT * FROM %s t ORDER BY t::text COLLATE "C"', objid::regclass), true, false,
                                                 '')::text)
    FROM member JOIN pg_class c ON c.oid = objid AND relkind = 'r'
    WHERE classid = 'pg_class'::regclass

    UNION ALL
    SELECT name, format('operator: %s, commutator %s, negator %s, %s, restrict %s, join %s, merges %s, hashes %s',
                        o.oid::regoperator, oprcom::regoperator, oprnegate::regoperator, oprcode::regprocedure,
                        oprrest::regproc, oprjoin::regproc, oprcanmerge, oprcanhash)
    FROM member JOIN pg_operator o ON o.oid = objid
    WHERE classid = 'pg_operator'::regclass
    UNION ALL
    SELECT name, format('operator class: %s for %s, default %s, stored %s', opcname, opcintype::regtype, opcdefault,
                        opckeytype::regtype)
    FROM member JOIN pg_opclass o ON o.oid = objid
    WHERE classid = 'pg_opclass'::regclass
    UNION ALL
    SELECT name, format('family: strategy %s %s', amopstrategy, amopopr::regoperator)
    FROM member JOIN pg_amop ON amopfamily = objid
    WHERE classid = 'pg_opfamily'::regclass
    UNION ALL
    SELECT name, format('family: support %s %s', amprocnum, amproc::regprocedure)
    FROM member JOIN pg_amproc ON amprocfamily = objid
    WHERE classid = 'pg_opfamily'::regclass
    UNION ALL
    SELECT name, format('cast: %s context %s method %s', castfunc::regprocedure, castcontext, castmethod)
    FROM member JOIN pg_cast c ON c.oid = objid
    WHERE classid = 'pg_cast'::regclass
)
SELECT name || ' | ' || replace(fact, E'\n', '\n') FROM fact ORDER BY 1;
