-- ---------------------------------------------------------------------------------------------------------------
-- Sets of ids in the portable Roaring formats
-- ---------------------------------------------------------------------------------------------------------------

-- Availability: 0.1.0
CREATE FUNCTION segment.from_roaring(bitmap bytea, signed boolean DEFAULT false) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_from_roaring' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION segment.from_roaring(bytea, boolean) IS
'The set of a Roaring bitmap in the portable 32-bit or 64-bit format; which one is found from the bytes. Numbers of 64 bits are bigint values of the same bits. Numbers of 32 bits are the ids 0 to 4294967295; with signed => true they are integer values of the same bits, so that those from 2147483648 become negative ids. 22P03 for bytes that are not exactly one well-formed bitmap, 54000 for a set larger than 1 GB. Linear. Source: RoaringFormatSpec (github.com/RoaringBitmap/RoaringFormatSpec).';

-- Availability: 0.1.0
CREATE FUNCTION segment.to_roaring(members segment.idset) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_idset_to_roaring' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION segment.to_roaring(segment.idset) IS
'The set as a Roaring bitmap in the portable 64-bit format, optimised for runs. Negative ids become the unsigned numbers of the same bits. A dictionary is not carried along. 54000 when it would be larger than 1 GB. Linear in the chunks of 65,536 ids. Source: RoaringFormatSpec (github.com/RoaringBitmap/RoaringFormatSpec).';

-- Availability: 0.1.0
CREATE FUNCTION segment.to_roaring32(members segment.idset, signed boolean DEFAULT false) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_idset_to_roaring32' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION segment.to_roaring32(segment.idset, boolean) IS
'The set as a Roaring bitmap in the portable 32-bit format, optimised for runs. Its ids must be between 0 and 4294967295, with signed => true between -2147483648 and 2147483647, or 22003 is raised; negative ids become the unsigned numbers of the same 32 bits. A dictionary is not carried along. Linear. Source: RoaringFormatSpec (github.com/RoaringBitmap/RoaringFormatSpec).';
