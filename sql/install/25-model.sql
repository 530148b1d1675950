-- ---------------------------------------------------------------------------------------------------------------
-- Models: clusterings trained on a relation, kept by name and version, applied to rows
-- ---------------------------------------------------------------------------------------------------------------

-- ---- passes over rows that need not fit memory

-- segment.kmeans_step_state: exact sums of one pass. Availability: 0.1.0
CREATE TYPE segment.kmeans_step_state;

CREATE FUNCTION segment.kmeans_step_state_in(cstring) RETURNS segment.kmeans_step_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_step_state_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_step_state_out(segment.kmeans_step_state) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_step_state_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_step_state_recv(internal) RETURNS segment.kmeans_step_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_step_state_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_step_state_send(segment.kmeans_step_state) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_step_state_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.kmeans_step_state (
    INPUT = segment.kmeans_step_state_in,
    OUTPUT = segment.kmeans_step_state_out,
    RECEIVE = segment.kmeans_step_state_recv,
    SEND = segment.kmeans_step_state_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);

COMMENT ON TYPE segment.kmeans_step_state IS
'State of segment.kmeans_step and segment.kmeans_measure: the model and exact sums of the rows, which parallel workers hand on. Its size depends on the model only.';
COMMENT ON FUNCTION segment.kmeans_step_state_in(cstring) IS 'input of segment.kmeans_step_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.kmeans_step_state_out(segment.kmeans_step_state) IS 'output of segment.kmeans_step_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.kmeans_step_state_recv(internal) IS 'binary input of segment.kmeans_step_state';
COMMENT ON FUNCTION segment.kmeans_step_state_send(segment.kmeans_step_state) IS 'binary output of segment.kmeans_step_state';

CREATE FUNCTION segment.kmeans_step_transition(state segment.kmeans_step_state, model segment.clustering,
                                               features double precision[]) RETURNS segment.kmeans_step_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_step_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 4;
CREATE FUNCTION segment.kmeans_measure_transition(state segment.kmeans_step_state, model segment.clustering,
                                                  features double precision[]) RETURNS segment.kmeans_step_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_measure_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 4;
CREATE FUNCTION segment.kmeans_step_combine(segment.kmeans_step_state, segment.kmeans_step_state)
    RETURNS segment.kmeans_step_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_step_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_step_final(segment.kmeans_step_state) RETURNS segment.clustering
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_step_final' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100;
CREATE FUNCTION segment.kmeans_step_state_final(segment.kmeans_step_state) RETURNS segment.kmeans_step_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_step_state_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION segment.kmeans_step_transition(segment.kmeans_step_state, segment.clustering, double precision[]) IS
'transition function of segment.kmeans_step';
COMMENT ON FUNCTION segment.kmeans_measure_transition(segment.kmeans_step_state, segment.clustering, double precision[]) IS
'transition function of segment.kmeans_measure';
COMMENT ON FUNCTION segment.kmeans_step_combine(segment.kmeans_step_state, segment.kmeans_step_state) IS
'combine function of segment.kmeans_step and segment.kmeans_measure';
COMMENT ON FUNCTION segment.kmeans_step_final(segment.kmeans_step_state) IS
'final function of segment.kmeans_step and segment.kmeans_measure';
COMMENT ON FUNCTION segment.kmeans_step_state_final(segment.kmeans_step_state) IS
'final function of segment.kmeans_step_state and segment.kmeans_measure_state';

CREATE AGGREGATE segment.kmeans_step(model segment.clustering, features double precision[]) (
    SFUNC = segment.kmeans_step_transition,
    STYPE = segment.kmeans_step_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_step_combine,
    FINALFUNC = segment.kmeans_step_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.kmeans_measure(model segment.clustering, features double precision[]) (
    SFUNC = segment.kmeans_measure_transition,
    STYPE = segment.kmeans_step_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_step_combine,
    FINALFUNC = segment.kmeans_step_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.kmeans_step_state(model segment.clustering, features double precision[]) (
    SFUNC = segment.kmeans_step_transition,
    STYPE = segment.kmeans_step_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_step_combine,
    FINALFUNC = segment.kmeans_step_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.kmeans_measure_state(model segment.clustering, features double precision[]) (
    SFUNC = segment.kmeans_measure_transition,
    STYPE = segment.kmeans_step_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_step_combine,
    FINALFUNC = segment.kmeans_step_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rollup(segment.kmeans_step_state) (
    SFUNC = segment.kmeans_step_combine,
    STYPE = segment.kmeans_step_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_step_combine,
    FINALFUNC = segment.kmeans_step_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE segment.kmeans_step(segment.clustering, double precision[]) IS
'One iteration of Lloyd''s algorithm (IEEE Trans. Inf. Theory 1982) over rows that need not fit memory: the model with each centroid moved to the mean of the rows that are nearest to it, for k-prototypes with the shares of their levels, for cosine to their mean direction; a centroid without rows stays. Its statistics (sizes, inertia, silhouettes) are those of the rows under the model as it was given, segment.kmeans_measure gives those under the new one; converged says that the squared movement of all centroids was at most the model''s tol times the mean variance of a feature; iterations is one more, refined is true. model: the same in every row, not of weighted rows; features: as for segment.cluster_id, a row with a NULL is skipped and counted. Sums are exact: the same model whatever the order of rows, plan or number of workers. NULL without a usable row. 22004 for a NULL model, 22023 for one of weighted rows; errors of rows as segment.cluster_id. Time O(rows * k * dimensions), memory O(k * dimensions).';
COMMENT ON AGGREGATE segment.kmeans_measure(segment.clustering, double precision[]) IS
'The model with the sizes, sums of squares, radii, scatters and silhouettes that these rows have under it, its centroids as they are: scoring the same rows gives the same sizes. Rows and errors as for segment.kmeans_step. Comparing it with the model as it was trained shows how far new data have drifted.';
COMMENT ON AGGREGATE segment.kmeans_step_state(segment.clustering, double precision[]) IS
'The sums of a pass without its result: a partial state to store or to send (per day, per shard), merged by segment.rollup, ended by segment.finalize. Arguments as of segment.kmeans_step.';
COMMENT ON AGGREGATE segment.kmeans_measure_state(segment.clustering, double precision[]) IS
'The same for segment.kmeans_measure.';
COMMENT ON AGGREGATE segment.rollup(segment.kmeans_step_state) IS
'Merges stored states of one pass; all must be of the same aggregate and model. NULLs are ignored.';

CREATE FUNCTION segment.finalize(state segment.kmeans_step_state) RETURNS segment.clustering
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_step_final' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION segment.finalize(segment.kmeans_step_state) IS
'The model after a pass whose sums were stored: what segment.kmeans_step or segment.kmeans_measure gives for the same rows. NULL for NULL, and for a state without a usable row.';

-- ---- the models

-- Names are global, as those of relations in a schema are, and belong to one role: or else anybody could put a newer
-- version of somebody's model in its place. Availability: 0.1.0
CREATE TABLE segment.model_name (
    name text COLLATE "C" PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 200),
    owner name NOT NULL DEFAULT current_user,
    last_version integer NOT NULL CHECK (last_version >= 1),
    UNIQUE (name, owner)
);
COMMENT ON TABLE segment.model_name IS
'The names of models: whom they belong to and which number the latest version was given. Owners may remove them, which removes all versions, and hand them to roles whose rights they have.';
COMMENT ON COLUMN segment.model_name.name IS 'name of the model';
COMMENT ON COLUMN segment.model_name.owner IS 'role that it belongs to';
COMMENT ON COLUMN segment.model_name.last_version IS 'number of the latest version, also when that is gone: numbers are not used again';

-- The relation is a name and no regclass: dropped relations must not harm reading or restoring.
CREATE TABLE segment.model_version (
    name text COLLATE "C",
    version integer CHECK (version >= 1),
    clustering segment.clustering NOT NULL,
    relation text NOT NULL
        CHECK (relation ~ '^([a-z_][a-z0-9_$]*|"([^"]|"")+")\.([a-z_][a-z0-9_$]*|"([^"]|"")+")$'),
    features name[] NOT NULL,
    "where" text,
    algorithm text NOT NULL,
    options jsonb NOT NULL DEFAULT '{}',
    rows bigint NOT NULL,
    quality jsonb NOT NULL DEFAULT '{}',
    trained_at timestamptz NOT NULL DEFAULT now(),
    owner name NOT NULL DEFAULT current_user,
    PRIMARY KEY (name, version),
    FOREIGN KEY (name, owner) REFERENCES segment.model_name (name, owner) ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE segment.model_version IS
'What segment.model shows the visible part of. Not for direct use: only the owner of the extension has rights on it, for dumps.';

-- Not a policy of row security: with one, a dump by anyone but a superuser would fail.
CREATE FUNCTION segment.owns_model(owner name) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(pg_has_role(to_regrole(quote_ident(owner))::oid, 'USAGE'), false)
           OR has_table_privilege('segment.model_version'::regclass, 'INSERT')
$$;
COMMENT ON FUNCTION segment.owns_model(name) IS
'Whether the current user has the rights of this role, or those of who restores dumps; false, not an error, when there is no such role any more.';

CREATE FUNCTION segment.may_read(relation text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT
        FROM (SELECT parse_ident(relation)) AS parsed (parts), pg_namespace AS namespace, pg_class AS class
        WHERE namespace.nspname = parts[1]::name AND class.relnamespace = namespace.oid AND class.relname = parts[2]::name
          AND has_schema_privilege(namespace.oid, 'USAGE') AND has_table_privilege(class.oid, 'SELECT')
          -- What a view or a foreign table shows may depend on who asks.
          AND class.relkind IN ('r', 'p', 'm')
          -- Who may see some rows only is not to learn of the others from their means.
          AND NOT row_security_active(class.oid))
$$;
COMMENT ON FUNCTION segment.may_read(text) IS
'Whether the current user may SELECT all rows of the table or materialized view of this name, which is qualified with its schema and quoted where need be; false when there is none, and for views and foreign tables.';

CREATE VIEW segment.model WITH (security_barrier) AS
SELECT version.name, version.version, version.clustering, version.relation, version.features, version."where",
       version.algorithm, version.options, version.rows, version.quality, version.trained_at, version.owner
FROM segment.model_version AS version
WHERE segment.owns_model(version.owner) OR segment.may_read(version.relation);
COMMENT ON VIEW segment.model IS
'Trained models, every version of each. Visible to who has the rights of the owner and to who may SELECT all rows of the table or materialized view that it was trained on; only the former may change or remove a row. Written by segment.train, read by segment.model_get, segment.predict and segment.assign.';
COMMENT ON COLUMN segment.model.name IS 'name of the model';
COMMENT ON COLUMN segment.model.version IS 'counted from 1; each training of the name is another one';
COMMENT ON COLUMN segment.model.clustering IS 'the model, with the preparation of its rows';
COMMENT ON COLUMN segment.model.relation IS 'what it was trained on: schema and name as they were then, quoted where need be; pg_temp for temporary ones';
COMMENT ON COLUMN segment.model.features IS 'the columns';
COMMENT ON COLUMN segment.model."where" IS 'the condition on the rows; NULL for none. Never executed again';
COMMENT ON COLUMN segment.model.algorithm IS 'kmeans, bisecting or kprototypes';
COMMENT ON COLUMN segment.model.options IS 'the options of segment.train';
COMMENT ON COLUMN segment.model.rows IS 'rows that it was trained on';
COMMENT ON COLUMN segment.model.quality IS
'k, inertia, explained (share of the sum of squares), silhouette (mean simplified silhouette), calinski_harabasz, davies_bouldin, and why k was chosen';
COMMENT ON COLUMN segment.model.trained_at IS 'start of the transaction that trained it';
COMMENT ON COLUMN segment.model.owner IS 'role that it belongs to';

CREATE FUNCTION segment.guard_model() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND NOT segment.owns_model(OLD.owner) THEN
        RAISE EXCEPTION 'must be owner of model "%"', OLD.name
            USING ERRCODE = 'insufficient_privilege', DETAIL = format('It belongs to role "%s".', OLD.owner);
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    IF NOT segment.owns_model(NEW.owner) THEN
        RAISE EXCEPTION 'must have the rights of role "%" to make it the owner of a model', NEW.owner
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION segment.guard_model() IS
'keeps models and their names from everybody but their owner';

CREATE FUNCTION segment.guard_model_version() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM segment.model_name AS known
                   WHERE known.name = NEW.name AND known.owner = NEW.owner AND known.last_version >= NEW.version) THEN
        RAISE EXCEPTION 'version % of model "%" has not been counted', NEW.version, NEW.name
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'segment.train counts versions in segment.model_name.';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION segment.guard_model_version() IS
'keeps versions from being added that segment.train would give to another model later';

CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON segment.model_name
    FOR EACH ROW EXECUTE FUNCTION segment.guard_model();
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON segment.model_version
    FOR EACH ROW EXECUTE FUNCTION segment.guard_model();
CREATE TRIGGER guard_version BEFORE INSERT OR UPDATE OF name, version ON segment.model_version
    FOR EACH ROW EXECUTE FUNCTION segment.guard_model_version();

GRANT SELECT, INSERT, UPDATE, DELETE ON segment.model_name, segment.model TO PUBLIC;
-- The extension is trusted: whoever creates it need not be a superuser, who would own the tables.
GRANT SELECT, INSERT, UPDATE, DELETE ON segment.model_version TO @extowner@;
SELECT pg_catalog.pg_extension_config_dump('segment.model_name', '');
SELECT pg_catalog.pg_extension_config_dump('segment.model_version', '');

-- ---- reading them

CREATE FUNCTION segment.model_get(model_name text, version integer DEFAULT NULL) RETURNS segment.clustering
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_model segment.clustering;
BEGIN
    IF model_name IS NULL THEN
        RAISE EXCEPTION '"model_name" must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF version IS NULL THEN
        SELECT stored.clustering INTO found_model FROM segment.model AS stored
        WHERE stored.name = model_name ORDER BY stored.version DESC LIMIT 1;
    ELSE
        SELECT stored.clustering INTO found_model FROM segment.model AS stored
        WHERE stored.name = model_name AND stored.version = model_get.version;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION '%model "%" does not exist', coalesce('version ' || version || ' of ', ''), left(model_name, 100)
            USING ERRCODE = 'undefined_object', HINT = 'segment.model lists the models that you may see.';
    END IF;
    RETURN found_model;
END
$$;
COMMENT ON FUNCTION segment.model_get(text, integer) IS
'A stored model, of its latest version unless one is given: for all functions that read a clustering. 42704 when there is none that the caller may see.';

CREATE FUNCTION segment.model_columns(model segment.clustering) RETURNS name[]
    AS 'MODULE_PATHNAME', 'pgseg_model_columns' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.model_columns(segment.clustering) IS
'The columns that rows must have to be scored with the model, in the order of its features. 22023 for a model without a preparation.';

-- STABLE: texts of categories may come from output functions.
CREATE FUNCTION segment.predict(model segment.clustering, "row" record) RETURNS integer
    AS 'MODULE_PATHNAME', 'pgseg_predict_model' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 15;
CREATE FUNCTION segment.predict(model_name text, "row" record, version integer DEFAULT NULL) RETURNS integer
    AS 'MODULE_PATHNAME', 'pgseg_predict_name' LANGUAGE C STABLE PARALLEL SAFE COST 15;
COMMENT ON FUNCTION segment.predict(segment.clustering, record) IS
'Number of the cluster whose centroid is nearest to the row. row: any row that has the columns of the training by their names, in any order, others are ignored: a table''s alias. It is prepared as in training. NULL when an argument is NULL, and for a row that the preparation skips because of a NULL. 22023 for a model without a preparation (see segment.cluster_id), 42703 and 42804 for columns, 22000 for values that are not finite. O(columns + k * dimensions).';
COMMENT ON FUNCTION segment.predict(text, record, integer) IS
'The same with a stored model, of its latest version unless one is given. The model is looked up once for all rows of a statement, with the caller''s rights, and again as soon as a later statement could see another one. 22004 for a NULL name, 42704 when there is no such model that the caller may see.';

-- ---- training

CREATE FUNCTION segment.stored_relation(relation regclass) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN class.relpersistence = 't' THEN format('pg_temp.%I', class.relname)
                ELSE segment.qualified_name(relation) END
    FROM pg_class AS class
    WHERE class.oid = relation
$$;
COMMENT ON FUNCTION segment.stored_relation(regclass) IS
'Name of a relation as models keep it: with its schema, pg_temp for a temporary one. NULL for one that does not exist.';

CREATE FUNCTION segment.train_source(relation regclass, columns text, filter text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('SELECT %s FROM %s', columns, segment.qualified_name(relation))
           || CASE WHEN btrim(filter) <> '' THEN format(E' WHERE (\n%s\n)', filter) ELSE '' END
$$;
COMMENT ON FUNCTION segment.train_source(regclass, text, text) IS
'The query that segment.train and segment.assign read: columns of a relation under a condition.';

CREATE FUNCTION segment.check_features(relation regclass, features name[]) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    feature name;
BEGIN
    IF cardinality(features) = 0 OR array_ndims(features) <> 1 THEN
        RAISE EXCEPTION '"features" must be a list of columns' USING ERRCODE = 'array_subscript_error';
    END IF;
    FOREACH feature IN ARRAY features LOOP
        IF feature IS NULL THEN
            RAISE EXCEPTION '"features" must not contain null' USING ERRCODE = 'null_value_not_allowed';
        END IF;
        IF cardinality(array_positions(features, feature)) > 1 THEN
            RAISE EXCEPTION 'column "%" is there twice among "features"', feature USING ERRCODE = 'duplicate_column';
        END IF;
        IF NOT EXISTS (SELECT FROM pg_attribute AS attribute
                       WHERE attribute.attrelid = relation AND attribute.attname = feature AND attribute.attnum > 0
                         AND NOT attribute.attisdropped) THEN
            RAISE EXCEPTION 'column "%" of relation "%" does not exist', feature, relation
                USING ERRCODE = 'undefined_column',
                      HINT = (SELECT 'It has ' || string_agg(quote_ident(attribute.attname), ', ' ORDER BY attribute.attnum) || '.'
                              FROM pg_attribute AS attribute
                              WHERE attribute.attrelid = relation AND attribute.attnum > 0 AND NOT attribute.attisdropped);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION segment.check_features(regclass, name[]) IS
'Raises 42703 for the first feature that is no column of the relation, 42701 for one that is there twice, 22004 for NULL and 2202E for none.';

-- What segment.train does with some options itself; the rest goes to segment.kmeans.
CREATE FUNCTION segment.train_options(algorithm text, options jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own text[] := '{prepare,k_min,k_max,sweep,warm_start,refine,order_by}';
    swept text[] := '{seed,n_init,max_iter,tol,measure}';
    k_min integer := 2;
    k_max integer := 10;
BEGIN
    IF jsonb_typeof(options) <> 'object' THEN
        RAISE EXCEPTION '"options" must be an object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF options ?| '{algorithm,standardize,categories}'::text[] THEN
        RAISE EXCEPTION 'option "%" cannot be given to segment.train',
                        CASE WHEN options ? 'algorithm' THEN 'algorithm' WHEN options ? 'standardize' THEN 'standardize'
                             ELSE 'categories' END
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'The algorithm is an argument; how columns are scaled is said with "prepare"; categories are known from it.';
    END IF;
    IF jsonb_typeof(options -> 'prepare') <> 'object' OR jsonb_typeof(options -> 'sweep') <> 'object' THEN
        RAISE EXCEPTION '"prepare" and "sweep" must be objects' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF jsonb_typeof(options -> 'warm_start') <> 'boolean' OR jsonb_typeof(options -> 'refine') <> 'boolean' THEN
        RAISE EXCEPTION '"warm_start" and "refine" must be true or false' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF jsonb_typeof(options -> 'order_by') <> 'string' OR options ->> 'order_by' IN ('', '-') THEN
        RAISE EXCEPTION '"order_by" must be "size" or the name of a feature' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'A minus before the name is for descending order.';
    END IF;
    IF options ? 'k_min' OR options ? 'k_max' THEN
        IF NOT (coalesce(options ->> 'k_min', '2') ~ '^[0-9]{1,7}$' AND coalesce(options ->> 'k_max', '10') ~ '^[0-9]{1,7}$') THEN
            RAISE EXCEPTION '"k_min" and "k_max" must be whole numbers' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        k_min := coalesce((options ->> 'k_min')::integer, least(2, (options ->> 'k_max')::integer));
        k_max := coalesce((options ->> 'k_max')::integer, greatest(10, k_min));
        IF k_min < 1 OR k_max < k_min THEN
            RAISE EXCEPTION '"k_min" must be at least 1 and at most "k_max", not % with %', k_min, k_max
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
    END IF;
    IF (options -> 'warm_start')::boolean AND (options ?| '{init,prepare}'::text[] OR algorithm <> 'kmeans') THEN
        RAISE EXCEPTION '"warm_start" takes preparation and centroids from the version before'
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'It is for algorithm "kmeans", and neither "prepare" nor "init" can be given with it.';
    END IF;
    RETURN jsonb_build_object(
        'kmeans', (options - own) || jsonb_build_object('algorithm', algorithm),
        'prepare', coalesce(options -> 'prepare', '{}'),
        -- k-prototypes looks at the same features, in another distance.
        'sweep', (SELECT coalesce(jsonb_object_agg(given.key, given.value), '{}')
                  FROM jsonb_each(options) AS given (key, value) WHERE given.key = ANY (swept))
                 || jsonb_build_object('algorithm', CASE algorithm WHEN 'kprototypes' THEN 'kmeans' ELSE algorithm END)
                 || coalesce(options -> 'sweep', '{}'),
        'k_min', k_min, 'k_max', k_max,
        'warm_start', coalesce((options -> 'warm_start')::boolean, false),
        'refine', coalesce((options -> 'refine')::boolean, true),
        'keeps_numbers', options ? 'init',
        'categories', algorithm = 'kprototypes',
        'order_by', CASE WHEN options ->> 'order_by' <> 'size' THEN options ->> 'order_by' ELSE '' END);
END
$$;
COMMENT ON FUNCTION segment.train_options(text, jsonb) IS
'The options of segment.train, checked and sorted into what it does itself and what segment.kmeans is told. 22023 for the first that cannot be.';

CREATE FUNCTION segment.train_plan(model_name text, relation regclass, features name[], algorithm text, k integer,
                                   filter text, options jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    plan jsonb;
    known segment.model_name;
    parent record;
BEGIN
    IF model_name IS NULL OR relation IS NULL OR features IS NULL OR algorithm IS NULL THEN
        RAISE EXCEPTION 'name, relation, features and algorithm of segment.train must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF length(model_name) NOT BETWEEN 1 AND 200 THEN
        RAISE EXCEPTION 'the name of a model must have 1 to 200 characters, not %', length(model_name)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF k < 1 THEN
        RAISE EXCEPTION 'number of clusters must be at least 1, not %', k USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Before the work and not after it.
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION 'cannot execute segment.train() in a read-only transaction'
            USING ERRCODE = 'read_only_sql_transaction', HINT = 'segment.kmeans gives a model without storing it.';
    END IF;
    PERFORM segment.check_choice('algorithm'::text, algorithm, ARRAY['kmeans', 'bisecting', 'kprototypes']);
    IF segment.stored_relation(relation) IS NULL THEN
        RAISE EXCEPTION 'relation with OID % does not exist', relation::oid USING ERRCODE = 'undefined_table';
    END IF;
    PERFORM segment.check_features(relation, features);
    plan := segment.train_options(algorithm, coalesce(options, '{}'));

    SELECT * INTO known FROM segment.model_name AS entry WHERE entry.name = model_name;
    IF FOUND AND NOT segment.owns_model(known.owner) THEN
        RAISE EXCEPTION 'must be owner of model "%"', model_name
            USING ERRCODE = 'insufficient_privilege', DETAIL = format('It belongs to role "%s".', known.owner),
                  HINT = 'Choose another name.';
    END IF;
    IF (plan -> 'warm_start')::boolean THEN
        SELECT stored.version, stored.features, (stored.quality ->> 'k')::integer AS k INTO parent
        FROM segment.model AS stored WHERE stored.name = model_name ORDER BY stored.version DESC LIMIT 1;
        IF FOUND THEN
            IF parent.features <> train_plan.features OR parent.k <> coalesce(train_plan.k, parent.k) THEN
                RAISE EXCEPTION 'a warm start needs the features and the number of clusters of the version before'
                    USING ERRCODE = 'invalid_parameter_value',
                          DETAIL = format('Version %s has k = %s and features %s.', parent.version, parent.k, parent.features);
            END IF;
            plan := plan || jsonb_build_object('warm_version', parent.version, 'keeps_numbers', true);
            k := parent.k;
        END IF;
    END IF;
    RETURN plan || jsonb_build_object(
        'name', model_name, 'relation', segment.stored_relation(relation), 'features', features, 'where', filter,
        'algorithm', algorithm, 'options', coalesce(options, '{}'),
        'source', segment.train_source(relation, (SELECT string_agg(quote_ident(feature), ', ' ORDER BY place)
                                                  FROM unnest(features) WITH ORDINALITY AS listed (feature, place)), filter))
        || CASE WHEN k IS NULL THEN '{}' ELSE jsonb_build_object('k', k) END;
END
$$;
COMMENT ON FUNCTION segment.train_plan(text, regclass, name[], text, integer, text, jsonb) IS
'What segment.train is to do: its arguments, checked, the query that gives the rows, and the version to start from. Errors as segment.train.';

-- The queries run under the caller's search path, as the condition does.
CREATE FUNCTION segment.train_run(plan jsonb, OUT clustering segment.clustering, OUT algorithm text, OUT k integer,
                                  OUT k_reason text, OUT rows bigint, OUT skipped bigint, OUT sampled_rows bigint,
                                  OUT refined boolean, OUT iterations integer, OUT converged boolean,
                                  OUT inertia double precision, OUT explained double precision)
    AS 'MODULE_PATHNAME', 'pgseg_train_run' LANGUAGE C VOLATILE STRICT COST 1000000;
COMMENT ON FUNCTION segment.train_run(jsonb) IS
'The scans of segment.train, all with the snapshot of the calling statement: fits the preparation, chooses k, trains, refines. plan: of segment.train_plan.';

CREATE FUNCTION segment.model_quality(model segment.clustering, k_reason text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object('k', info.k, 'inertia', info.inertia,
                              'explained', 1 - info.inertia / nullif(info.total_ss, 0),
                              'silhouette', segment.silhouette(model),
                              'calinski_harabasz', segment.calinski_harabasz(model),
                              'davies_bouldin', segment.davies_bouldin(model))
           || CASE WHEN k_reason IS NULL THEN '{}' ELSE jsonb_build_object('k_reason', k_reason) END
    FROM segment.model_info(model) AS info
$$;
COMMENT ON FUNCTION segment.model_quality(segment.clustering, text) IS
'What segment.model keeps in the column quality.';

CREATE FUNCTION segment.store_model(plan jsonb, model segment.clustering, rows bigint, k_reason text) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    entry segment.model_name;
BEGIN
    -- Whoever trains the same name at the same time waits here, and gets the next number.
    INSERT INTO segment.model_name AS known (name, owner, last_version) VALUES (plan ->> 'name', current_user, 1)
    ON CONFLICT ON CONSTRAINT model_name_pkey DO UPDATE SET last_version = known.last_version + 1
    RETURNING * INTO entry;
    INSERT INTO segment.model (name, version, clustering, relation, features, "where", algorithm, options, rows, quality, owner)
    VALUES (entry.name, entry.last_version, model, plan ->> 'relation',
            ARRAY(SELECT jsonb_array_elements_text(plan -> 'features')::name), plan ->> 'where', plan ->> 'algorithm',
            plan -> 'options', rows, segment.model_quality(model, k_reason), entry.owner);
    RETURN entry.last_version;
END
$$;
COMMENT ON FUNCTION segment.store_model(jsonb, segment.clustering, bigint, text) IS
'Stores what segment.train has made as the next version of its name, and returns its number. 42501 when the name is another role''s.';

-- segment.training: what segment.train says of a model. Availability: 0.1.0
CREATE TYPE segment.training AS (
    name text,
    version integer,
    algorithm text,
    k integer,
    k_reason text,
    rows bigint,
    skipped bigint,
    sampled_rows bigint,
    refined boolean,
    iterations integer,
    converged boolean,
    inertia double precision,
    explained double precision,
    silhouette double precision
);
COMMENT ON TYPE segment.training IS 'What segment.train says of the model that it has stored.';
COMMENT ON COLUMN segment.training.name IS 'name of the model';
COMMENT ON COLUMN segment.training.version IS 'its version';
COMMENT ON COLUMN segment.training.algorithm IS 'kmeans, bisecting or kprototypes';
COMMENT ON COLUMN segment.training.k IS 'number of clusters';
COMMENT ON COLUMN segment.training.k_reason IS 'why so many; NULL when the number was given';
COMMENT ON COLUMN segment.training.rows IS 'rows that the model is about';
COMMENT ON COLUMN segment.training.skipped IS 'rows left out because of a NULL';
COMMENT ON COLUMN segment.training.sampled_rows IS 'rows that were kept for training: fewer than rows when memory did not suffice';
COMMENT ON COLUMN segment.training.refined IS 'a model of a sample was refined by passes over all rows';
COMMENT ON COLUMN segment.training.iterations IS 'iterations of Lloyd''s algorithm, those of the refinement included';
COMMENT ON COLUMN segment.training.converged IS 'they ended because nothing moved any more';
COMMENT ON COLUMN segment.training.inertia IS 'sum of squared distances to the nearest centroid, of prepared features';
COMMENT ON COLUMN segment.training.explained IS 'share of the sum of squared distances to the mean that the clusters explain, 0 to 1';
COMMENT ON COLUMN segment.training.silhouette IS 'mean simplified silhouette, -1 to 1; NULL for one cluster';

-- The body names schemas everywhere and sets nothing: the condition runs under the caller's search path.
CREATE FUNCTION segment.train(name text, relation regclass, features name[], algorithm text DEFAULT 'kmeans',
                              k integer DEFAULT NULL, "where" text DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS segment.training
LANGUAGE sql VOLATILE
AS $$
    SELECT $1, stored.version, trained.algorithm, trained.k, trained.k_reason, trained.rows, trained.skipped,
           trained.sampled_rows, trained.refined, trained.iterations, trained.converged, trained.inertia,
           trained.explained, segment.silhouette(trained.clustering)
    FROM segment.train_plan($1, $2, $3, $4, $5, $6, $7) AS planned (plan),
         LATERAL segment.train_run(planned.plan) AS trained,
         LATERAL segment.store_model(planned.plan, trained.clustering, trained.rows, trained.k_reason) AS stored (version)
$$;
COMMENT ON FUNCTION segment.train(text, regclass, name[], text, integer, text, jsonb) IS
'Trains a model on columns of a relation and stores it in segment.model as the next version of its name, with the caller''s rights. name: 1 to 200 characters; a name that is another role''s raises 42501. relation: table or view; features: its columns, of any type, prepared as segment.preparation_fit decides (see segment.prepare_info). algorithm: "kmeans", "bisecting" for many clusters, "kprototypes" for numbers and categories. k: number of clusters; NULL chooses between k_min and k_max by segment.kmeans_sweep and segment.choose_k, and k_reason says why. where: an SQL condition on the rows, without volatile functions. options: prepare (options of segment.preparation_fit), k_min (2), k_max (10), sweep (further options of segment.kmeans_sweep), order_by ("size", or the feature whose centroids number the clusters, "-feature" for descending), warm_start (true: starts from the version before, if there is one, with its preparation, centroids and cluster numbers; k and features must be its own), refine (false: a model of a sample stays as it is), and those of segment.kmeans: seed, n_init, max_iter, tol, measure, min_size, max_size, gamma, init. All scans see the snapshot of the calling statement: one state of the relation. Where pg_segment.max_memory is too small for all rows, a sample is trained and then refined by passes of segment.kmeans_step over all rows, to convergence or max_iter. The same rows, options and seed give the same model. 22004 for NULLs, 22023 for unknown options, 42703 for columns, 22000 when no row is left and for values that are not finite, 25006 in a read-only transaction; trainings of one name at a time wait for each other when they store. Two scans for given k, and one an iteration of a refinement.';

CREATE FUNCTION segment.drop_model(model_name text, version integer DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF model_name IS NULL THEN
        RAISE EXCEPTION '"model_name" must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF version IS NULL THEN
        DELETE FROM segment.model_name AS entry WHERE entry.name = model_name;
    ELSE
        DELETE FROM segment.model AS stored WHERE stored.name = model_name AND stored.version = drop_model.version;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION '%model "%" does not exist', coalesce('version ' || version || ' of ', ''), left(model_name, 100)
            USING ERRCODE = 'undefined_object', HINT = 'segment.model lists the models that you may see.';
    END IF;
END
$$;
COMMENT ON FUNCTION segment.drop_model(text, integer) IS
'Removes a model with all its versions and gives its name free, or removes one version, whose number is not used again. 42501 for who is not the owner, 42704 when there is no such model.';

-- ---- all rows of a relation

-- What a row is assigned to, one type for each type of key. Availability: 0.1.0
CREATE TYPE segment.assignment AS (
    key bigint, cluster_id integer, distance double precision, second_id integer, margin double precision);
CREATE TYPE segment.assignment_uuid AS (
    key uuid, cluster_id integer, distance double precision, second_id integer, margin double precision);
CREATE TYPE segment.assignment_text AS (
    key text, cluster_id integer, distance double precision, second_id integer, margin double precision);
COMMENT ON TYPE segment.assignment IS
'A row and its nearest clusters, see segment.assign: the row''s key; the nearest cluster and the distance to its centroid, of prepared features; the second nearest; margin, by how much it is farther: (distance to the second - distance) / distance to the second, from 0 (as near to both) to 1 (at the centroid).';
COMMENT ON TYPE segment.assignment_uuid IS 'As segment.assignment, for keys of type uuid.';
COMMENT ON TYPE segment.assignment_text IS 'As segment.assignment, for keys of type text.';

CREATE FUNCTION segment.assign_query(model_name text, relation regclass, key name, version integer, filter text, key_type text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    columns name[] := segment.model_columns(segment.model_get(model_name, version));
    column_name name;
    trained_on text;
    key_alias text := 'key';
BEGIN
    IF relation IS NULL THEN
        SELECT stored.relation INTO trained_on FROM segment.model AS stored
        WHERE stored.name = model_name AND stored.version = coalesce(assign_query.version, stored.version)
        ORDER BY stored.version DESC LIMIT 1;
        relation := to_regclass(trained_on);
        IF relation IS NULL THEN
            RAISE EXCEPTION 'relation %, which the model was trained on, does not exist', trained_on
                USING ERRCODE = 'undefined_table', HINT = 'Name another one with "relation".';
        END IF;
    ELSIF segment.qualified_name(relation) IS NULL THEN
        RAISE EXCEPTION 'relation with OID % does not exist', relation::oid USING ERRCODE = 'undefined_table';
    END IF;
    IF key IS NULL THEN
        SELECT attribute.attname INTO key
        FROM pg_index AS index JOIN pg_attribute AS attribute
             ON attribute.attrelid = index.indrelid AND attribute.attnum = index.indkey[0]
        WHERE index.indrelid = relation AND index.indisprimary AND index.indnkeyatts = 1;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'relation "%" has no primary key of one column', relation
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Name the column that identifies rows with "key".';
        END IF;
    END IF;
    PERFORM segment.check_key_type(relation, key, key_type);
    FOREACH column_name IN ARRAY columns LOOP
        PERFORM segment.column_type(relation, column_name);
    END LOOP;
    WHILE key_alias = ANY (columns) LOOP
        key_alias := key_alias || '_';
    END LOOP;
    -- It runs under the caller's search path.
    RETURN segment.train_source(relation, format('%I::%s AS %I, ', key, key_type, key_alias)
        || (SELECT string_agg(quote_ident(listed.name), ', ' ORDER BY listed.place)
            FROM unnest(columns) WITH ORDINALITY AS listed (name, place)), filter);
END
$$;
COMMENT ON FUNCTION segment.assign_query(text, regclass, name, integer, text, text) IS
'The query of segment.assign: the key and the columns that the model needs, in its order. Errors as segment.assign.';

-- RESTRICTED: the query may read temporary tables, or views over anything.
CREATE FUNCTION segment.assigned(query text, model segment.clustering) RETURNS SETOF segment.assignment
    AS 'MODULE_PATHNAME', 'pgseg_assigned' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 100000 COST 10000;
CREATE FUNCTION segment.assigned_uuid(query text, model segment.clustering) RETURNS SETOF segment.assignment_uuid
    AS 'MODULE_PATHNAME', 'pgseg_assigned' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 100000 COST 10000;
CREATE FUNCTION segment.assigned_text(query text, model segment.clustering) RETURNS SETOF segment.assignment_text
    AS 'MODULE_PATHNAME', 'pgseg_assigned' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 100000 COST 10000;
COMMENT ON FUNCTION segment.assigned(text, segment.clustering) IS
'The scoring half of segment.assign: runs the query, whose columns are a key and what segment.model_columns says, with the caller''s rights.';
COMMENT ON FUNCTION segment.assigned_uuid(text, segment.clustering) IS 'As segment.assigned, for keys of type uuid.';
COMMENT ON FUNCTION segment.assigned_text(text, segment.clustering) IS 'As segment.assigned, for keys of type text.';

CREATE FUNCTION segment.assign(model_name text, relation regclass DEFAULT NULL, key name DEFAULT NULL,
                               version integer DEFAULT NULL, "where" text DEFAULT NULL)
RETURNS SETOF segment.assignment
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 100000
AS $$
    SELECT *
    FROM segment.assigned(segment.assign_query($1, $2, $3, $4, $5, 'pg_catalog.int8'::pg_catalog.text),
                          segment.model_get($1, $4))
$$;
CREATE FUNCTION segment.assign_uuid(model_name text, relation regclass DEFAULT NULL, key name DEFAULT NULL,
                                    version integer DEFAULT NULL, "where" text DEFAULT NULL)
RETURNS SETOF segment.assignment_uuid
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 100000
AS $$
    SELECT *
    FROM segment.assigned_uuid(segment.assign_query($1, $2, $3, $4, $5, 'pg_catalog.uuid'::pg_catalog.text),
                               segment.model_get($1, $4))
$$;
CREATE FUNCTION segment.assign_text(model_name text, relation regclass DEFAULT NULL, key name DEFAULT NULL,
                                    version integer DEFAULT NULL, "where" text DEFAULT NULL)
RETURNS SETOF segment.assignment_text
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 100000
AS $$
    SELECT *
    FROM segment.assigned_text(segment.assign_query($1, $2, $3, $4, $5, 'pg_catalog.text'::pg_catalog.text),
                               segment.model_get($1, $4))
$$;
COMMENT ON FUNCTION segment.assign(text, regclass, name, integer, text) IS
'Every row of a relation with its nearest cluster, the distance to that centroid, the second nearest cluster and the margin between them (see segment.assignment), with the caller''s rights. relation: with the columns of the training (default: the one trained on, as segment.model names it; as with any relation of somebody else''s, the functions of a view run with the caller''s rights). key: column that identifies rows, of an integer type (see segment.assign_uuid and segment.assign_text for others; default: the primary key when it is one column). version: default the latest. where: an SQL condition on the rows; the one of the training is not applied. A row that the preparation skips has NULLs; so have second_id and margin when there is one cluster. margin is 0 where min_size or max_size have put a row to a cluster that is not the nearest. 42704 for an unknown model, 42P01, 42703 and 42804 for relation and columns, 22023 without a key. One scan, O(rows * k * dimensions).';
COMMENT ON FUNCTION segment.assign_uuid(text, regclass, name, integer, text) IS
'segment.assign for rows identified by uuid.';
COMMENT ON FUNCTION segment.assign_text(text, regclass, name, integer, text) IS
'segment.assign for rows identified by text, or by anything that can be shown as text.';
