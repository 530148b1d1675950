-- ---------------------------------------------------------------------------------------------------------------
-- A shop to try things on
-- ---------------------------------------------------------------------------------------------------------------

CREATE FUNCTION segment.demo_orders(customers integer, seed bigint DEFAULT NULL,
                                    starts_at timestamptz DEFAULT '2024-01-01 00:00:00+00',
                                    ends_at timestamptz DEFAULT '2026-01-01 00:00:00+00')
RETURNS TABLE (order_id bigint, customer_id bigint, ordered_at timestamptz, amount numeric,
               category text, channel text, country text)
    AS 'MODULE_PATHNAME', 'pgseg_demo_orders' LANGUAGE C STABLE PARALLEL SAFE ROWS 50000 COST 10000;
COMMENT ON FUNCTION segment.demo_orders(integer, bigint, timestamptz, timestamptz) IS
'Orders of an imagined shop between starts_at and ends_at (half-open): customers buy as Poisson processes with gamma-distributed rates and drop out (Fader, Hardie and Lee 2005), baskets are log-normal. The same arguments give the same rows (amounts could differ by a cent where the C library''s logarithm does); seed NULL means pg_segment.default_seed. customers: 0 to 100 million. About five orders a customer in two years; O(orders) time, constant memory beyond work_mem.';

