-- ---------------------------------------------------------------------------------------------------------------
-- Sets of ids: who is in a segment, as a value
-- ---------------------------------------------------------------------------------------------------------------

-- segment.idset: a set of bigint ids. Availability: 0.1.0
CREATE TYPE segment.idset;

CREATE FUNCTION segment.idset_in(cstring) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_out(segment.idset) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_idset_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_recv(internal) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_send(segment.idset) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_idset_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- Not compressed: the format is already small, and a slice of an uncompressed value can be read alone.
CREATE TYPE segment.idset (
    INPUT = segment.idset_in,
    OUTPUT = segment.idset_out,
    RECEIVE = segment.idset_recv,
    SEND = segment.idset_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = external
);

COMMENT ON TYPE segment.idset IS
'A set of bigint ids: the members of a segment. Prints as {1,5-9,12}. Equal sets have equal bytes.';
COMMENT ON FUNCTION segment.idset_in(cstring) IS 'input of segment.idset: ids and ranges in braces, in any order';
COMMENT ON FUNCTION segment.idset_out(segment.idset) IS 'output of segment.idset: {1,5-9,12}';
COMMENT ON FUNCTION segment.idset_recv(internal) IS 'binary input of segment.idset';
COMMENT ON FUNCTION segment.idset_send(segment.idset) IS 'binary output of segment.idset';

-- ---- making sets

CREATE FUNCTION segment.idset(ids bigint[]) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION segment.idset(bigint[]) IS
'The set of the elements of an array, in any order, repeats counting once. 22004 for a NULL element, 2202E for more than one dimension. Linear.';

CREATE FUNCTION segment.idset_range(lowest bigint, highest bigint) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_range' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.idset_range(bigint, bigint) IS
'The ids lowest to highest, both included; the empty set when lowest > highest. Constant time and size. 54000 for more than 2^63 - 1 ids.';

-- ---- asking one set

CREATE FUNCTION segment.cardinality(members segment.idset) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgseg_idset_cardinality' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.cardinality(segment.idset) IS
'Number of ids in the set. Constant time: of a large stored set only the start is read.';

CREATE FUNCTION segment.isempty(members segment.idset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgseg_idset_isempty' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.isempty(segment.idset) IS 'Whether the set has no ids. Constant time.';

CREATE FUNCTION segment.lower(members segment.idset) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgseg_idset_lower' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.lower(segment.idset) IS 'The lowest id; NULL for the empty set. Constant time.';

CREATE FUNCTION segment.upper(members segment.idset) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgseg_idset_upper' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.upper(segment.idset) IS 'The highest id; NULL for the empty set. Constant time.';

CREATE FUNCTION segment.ids(members segment.idset) RETURNS SETOF bigint
    AS 'MODULE_PATHNAME', 'pgseg_idset_ids' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 1000;
COMMENT ON FUNCTION segment.ids(segment.idset) IS 'The ids as rows, ascending.';

CREATE FUNCTION segment.to_array(members segment.idset) RETURNS bigint[]
    AS 'MODULE_PATHNAME', 'pgseg_idset_to_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION segment.to_array(segment.idset) IS
'The ids as an ascending array. 54000 when it would be larger than 1 GB.';

CREATE FUNCTION segment.nth(members segment.idset, n bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgseg_idset_nth' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION segment.nth(segment.idset, bigint) IS
'The n-th lowest id, from 1; the n-th highest for negative n; NULL where there is none. Linear in the chunks of 65,536 ids.';

CREATE FUNCTION segment.rank(members segment.idset, id bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgseg_idset_rank' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION segment.rank(segment.idset, bigint) IS
'Number of ids in the set that are at most id. Linear in the chunks of 65,536 ids.';

CREATE FUNCTION segment.slice(members segment.idset, lowest bigint, highest bigint) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_slice' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION segment.slice(segment.idset, bigint, bigint) IS
'The ids from lowest to highest, both included; a NULL bound is open. NULL for a NULL set.';

CREATE FUNCTION segment.sample(members segment.idset, n bigint, seed bigint DEFAULT 0) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_sample' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION segment.sample(segment.idset, bigint, bigint) IS
'n ids of the set at random, every subset of that size being equally likely; the whole set when it has no more. The same set, n and seed give the same ids. 22023 for negative n. Floyd''s algorithm (Bentley and Floyd 1987).';

-- ---- ids in sets

CREATE FUNCTION segment.id_in_idset(id bigint, members segment.idset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgseg_id_in_idset' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_contains_id(members segment.idset, id bigint) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgseg_idset_contains_id' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
-- For integer columns: their own indexes serve, and a set in quotes is not taken for a range.
CREATE FUNCTION segment.id_in_idset(id integer, members segment.idset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgseg_int4_in_idset' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.id_in_idset(id smallint, members segment.idset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgseg_int2_in_idset' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.id_in_idset(bigint, segment.idset) IS 'implementation of <@ operator';
COMMENT ON FUNCTION segment.id_in_idset(integer, segment.idset) IS 'implementation of <@ operator';
COMMENT ON FUNCTION segment.id_in_idset(smallint, segment.idset) IS 'implementation of <@ operator';
COMMENT ON FUNCTION segment.idset_contains_id(segment.idset, bigint) IS 'implementation of @> operator';

CREATE OPERATOR segment.<@ (
    LEFTARG = bigint, RIGHTARG = segment.idset, FUNCTION = segment.id_in_idset,
    COMMUTATOR = OPERATOR(segment.@>), RESTRICT = contsel, JOIN = contjoinsel
);
CREATE OPERATOR segment.@> (
    LEFTARG = segment.idset, RIGHTARG = bigint, FUNCTION = segment.idset_contains_id,
    COMMUTATOR = OPERATOR(segment.<@), RESTRICT = contsel, JOIN = contjoinsel
);
CREATE OPERATOR segment.<@ (
    LEFTARG = integer, RIGHTARG = segment.idset, FUNCTION = segment.id_in_idset,
    RESTRICT = contsel, JOIN = contjoinsel
);
CREATE OPERATOR segment.<@ (
    LEFTARG = smallint, RIGHTARG = segment.idset, FUNCTION = segment.id_in_idset,
    RESTRICT = contsel, JOIN = contjoinsel
);
COMMENT ON OPERATOR segment.<@ (bigint, segment.idset) IS 'the id is in the set';
COMMENT ON OPERATOR segment.<@ (integer, segment.idset) IS 'the id is in the set';
COMMENT ON OPERATOR segment.<@ (smallint, segment.idset) IS 'the id is in the set';
COMMENT ON OPERATOR segment.@> (segment.idset, bigint) IS 'the set has the id';

-- ---- two sets

CREATE FUNCTION segment.idset_union(segment.idset, segment.idset) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_union' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION segment.idset_intersection(segment.idset, segment.idset) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_intersection' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION segment.idset_difference(segment.idset, segment.idset) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_difference' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION segment.idset_symmetric_difference(segment.idset, segment.idset) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_symmetric_difference' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION segment.idset_contains(segment.idset, segment.idset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgseg_idset_contains' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION segment.idset_contained(segment.idset, segment.idset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgseg_idset_contained' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION segment.idset_overlaps(segment.idset, segment.idset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgseg_idset_overlaps' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION segment.idset_union(segment.idset, segment.idset) IS 'implementation of | operator';
COMMENT ON FUNCTION segment.idset_intersection(segment.idset, segment.idset) IS 'implementation of & operator';
COMMENT ON FUNCTION segment.idset_difference(segment.idset, segment.idset) IS 'implementation of - operator';
COMMENT ON FUNCTION segment.idset_symmetric_difference(segment.idset, segment.idset) IS 'implementation of # operator';
COMMENT ON FUNCTION segment.idset_contains(segment.idset, segment.idset) IS 'implementation of @> operator';
COMMENT ON FUNCTION segment.idset_contained(segment.idset, segment.idset) IS 'implementation of <@ operator';
COMMENT ON FUNCTION segment.idset_overlaps(segment.idset, segment.idset) IS 'implementation of && operator';

CREATE OPERATOR segment.| (
    LEFTARG = segment.idset, RIGHTARG = segment.idset, FUNCTION = segment.idset_union,
    COMMUTATOR = OPERATOR(segment.|)
);
CREATE OPERATOR segment.& (
    LEFTARG = segment.idset, RIGHTARG = segment.idset, FUNCTION = segment.idset_intersection,
    COMMUTATOR = OPERATOR(segment.&)
);
CREATE OPERATOR segment.- (
    LEFTARG = segment.idset, RIGHTARG = segment.idset, FUNCTION = segment.idset_difference
);
CREATE OPERATOR segment.# (
    LEFTARG = segment.idset, RIGHTARG = segment.idset, FUNCTION = segment.idset_symmetric_difference,
    COMMUTATOR = OPERATOR(segment.#)
);
CREATE OPERATOR segment.@> (
    LEFTARG = segment.idset, RIGHTARG = segment.idset, FUNCTION = segment.idset_contains,
    COMMUTATOR = OPERATOR(segment.<@), RESTRICT = contsel, JOIN = contjoinsel
);
CREATE OPERATOR segment.<@ (
    LEFTARG = segment.idset, RIGHTARG = segment.idset, FUNCTION = segment.idset_contained,
    COMMUTATOR = OPERATOR(segment.@>), RESTRICT = contsel, JOIN = contjoinsel
);
CREATE OPERATOR segment.&& (
    LEFTARG = segment.idset, RIGHTARG = segment.idset, FUNCTION = segment.idset_overlaps,
    COMMUTATOR = OPERATOR(segment.&&), RESTRICT = contsel, JOIN = contjoinsel
);
COMMENT ON OPERATOR segment.| (segment.idset, segment.idset) IS 'union';
COMMENT ON OPERATOR segment.& (segment.idset, segment.idset) IS 'intersection';
COMMENT ON OPERATOR segment.- (segment.idset, segment.idset) IS 'difference: in the first and not in the second';
COMMENT ON OPERATOR segment.# (segment.idset, segment.idset) IS 'symmetric difference: in one of the two';
COMMENT ON OPERATOR segment.@> (segment.idset, segment.idset) IS 'the first has all ids of the second';
COMMENT ON OPERATOR segment.<@ (segment.idset, segment.idset) IS 'all ids of the first are in the second';
COMMENT ON OPERATOR segment.&& (segment.idset, segment.idset) IS 'the sets share an id';

CREATE FUNCTION segment.intersection_cardinality(a segment.idset, b segment.idset) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgseg_idset_intersection_cardinality' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION segment.intersection_cardinality(segment.idset, segment.idset) IS
'cardinality(a & b), without making that set.';

CREATE FUNCTION segment.jaccard(a segment.idset, b segment.idset) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_idset_jaccard' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION segment.jaccard(segment.idset, segment.idset) IS
'Jaccard index: the share of ids in both among the ids in either. NULL for two empty sets (Jaccard 1901).';

-- ---- comparison

CREATE FUNCTION segment.idset_eq(segment.idset, segment.idset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgseg_idset_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_ne(segment.idset, segment.idset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgseg_idset_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_lt(segment.idset, segment.idset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgseg_idset_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_le(segment.idset, segment.idset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgseg_idset_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_gt(segment.idset, segment.idset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgseg_idset_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_ge(segment.idset, segment.idset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'pgseg_idset_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_cmp(segment.idset, segment.idset) RETURNS integer
    AS 'MODULE_PATHNAME', 'pgseg_idset_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_hash(segment.idset) RETURNS integer
    AS 'MODULE_PATHNAME', 'pgseg_idset_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.idset_hash_extended(segment.idset, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgseg_idset_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.idset_eq(segment.idset, segment.idset) IS 'implementation of = operator';
COMMENT ON FUNCTION segment.idset_ne(segment.idset, segment.idset) IS 'implementation of <> operator';
COMMENT ON FUNCTION segment.idset_lt(segment.idset, segment.idset) IS 'implementation of < operator';
COMMENT ON FUNCTION segment.idset_le(segment.idset, segment.idset) IS 'implementation of <= operator';
COMMENT ON FUNCTION segment.idset_gt(segment.idset, segment.idset) IS 'implementation of > operator';
COMMENT ON FUNCTION segment.idset_ge(segment.idset, segment.idset) IS 'implementation of >= operator';
COMMENT ON FUNCTION segment.idset_cmp(segment.idset, segment.idset) IS 'order of two sets, for B-trees';
COMMENT ON FUNCTION segment.idset_hash(segment.idset) IS 'hash of a set';
COMMENT ON FUNCTION segment.idset_hash_extended(segment.idset, bigint) IS 'hash of a set with a seed';

CREATE OPERATOR segment.= (
    LEFTARG = segment.idset, RIGHTARG = segment.idset, FUNCTION = segment.idset_eq,
    COMMUTATOR = OPERATOR(segment.=), NEGATOR = OPERATOR(segment.<>), RESTRICT = eqsel, JOIN = eqjoinsel,
    HASHES, MERGES
);
CREATE OPERATOR segment.<> (
    LEFTARG = segment.idset, RIGHTARG = segment.idset, FUNCTION = segment.idset_ne,
    COMMUTATOR = OPERATOR(segment.<>), NEGATOR = OPERATOR(segment.=), RESTRICT = neqsel, JOIN = neqjoinsel
);
CREATE OPERATOR segment.< (
    LEFTARG = segment.idset, RIGHTARG = segment.idset, FUNCTION = segment.idset_lt,
    COMMUTATOR = OPERATOR(segment.>), NEGATOR = OPERATOR(segment.>=),
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
CREATE OPERATOR segment.<= (
    LEFTARG = segment.idset, RIGHTARG = segment.idset, FUNCTION = segment.idset_le,
    COMMUTATOR = OPERATOR(segment.>=), NEGATOR = OPERATOR(segment.>),
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
CREATE OPERATOR segment.> (
    LEFTARG = segment.idset, RIGHTARG = segment.idset, FUNCTION = segment.idset_gt,
    COMMUTATOR = OPERATOR(segment.<), NEGATOR = OPERATOR(segment.<=),
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
CREATE OPERATOR segment.>= (
    LEFTARG = segment.idset, RIGHTARG = segment.idset, FUNCTION = segment.idset_ge,
    COMMUTATOR = OPERATOR(segment.<=), NEGATOR = OPERATOR(segment.<),
    RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR segment.= (segment.idset, segment.idset) IS 'the same ids, of the same dictionary';
COMMENT ON OPERATOR segment.<> (segment.idset, segment.idset) IS 'not the same ids';
COMMENT ON OPERATOR segment.< (segment.idset, segment.idset) IS 'before, as the ascending lists of ids compare';
COMMENT ON OPERATOR segment.<= (segment.idset, segment.idset) IS 'before or equal';
COMMENT ON OPERATOR segment.> (segment.idset, segment.idset) IS 'after';
COMMENT ON OPERATOR segment.>= (segment.idset, segment.idset) IS 'after or equal';

CREATE OPERATOR CLASS segment.idset_ops DEFAULT FOR TYPE segment.idset USING btree AS
    OPERATOR 1 segment.<,
    OPERATOR 2 segment.<=,
    OPERATOR 3 segment.=,
    OPERATOR 4 segment.>=,
    OPERATOR 5 segment.>,
    FUNCTION 1 segment.idset_cmp(segment.idset, segment.idset);
COMMENT ON OPERATOR CLASS segment.idset_ops USING btree IS 'sorting, DISTINCT and merge joins of sets';
COMMENT ON OPERATOR FAMILY segment.idset_ops USING btree IS 'sorting, DISTINCT and merge joins of sets';

CREATE OPERATOR CLASS segment.idset_ops DEFAULT FOR TYPE segment.idset USING hash AS
    OPERATOR 1 segment.=,
    FUNCTION 1 segment.idset_hash(segment.idset),
    FUNCTION 2 segment.idset_hash_extended(segment.idset, bigint);
COMMENT ON OPERATOR CLASS segment.idset_ops USING hash IS 'GROUP BY and hash joins of sets';
COMMENT ON OPERATOR FAMILY segment.idset_ops USING hash IS 'GROUP BY and hash joins of sets';

-- ---- casts

CREATE CAST (bigint[] AS segment.idset) WITH FUNCTION segment.idset(bigint[]);
COMMENT ON CAST (bigint[] AS segment.idset) IS 'the set of the elements';
CREATE CAST (segment.idset AS bigint[]) WITH FUNCTION segment.to_array(segment.idset);
COMMENT ON CAST (segment.idset AS bigint[]) IS 'the ids, ascending';

-- ---- aggregates

CREATE FUNCTION segment.idset_transition(state segment.idset, id bigint) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.idset_union_transition(state segment.idset, members segment.idset) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_union_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.idset_union_final(state segment.idset) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_union_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.idset_union_cardinality_final(state segment.idset) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgseg_idset_union_cardinality_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.idset_intersection_transition(state segment.idset, members segment.idset) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_intersection_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.idset_intersection_final(state segment.idset) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_intersection_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.idset_intersection_cardinality_final(state segment.idset) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgseg_idset_intersection_cardinality_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.idset_difference_transition(state segment.idset, members segment.idset) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_difference_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.idset_difference_final(state segment.idset) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_difference_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segment.idset_transition(segment.idset, bigint) IS
'transition function of segment.idset_agg and segment.count_distinct';
COMMENT ON FUNCTION segment.idset_union_transition(segment.idset, segment.idset) IS
'transition function of segment.union_agg, and combine function of all unions';
COMMENT ON FUNCTION segment.idset_union_final(segment.idset) IS 'final function of segment.idset_agg and segment.union_agg';
COMMENT ON FUNCTION segment.idset_union_cardinality_final(segment.idset) IS
'final function of segment.count_distinct and segment.union_cardinality_agg';
COMMENT ON FUNCTION segment.idset_intersection_transition(segment.idset, segment.idset) IS
'transition and combine function of segment.intersect_agg';
COMMENT ON FUNCTION segment.idset_intersection_final(segment.idset) IS 'final function of segment.intersect_agg';
COMMENT ON FUNCTION segment.idset_intersection_cardinality_final(segment.idset) IS
'final function of segment.intersection_cardinality_agg';
COMMENT ON FUNCTION segment.idset_difference_transition(segment.idset, segment.idset) IS
'transition and combine function of segment.symdiff_agg';
COMMENT ON FUNCTION segment.idset_difference_final(segment.idset) IS 'final function of segment.symdiff_agg';

CREATE AGGREGATE segment.idset_agg(id bigint) (
    SFUNC = segment.idset_transition,
    STYPE = segment.idset,
    SSPACE = 2048,
    COMBINEFUNC = segment.idset_union_transition,
    FINALFUNC = segment.idset_union_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.count_distinct(id bigint) (
    SFUNC = segment.idset_transition,
    STYPE = segment.idset,
    SSPACE = 2048,
    COMBINEFUNC = segment.idset_union_transition,
    FINALFUNC = segment.idset_union_cardinality_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.union_agg(members segment.idset) (
    SFUNC = segment.idset_union_transition,
    STYPE = segment.idset,
    SSPACE = 1024,
    COMBINEFUNC = segment.idset_union_transition,
    FINALFUNC = segment.idset_union_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.union_cardinality_agg(members segment.idset) (
    SFUNC = segment.idset_union_transition,
    STYPE = segment.idset,
    SSPACE = 1024,
    COMBINEFUNC = segment.idset_union_transition,
    FINALFUNC = segment.idset_union_cardinality_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.intersect_agg(members segment.idset) (
    SFUNC = segment.idset_intersection_transition,
    STYPE = segment.idset,
    SSPACE = 1024,
    COMBINEFUNC = segment.idset_intersection_transition,
    FINALFUNC = segment.idset_intersection_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.intersection_cardinality_agg(members segment.idset) (
    SFUNC = segment.idset_intersection_transition,
    STYPE = segment.idset,
    SSPACE = 1024,
    COMBINEFUNC = segment.idset_intersection_transition,
    FINALFUNC = segment.idset_intersection_cardinality_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.symdiff_agg(members segment.idset) (
    SFUNC = segment.idset_difference_transition,
    STYPE = segment.idset,
    SSPACE = 1024,
    COMBINEFUNC = segment.idset_difference_transition,
    FINALFUNC = segment.idset_difference_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE segment.idset_agg(bigint) IS
'The set of the ids of the rows. NULLs are passed over; NULL when there is no id. Time linear in the rows; memory at most 8 bytes an id plus that again while sorting, 8 kB for each crowded chunk of 65,536 neighbouring ids, held against pg_segment.max_memory (54000 beyond).';
COMMENT ON AGGREGATE segment.count_distinct(bigint) IS
'Number of different ids, exact: count(DISTINCT id) without a sort, and in parallel. NULLs do not count; 0 when there is no id. Time and memory as segment.idset_agg.';
COMMENT ON AGGREGATE segment.union_agg(segment.idset) IS
'The ids that are in any of the sets. NULLs are passed over; NULL when there is no set. One pass over each set; 22023 for sets of different dictionaries.';
COMMENT ON AGGREGATE segment.union_cardinality_agg(segment.idset) IS
'Number of ids in any of the sets; 0 when there is no set.';
COMMENT ON AGGREGATE segment.intersect_agg(segment.idset) IS
'The ids that are in all of the sets. NULLs are passed over; NULL when there is no set. Starts with the smallest sets and reads no more of them once nothing is left; 22023 for sets of different dictionaries.';
COMMENT ON AGGREGATE segment.intersection_cardinality_agg(segment.idset) IS
'Number of ids in all of the sets; NULL when there is no set.';
COMMENT ON AGGREGATE segment.symdiff_agg(segment.idset) IS
'The ids that are in an odd number of the sets. NULLs are passed over; NULL when there is no set. O(log(sets)) passes over each set; 22023 for sets of different dictionaries.';
