\echo Use "CREATE EXTENSION zdm" to load this file. \quit

-- What must hold before anything is created.

-- A schema that is there already may hold objects of somebody else, which
-- would then be taken for zdm's own.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_namespace n
                WHERE n.nspname OPERATOR(pg_catalog.=) 'zdm'
                  AND (NOT EXISTS (SELECT FROM pg_catalog.pg_roles r
                                    WHERE r.oid OPERATOR(pg_catalog.=) n.nspowner
                                      AND (r.rolsuper OR r.rolname OPERATOR(pg_catalog.=) current_user))
                       OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) n.oid)
                       OR EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace OPERATOR(pg_catalog.=) n.oid)
                       OR EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oprnamespace OPERATOR(pg_catalog.=) n.oid)
                       OR EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typnamespace OPERATOR(pg_catalog.=) n.oid))) THEN
        RAISE EXCEPTION 'schema "zdm" exists and is not empty, or belongs to a role that is no superuser'
            USING ERRCODE = 'duplicate_schema',
                  HINT = 'Drop or rename it, then run CREATE EXTENSION zdm again.';
    END IF;
END
$$;

-- Jobs: the rows, their events.  Functions on jobs of any kind are in api.sql,
-- views over all kinds in views.sql.

CREATE TABLE zdm.job (
    job_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL UNIQUE,
    kind            text NOT NULL,
    target          oid NOT NULL,
    target_schema   text NOT NULL,
    target_name     text NOT NULL,
    owner_id        oid NOT NULL,
    owner           text NOT NULL,
    state           text NOT NULL DEFAULT 'queued'
                    CHECK (state IN ('queued', 'running', 'paused', 'failed', 'cancelled', 'done')),
    state_since     timestamptz NOT NULL DEFAULT clock_timestamp(),
    waiting_for     text,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at      timestamptz,
    finished_at     timestamptz,
    last_error      text,
    last_sqlstate   text,
    last_hint       text,
    fruitless_starts int NOT NULL DEFAULT 0,
    duty            float8 CHECK (duty > 0 AND duty <= 1),
    batch_time_ms   int CHECK (batch_time_ms > 0),
    max_rows_per_second float8 CHECK (max_rows_per_second > 0),
    cluster_id      text NOT NULL,
    database_id     oid NOT NULL,
    cleanup         boolean NOT NULL DEFAULT false,
    as_caller       boolean NOT NULL DEFAULT false
);
CREATE INDEX job_unfinished ON zdm.job (job_id) WHERE state IN ('queued', 'running') OR (state = 'cancelled' AND cleanup);

CREATE TABLE zdm.event (
    event_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id      bigint REFERENCES zdm.job ON DELETE CASCADE,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor       text NOT NULL,
    event       text NOT NULL,
    message     text
);
CREATE INDEX event_job ON zdm.event (job_id, event_id);

SELECT pg_catalog.pg_extension_config_dump('zdm.job', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.job_job_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.event', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.event_event_id_seq', '');

-- Whether a row was made here, or has come with a restore, a copy, an upgrade.
CREATE FUNCTION zdm.is_local(cluster_id text, database_id oid) RETURNS boolean
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'zdm_is_local';
COMMENT ON FUNCTION zdm.is_local(text, oid) IS
    'Internal: whether a job was made in this database of this cluster.';

CREATE FUNCTION zdm.job_id(name text) RETURNS bigint
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'zdm_job_id';
CREATE FUNCTION zdm.pause_job(job bigint) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_pause_job';
CREATE FUNCTION zdm.resume_job(job bigint) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_resume_job';
CREATE FUNCTION zdm.cancel_job(job bigint) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_cancel_job';
CREATE FUNCTION zdm.retry_job(job bigint) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_retry_job';
CREATE FUNCTION zdm.assert_job_done(job bigint) RETURNS void
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'zdm_assert_job_done';
CREATE PROCEDURE zdm.wait_for_job(job bigint, timeout interval DEFAULT NULL)
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_wait_for_job';
CREATE FUNCTION zdm.set_throttle(job bigint, duty float8 DEFAULT NULL,
        batch_time interval DEFAULT NULL, max_rows_per_second float8 DEFAULT NULL)
    RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_set_throttle';

COMMENT ON FUNCTION zdm.job_id(text) IS
    'Id of the job of that name; an error when there is none.';
COMMENT ON FUNCTION zdm.pause_job(bigint) IS
    'Stops a queued or running job after its current batch, keeping its progress. Inverse: zdm.resume_job.';
COMMENT ON FUNCTION zdm.resume_job(bigint) IS
    'Lets a paused job go on where it stopped. Inverse: zdm.pause_job.';
COMMENT ON FUNCTION zdm.cancel_job(bigint) IS
    'Ends a job after its current batch. What it has changed stays; zdm.retry_job continues it.';
COMMENT ON FUNCTION zdm.retry_job(bigint) IS
    'Queues a failed or cancelled job again: quarantined rows first, then from where it stopped.';
COMMENT ON FUNCTION zdm.assert_job_done(bigint) IS
    'Raises an error unless the job is done. Never waits.';
COMMENT ON PROCEDURE zdm.wait_for_job(bigint, interval) IS
    'Waits until the job is done; an error when it fails, is cancelled, or the timeout passes. Not inside a transaction block.';
COMMENT ON FUNCTION zdm.set_throttle(bigint, float8, interval, float8) IS
    'Sets the throttle of one job: share of time at work (0 to 1), duration a batch aims at, ceiling of rows a second (Infinity for none). NULL keeps a value. Takes effect within a second.';

COMMENT ON TABLE zdm.job IS 'Jobs. Read zdm.jobs instead.';
COMMENT ON COLUMN zdm.job.job_id IS 'Id';
COMMENT ON COLUMN zdm.job.name IS 'Unique name';
COMMENT ON COLUMN zdm.job.kind IS 'What the job does';
COMMENT ON COLUMN zdm.job.target IS 'OID of the table';
COMMENT ON COLUMN zdm.job.target_schema IS 'Schema of the table';
COMMENT ON COLUMN zdm.job.target_name IS 'Name of the table';
COMMENT ON COLUMN zdm.job.owner_id IS 'OID of the role as which it runs';
COMMENT ON COLUMN zdm.job.owner IS 'Name of that role when it was last looked at';
COMMENT ON COLUMN zdm.job.as_caller IS 'Whether it runs as its caller, not as the owner of the table';
COMMENT ON COLUMN zdm.job.state IS 'State';
COMMENT ON COLUMN zdm.job.state_since IS 'When it entered the state';
COMMENT ON COLUMN zdm.job.waiting_for IS 'What holds it back';
COMMENT ON COLUMN zdm.job.created_by IS 'Role that submitted it';
COMMENT ON COLUMN zdm.job.created_at IS 'When it was submitted';
COMMENT ON COLUMN zdm.job.started_at IS 'When it first ran';
COMMENT ON COLUMN zdm.job.finished_at IS 'When it ended';
COMMENT ON COLUMN zdm.job.last_error IS 'Message of the last error';
COMMENT ON COLUMN zdm.job.last_sqlstate IS 'SQLSTATE of the last error';
COMMENT ON COLUMN zdm.job.last_hint IS 'Hint of the last error';
COMMENT ON COLUMN zdm.job.fruitless_starts IS 'Starts of a worker since its last progress';
COMMENT ON COLUMN zdm.job.duty IS 'Share of time at work';
COMMENT ON COLUMN zdm.job.batch_time_ms IS 'Duration a batch aims at, in milliseconds';
COMMENT ON COLUMN zdm.job.max_rows_per_second IS 'Ceiling of rows a second';
COMMENT ON COLUMN zdm.job.cluster_id IS 'System identifier of the cluster it was made in';
COMMENT ON COLUMN zdm.job.database_id IS 'OID of the database it was made in';
COMMENT ON COLUMN zdm.job.cleanup IS 'Whether it leaves something behind that a worker removes once the job is cancelled';

COMMENT ON TABLE zdm.event IS 'Events of jobs. Read zdm.events instead.';
COMMENT ON COLUMN zdm.event.event_id IS 'Id';
COMMENT ON COLUMN zdm.event.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.event.at IS 'When';
COMMENT ON COLUMN zdm.event.actor IS 'Role';
COMMENT ON COLUMN zdm.event.event IS 'What';
COMMENT ON COLUMN zdm.event.message IS 'Why';

-- Backfills: definition, cursor, quarantine; the function that starts one.

CREATE TABLE zdm.backfill (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    set_clause      text NOT NULL,
    filter          text,
    fire_triggers   boolean NOT NULL,
    analyze_after   boolean NOT NULL,
    max_quarantine  int NOT NULL CHECK (max_quarantine >= 0),
    max_sweeps      int NOT NULL CHECK (max_sweeps > 0),
    settings        text[] NOT NULL
);

-- Updated by every batch and only by the job's worker, by ctid: no index, so
-- that every update is HOT and its cost does not grow while an old snapshot
-- keeps dead versions from being removed.
CREATE TABLE zdm.backfill_cursor (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    phase           text NOT NULL DEFAULT 'sweep' CHECK (phase IN ('sweep', 'proof')),
    sweep           int NOT NULL DEFAULT 1,
    leaf            oid NOT NULL DEFAULT 0,
    leaf_filenode   oid NOT NULL DEFAULT 0,
    leaf_blocks     bigint NOT NULL DEFAULT 0,
    window_start    bigint NOT NULL DEFAULT 0,
    window_end      bigint NOT NULL DEFAULT 0,
    next_block      bigint NOT NULL DEFAULT 0,
    stripes         int NOT NULL DEFAULT 1,
    stripe          int NOT NULL DEFAULT 0,
    blocks_total    bigint NOT NULL DEFAULT 0,
    blocks_done     bigint NOT NULL DEFAULT 0,
    sweep_rows      bigint NOT NULL DEFAULT 0,
    sweep_skipped   bigint NOT NULL DEFAULT 0,
    rows_done       bigint NOT NULL DEFAULT 0,
    rows_estimated  bigint NOT NULL DEFAULT 0,
    rows_hot        bigint NOT NULL DEFAULT 0,
    batches         bigint NOT NULL DEFAULT 0,
    retries         bigint NOT NULL DEFAULT 0,
    wal_bytes       bigint NOT NULL DEFAULT 0,
    work_ms         float8 NOT NULL DEFAULT 0,
    rows_per_second float8 NOT NULL DEFAULT 0,
    seconds_left    float8,
    note            text,
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 1000);

CREATE TABLE zdm.quarantined_row (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    leaf            oid NOT NULL,
    leaf_filenode   oid NOT NULL,
    leaf_schema     text NOT NULL,
    leaf_name       text NOT NULL,
    row_ctid        tid NOT NULL,
    row_xmin        xid NOT NULL,
    row_key         jsonb,
    sqlstate        text NOT NULL,
    message         text NOT NULL,
    found_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX quarantined_row_job ON zdm.quarantined_row (job_id);

SELECT pg_catalog.pg_extension_config_dump('zdm.backfill', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.backfill_cursor', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.quarantined_row', '');

-- Added to the statements of a backfill, never called by people.
-- Their costs put them before anything that the user wrote.
CREATE FUNCTION zdm.in_stripe(row_ctid tid) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE COST 0.0001
    AS 'MODULE_PATHNAME', 'zdm_in_stripe';
CREATE FUNCTION zdm.batch_takes(row_ctid tid, row_xmin xid) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE COST 0.0002
    AS 'MODULE_PATHNAME', 'zdm_batch_takes';
CREATE FUNCTION zdm.differs(a anyelement, b anyelement) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'zdm_differs';

-- The owner of any table runs them, whatever default privileges say.
GRANT EXECUTE ON FUNCTION zdm.batch_takes(tid, xid) TO PUBLIC;
GRANT EXECUTE ON FUNCTION zdm.in_stripe(tid) TO PUBLIC;
GRANT EXECUTE ON FUNCTION zdm.differs(anyelement, anyelement) TO PUBLIC;

CREATE FUNCTION zdm.start_backfill(
        target regclass,
        set_clause text,
        filter text DEFAULT NULL,
        name text DEFAULT NULL,
        fire_triggers boolean DEFAULT true,
        analyze_after boolean DEFAULT true,
        max_quarantine int DEFAULT 100,
        max_sweeps int DEFAULT 3)
    RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_start_backfill';

CREATE FUNCTION zdm.estimate_backfill(
        target regclass,
        set_clause text,
        filter text DEFAULT NULL,
        OUT rows bigint,
        OUT pages bigint,
        OUT batches bigint,
        OUT expected_time interval,
        OUT wal_bytes bigint,
        OUT disk_bytes bigint,
        OUT basis text)
    RETURNS record
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_estimate_backfill';

COMMENT ON FUNCTION zdm.in_stripe(tid) IS
    'Internal: whether a batch of a backfill takes this place of a page. Added to statements by zdm itself.';
COMMENT ON FUNCTION zdm.batch_takes(tid, xid) IS
    'Internal: whether a batch of a backfill takes this row version. Added to statements by zdm itself.';
COMMENT ON FUNCTION zdm.differs(anyelement, anyelement) IS
    'Internal: whether two values would be stored differently, byte by byte, NULLs included.';
COMMENT ON FUNCTION zdm.start_backfill(regclass, text, text, text, boolean, boolean, int, int) IS
    'Starts, at commit, a job that sets columns of every row (or of those that match filter) in small transactions. Returns the id of the job; the same name and definition give the same job. Inverse: zdm.cancel_job stops it; changed rows stay changed.';
COMMENT ON FUNCTION zdm.estimate_backfill(regclass, text, text) IS
    'What a backfill would cost: rows (at most), pages, batches, time, WAL, disk space, and what the figures rest on. Changes nothing.';

COMMENT ON TABLE zdm.backfill IS 'Definitions of backfills. Read zdm.backfills instead.';
COMMENT ON COLUMN zdm.backfill.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.backfill.set_clause IS 'Assignments';
COMMENT ON COLUMN zdm.backfill.filter IS 'Which rows';
COMMENT ON COLUMN zdm.backfill.fire_triggers IS 'Whether triggers fire';
COMMENT ON COLUMN zdm.backfill.analyze_after IS 'Whether ANALYZE runs at the end';
COMMENT ON COLUMN zdm.backfill.max_quarantine IS 'Limit of rows in quarantine';
COMMENT ON COLUMN zdm.backfill.max_sweeps IS 'Sweeps before they become rare';
COMMENT ON COLUMN zdm.backfill.settings IS 'Settings at submit';

COMMENT ON TABLE zdm.backfill_cursor IS 'How far backfills are. Read zdm.jobs and zdm.backfills instead.';
COMMENT ON COLUMN zdm.backfill_cursor.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.backfill_cursor.phase IS 'sweep or proof';
COMMENT ON COLUMN zdm.backfill_cursor.sweep IS 'Number of the pass';
COMMENT ON COLUMN zdm.backfill_cursor.leaf IS 'OID of the relation being swept';
COMMENT ON COLUMN zdm.backfill_cursor.leaf_filenode IS 'Its storage when the sweep entered it';
COMMENT ON COLUMN zdm.backfill_cursor.leaf_blocks IS 'Its size then, in blocks';
COMMENT ON COLUMN zdm.backfill_cursor.window_start IS 'First block of the window';
COMMENT ON COLUMN zdm.backfill_cursor.window_end IS 'Block after the window';
COMMENT ON COLUMN zdm.backfill_cursor.next_block IS 'Where the next batch starts';
COMMENT ON COLUMN zdm.backfill_cursor.stripes IS 'Stripes of the window';
COMMENT ON COLUMN zdm.backfill_cursor.stripe IS 'Current stripe';
COMMENT ON COLUMN zdm.backfill_cursor.blocks_total IS 'Size of the target when the sweep began';
COMMENT ON COLUMN zdm.backfill_cursor.blocks_done IS 'Blocks of relations left behind';
COMMENT ON COLUMN zdm.backfill_cursor.sweep_rows IS 'Rows changed in this sweep';
COMMENT ON COLUMN zdm.backfill_cursor.sweep_skipped IS 'Rows left out in this sweep';
COMMENT ON COLUMN zdm.backfill_cursor.rows_done IS 'Rows changed';
COMMENT ON COLUMN zdm.backfill_cursor.rows_estimated IS 'Rows to change, at most';
COMMENT ON COLUMN zdm.backfill_cursor.rows_hot IS 'Rows changed by HOT updates';
COMMENT ON COLUMN zdm.backfill_cursor.batches IS 'Batches committed';
COMMENT ON COLUMN zdm.backfill_cursor.retries IS 'Batches rolled back';
COMMENT ON COLUMN zdm.backfill_cursor.wal_bytes IS 'WAL written';
COMMENT ON COLUMN zdm.backfill_cursor.work_ms IS 'Milliseconds at work';
COMMENT ON COLUMN zdm.backfill_cursor.rows_per_second IS 'Pace';
COMMENT ON COLUMN zdm.backfill_cursor.seconds_left IS 'Estimate of the time left';
COMMENT ON COLUMN zdm.backfill_cursor.note IS 'What is out of the ordinary';
COMMENT ON COLUMN zdm.backfill_cursor.updated_at IS 'When this row was written';

COMMENT ON TABLE zdm.quarantined_row IS 'Rows that could not be converted. Read zdm.quarantine instead.';
COMMENT ON COLUMN zdm.quarantined_row.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.quarantined_row.leaf IS 'OID of the relation';
COMMENT ON COLUMN zdm.quarantined_row.leaf_filenode IS 'Its storage, in which row_ctid is a place';
COMMENT ON COLUMN zdm.quarantined_row.leaf_schema IS 'Its schema';
COMMENT ON COLUMN zdm.quarantined_row.leaf_name IS 'Its name';
COMMENT ON COLUMN zdm.quarantined_row.row_ctid IS 'Place of the row version';
COMMENT ON COLUMN zdm.quarantined_row.row_xmin IS 'Transaction that made the row version';
COMMENT ON COLUMN zdm.quarantined_row.row_key IS 'Primary key';
COMMENT ON COLUMN zdm.quarantined_row.sqlstate IS 'SQLSTATE of the error';
COMMENT ON COLUMN zdm.quarantined_row.message IS 'Message of the error';
COMMENT ON COLUMN zdm.quarantined_row.found_at IS 'When it failed last';

-- Validation of constraints: definition, cursor; the functions that start and plan one.

CREATE TABLE zdm.validation (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    constraint_name text NOT NULL,
    constraint_type text NOT NULL,
    definition      text NOT NULL,
    method          text NOT NULL CHECK (method IN ('chunked', 'native')),
    settings        text[] NOT NULL
);

-- Written as zdm.backfill_cursor is: by ctid, without an index.
CREATE TABLE zdm.validation_cursor (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    made_in         text,
    phase           text NOT NULL DEFAULT 'scan' CHECK (phase IN ('scan', 'native', 'ended')),
    method          text,
    method_reason   text,
    leaf            oid NOT NULL DEFAULT 0,
    leaf_filenode   oid NOT NULL DEFAULT 0,
    leaf_constraint oid NOT NULL DEFAULT 0,
    premises        text,
    next_block      bigint NOT NULL DEFAULT 0,
    place           bytea,
    scanned         boolean NOT NULL DEFAULT false,
    fresh           boolean NOT NULL DEFAULT true,
    leaf_total      bigint NOT NULL DEFAULT 0,
    leaf_done       bigint NOT NULL DEFAULT 0,
    leaf_violations bigint NOT NULL DEFAULT 0,
    left_behind     text,
    total           bigint NOT NULL DEFAULT 0,
    done            bigint NOT NULL DEFAULT 0,
    rows_done       bigint NOT NULL DEFAULT 0,
    rows_estimated  bigint NOT NULL DEFAULT 0,
    violations      bigint NOT NULL DEFAULT 0,
    chunks          bigint NOT NULL DEFAULT 0,
    restarts        bigint NOT NULL DEFAULT 0,
    retries         bigint NOT NULL DEFAULT 0,
    work_ms         float8 NOT NULL DEFAULT 0,
    longest_ms      float8 NOT NULL DEFAULT 0,
    rows_per_second float8 NOT NULL DEFAULT 0,
    seconds_left    float8,
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 1000);

SELECT pg_catalog.pg_extension_config_dump('zdm.validation', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.validation_cursor', '');

CREATE FUNCTION zdm.validate_constraint(
        target regclass,
        constraint_name name,
        method text DEFAULT 'chunked',
        name text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_validate_constraint';

CREATE FUNCTION zdm.plan_constraint(
        target regclass,
        constraint_name name,
        method text DEFAULT 'chunked',
        OUT statement text,
        OUT used_method text,
        OUT reason text,
        OUT locks text,
        OUT pages bigint,
        OUT rows bigint,
        OUT expected_time interval,
        OUT basis text)
    RETURNS record
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_plan_constraint';

COMMENT ON FUNCTION zdm.validate_constraint(regclass, name, text, text) IS
    'Starts, at commit, a job that validates a NOT VALID constraint: chunked (small transactions) or native (ALTER TABLE ... VALIDATE CONSTRAINT). Returns the id of the job; of one that is already done when the constraint is valid. It has no inverse: a valid constraint promises more than a NOT VALID one. zdm.cancel_job stops it.';
COMMENT ON FUNCTION zdm.plan_constraint(regclass, name, text) IS
    'What zdm.validate_constraint would do with a constraint: the statement (NULL: none, by chunks), the method and why, the locks, pages and rows to look at, and the time that takes, by reading a sample of the pages now. Changes nothing.';

COMMENT ON TABLE zdm.validation IS 'Definitions of validations. Read zdm.validations instead.';
COMMENT ON COLUMN zdm.validation.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.validation.constraint_name IS 'Name of the constraint';
COMMENT ON COLUMN zdm.validation.constraint_type IS 'CHECK, FOREIGN KEY or NOT NULL';
COMMENT ON COLUMN zdm.validation.definition IS 'Definition of the constraint at submit';
COMMENT ON COLUMN zdm.validation.method IS 'Method asked for';
COMMENT ON COLUMN zdm.validation.settings IS 'Settings at submit';

COMMENT ON TABLE zdm.validation_cursor IS 'How far validations are. Read zdm.jobs and zdm.validations instead.';
COMMENT ON COLUMN zdm.validation_cursor.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.validation_cursor.made_in IS 'Cluster and database in which the place has a meaning';
COMMENT ON COLUMN zdm.validation_cursor.phase IS 'scan, native, or ended: the next start begins anew';
COMMENT ON COLUMN zdm.validation_cursor.method IS 'Method chosen';
COMMENT ON COLUMN zdm.validation_cursor.method_reason IS 'Why that one';
COMMENT ON COLUMN zdm.validation_cursor.leaf IS 'OID of the relation being scanned';
COMMENT ON COLUMN zdm.validation_cursor.leaf_filenode IS 'Its storage when the scan began';
COMMENT ON COLUMN zdm.validation_cursor.leaf_constraint IS 'OID of its constraint then';
COMMENT ON COLUMN zdm.validation_cursor.premises IS 'What else must stay as it was then';
COMMENT ON COLUMN zdm.validation_cursor.next_block IS 'Where the next chunk starts, by pages';
COMMENT ON COLUMN zdm.validation_cursor.place IS 'Where the next chunk starts, otherwise';
COMMENT ON COLUMN zdm.validation_cursor.scanned IS 'Whether the relation is scanned to its end';
COMMENT ON COLUMN zdm.validation_cursor.fresh IS 'Whether no chunk of it is done';
COMMENT ON COLUMN zdm.validation_cursor.leaf_total IS 'Its size, in the methods unit';
COMMENT ON COLUMN zdm.validation_cursor.leaf_done IS 'How much of it is scanned';
COMMENT ON COLUMN zdm.validation_cursor.leaf_violations IS 'Rows found in it';
COMMENT ON COLUMN zdm.validation_cursor.left_behind IS 'OIDs of relations that are scanned and cannot be marked';
COMMENT ON COLUMN zdm.validation_cursor.total IS 'Size of all relations when it began';
COMMENT ON COLUMN zdm.validation_cursor.done IS 'Size of the relations left behind';
COMMENT ON COLUMN zdm.validation_cursor.rows_done IS 'Rows looked at';
COMMENT ON COLUMN zdm.validation_cursor.rows_estimated IS 'Rows to look at';
COMMENT ON COLUMN zdm.validation_cursor.violations IS 'Rows that break the constraint';
COMMENT ON COLUMN zdm.validation_cursor.chunks IS 'Chunks committed';
COMMENT ON COLUMN zdm.validation_cursor.restarts IS 'Scans started over';
COMMENT ON COLUMN zdm.validation_cursor.retries IS 'Steps tried again';
COMMENT ON COLUMN zdm.validation_cursor.work_ms IS 'Milliseconds at work';
COMMENT ON COLUMN zdm.validation_cursor.longest_ms IS 'Milliseconds of the longest chunk';
COMMENT ON COLUMN zdm.validation_cursor.rows_per_second IS 'Pace';
COMMENT ON COLUMN zdm.validation_cursor.seconds_left IS 'Estimate of the time left';
COMMENT ON COLUMN zdm.validation_cursor.updated_at IS 'When this row was written';

-- Recipes: a change of a constraint as a sequence of steps, each of which is
-- short under its lock or holds none that is in the way.

CREATE TABLE zdm.recipe (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    recipe          text NOT NULL,
    definition      text NOT NULL,
    settings        text[] NOT NULL
);

CREATE TABLE zdm.recipe_step (
    job_id          bigint NOT NULL REFERENCES zdm.recipe ON DELETE CASCADE,
    step            int NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('ddl', 'index', 'validate')),
    statement       text NOT NULL,
    undo            text,
    object          text NOT NULL,
    lock            text NOT NULL,
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'undone')),
    finished_at     timestamptz,
    expected_ms     float8,
    PRIMARY KEY (job_id, step)
);

SELECT pg_catalog.pg_extension_config_dump('zdm.recipe', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.recipe_step', '');

CREATE FUNCTION zdm.add_check(
        target regclass, expression text, constraint_name name DEFAULT NULL, name text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_check';
CREATE FUNCTION zdm.add_foreign_key(
        target regclass, columns name[], referenced regclass, referenced_columns name[] DEFAULT NULL,
        on_delete text DEFAULT 'NO ACTION', on_update text DEFAULT 'NO ACTION', match_full boolean DEFAULT false,
        deferral text DEFAULT 'NOT DEFERRABLE', constraint_name name DEFAULT NULL, name text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_foreign_key';
CREATE FUNCTION zdm.set_not_null(
        target regclass, column_name name, name text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_set_not_null';
CREATE FUNCTION zdm.add_unique(
        target regclass, columns name[], constraint_name name DEFAULT NULL, name text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_unique';
CREATE FUNCTION zdm.add_primary_key(
        target regclass, columns name[], constraint_name name DEFAULT NULL, name text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_primary_key';
CREATE FUNCTION zdm.drop_constraint(
        target regclass, constraint_name name, name text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_drop_constraint';
CREATE FUNCTION zdm.drop_not_null(
        target regclass, column_name name, name text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_drop_not_null';
CREATE FUNCTION zdm.plan_steps(
        call text, OUT step int, OUT kind text, OUT statement text, OUT lock text, OUT undo text,
        OUT expected_time interval, OUT basis text)
    RETURNS SETOF record
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_plan_steps';

COMMENT ON FUNCTION zdm.add_check(regclass, text, name, text) IS
    'Add a CHECK constraint at commit: NOT VALID, then validated in chunks. Returns the name of the job. Inverse: zdm.drop_constraint.';
COMMENT ON FUNCTION zdm.add_foreign_key(regclass, name[], regclass, name[], text, text, boolean, text, name, text) IS
    'Add a foreign key at commit: NOT VALID, then validated in chunks. Returns the name of the job. Inverse: zdm.drop_constraint.';
COMMENT ON FUNCTION zdm.set_not_null(regclass, name, text) IS
    'Make a column NOT NULL at commit: a CHECK, validated in chunks, is the proof, so nothing is scanned under a lock. Returns the name of the job. Inverse: zdm.drop_not_null.';
COMMENT ON FUNCTION zdm.add_unique(regclass, name[], name, text) IS
    'Add a UNIQUE constraint at commit: its index is built concurrently. Returns the name of the job. Inverse: zdm.drop_constraint.';
COMMENT ON FUNCTION zdm.add_primary_key(regclass, name[], name, text) IS
    'Add a primary key at commit: its columns are made NOT NULL by proof, its index is built concurrently. Returns the name of the job. Inverse: zdm.drop_constraint.';
COMMENT ON FUNCTION zdm.drop_constraint(regclass, name, text) IS
    'Drop a constraint at commit, without stalling anyone. Returns the name of the job.';
COMMENT ON FUNCTION zdm.drop_not_null(regclass, name, text) IS
    'Take NOT NULL from a column at commit, without stalling anyone. Returns the name of the job.';
COMMENT ON FUNCTION zdm.plan_steps(text) IS
    'The steps of a call of zdm.add_check, zdm.set_not_null and their likes, given as you would run it: statement, lock, what undoes it, and the time that it takes, by reading a sample of the pages now. Starts nothing and changes nothing.';

COMMENT ON TABLE zdm.recipe IS 'Changes of constraints as sequences of steps. Read zdm.jobs instead.';
COMMENT ON COLUMN zdm.recipe.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.recipe.recipe IS 'The function that was called';
COMMENT ON COLUMN zdm.recipe.definition IS 'What it was called with';
COMMENT ON COLUMN zdm.recipe.settings IS 'Settings at submit, under which functions of a CHECK run: name, value, name, value...';
COMMENT ON TABLE zdm.recipe_step IS 'The steps. Read zdm.steps instead.';
COMMENT ON COLUMN zdm.recipe_step.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.recipe_step.step IS 'Order, from 1';
COMMENT ON COLUMN zdm.recipe_step.kind IS 'ddl: one short statement; index: a concurrent build; validate: in chunks';
COMMENT ON COLUMN zdm.recipe_step.statement IS 'What it does, as a statement';
COMMENT ON COLUMN zdm.recipe_step.undo IS 'What undoes it when the job is cancelled';
COMMENT ON COLUMN zdm.recipe_step.object IS 'The constraint, column or index that it is about';
COMMENT ON COLUMN zdm.recipe_step.lock IS 'The strongest lock that it takes';
COMMENT ON COLUMN zdm.recipe_step.state IS 'pending, done or undone';
COMMENT ON COLUMN zdm.recipe_step.finished_at IS 'When it was done or undone';
COMMENT ON COLUMN zdm.recipe_step.expected_ms IS 'How long it was expected to take at submit, in ms, NULL when that was not known';

-- DDL without stalling the application: zdm.execute_ddl, and what a job waits for.

CREATE TABLE zdm.ddl (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    statement       text NOT NULL,
    settings        text[] NOT NULL,
    deadline_ms     bigint,
    phase           text NOT NULL DEFAULT 'waiting'
                    CHECK (phase IN ('waiting', 'started', 'executed')),
    executed_at     timestamptz,
    objects         oid[] NOT NULL DEFAULT '{}'
);

CREATE TABLE zdm.lock_wait (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    relation        oid NOT NULL,
    mode            text NOT NULL,
    conflicts_with  text[] NOT NULL
);

SELECT pg_catalog.pg_extension_config_dump('zdm.ddl', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.lock_wait', '');

CREATE FUNCTION zdm.execute_ddl(
        statement text,
        name text DEFAULT NULL,
        deadline interval DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_execute_ddl';

COMMENT ON FUNCTION zdm.execute_ddl(text, text, interval) IS
    'Starts, at commit, a job that executes one DDL statement as the caller, taking its locks without stalling anyone. Returns the id of the job; the same name and statement give the same job. Inverse: zdm.cancel_job while it waits; the inverse of the statement, which is the callers to write, when it is done.';

COMMENT ON TABLE zdm.ddl IS 'Statements of zdm.execute_ddl. Read zdm.statements instead.';
COMMENT ON COLUMN zdm.ddl.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.ddl.statement IS 'Statement';
COMMENT ON COLUMN zdm.ddl.settings IS 'Settings at submit';
COMMENT ON COLUMN zdm.ddl.deadline_ms IS 'How long it tries to get its locks, in milliseconds';
COMMENT ON COLUMN zdm.ddl.phase IS 'How far it is';
COMMENT ON COLUMN zdm.ddl.executed_at IS 'When it was executed';
COMMENT ON COLUMN zdm.ddl.objects IS 'OIDs of what a statement that commits in its middle is about, and has made';

COMMENT ON TABLE zdm.lock_wait IS 'Locks that running jobs wait for. Read zdm.blockers instead.';
COMMENT ON COLUMN zdm.lock_wait.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.lock_wait.relation IS 'OID of the relation';
COMMENT ON COLUMN zdm.lock_wait.mode IS 'Mode it wants';
COMMENT ON COLUMN zdm.lock_wait.conflicts_with IS 'Modes of others that are in the way of it';

-- What a statement of DDL would lock, read and write.

CREATE FUNCTION zdm.explain_ddl(
        statement text,
        OUT relation text,
        OUT lock_mode text,
        OUT rewrites boolean,
        OUT scans boolean,
        OUT blocks_reads boolean,
        OUT blocks_writes boolean,
        OUT bytes bigint,
        OUT safe boolean,
        OUT advice text)
    RETURNS SETOF record
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_explain_ddl';

COMMENT ON FUNCTION zdm.explain_ddl(text) IS
    'What a statement of DDL would do, without doing it: a row per relation that it locks, with the lock, whether the relation is rewritten or read from end to end and how many bytes that are, whether it is safe on a live system, and what to use instead. A row without a relation: no table is locked.';

-- The guard of validations that scan by pages: where rows have moved to.

CREATE TABLE zdm.moved_block (
    job_id bigint NOT NULL,
    leaf oid NOT NULL,
    block bigint NOT NULL
);

-- what it says holds for pages of this very database only
SELECT pg_catalog.pg_extension_config_dump('zdm.moved_block', 'WHERE false');

COMMENT ON TABLE zdm.moved_block IS
    'Pages to which an UPDATE has moved a row while a validation scans that table by pages; they are looked at again before its constraint is marked. Recorded by a trigger of zdm on the table, which is there only during the scan.';
COMMENT ON COLUMN zdm.moved_block.job_id IS
    'Id of the validation.';
COMMENT ON COLUMN zdm.moved_block.leaf IS
    'OID of the table, or partition.';
COMMENT ON COLUMN zdm.moved_block.block IS
    'Number of the page.';

CREATE FUNCTION zdm.guard_moved_row()
    RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'zdm_guard_moved_row';

COMMENT ON FUNCTION zdm.guard_moved_row() IS
    'Trigger function of the guard of a validation by pages: records the page that a row has moved to.';
REVOKE ALL ON FUNCTION zdm.guard_moved_row() FROM PUBLIC;

-- Indexes: jobs that create, rebuild and drop one.

CREATE TABLE zdm.index_job (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    action          text NOT NULL CHECK (action IN ('create', 'reindex', 'drop')),
    definition      text CHECK ((definition IS NOT NULL) = (action = 'create')),
    index_name      text NOT NULL,
    index_oid       oid NOT NULL DEFAULT 0,
    is_unique       boolean NOT NULL,
    settings        text[] NOT NULL,
    phase           text,
    leaf            text,
    leaves_done     int NOT NULL DEFAULT 0,
    leaves_total    int NOT NULL DEFAULT 1
);

-- Every index that a job has made, written in the transaction that makes it:
-- whether an unfinished index is the job's own is never a guess.
CREATE TABLE zdm.index_part (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    index_oid       oid NOT NULL,
    table_oid       oid NOT NULL,
    replaces        oid NOT NULL,
    made_for        text NOT NULL,
    PRIMARY KEY (job_id, index_oid)
);

SELECT pg_catalog.pg_extension_config_dump('zdm.index_job', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.index_part', '');

CREATE FUNCTION zdm.create_index(definition text, name text DEFAULT NULL) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_create_index';
CREATE FUNCTION zdm.reindex(index regclass, name text DEFAULT NULL) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_reindex';
CREATE FUNCTION zdm.drop_index(index regclass, name text DEFAULT NULL) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_drop_index';
CREATE FUNCTION zdm.list_index_builds(OUT pid int, OUT phase text, OUT blocks_done bigint,
        OUT blocks_total bigint, OUT tuples_done bigint, OUT tuples_total bigint,
        OUT progress float8, OUT waiting_for text)
    RETURNS SETOF record
    LANGUAGE c STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'zdm_list_index_builds';
GRANT EXECUTE ON FUNCTION zdm.list_index_builds() TO PUBLIC;

COMMENT ON FUNCTION zdm.create_index(text, text) IS
    'Starts, at commit, a job that executes a CREATE INDEX statement, concurrently whatever it says. Returns the id of the job; the same name and definition give the same job. Inverse: zdm.drop_index.';
COMMENT ON FUNCTION zdm.reindex(regclass, text) IS
    'Starts, at commit, a job that rebuilds an index concurrently, and returns its id. It has no inverse: the new index is equal to the old one.';
COMMENT ON FUNCTION zdm.drop_index(regclass, text) IS
    'Starts, at commit, a job that drops an index concurrently, and returns its id. Inverse: zdm.create_index.';
COMMENT ON FUNCTION zdm.list_index_builds() IS
    'Internal: how far the processes of this database that build an index are.';

COMMENT ON TABLE zdm.index_job IS 'Definitions and progress of jobs on indexes. Read zdm.indexes instead.';
COMMENT ON COLUMN zdm.index_job.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.index_job.action IS 'create, reindex or drop';
COMMENT ON COLUMN zdm.index_job.definition IS 'Statement that creates the index';
COMMENT ON COLUMN zdm.index_job.index_name IS 'Name of the index';
COMMENT ON COLUMN zdm.index_job.index_oid IS 'OID of the index that is rebuilt or dropped; 0 for one that is created';
COMMENT ON COLUMN zdm.index_job.is_unique IS 'Whether it is unique';
COMMENT ON COLUMN zdm.index_job.settings IS 'Settings at submit';
COMMENT ON COLUMN zdm.index_job.phase IS 'What the job is doing';
COMMENT ON COLUMN zdm.index_job.leaf IS 'Table or partition it is doing that on';
COMMENT ON COLUMN zdm.index_job.leaves_done IS 'Tables or partitions that are done';
COMMENT ON COLUMN zdm.index_job.leaves_total IS 'How many there are';

COMMENT ON TABLE zdm.index_part IS 'Indexes made by jobs. Internal.';
COMMENT ON COLUMN zdm.index_part.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.index_part.index_oid IS 'OID of the index';
COMMENT ON COLUMN zdm.index_part.table_oid IS 'OID of its table';
COMMENT ON COLUMN zdm.index_part.replaces IS 'OID of the index that it is to replace, 0 when it is new';
COMMENT ON COLUMN zdm.index_part.made_for IS 'Name of the index that the job was asked for; a part of it when the table is partitioned';

-- Processes: zdm.workers.

CREATE FUNCTION zdm.list_workers(OUT pid int, OUT role text, OUT database text,
        OUT job_id bigint, OUT connected_as text, OUT started_at timestamptz,
        OUT transaction_started_at timestamptz, OUT wait_event_type text,
        OUT wait_event text)
    RETURNS SETOF record
    LANGUAGE c STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'zdm_list_workers';

COMMENT ON FUNCTION zdm.list_workers() IS
    'What zdm.workers shows.';

CREATE VIEW zdm.workers AS
    SELECT pid, role, database, job_id, connected_as, started_at,
           transaction_started_at, wait_event_type, wait_event
      FROM zdm.list_workers();

COMMENT ON VIEW zdm.workers IS
    'The background processes of zdm in this cluster, of all databases.';
COMMENT ON COLUMN zdm.workers.pid IS
    'Process id, as in pg_stat_activity.';
COMMENT ON COLUMN zdm.workers.role IS
    'launcher (one, when zdm is in shared_preload_libraries), dispatcher (starts the workers of a database, lives for moments) or worker (works on a job).';
COMMENT ON COLUMN zdm.workers.database IS
    'The database it is connected to; NULL for the launcher.';
COMMENT ON COLUMN zdm.workers.job_id IS
    'The job of that database whose lock a worker holds, see zdm.jobs; NULL for others, and for a worker that begins.';
COMMENT ON COLUMN zdm.workers.connected_as IS
    'Role a worker is connected as: the owner of the job where that role may connect, otherwise the bootstrap superuser, and the worker switches to the owner in each transaction. NULL for the launcher.';
COMMENT ON COLUMN zdm.workers.started_at IS
    'When the process started.';
COMMENT ON COLUMN zdm.workers.transaction_started_at IS
    'When its current transaction started; NULL between transactions.';
COMMENT ON COLUMN zdm.workers.wait_event_type IS
    'What kind of event it waits for, as in pg_stat_activity; NULL when it is at work.';
COMMENT ON COLUMN zdm.workers.wait_event IS
    'The event it waits for, as in pg_stat_activity.';

-- What people and dashboards read.  Each view shows a row to those who have
-- the rights of the job's owner, and to members of pg_monitor.

CREATE FUNCTION zdm.may_see(local boolean, owner_id oid, owner text) RETURNS boolean
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'zdm_may_see';
CREATE FUNCTION zdm.owner_name(local boolean, owner_id oid, owner text) RETURNS text
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'zdm_owner_name';
COMMENT ON FUNCTION zdm.may_see(boolean, oid, text) IS
    'Internal: whether the current role may see the jobs of that owner.';
COMMENT ON FUNCTION zdm.owner_name(boolean, oid, text) IS
    'Internal: name that the owner of a job has now.';

CREATE VIEW zdm.jobs WITH (security_barrier) AS
SELECT j.job_id,
       j.name,
       j.kind,
       CASE WHEN j.target_schema = '' THEN j.target_name
            ELSE pg_catalog.format('%I.%I', j.target_schema, j.target_name) END AS target,
       j.state,
       CASE WHEN j.state = 'done' THEN 1.0
            WHEN r.steps > 0 THEN
                 pg_catalog.round(least(0.99, (r.steps_done + coalesce(k.share, 0)) / r.steps)::numeric, 4)
            ELSE pg_catalog.round(least(0.99, coalesce(k.share, 0))::numeric, 4) END::float8 AS progress,
       coalesce(c.rows_done, v.rows_done, b.tuples_done) AS rows_done,
       coalesce(c.rows_estimated, v.rows_estimated, b.tuples_total) AS rows_estimated,
       CASE WHEN j.state = 'running' AND w.pid IS NOT NULL THEN coalesce(c.rows_per_second, v.rows_per_second)
            WHEN j.state = 'done' AND j.finished_at > j.started_at THEN
                 coalesce(c.rows_done, v.rows_done)
                 / extract(epoch FROM j.finished_at - j.started_at)::float8
            END AS rows_per_second,
       CASE WHEN j.state = 'running' AND w.pid IS NOT NULL AND coalesce(c.seconds_left, v.seconds_left) >= 0 THEN
                 pg_catalog.make_interval(secs => pg_catalog.round(coalesce(c.seconds_left, v.seconds_left))) END AS eta,
       CASE WHEN j.state NOT IN ('queued', 'running') OR w.pid IS NOT NULL THEN coalesce(j.waiting_for, b.waiting_for)
            WHEN NOT zdm.is_local(j.cluster_id, j.database_id) THEN
                 pg_catalog.format('zdm.resume_job(%s): it came from another cluster or database (restore, copy or upgrade)', j.job_id)
            WHEN pg_catalog.pg_is_in_recovery() THEN 'the primary: this is a standby'
            ELSE coalesce(j.waiting_for, 'a worker') END AS waiting_for,
       w.pid,
       zdm.owner_name(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner) AS owner,
       j.created_at,
       j.created_by,
       j.started_at,
       j.finished_at,
       j.state_since,
       j.last_error,
       j.last_sqlstate,
       j.last_hint AS hint,
       j.duty,
       pg_catalog.make_interval(secs => j.batch_time_ms / 1000.0) AS batch_time,
       j.max_rows_per_second
  FROM zdm.job j
  LEFT JOIN zdm.backfill_cursor c USING (job_id)
  LEFT JOIN zdm.validation_cursor v USING (job_id)
  LEFT JOIN zdm.index_job x USING (job_id)
  LEFT JOIN zdm.workers w ON w.job_id = j.job_id AND w.database = pg_catalog.current_database()
  LEFT JOIN zdm.list_index_builds() b ON b.pid = w.pid
 CROSS JOIN LATERAL (
       SELECT count(*) AS steps,
              count(*) FILTER (WHERE s.state = 'done') AS steps_done,
              min(s.kind) FILTER (WHERE s.state <> 'done' AND s.step = (SELECT min(n.step) FROM zdm.recipe_step n
                                                                         WHERE n.job_id = j.job_id AND n.state <> 'done')) AS kind
         FROM zdm.recipe_step s WHERE s.job_id = j.job_id) r
 CROSS JOIN LATERAL (
       SELECT CASE coalesce(r.kind, j.kind)
              WHEN 'backfill' THEN
                   CASE WHEN c.phase = 'proof' OR c.sweep > 1 THEN 0.99
                        WHEN c.blocks_total > 0 THEN
                             (c.blocks_done + c.window_start
                              + (c.window_end - c.window_start)::float8
                                * (c.stripe + CASE WHEN c.window_end > c.window_start
                                                   THEN (c.next_block - c.window_start)::float8
                                                        / (c.window_end - c.window_start)
                                                   ELSE 0 END) / c.stripes)
                             / c.blocks_total END
              WHEN 'index' THEN (x.leaves_done + coalesce(b.progress, 0)) / nullif(x.leaves_total, 0)
              WHEN 'ddl' THEN 0
              ELSE (v.done + v.leaf_done)::float8 / nullif(greatest(v.total, v.done + v.leaf_total), 0) END AS share) k
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

CREATE VIEW zdm.backfills WITH (security_barrier) AS
SELECT j.job_id,
       j.name,
       pg_catalog.format('%I.%I', j.target_schema, j.target_name) AS target,
       j.state,
       b.set_clause,
       b.filter,
       b.fire_triggers,
       b.analyze_after,
       b.max_quarantine,
       b.max_sweeps,
       c.phase,
       c.sweep,
       c.sweep_rows,
       c.sweep_skipped,
       c.stripes,
       c.rows_done,
       CASE WHEN c.rows_done > 0 THEN c.rows_hot::float8 / c.rows_done END AS hot_share,
       (SELECT count(*) FROM zdm.quarantined_row q WHERE q.job_id = j.job_id) AS quarantined,
       c.batches,
       c.retries,
       c.wal_bytes,
       pg_catalog.make_interval(secs => c.work_ms / 1000.0) AS work_time,
       c.note AS striping,
       b.settings
  FROM zdm.job j
  JOIN zdm.backfill b USING (job_id)
  JOIN zdm.backfill_cursor c USING (job_id)
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

CREATE VIEW zdm.validations WITH (security_barrier) AS
SELECT j.job_id,
       j.name,
       pg_catalog.format('%I.%I', j.target_schema, j.target_name) AS target,
       d.constraint_name,
       d.constraint_type,
       d.definition,
       j.state,
       coalesce(c.method, d.method) AS method,
       c.method_reason,
       c.phase,
       c.done + c.leaf_done AS units_done,
       greatest(c.total, c.done + c.leaf_total) AS units_total,
       c.rows_done,
       c.violations,
       c.chunks,
       c.restarts,
       c.retries,
       pg_catalog.make_interval(secs => c.work_ms / 1000.0) AS work_time,
       pg_catalog.make_interval(secs => c.longest_ms / 1000.0) AS longest_chunk,
       j.started_at,
       j.finished_at
  FROM zdm.job j
  JOIN zdm.validation d USING (job_id)
  JOIN zdm.validation_cursor c USING (job_id)
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

CREATE VIEW zdm.steps WITH (security_barrier) AS
SELECT s.job_id,
       j.name,
       r.recipe,
       s.step,
       s.kind,
       CASE WHEN s.state <> 'pending' THEN s.state
            WHEN j.state IN ('running', 'failed', 'paused', 'cancelled')
                 AND NOT EXISTS (SELECT FROM zdm.recipe_step e
                                  WHERE e.job_id = s.job_id AND e.step < s.step AND e.state <> 'done') THEN j.state
            ELSE s.state END AS state,
       s.statement,
       s.lock,
       s.undo,
       s.finished_at,
       pg_catalog.make_interval(secs => s.expected_ms / 1000.0) AS expected_time
  FROM zdm.recipe_step s
  JOIN zdm.recipe r USING (job_id)
  JOIN zdm.job j USING (job_id)
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

CREATE VIEW zdm.statements WITH (security_barrier) AS
SELECT j.job_id,
       j.name,
       CASE WHEN j.target_schema = '' THEN j.target_name
            ELSE pg_catalog.format('%I.%I', j.target_schema, j.target_name) END AS target,
       j.state,
       d.statement,
       d.phase,
       d.executed_at,
       pg_catalog.make_interval(secs => d.deadline_ms / 1000.0) AS deadline,
       d.settings
  FROM zdm.job j
  JOIN zdm.ddl d USING (job_id)
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

CREATE VIEW zdm.blockers WITH (security_barrier) AS
SELECT j.job_id,
       j.name AS job_name,
       pg_catalog.format('%I.%I', n.nspname, c.relname) AS relation,
       w.mode AS wanted_mode,
       l.pid,
       coalesce(a.usename, p.owner) AS role,
       a.application_name,
       CASE WHEN l.pid IS NULL THEN 'prepared transaction ' || p.gid ELSE a.state END AS state,
       l.mode AS held_mode,
       pg_catalog.clock_timestamp() - coalesce(a.xact_start, p.prepared) AS transaction_age,
       a.wait_event_type,
       a.wait_event,
       pg_catalog.left(a.query, 200) AS query
  FROM zdm.lock_wait w
  JOIN zdm.job j USING (job_id)
  JOIN zdm.workers k ON k.job_id = j.job_id AND k.database = pg_catalog.current_database()
  JOIN pg_catalog.pg_locks l ON l.locktype = 'relation' AND l.relation = w.relation AND l.granted
       AND l.database = j.database_id AND l.mode = ANY (w.conflicts_with) AND l.pid IS DISTINCT FROM k.pid
  LEFT JOIN pg_catalog.pg_class c ON c.oid = w.relation
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
  LEFT JOIN LATERAL (SELECT x.gid, x.owner, x.prepared
                       FROM pg_catalog.pg_locks t
                       JOIN pg_catalog.pg_prepared_xacts x ON x.transaction = t.transactionid
                      WHERE l.pid IS NULL AND t.pid IS NULL AND t.locktype = 'transactionid'
                        AND t.virtualtransaction = l.virtualtransaction
                      LIMIT 1) p ON true
 WHERE j.state = 'running'
   AND zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

CREATE VIEW zdm.quarantine WITH (security_barrier) AS
SELECT q.job_id,
       j.name AS job_name,
       pg_catalog.format('%I.%I', q.leaf_schema, q.leaf_name) AS "table",
       q.row_key,
       q.row_ctid,
       q.sqlstate,
       q.message,
       q.found_at
  FROM zdm.quarantined_row q
  JOIN zdm.job j USING (job_id)
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

CREATE VIEW zdm.indexes WITH (security_barrier) AS
SELECT j.job_id,
       j.name,
       x.action,
       pg_catalog.format('%I.%I', j.target_schema, x.index_name) AS index,
       pg_catalog.format('%I.%I', j.target_schema, j.target_name) AS "table",
       j.state,
       x.definition,
       CASE WHEN x.phase IN ('building', 'rebuilding') THEN coalesce(b.phase, x.phase) ELSE x.phase END AS phase,
       x.leaf AS current_table,
       x.leaves_done AS tables_done,
       x.leaves_total AS tables_total,
       b.blocks_done,
       b.blocks_total,
       b.tuples_done,
       b.tuples_total,
       CASE WHEN j.state = 'done' THEN 100
            ELSE least(99, pg_catalog.round((100 * (x.leaves_done + coalesce(b.progress, 0))
                                             / greatest(x.leaves_total, 1))::numeric, 1)) END::float8 AS percent,
       coalesce(b.waiting_for, j.waiting_for) AS waiting_for,
       w.pid
  FROM zdm.job j
  JOIN zdm.index_job x USING (job_id)
  LEFT JOIN zdm.workers w ON w.job_id = j.job_id AND w.database = pg_catalog.current_database()
  LEFT JOIN zdm.list_index_builds() b ON b.pid = w.pid
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

CREATE VIEW zdm.events WITH (security_barrier) AS
SELECT e.event_id,
       e.at,
       e.job_id,
       j.name AS job_name,
       e.event,
       e.actor,
       e.message
  FROM zdm.event e
  JOIN zdm.job j USING (job_id)
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

GRANT EXECUTE ON FUNCTION zdm.is_local(text, oid), zdm.may_see(boolean, oid, text), zdm.owner_name(boolean, oid, text) TO PUBLIC;
GRANT EXECUTE ON FUNCTION zdm.list_workers() TO PUBLIC;
GRANT SELECT ON zdm.jobs, zdm.backfills, zdm.validations, zdm.statements, zdm.blockers, zdm.indexes, zdm.steps, zdm.quarantine,
    zdm.events, zdm.workers TO PUBLIC;

COMMENT ON VIEW zdm.jobs IS 'One row per job: state, progress, and what holds it back.';
COMMENT ON COLUMN zdm.jobs.job_id IS 'Id, as the function that started it returned it';
COMMENT ON COLUMN zdm.jobs.name IS 'Unique name, given or derived from the definition';
COMMENT ON COLUMN zdm.jobs.kind IS 'What the job does: backfill, validation, index, ddl, recipe';
COMMENT ON COLUMN zdm.jobs.target IS 'Table it works on; for a statement about no table, its kind';
COMMENT ON COLUMN zdm.jobs.state IS 'queued, running, paused, failed, cancelled or done';
COMMENT ON COLUMN zdm.jobs.progress IS 'Share of the work that is done, 0 to 1';
COMMENT ON COLUMN zdm.jobs.rows_done IS 'Rows changed so far; of a validation, rows looked at';
COMMENT ON COLUMN zdm.jobs.rows_estimated IS 'Rows to change, at most, by the planners estimate at submit';
COMMENT ON COLUMN zdm.jobs.rows_per_second IS 'Rows changed a second, pauses included: now, or on the whole when done';
COMMENT ON COLUMN zdm.jobs.eta IS 'Time left at the current pace';
COMMENT ON COLUMN zdm.jobs.waiting_for IS 'What holds the job back, NULL when nothing does';
COMMENT ON COLUMN zdm.jobs.pid IS 'Process of its worker, NULL when none is alive';
COMMENT ON COLUMN zdm.jobs.owner IS 'Role as which it runs: the owner of the table at submit; of a statement, the caller';
COMMENT ON COLUMN zdm.jobs.created_at IS 'When it was submitted';
COMMENT ON COLUMN zdm.jobs.created_by IS 'Role that submitted it';
COMMENT ON COLUMN zdm.jobs.started_at IS 'When it first ran';
COMMENT ON COLUMN zdm.jobs.finished_at IS 'When it became done, failed or cancelled';
COMMENT ON COLUMN zdm.jobs.state_since IS 'When it entered its state';
COMMENT ON COLUMN zdm.jobs.last_error IS 'Message of the error that ended it';
COMMENT ON COLUMN zdm.jobs.last_sqlstate IS 'SQLSTATE of that error';
COMMENT ON COLUMN zdm.jobs.hint IS 'What to do about that error';
COMMENT ON COLUMN zdm.jobs.duty IS 'Share of time at work set for this job, NULL: zdm.duty';
COMMENT ON COLUMN zdm.jobs.batch_time IS 'Duration that a batch aims at set for this job, NULL: zdm.batch_time';
COMMENT ON COLUMN zdm.jobs.max_rows_per_second IS 'Ceiling of rows a second set for this job';

COMMENT ON VIEW zdm.backfills IS 'One row per backfill: definition and inner figures.';
COMMENT ON COLUMN zdm.backfills.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.backfills.name IS 'Name of the job';
COMMENT ON COLUMN zdm.backfills.target IS 'Table it works on';
COMMENT ON COLUMN zdm.backfills.state IS 'State of the job';
COMMENT ON COLUMN zdm.backfills.set_clause IS 'Assignments, as after SET';
COMMENT ON COLUMN zdm.backfills.filter IS 'Which rows, as after WHERE; NULL: all';
COMMENT ON COLUMN zdm.backfills.fire_triggers IS 'Whether the tables triggers fire';
COMMENT ON COLUMN zdm.backfills.analyze_after IS 'Whether ANALYZE runs at the end';
COMMENT ON COLUMN zdm.backfills.max_quarantine IS 'More rows than this in quarantine end the job';
COMMENT ON COLUMN zdm.backfills.max_sweeps IS 'Further sweeps come rarely';
COMMENT ON COLUMN zdm.backfills.phase IS 'sweep: changing rows; proof: looking for rows that are left';
COMMENT ON COLUMN zdm.backfills.sweep IS 'Number of the current pass over the table, from 1';
COMMENT ON COLUMN zdm.backfills.sweep_rows IS 'Rows changed in this sweep';
COMMENT ON COLUMN zdm.backfills.sweep_skipped IS 'Rows left out in this sweep because others had them locked';
COMMENT ON COLUMN zdm.backfills.stripes IS 'Transactions into which the rows of each page are split';
COMMENT ON COLUMN zdm.backfills.rows_done IS 'Rows changed so far';
COMMENT ON COLUMN zdm.backfills.hot_share IS 'Share of them that were HOT updates, 0 to 1';
COMMENT ON COLUMN zdm.backfills.quarantined IS 'Rows in quarantine';
COMMENT ON COLUMN zdm.backfills.batches IS 'Batches committed';
COMMENT ON COLUMN zdm.backfills.retries IS 'Batches rolled back and done again';
COMMENT ON COLUMN zdm.backfills.wal_bytes IS 'WAL written by its batches';
COMMENT ON COLUMN zdm.backfills.work_time IS 'Time at work, without pauses';
COMMENT ON COLUMN zdm.backfills.striping IS 'Why striping is off, NULL when it is on';
COMMENT ON COLUMN zdm.backfills.settings IS 'Settings at submit that decide what the expressions mean: name, value, name, value...';

COMMENT ON VIEW zdm.validations IS 'One row per validation of a constraint: what, how, and inner figures.';
COMMENT ON COLUMN zdm.validations.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.validations.name IS 'Name of the job';
COMMENT ON COLUMN zdm.validations.target IS 'Table that has the constraint';
COMMENT ON COLUMN zdm.validations.constraint_name IS 'Name of the constraint';
COMMENT ON COLUMN zdm.validations.constraint_type IS 'CHECK, FOREIGN KEY or NOT NULL';
COMMENT ON COLUMN zdm.validations.definition IS 'Its definition at submit';
COMMENT ON COLUMN zdm.validations.state IS 'State of the job';
COMMENT ON COLUMN zdm.validations.method IS 'Method chosen; before that, the one asked for';
COMMENT ON COLUMN zdm.validations.method_reason IS 'Why that method';
COMMENT ON COLUMN zdm.validations.phase IS 'scan: in chunks; native: one statement; ended: zdm.retry_job begins anew';
COMMENT ON COLUMN zdm.validations.units_done IS 'Pages or keys looked at, as the method counts';
COMMENT ON COLUMN zdm.validations.units_total IS 'Pages or keys in all, estimated';
COMMENT ON COLUMN zdm.validations.rows_done IS 'Rows looked at';
COMMENT ON COLUMN zdm.validations.violations IS 'Rows that break the constraint, found so far; zdm.violations lists them';
COMMENT ON COLUMN zdm.validations.chunks IS 'Chunks committed';
COMMENT ON COLUMN zdm.validations.restarts IS 'Times that the scan started over, because a premise no longer held';
COMMENT ON COLUMN zdm.validations.retries IS 'Steps tried again';
COMMENT ON COLUMN zdm.validations.work_time IS 'Time at work, without pauses';
COMMENT ON COLUMN zdm.validations.longest_chunk IS 'Duration of the longest chunk, the age that its snapshot may have reached';
COMMENT ON COLUMN zdm.validations.started_at IS 'When it first ran';
COMMENT ON COLUMN zdm.validations.finished_at IS 'When it became done, failed or cancelled';

COMMENT ON VIEW zdm.steps IS 'The steps of changes of constraints: what was run, what will be, under which lock.';
COMMENT ON COLUMN zdm.steps.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.steps.name IS 'Name of the job';
COMMENT ON COLUMN zdm.steps.recipe IS 'The function that was called';
COMMENT ON COLUMN zdm.steps.step IS 'Order, from 1';
COMMENT ON COLUMN zdm.steps.kind IS 'ddl: one short statement; index: a concurrent build; validate: in chunks';
COMMENT ON COLUMN zdm.steps.state IS 'pending, done or undone; of the current step, the state of the job';
COMMENT ON COLUMN zdm.steps.statement IS 'What it does, as a statement; a validation does the same in chunks';
COMMENT ON COLUMN zdm.steps.lock IS 'The strongest lock that it takes';
COMMENT ON COLUMN zdm.steps.undo IS 'What undoes it when the job is cancelled';
COMMENT ON COLUMN zdm.steps.finished_at IS 'When it was done or undone';
COMMENT ON COLUMN zdm.steps.expected_time IS 'How long it was expected to take, by the size of the table and a sample of its pages read at submit, without the wait for locks; 0 for a change of the catalogs, NULL when it is not known';
COMMENT ON VIEW zdm.statements IS 'One row per statement of zdm.execute_ddl.';
COMMENT ON COLUMN zdm.statements.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.statements.name IS 'Name of the job';
COMMENT ON COLUMN zdm.statements.target IS 'Table it is about; for a statement about no table, its kind';
COMMENT ON COLUMN zdm.statements.state IS 'State of the job';
COMMENT ON COLUMN zdm.statements.statement IS 'The statement, as given';
COMMENT ON COLUMN zdm.statements.phase IS 'waiting: not executed; started: a statement that commits in its middle is at work; executed';
COMMENT ON COLUMN zdm.statements.executed_at IS 'When it was executed';
COMMENT ON COLUMN zdm.statements.deadline IS 'How long it tries to get its locks, NULL: zdm.ddl_deadline, 0: for ever';
COMMENT ON COLUMN zdm.statements.settings IS 'Settings at submit that decide what the statement means: name, value, name, value...';

COMMENT ON VIEW zdm.blockers IS 'Who holds locks that running jobs wait for, now. Columns on other sessions are empty for those who may not see them in pg_stat_activity.';
COMMENT ON COLUMN zdm.blockers.job_id IS 'Id of the job that waits';
COMMENT ON COLUMN zdm.blockers.job_name IS 'Name of the job that waits';
COMMENT ON COLUMN zdm.blockers.relation IS 'Relation that it wants to lock';
COMMENT ON COLUMN zdm.blockers.wanted_mode IS 'Mode in which it wants to lock it';
COMMENT ON COLUMN zdm.blockers.pid IS 'Process that is in the way; NULL for a prepared transaction';
COMMENT ON COLUMN zdm.blockers.role IS 'Its role';
COMMENT ON COLUMN zdm.blockers.application_name IS 'Its application_name';
COMMENT ON COLUMN zdm.blockers.state IS 'Its state, as in pg_stat_activity';
COMMENT ON COLUMN zdm.blockers.held_mode IS 'Mode in which it has locked the relation';
COMMENT ON COLUMN zdm.blockers.transaction_age IS 'Age of its transaction';
COMMENT ON COLUMN zdm.blockers.wait_event_type IS 'What kind of event it waits for itself';
COMMENT ON COLUMN zdm.blockers.wait_event IS 'What it waits for itself';
COMMENT ON COLUMN zdm.blockers.query IS 'First 200 characters of its current or last statement';

COMMENT ON VIEW zdm.quarantine IS 'Rows that a backfill could not convert.';
COMMENT ON COLUMN zdm.quarantine.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.quarantine.job_name IS 'Name of the job';
COMMENT ON COLUMN zdm.quarantine."table" IS 'Table or partition of the row';
COMMENT ON COLUMN zdm.quarantine.row_key IS 'Primary key of the row, NULL when the table has none';
COMMENT ON COLUMN zdm.quarantine.row_ctid IS 'Place of the row when it failed';
COMMENT ON COLUMN zdm.quarantine.sqlstate IS 'SQLSTATE of the error';
COMMENT ON COLUMN zdm.quarantine.message IS 'Message of the error';
COMMENT ON COLUMN zdm.quarantine.found_at IS 'When it failed last';

COMMENT ON VIEW zdm.indexes IS 'One row per job that creates, rebuilds or drops an index.';
COMMENT ON COLUMN zdm.indexes.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.indexes.name IS 'Name of the job';
COMMENT ON COLUMN zdm.indexes.action IS 'create, reindex or drop';
COMMENT ON COLUMN zdm.indexes.index IS 'The index';
COMMENT ON COLUMN zdm.indexes."table" IS 'Its table';
COMMENT ON COLUMN zdm.indexes.state IS 'State of the job';
COMMENT ON COLUMN zdm.indexes.definition IS 'Statement that creates it, as given';
COMMENT ON COLUMN zdm.indexes.phase IS 'What the job is doing, NULL when it is at rest; of a build, as in pg_stat_progress_create_index';
COMMENT ON COLUMN zdm.indexes.current_table IS 'Table or partition it is doing that on';
COMMENT ON COLUMN zdm.indexes.tables_done IS 'Tables or partitions that are done';
COMMENT ON COLUMN zdm.indexes.tables_total IS 'How many there are';
COMMENT ON COLUMN zdm.indexes.blocks_done IS 'Blocks of the current table read in this phase';
COMMENT ON COLUMN zdm.indexes.blocks_total IS 'Blocks to read in this phase';
COMMENT ON COLUMN zdm.indexes.tuples_done IS 'Rows put into the index in this phase';
COMMENT ON COLUMN zdm.indexes.tuples_total IS 'Rows to put into the index in this phase';
COMMENT ON COLUMN zdm.indexes.percent IS 'Share of the work that is done, 0 to 100';
COMMENT ON COLUMN zdm.indexes.waiting_for IS 'What holds it back, NULL when nothing does';
COMMENT ON COLUMN zdm.indexes.pid IS 'Process of its worker, NULL when none is alive';

COMMENT ON VIEW zdm.events IS 'What happened to each job, when, and by whom.';
COMMENT ON COLUMN zdm.events.event_id IS 'Ascending id';
COMMENT ON COLUMN zdm.events.at IS 'When';
COMMENT ON COLUMN zdm.events.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.events.job_name IS 'Name of the job';
COMMENT ON COLUMN zdm.events.event IS 'The state entered, or what happened';
COMMENT ON COLUMN zdm.events.actor IS 'Role that did it';
COMMENT ON COLUMN zdm.events.message IS 'Reason or error';

-- Rows that break a constraint or keep a unique index from being built.

CREATE TABLE zdm.violation (
    violation_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    constraint_name text NOT NULL,
    table_schema    text NOT NULL,
    table_name      text NOT NULL,
    row_ctid        tid,
    row_key         jsonb,
    row_values      jsonb,
    occurrences     bigint NOT NULL CHECK (occurrences > 0),
    found_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX violation_job ON zdm.violation (job_id);

CREATE TABLE zdm.violation_total (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    rows            bigint NOT NULL,
    listed          int NOT NULL
);

SELECT pg_catalog.pg_extension_config_dump('zdm.violation', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.violation_violation_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.violation_total', '');

-- The rows' contents are data of the table: for those who have the rights of
-- the job's owner.  Members of pg_monitor see that there are some, and where.
CREATE VIEW zdm.violations WITH (security_barrier) AS
SELECT v.job_id,
       j.name AS job_name,
       v.constraint_name,
       pg_catalog.format('%I.%I', v.table_schema, v.table_name) AS "table",
       v.row_ctid,
       CASE WHEN o.is_mine THEN v.row_key END AS row_key,
       CASE WHEN o.is_mine THEN v.row_values END AS row_values,
       v.occurrences,
       t.rows AS total,
       v.found_at
  FROM zdm.violation v
  JOIN zdm.job j USING (job_id)
  JOIN zdm.violation_total t USING (job_id)
 CROSS JOIN LATERAL (
       SELECT EXISTS (SELECT FROM pg_catalog.pg_roles r
                       WHERE r.rolname = zdm.owner_name(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner)
                         AND pg_catalog.pg_has_role(r.oid, 'USAGE')) AS is_mine) o
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

GRANT SELECT ON zdm.violations TO PUBLIC;

COMMENT ON VIEW zdm.violations IS
    'Rows that break a constraint or keep a unique index from being built, up to 100 for each job.';
COMMENT ON COLUMN zdm.violations.job_id IS 'Id of the job that found them';
COMMENT ON COLUMN zdm.violations.job_name IS 'Name of the job';
COMMENT ON COLUMN zdm.violations.constraint_name IS 'Constraint or unique index';
COMMENT ON COLUMN zdm.violations."table" IS 'Table or partition of the row';
COMMENT ON COLUMN zdm.violations.row_ctid IS 'Place of the row when it was found, NULL when it is about several rows';
COMMENT ON COLUMN zdm.violations.row_key IS 'Primary key of the row, NULL when there is none or you have not the rights of the owner';
COMMENT ON COLUMN zdm.violations.row_values IS 'Values that break the constraint, each cut after 1000 bytes; NULL when you have not the rights of the owner';
COMMENT ON COLUMN zdm.violations.occurrences IS 'Rows for which this line stands: more than one for duplicates';
COMMENT ON COLUMN zdm.violations.total IS 'Rows found by the job, with those that are not listed';
COMMENT ON COLUMN zdm.violations.found_at IS 'When it was found';

COMMENT ON TABLE zdm.violation IS 'Rows that break a constraint. Read zdm.violations instead.';
COMMENT ON COLUMN zdm.violation.violation_id IS 'Id';
COMMENT ON COLUMN zdm.violation.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.violation.constraint_name IS 'Constraint or unique index';
COMMENT ON COLUMN zdm.violation.table_schema IS 'Schema of the relation with the row';
COMMENT ON COLUMN zdm.violation.table_name IS 'Its name';
COMMENT ON COLUMN zdm.violation.row_ctid IS 'Place of the row';
COMMENT ON COLUMN zdm.violation.row_key IS 'Primary key';
COMMENT ON COLUMN zdm.violation.row_values IS 'Values that break the constraint';
COMMENT ON COLUMN zdm.violation.occurrences IS 'Rows for which this one stands';
COMMENT ON COLUMN zdm.violation.found_at IS 'When it was found';

COMMENT ON TABLE zdm.violation_total IS 'Number of rows that break a constraint. Read zdm.violations instead.';
COMMENT ON COLUMN zdm.violation_total.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.violation_total.rows IS 'Rows found';
COMMENT ON COLUMN zdm.violation_total.listed IS 'How many of the finds are rows of zdm.violation; one more than the limit: some are not';
