-- ---------------------------------------------------------------------------------------------------------------
-- Sets of ids and the planner: rewriting, estimates, and GIN indexes over sets
-- ---------------------------------------------------------------------------------------------------------------

CREATE FUNCTION segment.idset_membership_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'pgseg_idset_membership_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_ids_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'pgseg_idset_ids_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_membership_selectivity(internal, oid, internal, integer) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_idset_membership_selectivity' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.idset_membership_support(internal) IS
'planner support of id <@ set: comparisons for simple sets, index conditions and estimates for others';
COMMENT ON FUNCTION segment.idset_ids_support(internal) IS 'planner support of segment.ids: number of rows';
COMMENT ON FUNCTION segment.idset_membership_selectivity(internal, oid, internal, integer) IS
'restriction selectivity of id <@ set and set @> id';

ALTER FUNCTION segment.id_in_idset(bigint, segment.idset) SUPPORT segment.idset_membership_support;
ALTER FUNCTION segment.id_in_idset(integer, segment.idset) SUPPORT segment.idset_membership_support;
ALTER FUNCTION segment.id_in_idset(smallint, segment.idset) SUPPORT segment.idset_membership_support;
ALTER FUNCTION segment.idset_contains_id(segment.idset, bigint) SUPPORT segment.idset_membership_support;
ALTER FUNCTION segment.ids(segment.idset) SUPPORT segment.idset_ids_support;
ALTER OPERATOR segment.<@ (bigint, segment.idset) SET (RESTRICT = segment.idset_membership_selectivity);
ALTER OPERATOR segment.<@ (integer, segment.idset) SET (RESTRICT = segment.idset_membership_selectivity);
ALTER OPERATOR segment.<@ (smallint, segment.idset) SET (RESTRICT = segment.idset_membership_selectivity);
ALTER OPERATOR segment.@> (segment.idset, bigint) SET (RESTRICT = segment.idset_membership_selectivity);

-- ---- which sets have these ids

CREATE FUNCTION segment.idset_gin_extract_value(segment.idset, internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'pgseg_idset_gin_extract_value' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_gin_extract_query(segment.idset, internal, smallint, internal, internal, internal, internal)
    RETURNS internal
    AS 'MODULE_PATHNAME', 'pgseg_idset_gin_extract_query' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_gin_compare_partial(bigint, bigint, smallint, internal) RETURNS integer
    AS 'MODULE_PATHNAME', 'pgseg_idset_gin_compare_partial' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_gin_consistent(internal, smallint, segment.idset, integer, internal, internal, internal, internal)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgseg_idset_gin_consistent' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_gin_triconsistent(internal, smallint, segment.idset, integer, internal, internal, internal)
    RETURNS "char"
    AS 'MODULE_PATHNAME', 'pgseg_idset_gin_triconsistent' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.idset_gin_extract_value(segment.idset, internal) IS 'GIN support';
COMMENT ON FUNCTION segment.idset_gin_extract_query(segment.idset, internal, smallint, internal, internal, internal, internal)
    IS 'GIN support';
COMMENT ON FUNCTION segment.idset_gin_compare_partial(bigint, bigint, smallint, internal) IS 'GIN support';
COMMENT ON FUNCTION segment.idset_gin_consistent(internal, smallint, segment.idset, integer, internal, internal, internal, internal)
    IS 'GIN support';
COMMENT ON FUNCTION segment.idset_gin_triconsistent(internal, smallint, segment.idset, integer, internal, internal, internal)
    IS 'GIN support';

CREATE OPERATOR CLASS segment.idset_ops DEFAULT FOR TYPE segment.idset USING gin AS
    OPERATOR 1 segment.&& (segment.idset, segment.idset),
    OPERATOR 2 segment.@> (segment.idset, segment.idset),
    OPERATOR 3 segment.@> (segment.idset, bigint),
    OPERATOR 4 segment.= (segment.idset, segment.idset),
    OPERATOR 5 segment.<@ (segment.idset, segment.idset),
    FUNCTION 1 pg_catalog.btint8cmp(bigint, bigint),
    FUNCTION 2 segment.idset_gin_extract_value(segment.idset, internal),
    FUNCTION 3 segment.idset_gin_extract_query(segment.idset, internal, smallint, internal, internal, internal, internal),
    FUNCTION 4 segment.idset_gin_consistent(internal, smallint, segment.idset, integer, internal, internal, internal, internal),
    FUNCTION 5 segment.idset_gin_compare_partial(bigint, bigint, smallint, internal),
    FUNCTION 6 segment.idset_gin_triconsistent(internal, smallint, segment.idset, integer, internal, internal, internal),
    STORAGE bigint;
COMMENT ON OPERATOR CLASS segment.idset_ops USING gin IS
'Which sets have an id, share or hold ids: for tables of many sets of up to 1,000,000 ids each.';
COMMENT ON OPERATOR FAMILY segment.idset_ops USING gin IS
'Which sets have an id, share or hold ids: for tables of many sets of up to 1,000,000 ids each.';
