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
    as_caller       boolean NOT NULL DEFAULT false,
    not_before      timestamptz,
    waiting_since   timestamptz,
    migration_id    bigint,
    restart_ends_rest boolean NOT NULL DEFAULT false,
    thresholds      text[],
    duty_until      timestamptz
);
CREATE INDEX job_migration ON zdm.job (migration_id) WHERE migration_id IS NOT NULL;
CREATE INDEX job_unfinished ON zdm.job (job_id) WHERE state IN ('queued', 'running') OR (state = 'cancelled' AND cleanup);

CREATE TABLE zdm.event (
    event_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id      bigint REFERENCES zdm.job ON DELETE CASCADE,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor       text NOT NULL,
    event       text NOT NULL,
    message     text,
    migration_id bigint
);
CREATE INDEX event_job ON zdm.event (job_id, event_id);
CREATE INDEX event_migration ON zdm.event (migration_id, event_id) WHERE migration_id IS NOT NULL;

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
        batch_time interval DEFAULT NULL, max_rows_per_second float8 DEFAULT NULL,
        signal text DEFAULT NULL, threshold text DEFAULT NULL, lasts interval DEFAULT NULL)
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
COMMENT ON FUNCTION zdm.set_throttle(bigint, float8, interval, float8, text, text, interval) IS
    'Sets the throttle of one job: share of time at work (0 to 1) and for how long that lasts, duration a batch aims at, ceiling of rows a second (Infinity for none), the threshold of one signal (as its setting, ''off'' or ''default''). NULL keeps a value. Takes effect within a second.';

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
COMMENT ON COLUMN zdm.job.thresholds IS 'Thresholds of its own: names of signals and values in turn';
COMMENT ON COLUMN zdm.job.duty_until IS 'When its own share of time ends; NULL: never';
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
COMMENT ON COLUMN zdm.job.restart_ends_rest IS 'Whether a start of the server makes it due, whatever not_before says';
COMMENT ON COLUMN zdm.job.not_before IS 'When it may run at the earliest, while it is queued';
COMMENT ON COLUMN zdm.job.waiting_since IS 'Since when something holds it back';
COMMENT ON COLUMN zdm.job.migration_id IS 'Id of the migration that it works for, NULL for none';
COMMENT ON COLUMN zdm.job.cleanup IS 'Whether it leaves something behind that a worker removes once the job is cancelled; of a done job, whether it can be undone';

COMMENT ON TABLE zdm.event IS 'Events of jobs and migrations. Read zdm.events instead.';
COMMENT ON COLUMN zdm.event.event_id IS 'Id';
COMMENT ON COLUMN zdm.event.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.event.at IS 'When';
COMMENT ON COLUMN zdm.event.actor IS 'Role';
COMMENT ON COLUMN zdm.event.event IS 'What';
COMMENT ON COLUMN zdm.event.message IS 'Why';
COMMENT ON COLUMN zdm.event.migration_id IS 'Id of the migration, NULL for none';
