-- ---------------------------------------------------------------------------------------------------------------
-- Loyalty tiers
-- ---------------------------------------------------------------------------------------------------------------

-- segment.tier_standing: where a customer stands in a loyalty program. Availability: 0.1.0
CREATE TYPE segment.tier_standing AS (
    tier text,
    since timestamptz,
    balance numeric,
    next_tier text,
    missing numeric,
    short_since timestamptz,
    expires_at timestamptz,
    expires_to text
);
COMMENT ON TYPE segment.tier_standing IS 'Where a customer stands in a loyalty program: the result of segment.tier_at.';
COMMENT ON COLUMN segment.tier_standing.tier IS 'the tier; NULL for members below the lowest';
COMMENT ON COLUMN segment.tier_standing.since IS 'when the tier was reached, or the membership began';
COMMENT ON COLUMN segment.tier_standing.balance IS 'what counts at the moment: amount, orders or days of the period';
COMMENT ON COLUMN segment.tier_standing.next_tier IS 'the tier above; NULL at the top';
COMMENT ON COLUMN segment.tier_standing.missing IS 'what is missing for the tier above';
COMMENT ON COLUMN segment.tier_standing.short_since IS
'since when, in this tier, the balance no longer earns it; NULL while it does, and where tiers are never lost';
COMMENT ON COLUMN segment.tier_standing.expires_at IS
'when the tier will be lost if no order comes; NULL for never';
COMMENT ON COLUMN segment.tier_standing.expires_to IS 'the tier to which the customer will fall then; NULL for none';

-- STABLE: months and days are those of the session's time zone.
CREATE FUNCTION segment.tier_at(at timestamptz[], amount numeric[], tiers jsonb, as_of timestamptz DEFAULT now(),
                                metric text DEFAULT 'amount', period interval DEFAULT '12 months',
                                period_start text DEFAULT 'rolling', downgrade text DEFAULT 'balance',
                                review text DEFAULT 'real_time', review_every interval DEFAULT '12 months',
                                grace interval DEFAULT '0', joined timestamptz DEFAULT NULL)
    RETURNS segment.tier_standing
    AS 'MODULE_PATHNAME', 'pgseg_tier_at' LANGUAGE C STABLE PARALLEL SAFE COST 100;
CREATE FUNCTION segment.tier_history(at timestamptz[], amount numeric[], tiers jsonb,
                                     as_of timestamptz DEFAULT now(), metric text DEFAULT 'amount',
                                     period interval DEFAULT '12 months', period_start text DEFAULT 'rolling',
                                     downgrade text DEFAULT 'balance', review text DEFAULT 'real_time',
                                     review_every interval DEFAULT '12 months', grace interval DEFAULT '0',
                                     joined timestamptz DEFAULT NULL)
    RETURNS TABLE (tier text, starts timestamptz, ends timestamptz, change text, reason text, balance numeric,
                   threshold numeric, short_since timestamptz)
    AS 'MODULE_PATHNAME', 'pgseg_tier_history' LANGUAGE C STABLE PARALLEL SAFE COST 100 ROWS 5;

COMMENT ON FUNCTION segment.tier_at(timestamptz[], numeric[], jsonb, timestamptz, text, interval, text, text, text,
                                    interval, interval, timestamptz) IS
'Where one customer stands in a loyalty program at as_of. at, amount: the customer''s orders in any order, say from array_agg; a pair with a NULL is skipped, amount may be NULL unless the metric needs it. tiers: names and thresholds, {"Silver": 500, "Gold": 1500}; a threshold of 0 names the tier that every member has. as_of: only orders before it count. metric: "amount" (sum, refunds as negative amounts), "orders" or "days" (different days with an order). period: which orders count, those of the last period ("rolling": an order counts up to its own time plus the period, and at that moment still), since the last multiple of it from 2000-01-01 ("calendar") or since joining ("membership"), as period_start says; NULL for all of them. A tier is reached at once. downgrade: "none" keeps it for ever, "one_down" goes down one tier, "balance" to what the balance earns; review says when: at each change of the balance ("real_time"; a balance that is still short after "one_down" loses the next tier at the next change, and review_every later at the latest), or every review_every since joining ("membership_anniversary"), since the tier was reached ("tier_anniversary") or from 2000-01-01 ("calendar"). grace: for how long the balance may be short before the tier is lost. joined: when the membership began (default: the first order); earlier orders do not count. NULL for who has not joined. Months and days are the session''s. 22004 for NULL in another argument; 22023 for unknown words, no tier, more than 100, equal or negative thresholds, a period or review_every shorter than a day, negative grace, infinite as_of or joined; 2202E when at and amount differ in length; 22000 for amounts and times that are not finite. O(n log n).';
COMMENT ON FUNCTION segment.tier_history(timestamptz[], numeric[], jsonb, timestamptz, text, interval, text, text, text,
                                         interval, interval, timestamptz) IS
'How one customer came to the tier at as_of: a row for each tier, from starts to ends (NULL: the present one). Arguments and errors as for segment.tier_at. change: "joined", "upgrade" or "downgrade". reason: "joined", "threshold reached", "balance fell short" and "balance still short" (real time), "membership anniversary", "tier anniversary", "calendar review" or "grace ended". balance: what counted at the change. threshold: the one that was reached, or that of the tier that was lost. short_since: for a loss, since when the balance had been below it, at the earliest since the tier began. No rows for who has not joined. O(n log n).';

CREATE FUNCTION segment.tier_query(orders regclass, customer name, at name, amount name, key_type text, tiers jsonb,
                                   as_of timestamptz, metric text, period interval, period_start text, downgrade text,
                                   review text, review_every interval, grace interval, filter text,
                                   customers regclass, customers_key name, joined name)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    amounts text := 'NULL::pg_catalog.numeric[]';
    condition text := '';
    members text := 'SELECT NULL::' || key_type || ' AS customer_id, NULL::pg_catalog.timestamptz AS joined WHERE false';
BEGIN
    IF orders IS NULL OR customer IS NULL OR at IS NULL OR amount IS NULL AND metric = 'amount' THEN
        RAISE EXCEPTION 'relation and columns of segment.tier must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM segment.column_type(orders, at);
    PERFORM segment.check_key_type(orders, customer, key_type);
    IF amount IS NOT NULL THEN
        -- A real has more digits than its cast to numeric keeps; as double precision it keeps them.
        amounts := format('pg_catalog.array_agg(o.%I%s::pg_catalog.numeric)', amount,
                          CASE WHEN segment.column_type(orders, amount)::text = 'real'
                               THEN '::pg_catalog.float8' ELSE '' END);
    END IF;
    IF filter IS NOT NULL THEN
        condition := format(E'AND (\n%s\n)', filter);
    END IF;
    IF customers IS NOT NULL THEN
        customers_key := coalesce(customers_key, customer);
        PERFORM segment.check_key_type(customers, customers_key, key_type);
        IF joined IS NOT NULL THEN
            PERFORM segment.column_type(customers, joined);
        END IF;
        -- Who is listed twice is one member, since the earlier of the two.
        members := format('SELECT m.%1$I::%2$s AS customer_id, pg_catalog.min(%3$s::pg_catalog.timestamptz) AS joined FROM %4$s AS m WHERE m.%1$I IS NOT NULL GROUP BY 1',
                          customers_key, key_type, CASE WHEN joined IS NULL THEN 'NULL' ELSE format('m.%I', joined) END,
                          segment.qualified_name(customers));
    ELSIF customers_key IS NOT NULL OR joined IS NOT NULL THEN
        RAISE EXCEPTION '"customers_key" and "joined" are columns of "customers", which is null'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- A bad program is an error also where there is no customer.
    PERFORM segment.tier_at('{}'::timestamptz[], '{}'::numeric[], tiers, as_of, metric, period, period_start, downgrade,
                            review, review_every, grace, NULL::timestamptz);
    -- This runs under the caller's search path, as the condition does.
    RETURN format($query$
        WITH member AS (
            %7$s
        ), gathered AS (
            SELECT o.%1$I::%2$s AS customer_id, pg_catalog.array_agg(o.%3$I::pg_catalog.timestamptz) AS at, %4$s AS amount
            FROM %5$s AS o
            WHERE o.%3$I::pg_catalog.timestamptz OPERATOR(pg_catalog.<) $1 AND o.%1$I IS NOT NULL %6$s
            GROUP BY 1
        ), standing AS (
            SELECT COALESCE(gathered.customer_id, member.customer_id) AS customer_id,
                   segment.tier_at(gathered.at, gathered.amount, $2, $1, $3, $4, $5, $6, $7, $8, $9, member.joined) AS s
            FROM gathered FULL JOIN member ON member.customer_id OPERATOR(pg_catalog.=) gathered.customer_id
            OFFSET 0
        )
        SELECT customer_id, (s).tier, (s).since, (s).balance, (s).next_tier, (s).missing, (s).short_since,
               (s).expires_at, (s).expires_to
        FROM standing
    $query$, customer, key_type, at, amounts, segment.qualified_name(orders), condition, members);
END
$$;
COMMENT ON FUNCTION segment.tier_query(regclass, name, name, name, text, jsonb, timestamptz, text, interval, text, text, text,
                                       interval, interval, text, regclass, name, name) IS
'The query of segment.tier: checks the program, checks columns and names them. Its parameters are as_of, tiers, and metric to grace.';

-- RESTRICTED: the relation may be a temporary table, or a view over anything.
CREATE FUNCTION segment.tier(orders regclass, customer name, at name, amount name, tiers jsonb,
                             as_of timestamptz DEFAULT now(), metric text DEFAULT 'amount',
                             period interval DEFAULT '12 months', period_start text DEFAULT 'rolling',
                             downgrade text DEFAULT 'balance', review text DEFAULT 'real_time',
                             review_every interval DEFAULT '12 months', grace interval DEFAULT '0',
                             "where" text DEFAULT NULL, customers regclass DEFAULT NULL,
                             customers_key name DEFAULT NULL, joined name DEFAULT NULL)
RETURNS TABLE (customer_id bigint, tier text, since timestamptz, balance numeric, next_tier text, missing numeric,
               short_since timestamptz, expires_at timestamptz, expires_to text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
BEGIN
    RETURN QUERY EXECUTE segment.tier_query($1, $2, $3, $4, 'pg_catalog.int8'::pg_catalog.text, $5, $6, $7, $8, $9, $10, $11,
                                            $12, $13, $14, $15, $16, $17)
    USING $6, $5, $7, $8, $9, $10, $11, $12, $13;
END
$$;
CREATE FUNCTION segment.tier_uuid(orders regclass, customer name, at name, amount name, tiers jsonb,
                             as_of timestamptz DEFAULT now(), metric text DEFAULT 'amount',
                             period interval DEFAULT '12 months', period_start text DEFAULT 'rolling',
                             downgrade text DEFAULT 'balance', review text DEFAULT 'real_time',
                             review_every interval DEFAULT '12 months', grace interval DEFAULT '0',
                             "where" text DEFAULT NULL, customers regclass DEFAULT NULL,
                             customers_key name DEFAULT NULL, joined name DEFAULT NULL)
RETURNS TABLE (customer_id uuid, tier text, since timestamptz, balance numeric, next_tier text, missing numeric,
               short_since timestamptz, expires_at timestamptz, expires_to text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
BEGIN
    RETURN QUERY EXECUTE segment.tier_query($1, $2, $3, $4, 'pg_catalog.uuid'::pg_catalog.text, $5, $6, $7, $8, $9, $10, $11,
                                            $12, $13, $14, $15, $16, $17)
    USING $6, $5, $7, $8, $9, $10, $11, $12, $13;
END
$$;
CREATE FUNCTION segment.tier_text(orders regclass, customer name, at name, amount name, tiers jsonb,
                             as_of timestamptz DEFAULT now(), metric text DEFAULT 'amount',
                             period interval DEFAULT '12 months', period_start text DEFAULT 'rolling',
                             downgrade text DEFAULT 'balance', review text DEFAULT 'real_time',
                             review_every interval DEFAULT '12 months', grace interval DEFAULT '0',
                             "where" text DEFAULT NULL, customers regclass DEFAULT NULL,
                             customers_key name DEFAULT NULL, joined name DEFAULT NULL)
RETURNS TABLE (customer_id text, tier text, since timestamptz, balance numeric, next_tier text, missing numeric,
               short_since timestamptz, expires_at timestamptz, expires_to text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
BEGIN
    RETURN QUERY EXECUTE segment.tier_query($1, $2, $3, $4, 'pg_catalog.text'::pg_catalog.text, $5, $6, $7, $8, $9, $10, $11,
                                            $12, $13, $14, $15, $16, $17)
    USING $6, $5, $7, $8, $9, $10, $11, $12, $13;
END
$$;

COMMENT ON FUNCTION segment.tier(regclass, name, name, name, jsonb, timestamptz, text, interval, text, text, text, interval,
                                 interval, text, regclass, name, name) IS
'Where every customer of an orders table stands in a loyalty program at as_of, with the caller''s rights. orders: table or view; customer, at, amount: its columns, the customer one of an integer type (see segment.tier_uuid and segment.tier_text for others), amount NULL where the metric is "orders" or "days" (real and double precision count with 15 digits). tiers to grace as for segment.tier_at. where: an SQL condition on the rows of orders, which are called o. customers: table or view of members, with the columns customers_key (default: the name in orders) and joined; members without orders come out, too, a member who is listed several times once, since the earliest joining, and who has not joined by as_of has NULLs; orders before joining do not count. Customers that are NULL and rows at or after as_of are left out. Errors as for segment.tier_at; 42703 and 42804 for columns. O(orders log orders).';
COMMENT ON FUNCTION segment.tier_uuid(regclass, name, name, name, jsonb, timestamptz, text, interval, text, text, text, interval,
                                 interval, text, regclass, name, name) IS
'segment.tier for customers identified by uuid.';
COMMENT ON FUNCTION segment.tier_text(regclass, name, name, name, jsonb, timestamptz, text, interval, text, text, text, interval,
                                 interval, text, regclass, name, name) IS
'segment.tier for customers identified by text.';
