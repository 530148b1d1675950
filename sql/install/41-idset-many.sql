-- ---------------------------------------------------------------------------------------------------------------
-- Many sets at once: overlaps, exclusive intersections, flow, set algebra as text, at least k
-- ---------------------------------------------------------------------------------------------------------------

-- segment.idset_collection: named sets as one value. Availability: 0.1.0
CREATE TYPE segment.idset_collection;

CREATE FUNCTION segment.idset_collection_in(cstring) RETURNS segment.idset_collection
    AS 'MODULE_PATHNAME', 'pgseg_idset_collection_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_collection_out(segment.idset_collection) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_idset_collection_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_collection_recv(internal) RETURNS segment.idset_collection
    AS 'MODULE_PATHNAME', 'pgseg_idset_collection_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_collection_send(segment.idset_collection) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_idset_collection_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- Not compressed, as the sets in it.
CREATE TYPE segment.idset_collection (
    INPUT = segment.idset_collection_in,
    OUTPUT = segment.idset_collection_out,
    RECEIVE = segment.idset_collection_recv,
    SEND = segment.idset_collection_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = external
);

COMMENT ON TYPE segment.idset_collection IS
'Named sets of ids as one value: made by segment.overlap, segment.upset and segment.flow, merged by segment.rollup, read by segment.overlap_pairs, segment.upset_intersections and segment.flow_links. Equal collections have equal bytes.';
COMMENT ON FUNCTION segment.idset_collection_in(cstring) IS
'input of segment.idset_collection: hexadecimal bytes';
COMMENT ON FUNCTION segment.idset_collection_out(segment.idset_collection) IS
'output of segment.idset_collection: hexadecimal bytes';
COMMENT ON FUNCTION segment.idset_collection_recv(internal) IS 'binary input of segment.idset_collection';
COMMENT ON FUNCTION segment.idset_collection_send(segment.idset_collection) IS
'binary output of segment.idset_collection';

-- ---- what the aggregates are made of

CREATE FUNCTION segment.idset_collection_transition(state segment.idset_collection, name text,
                                                    members segment.idset)
    RETURNS segment.idset_collection
    AS 'MODULE_PATHNAME', 'pgseg_idset_collection_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.idset_flow_transition(state segment.idset_collection, name_before text,
                                              set_before segment.idset, name_after text,
                                              set_after segment.idset)
    RETURNS segment.idset_collection
    AS 'MODULE_PATHNAME', 'pgseg_idset_flow_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.idset_evaluate_transition(state segment.idset_collection, expression text, name text,
                                                  members segment.idset)
    RETURNS segment.idset_collection
    AS 'MODULE_PATHNAME', 'pgseg_idset_evaluate_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.idset_at_least_transition(state segment.idset_collection, members segment.idset,
                                                  k integer)
    RETURNS segment.idset_collection
    AS 'MODULE_PATHNAME', 'pgseg_idset_at_least_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.idset_collection_combine(segment.idset_collection, segment.idset_collection)
    RETURNS segment.idset_collection
    AS 'MODULE_PATHNAME', 'pgseg_idset_collection_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.idset_collection_final(segment.idset_collection) RETURNS segment.idset_collection
    AS 'MODULE_PATHNAME', 'pgseg_idset_collection_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.idset_evaluate_final(segment.idset_collection) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_evaluate_final' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000;
CREATE FUNCTION segment.idset_at_least_final(segment.idset_collection) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_at_least_final' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000;

COMMENT ON FUNCTION segment.idset_collection_transition(segment.idset_collection, text, segment.idset) IS
'transition function of segment.overlap and segment.upset';
COMMENT ON FUNCTION segment.idset_flow_transition(segment.idset_collection, text, segment.idset, text, segment.idset) IS
'transition function of segment.flow';
COMMENT ON FUNCTION segment.idset_evaluate_transition(segment.idset_collection, text, text, segment.idset) IS
'transition function of segment.evaluate';
COMMENT ON FUNCTION segment.idset_at_least_transition(segment.idset_collection, segment.idset, integer) IS
'transition function of segment.at_least_agg';
COMMENT ON FUNCTION segment.idset_collection_combine(segment.idset_collection, segment.idset_collection) IS
'combine function of the aggregates over many sets';
COMMENT ON FUNCTION segment.idset_collection_final(segment.idset_collection) IS
'final function of segment.overlap, segment.upset and segment.flow';
COMMENT ON FUNCTION segment.idset_evaluate_final(segment.idset_collection) IS 'final function of segment.evaluate';
COMMENT ON FUNCTION segment.idset_at_least_final(segment.idset_collection) IS
'final function of segment.at_least_agg';

-- ---- overlap and upset: the same collection, read in two ways

CREATE AGGREGATE segment.overlap(name text, members segment.idset) (
    SFUNC = segment.idset_collection_transition,
    STYPE = segment.idset_collection,
    SSPACE = 65536,
    COMBINEFUNC = segment.idset_collection_combine,
    FINALFUNC = segment.idset_collection_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.upset(name text, members segment.idset) (
    SFUNC = segment.idset_collection_transition,
    STYPE = segment.idset_collection,
    SSPACE = 65536,
    COMBINEFUNC = segment.idset_collection_combine,
    FINALFUNC = segment.idset_collection_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE segment.overlap(text, segment.idset) IS
'The sets under their names, for segment.overlap_pairs. Sets of one name are united; a row with a NULL is skipped; NULL when no row is left. Memory: the sets, held against pg_segment.max_memory. 22023 for sets of different dictionaries, 54000 when the value would be larger than 512 MB.';
COMMENT ON AGGREGATE segment.upset(text, segment.idset) IS
'The sets under their names, for segment.upset_intersections: the same value as segment.overlap gives.';

CREATE FUNCTION segment.overlap_pairs(collection segment.idset_collection)
RETURNS TABLE (a text, b text, n_a bigint, n_b bigint, n_ab bigint, jaccard double precision,
               lift double precision)
    AS 'MODULE_PATHNAME', 'pgseg_overlap_pairs' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 1000 COST 10000;
COMMENT ON FUNCTION segment.overlap_pairs(segment.idset_collection) IS
'How much each two sets overlap: one row for each pair, a before b as their bytes compare. n_a, n_b and n_ab: ids in a, in b and in both; jaccard: n_ab / (n_a + n_b - n_ab), NULL for two empty sets (Jaccard 1901); lift: n_ab * n / (n_a * n_b), where n is the number of ids in any of the sets; 1 where the two are independent of each other, NULL where one is empty (Brin, Motwani, Ullman and Tsur 1997). Time: pairs times chunks of 65,536 ids; memory: 8 bytes a pair and 8 KB a set, 54000 beyond pg_segment.max_memory.';

CREATE FUNCTION segment.upset_intersections(collection segment.idset_collection)
RETURNS TABLE (names text[], n bigint)
    AS 'MODULE_PATHNAME', 'pgseg_upset_intersections' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 1000 COST 10000;
COMMENT ON FUNCTION segment.upset_intersections(segment.idset_collection) IS
'Exclusive intersections: for each combination of sets that has ids which are in all of them and in no other set, its names and the number of those ids. Each id counts in one row. Largest first, then fewer names first, then by name. The data of an UpSet plot (Lex, Gehlenborg, Strobelt, Vuillemot and Pfister 2014). Any number of sets; time: the ids of all sets.';

-- ---- flow

CREATE AGGREGATE segment.flow(name_before text, set_before segment.idset, name_after text,
                              set_after segment.idset) (
    SFUNC = segment.idset_flow_transition,
    STYPE = segment.idset_collection,
    SSPACE = 65536,
    COMBINEFUNC = segment.idset_collection_combine,
    FINALFUNC = segment.idset_collection_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE segment.flow(text, segment.idset, text, segment.idset) IS
'The sets of two moments under their names, for segment.flow_links. A side whose name or set is NULL is ignored, as after a full join; sets of one name and side are united, so rows may repeat a set; NULL when nothing is left.';

CREATE FUNCTION segment.flow_links(collection segment.idset_collection)
RETURNS TABLE (before text, after text, n bigint)
    AS 'MODULE_PATHNAME', 'pgseg_flow_links' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 1000 COST 10000;
COMMENT ON FUNCTION segment.flow_links(segment.idset_collection) IS
'Who went from where to where: for each set of before and each of after the number of ids in both. Rows with before NULL count ids that were in none of the sets of before, rows with after NULL those that are in none of after. Rows without ids are left out; ordered by before, then after, NULLs last. The links of a Sankey diagram.';

-- ---- expressions, and at least k

CREATE AGGREGATE segment.evaluate(expression text, name text, members segment.idset) (
    SFUNC = segment.idset_evaluate_transition,
    STYPE = segment.idset_collection,
    SSPACE = 65536,
    COMBINEFUNC = segment.idset_collection_combine,
    FINALFUNC = segment.idset_evaluate_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE segment.evaluate(text, text, segment.idset) IS
'The set that an expression over named sets stands for, as (vip | loyal) & newsletter - churned. Operators from the tightest to the loosest: & (intersection), - (difference), # (symmetric difference), | (union), each from left to right; parentheses. Names are words of letters, digits, _ . : or stand in double quotes; case counts. There is no complement. The expression is the same in every row (22023); sets that it does not name are not kept; sets of one name are united; a row with a NULL name or set is skipped; NULL when no row is left. A name without a row is an error (22023).';

CREATE AGGREGATE segment.at_least_agg(members segment.idset, k integer) (
    SFUNC = segment.idset_at_least_transition,
    STYPE = segment.idset_collection,
    SSPACE = 65536,
    COMBINEFUNC = segment.idset_collection_combine,
    FINALFUNC = segment.idset_at_least_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE segment.at_least_agg(segment.idset, integer) IS
'The ids that are in at least k of the sets. k is at least 1 and the same in every row (22023). NULL sets are skipped; NULL when no row is left. Time: the ids of all sets; memory: the sets, held against pg_segment.max_memory.';

-- ---- stored collections

CREATE AGGREGATE segment.rollup(segment.idset_collection) (
    SFUNC = segment.idset_collection_combine,
    STYPE = segment.idset_collection,
    SSPACE = 65536,
    COMBINEFUNC = segment.idset_collection_combine,
    FINALFUNC = segment.idset_collection_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE segment.rollup(segment.idset_collection) IS
'Collections merged into one: sets of one name (and side) are united. All must come from the same kind of aggregate (22023).';
