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
