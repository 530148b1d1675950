-- ---------------------------------------------------------------------------------------------------------------
-- RFM segments in figures
-- ---------------------------------------------------------------------------------------------------------------

-- segment.rfm_segment_figures: one segment in figures. Availability: 0.1.0
CREATE TYPE segment.rfm_segment_figures AS (
    segment text,
    customers bigint,
    share double precision,
    revenue numeric,
    revenue_share double precision,
    orders bigint,
    mean_order_value numeric,
    median_recency_days double precision,
    median_frequency double precision,
    median_monetary numeric
);
COMMENT ON TYPE segment.rfm_segment_figures IS 'One RFM segment in figures: the result of segment.rfm_summary.';
COMMENT ON COLUMN segment.rfm_segment_figures.segment IS
'name of the segment; "Prospects" are customers without orders, NULL those whose scores the map does not cover';
COMMENT ON COLUMN segment.rfm_segment_figures.customers IS 'customers of the segment';
COMMENT ON COLUMN segment.rfm_segment_figures.share IS 'their part of all customers, from 0 to 1';
COMMENT ON COLUMN segment.rfm_segment_figures.revenue IS 'sum of their orders, whatever monetary is; exact';
COMMENT ON COLUMN segment.rfm_segment_figures.revenue_share IS
'their part of all revenue; NULL unless all revenue is more than zero';
COMMENT ON COLUMN segment.rfm_segment_figures.orders IS
'their orders: different order_ids where such a column is given, else rows';
COMMENT ON COLUMN segment.rfm_segment_figures.mean_order_value IS 'revenue by order; NULL without orders';
COMMENT ON COLUMN segment.rfm_segment_figures.median_recency_days IS
'median of the days since the last order; of an even number of customers the mean of the two in the middle';
COMMENT ON COLUMN segment.rfm_segment_figures.median_frequency IS 'median of what frequency counts';
COMMENT ON COLUMN segment.rfm_segment_figures.median_monetary IS 'median of what monetary adds up; exact';

CREATE FUNCTION segment.rfm_summary_query(orders regclass, customer name, frequency text, monetary text,
                                          order_id name)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key_type text;
    rfm_name name;
    counted text := CASE WHEN order_id IS NULL THEN 'orders' ELSE 'order_ids' END;
    money text := 'SELECT customer_id, monetary AS revenue, frequency AS orders FROM scored';
BEGIN
    IF orders IS NULL OR customer IS NULL THEN
        RAISE EXCEPTION 'arguments of segment.rfm must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    key_type := segment.column_type(orders, customer)::text;
    rfm_name := CASE WHEN key_type IN ('smallint', 'integer', 'bigint') THEN 'rfm'
                     WHEN key_type = 'uuid' THEN 'rfm_uuid' ELSE 'rfm_text' END;
    -- Revenue and orders are not among the measures where those are something else: they take a second look.
    IF monetary IS DISTINCT FROM 'sum' OR frequency IS DISTINCT FROM counted THEN
        money := format($query$
            SELECT customer_id, monetary AS revenue, frequency AS orders
            FROM segment.%I($1, $2, $3, $4, $5, 5::pg_catalog.int4, 'quantile'::pg_catalog.text, %L::pg_catalog.text,
                            'sum'::pg_catalog.text, $10, 'cells125'::pg_catalog.text, $12, $13, NULL::pg_catalog.regclass,
                            NULL::pg_catalog.name, NULL::segment.rfm_scale, '{}'::pg_catalog.jsonb)
        $query$, rfm_name, counted);
    END IF;
    -- This runs under the caller's search path, as a condition on the orders does.
    RETURN format($query$
        WITH scored AS (
            SELECT * FROM segment.%1$I($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
        ), money AS (
            %2$s
        ), figure AS (
            SELECT scored.segment, pg_catalog.count(*) AS customers,
                   COALESCE(pg_catalog.sum(money.revenue), 0) AS revenue,
                   COALESCE(pg_catalog.sum(money.orders), 0) AS orders,
                   pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY scored.recency_days) AS recency_days,
                   pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY scored.frequency) AS frequency,
                   -- The two in the middle, which are one where the number is odd.
                   (pg_catalog.percentile_disc(0.5) WITHIN GROUP (ORDER BY scored.monetary) OPERATOR(pg_catalog.+)
                    pg_catalog.percentile_disc(0.5) WITHIN GROUP (ORDER BY scored.monetary DESC))
                   OPERATOR(pg_catalog.*) 0.5 AS monetary
            FROM scored LEFT JOIN money ON money.customer_id OPERATOR(pg_catalog.=) scored.customer_id
            GROUP BY scored.segment
        ), place AS (
            SELECT entry.name, pg_catalog.row_number() OVER (
                       ORDER BY pg_catalog.bool_and(entry.fallback), pg_catalog.min(entry.priority)) AS place
            FROM segment.rfm_map AS entry
            WHERE entry.map OPERATOR(pg_catalog.=) $11
            GROUP BY entry.name
        )
        SELECT figure.segment, figure.customers,
               (figure.customers OPERATOR(pg_catalog./) pg_catalog.sum(figure.customers) OVER ())::pg_catalog.float8,
               figure.revenue,
               (figure.revenue OPERATOR(pg_catalog./) CASE WHEN pg_catalog.sum(figure.revenue) OVER ()
                    OPERATOR(pg_catalog.>) 0 THEN pg_catalog.sum(figure.revenue) OVER () END)::pg_catalog.float8,
               figure.orders::pg_catalog.int8,
               figure.revenue OPERATOR(pg_catalog./) CASE WHEN figure.orders OPERATOR(pg_catalog.<>) 0
                    THEN figure.orders END,
               figure.recency_days, figure.frequency, figure.monetary
        FROM figure LEFT JOIN place ON place.name OPERATOR(pg_catalog.=) figure.segment
        ORDER BY place.place, figure.segment
    $query$, rfm_name, money);
END
$$;
COMMENT ON FUNCTION segment.rfm_summary_query(regclass, name, text, text, name) IS
'The query of segment.rfm_summary, by the type of the customers and by whether revenue is among the measures.';

CREATE FUNCTION segment.rfm_summary(orders regclass, customer name, at name, amount name,
                                    as_of timestamptz DEFAULT now(), bins integer DEFAULT NULL,
                                    method text DEFAULT 'quantile', frequency text DEFAULT 'days',
                                    monetary text DEFAULT 'sum', refunds text DEFAULT 'net',
                                    map text DEFAULT 'cells125', "where" text DEFAULT NULL,
                                    order_id name DEFAULT NULL, customers regclass DEFAULT NULL,
                                    customers_key name DEFAULT NULL, scale segment.rfm_scale DEFAULT NULL,
                                    options jsonb DEFAULT '{}')
RETURNS SETOF segment.rfm_segment_figures
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 12
AS $$
BEGIN
    RETURN QUERY EXECUTE segment.rfm_summary_query($1, $2, $8, $9, $13)
    USING $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17;
END
$$;
COMMENT ON FUNCTION segment.rfm_summary(regclass, name, name, name, timestamptz, integer, text, text, text, text, text,
                                        text, name, regclass, name, segment.rfm_scale, jsonb) IS
'The segments of segment.rfm in figures, in the order of the map: customers, revenue, orders, their shares and mean order value, and medians of recency, frequency and monetary. Arguments and errors as for segment.rfm, customers of any type. revenue is the sum of the orders, less refunds as refunds says, also where monetary is their mean or maximum; orders are different values of order_id, or rows where there is no such column, also where frequency counts days. Segments without customers have no row. After those of the map come customers without orders (zero revenue, no medians), and customers whose scores the map does not cover (NULL). revenue_share is NULL unless all revenue is more than zero. Sums and shares are exact and do not depend on the order of rows. O(orders + customers log customers); where monetary is not "sum", or frequency not orders, the orders are read twice.';
