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
    database_id     oid NOT NULL
);
CREATE INDEX job_unfinished ON zdm.job (job_id) WHERE state IN ('queued', 'running');

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
    'Role a worker is connected as: the owner of the target where that role may connect, otherwise the bootstrap superuser, and the worker switches to the owner in each transaction. NULL for the launcher.';
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
       pg_catalog.format('%I.%I', j.target_schema, j.target_name) AS target,
       j.state,
       CASE WHEN j.state = 'done' THEN 1.0
            WHEN c.phase = 'proof' OR c.sweep > 1 THEN 0.99
            WHEN c.blocks_total > 0 THEN
                 pg_catalog.round(least(0.99, ((c.blocks_done + c.window_start
                       + (c.window_end - c.window_start)::float8
                         * (c.stripe + CASE WHEN c.window_end > c.window_start
                                            THEN (c.next_block - c.window_start)::float8
                                                 / (c.window_end - c.window_start)
                                            ELSE 0 END) / c.stripes)
                     / c.blocks_total)::numeric), 4)
            ELSE 0 END::float8 AS progress,
       c.rows_done,
       c.rows_estimated,
       CASE WHEN j.state = 'running' AND w.pid IS NOT NULL THEN c.rows_per_second
            WHEN j.state = 'done' AND j.finished_at > j.started_at THEN
                 c.rows_done / extract(epoch FROM j.finished_at - j.started_at)::float8
            END AS rows_per_second,
       CASE WHEN j.state = 'running' AND w.pid IS NOT NULL AND c.seconds_left >= 0 THEN
                 pg_catalog.make_interval(secs => pg_catalog.round(c.seconds_left)) END AS eta,
       CASE WHEN j.state NOT IN ('queued', 'running') OR w.pid IS NOT NULL THEN j.waiting_for
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
  LEFT JOIN zdm.workers w ON w.job_id = j.job_id AND w.database = pg_catalog.current_database()
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
GRANT SELECT ON zdm.jobs, zdm.backfills, zdm.quarantine, zdm.events, zdm.workers TO PUBLIC;

COMMENT ON VIEW zdm.jobs IS 'One row per job: state, progress, and what holds it back.';
COMMENT ON COLUMN zdm.jobs.job_id IS 'Id, as zdm.start_backfill returned it';
COMMENT ON COLUMN zdm.jobs.name IS 'Unique name, given or derived from the definition';
COMMENT ON COLUMN zdm.jobs.kind IS 'What the job does: backfill';
COMMENT ON COLUMN zdm.jobs.target IS 'Table it works on';
COMMENT ON COLUMN zdm.jobs.state IS 'queued, running, paused, failed, cancelled or done';
COMMENT ON COLUMN zdm.jobs.progress IS 'Share of the work that is done, 0 to 1';
COMMENT ON COLUMN zdm.jobs.rows_done IS 'Rows changed so far';
COMMENT ON COLUMN zdm.jobs.rows_estimated IS 'Rows to change, at most, by the planners estimate at submit';
COMMENT ON COLUMN zdm.jobs.rows_per_second IS 'Rows changed a second, pauses included: now, or on the whole when done';
COMMENT ON COLUMN zdm.jobs.eta IS 'Time left at the current pace';
COMMENT ON COLUMN zdm.jobs.waiting_for IS 'What holds the job back, NULL when nothing does';
COMMENT ON COLUMN zdm.jobs.pid IS 'Process of its worker, NULL when none is alive';
COMMENT ON COLUMN zdm.jobs.owner IS 'Role as which it runs: the owner of the table at submit';
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

COMMENT ON VIEW zdm.quarantine IS 'Rows that a backfill could not convert.';
COMMENT ON COLUMN zdm.quarantine.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.quarantine.job_name IS 'Name of the job';
COMMENT ON COLUMN zdm.quarantine."table" IS 'Table or partition of the row';
COMMENT ON COLUMN zdm.quarantine.row_key IS 'Primary key of the row, NULL when the table has none';
COMMENT ON COLUMN zdm.quarantine.row_ctid IS 'Place of the row when it failed';
COMMENT ON COLUMN zdm.quarantine.sqlstate IS 'SQLSTATE of the error';
COMMENT ON COLUMN zdm.quarantine.message IS 'Message of the error';
COMMENT ON COLUMN zdm.quarantine.found_at IS 'When it failed last';

COMMENT ON VIEW zdm.events IS 'What happened to each job, when, and by whom.';
COMMENT ON COLUMN zdm.events.event_id IS 'Ascending id';
COMMENT ON COLUMN zdm.events.at IS 'When';
COMMENT ON COLUMN zdm.events.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.events.job_name IS 'Name of the job';
COMMENT ON COLUMN zdm.events.event IS 'The state entered, or what happened';
COMMENT ON COLUMN zdm.events.actor IS 'Role that did it';
COMMENT ON COLUMN zdm.events.message IS 'Reason or error';
