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
