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

-- First: what the others say a job waits for is who is in its way here.
CREATE VIEW zdm.blockers WITH (security_barrier) AS
WITH locks AS MATERIALIZED (
       SELECT * FROM pg_catalog.pg_locks),
     holders AS (
       -- of the relation that a job would lock
       SELECT w.job_id, w.relation, w.mode AS wanted_mode, h.pid, h.virtualtransaction
         FROM zdm.lock_wait w
         JOIN zdm.workers k ON k.job_id = w.job_id AND k.database = pg_catalog.current_database()
         JOIN zdm.job j ON j.job_id = w.job_id
         JOIN locks h ON h.locktype = 'relation' AND h.relation = w.relation AND h.granted
              AND h.database = j.database_id AND h.mode = ANY (w.conflicts_with) AND h.pid IS DISTINCT FROM k.pid
       UNION
       -- the transaction whose end a job waits for, with what is being done concurrently on one table
       SELECT k.job_id,
              (SELECT min(o.relation::bigint)::oid FROM locks o JOIN pg_catalog.pg_class t ON t.oid = o.relation
                WHERE o.pid = k.pid AND o.mode = 'ShareUpdateExclusiveLock' AND t.relkind IN ('r', 'm', 'p')),
              NULL, h.pid, h.virtualtransaction
         FROM zdm.workers k
         JOIN locks w ON w.pid = k.pid AND NOT w.granted AND w.locktype IN ('transactionid', 'virtualxid')
         JOIN locks h ON h.granted AND h.locktype = w.locktype
              AND (h.transactionid = w.transactionid OR h.virtualxid = w.virtualxid)
        WHERE k.database = pg_catalog.current_database())
SELECT j.job_id,
       j.name AS job_name,
       CASE WHEN c.oid IS NOT NULL THEN pg_catalog.format('%I.%I', n.nspname, c.relname) END AS relation,
       h.wanted_mode,
       h.pid,
       coalesce(a.usename, p.owner) AS role,
       a.application_name,
       CASE WHEN h.pid IS NULL THEN pg_catalog.concat_ws(' ', 'prepared transaction', p.gid) ELSE a.state END AS state,
       m.mode AS held_mode,
       pg_catalog.clock_timestamp() - coalesce(a.xact_start, p.prepared) AS transaction_age,
       a.wait_event_type,
       a.wait_event,
       pg_catalog.left(a.query, 200) AS query
  FROM holders h
  JOIN zdm.job j USING (job_id)
  LEFT JOIN pg_catalog.pg_class c ON c.oid = h.relation
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = h.pid
  LEFT JOIN LATERAL (SELECT x.gid, x.owner, x.prepared
                       FROM locks t
                       JOIN pg_catalog.pg_prepared_xacts x ON x.transaction = t.transactionid
                      WHERE h.pid IS NULL AND t.pid IS NULL AND t.locktype = 'transactionid'
                        AND t.virtualtransaction = h.virtualtransaction
                      LIMIT 1) p ON true
  LEFT JOIN LATERAL (SELECT l.mode
                       FROM locks l
                      WHERE l.locktype = 'relation' AND l.relation = h.relation AND l.database = j.database_id AND l.granted
                        AND l.pid IS NOT DISTINCT FROM h.pid AND l.virtualtransaction = h.virtualtransaction
                      ORDER BY pg_catalog.array_position(
                            ARRAY['AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock',
                                  'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'], l.mode) DESC
                      LIMIT 1) m ON true
 WHERE j.state = 'running'
   AND zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

GRANT SELECT ON zdm.blockers TO PUBLIC;

-- Its body is parsed here: whoever reads a view needs no right on the schema for it.
CREATE FUNCTION zdm.blocker_of(job bigint) RETURNS text
    LANGUAGE sql STABLE
    RETURN (SELECT CASE WHEN b.pid IS NULL THEN b.state
                        ELSE pg_catalog.format('process %s%s', b.pid, ' (' || nullif(b.application_name, '') || ')') END
              FROM zdm.blockers b WHERE b.job_id = job ORDER BY b.transaction_age DESC NULLS LAST LIMIT 1);
GRANT EXECUTE ON FUNCTION zdm.blocker_of(bigint) TO PUBLIC;
COMMENT ON FUNCTION zdm.blocker_of(bigint) IS
    'Internal: who is in the way of a job, by zdm.blockers, in words; NULL when nobody is.';

-- What a concurrent statement waits for inside; it says so itself, but for a drop.
CREATE FUNCTION zdm.awaits(job bigint, build text, at_work boolean) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE WHEN build IS NOT NULL THEN pg_catalog.concat_ws(': ', build, zdm.blocker_of(job))
                WHEN at_work THEN 'the end of a transaction: ' || zdm.blocker_of(job) END;
GRANT EXECUTE ON FUNCTION zdm.awaits(bigint, text, boolean) TO PUBLIC;
COMMENT ON FUNCTION zdm.awaits(bigint, text, boolean) IS
    'Internal: what a job waits for while it executes a statement concurrently; build: as its progress has it.';

CREATE VIEW zdm.jobs WITH (security_barrier) AS
SELECT j.job_id,
       j.name,
       j.kind,
       CASE WHEN j.target_schema = '' THEN j.target_name
            ELSE pg_catalog.format('%I.%I', j.target_schema, j.target_name) END AS target,
       j.state,
       CASE WHEN j.state = 'done' THEN 1.0
            WHEN r.steps > 0 THEN
                 pg_catalog.round(least(0.99, (coalesce(r.work_done, 0) + coalesce(r.work_now, 0) * least(coalesce(k.share, 0), 1)) / r.work)::numeric, 4)
            ELSE pg_catalog.round(least(0.99, coalesce(k.share, 0))::numeric, 4) END::float8 AS progress,
       coalesce(f.rows_done, b.tuples_done) AS rows_done,
       coalesce(f.rows_estimated, b.tuples_total) AS rows_estimated,
       CASE WHEN j.state = 'running' AND w.pid IS NOT NULL THEN f.rows_per_second
            WHEN j.state = 'done' AND j.finished_at > j.started_at THEN
                 f.rows_done / extract(epoch FROM j.finished_at - j.started_at)::float8
            END AS rows_per_second,
       CASE WHEN j.state = 'running' AND w.pid IS NOT NULL AND f.seconds_left >= 0 THEN
                 pg_catalog.make_interval(secs => pg_catalog.round(f.seconds_left)) END AS eta,
       CASE WHEN j.state NOT IN ('queued', 'running') OR w.pid IS NOT NULL THEN
                 coalesce(j.waiting_for, zdm.awaits(j.job_id, b.waiting_for,
                                                    b.pid IS NULL AND (x.phase IS NOT NULL OR j.kind = 'ddl')))
            WHEN NOT zdm.is_local(j.cluster_id, j.database_id) THEN
                 pg_catalog.format('zdm.resume_job(%s): it came from another cluster or database (restore, copy or upgrade)', j.job_id)
            WHEN pg_catalog.pg_is_in_recovery() THEN 'the primary: this is a standby'
            WHEN pg_catalog.current_setting('zdm.autostart', true) = 'off' THEN 'zdm.autostart, which is off: no worker is started'
            WHEN j.state = 'queued' AND j.not_before > pg_catalog.clock_timestamp() THEN coalesce(j.waiting_for, 'until ' || j.not_before::timestamptz(0))
            -- the start of the server ends what a worker waited for
            WHEN zdm.running_since() IS NULL AND (j.state = 'running' OR j.state_since < pg_catalog.clock_timestamp() - interval '10 s')
                 AND (j.waiting_for IS NULL OR j.waiting_since < pg_catalog.pg_postmaster_start_time()) THEN
                 pg_catalog.format('a worker: there is no launcher (shared_preload_libraries), so zdm.resume_job(%s) has to ask for one', j.job_id)
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
       j.max_rows_per_second,
       j.waiting_since,
       (SELECT m.name FROM zdm.migration m WHERE m.migration_id = j.migration_id) AS migration,
       j.duty_until,
       j.thresholds,
       CASE WHEN j.state = 'running' AND c.work_ms > 0 AND k.share > 0 AND k.share < 1 THEN
                 pg_catalog.make_interval(secs => pg_catalog.round(c.work_ms / 1000 * (1 - k.share) / k.share)) END AS eta_unthrottled
  FROM zdm.job j
  LEFT JOIN zdm.backfill_cursor c USING (job_id)
  LEFT JOIN zdm.validation_cursor v USING (job_id)
  LEFT JOIN zdm.verification_cursor y USING (job_id)
  LEFT JOIN zdm.index_job x USING (job_id)
  LEFT JOIN zdm.workers w ON w.job_id = j.job_id AND w.database = pg_catalog.current_database()
  LEFT JOIN zdm.list_index_builds() b ON b.pid = w.pid
 CROSS JOIN LATERAL (
       SELECT count(*) AS steps,
              sum(s.work) AS work,
              sum(s.work) FILTER (WHERE s.state = 'done') AS work_done,
              sum(s.work) FILTER (WHERE s.is_current) AS work_now,
              min(s.kind) FILTER (WHERE s.is_current) AS kind,
              min(s.wait_ms) FILTER (WHERE s.is_current) AS wait_ms,
              min(s.began_at) FILTER (WHERE s.is_current) AS began_at
         FROM (SELECT e.state, e.kind, e.wait_ms, e.began_at,
                      e.step = min(e.step) FILTER (WHERE e.state <> 'done') OVER () AS is_current,
                      greatest(coalesce(e.expected_ms, CASE e.kind WHEN 'ddl' THEN 0 ELSE 1000 END), e.wait_ms, 50) AS work
                 FROM zdm.recipe_step e WHERE e.job_id = j.job_id AND j.state <> 'done') s) r
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
              WHEN 'wait' THEN extract(epoch FROM pg_catalog.clock_timestamp() - r.began_at)::float8 * 1000 / nullif(r.wait_ms, 0)
              WHEN 'verify' THEN CASE WHEN y.phase = 'proof' OR y.pass > 1 THEN 0.99
                   ELSE (y.done + y.next_block)::float8 / nullif(greatest(y.total, y.done + y.leaf_blocks), 0) END
              WHEN 'validate' THEN (v.done + v.leaf_done)::float8 / nullif(greatest(v.total, v.done + v.leaf_total), 0)
              WHEN 'validation' THEN (v.done + v.leaf_done)::float8 / nullif(greatest(v.total, v.done + v.leaf_total), 0)
              END AS share) k
 -- whose figures: those of the step or the job at work, otherwise the first that there are
 CROSS JOIN LATERAL (
       SELECT CASE WHEN coalesce(r.kind, j.kind) LIKE 'backfill%' THEN 'c'
                   WHEN coalesce(r.kind, j.kind) LIKE 'verify%' THEN 'y'
                   WHEN coalesce(r.kind, j.kind) LIKE 'valid%' THEN 'v'
                   WHEN c.rows_done IS NOT NULL THEN 'c' WHEN y.rows_done IS NOT NULL THEN 'y' ELSE 'v' END AS whose) h
 CROSS JOIN LATERAL (
       SELECT CASE h.whose WHEN 'c' THEN c.rows_done WHEN 'y' THEN y.rows_done ELSE v.rows_done END AS rows_done,
              CASE h.whose WHEN 'c' THEN c.rows_estimated WHEN 'y' THEN y.rows_estimated ELSE v.rows_estimated END AS rows_estimated,
              CASE h.whose WHEN 'c' THEN c.rows_per_second WHEN 'y' THEN y.rows_per_second ELSE v.rows_per_second END AS rows_per_second,
              CASE h.whose WHEN 'c' THEN c.seconds_left WHEN 'y' THEN y.seconds_left ELSE v.seconds_left END AS seconds_left) f
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

CREATE VIEW zdm.backfills WITH (security_barrier) AS
SELECT j.job_id,
       j.name,
       pg_catalog.format('%I.%I', coalesce(b.target_schema, j.target_schema), coalesce(b.target_name, j.target_name)) AS target,
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
       b.settings,
       b.mapping_id
  FROM zdm.job j
  JOIN zdm.backfill b USING (job_id)
  JOIN zdm.backfill_cursor c USING (job_id)
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

CREATE VIEW zdm.validations WITH (security_barrier) AS
SELECT j.job_id,
       j.name,
       pg_catalog.format('%I.%I', coalesce(d.target_schema, j.target_schema), coalesce(d.target_name, j.target_name)) AS target,
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
       pg_catalog.make_interval(secs => s.expected_ms / 1000.0) AS expected_time,
       m.name AS migration,
       s.phase,
       CASE s.job_id WHEN m.main_job THEN 'main' WHEN m.retire_job THEN 'retire' WHEN m.purge_job THEN 'purge' END AS stage,
       pg_catalog.format('%I.%I', coalesce(s.target_schema, j.target_schema), coalesce(s.target_name, j.target_name)) AS target
  FROM zdm.recipe_step s
  JOIN zdm.recipe r USING (job_id)
  JOIN zdm.job j USING (job_id)
  LEFT JOIN zdm.migration m ON m.migration_id = j.migration_id
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner)
UNION ALL
SELECT NULL, m.name, m.kind, p.step, p.kind, 'pending', p.statement, p.lock, p.undo, NULL,
       pg_catalog.make_interval(secs => p.expected_ms / 1000.0), m.name, p.phase, p.stage,
       pg_catalog.format('%I.%I', coalesce(p.target_schema, m.target_schema), coalesce(p.target_name, m.target_name))
  FROM zdm.migration m
  JOIN zdm.migration_step p USING (migration_id)
 WHERE CASE p.stage WHEN 'main' THEN m.main_job WHEN 'retire' THEN m.retire_job ELSE m.purge_job END IS NULL
   AND m.phase NOT IN ('done', 'aborted')
   AND zdm.may_see(zdm.is_local(m.cluster_id, m.database_id), m.runs_as_id, m.runs_as);

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
       CASE WHEN b.waiting_for IS NULL AND j.waiting_for IS NOT NULL THEN j.waiting_for
            ELSE zdm.awaits(j.job_id, b.waiting_for, b.pid IS NULL AND x.phase IS NOT NULL) END AS waiting_for,
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
       e.message,
       m.name AS migration
  FROM zdm.event e
  LEFT JOIN zdm.job j USING (job_id)
  LEFT JOIN zdm.migration m ON m.migration_id = e.migration_id
 -- What orders and limits this view does not reach below a security barrier.  So that the newest come from an index, the
 -- order is here; names may be looked up row by row, once each, as no join has a condition; nearly all rows are expected.
 CROSS JOIN LATERAL (
       SELECT CASE WHEN CASE WHEN j.job_id IS NOT NULL THEN zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner)
                             ELSE zdm.may_see(zdm.is_local(m.cluster_id, m.database_id), m.runs_as_id, m.runs_as) END
                   THEN true END AS it LIMIT 1) seen
 WHERE seen.it IS NOT NULL
 ORDER BY e.event_id DESC;

GRANT EXECUTE ON FUNCTION zdm.is_local(text, oid), zdm.may_see(boolean, oid, text), zdm.owner_name(boolean, oid, text) TO PUBLIC;
GRANT EXECUTE ON FUNCTION zdm.list_workers() TO PUBLIC;
GRANT SELECT ON zdm.jobs, zdm.backfills, zdm.validations, zdm.statements, zdm.indexes, zdm.steps, zdm.quarantine,
    zdm.events, zdm.workers TO PUBLIC;

COMMENT ON VIEW zdm.jobs IS 'One row per job: state, progress, and what holds it back.';
COMMENT ON COLUMN zdm.jobs.job_id IS 'Id, as the function that started it returned it';
COMMENT ON COLUMN zdm.jobs.name IS 'Unique name, given or derived from the definition';
COMMENT ON COLUMN zdm.jobs.kind IS 'What the job does: backfill, verify, validation, index, ddl, recipe, invariant, reverify';
COMMENT ON COLUMN zdm.jobs.target IS 'Table it works on; for a statement about no table, its kind';
COMMENT ON COLUMN zdm.jobs.state IS 'queued, running, paused, failed, cancelled or done';
COMMENT ON COLUMN zdm.jobs.progress IS 'Share of the work that is done, 0 to 1';
COMMENT ON COLUMN zdm.jobs.rows_done IS 'Rows changed so far; of a verification or validation, rows looked at';
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
COMMENT ON COLUMN zdm.jobs.waiting_since IS 'Since when something holds it back';
COMMENT ON COLUMN zdm.jobs.migration IS 'Name of the migration that it works for, NULL for none';
COMMENT ON COLUMN zdm.jobs.duty_until IS 'When its own share of time ends; NULL: never';
COMMENT ON COLUMN zdm.jobs.thresholds IS 'Thresholds of its own, by zdm.set_throttle: names of signals and values in turn';
COMMENT ON COLUMN zdm.jobs.eta_unthrottled IS 'Expected time to the end if nothing held or slowed it: what is left, at the rate of the time at work; of backfills';

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
COMMENT ON COLUMN zdm.backfills.mapping_id IS 'Mapping of the tables sync trigger that says what is assigned; NULL: set_clause and filter say it';

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

COMMENT ON VIEW zdm.steps IS 'The steps of migrations: what was run, what will be, under which lock.';
COMMENT ON COLUMN zdm.steps.job_id IS 'Id of the job, NULL when there is none yet';
COMMENT ON COLUMN zdm.steps.name IS 'Name of the job, which before there is one is that of the migration';
COMMENT ON COLUMN zdm.steps.recipe IS 'The function that was called';
COMMENT ON COLUMN zdm.steps.step IS 'Order, from 1';
COMMENT ON COLUMN zdm.steps.kind IS 'ddl: short statements in one transaction; index: a concurrent build; validate: in chunks; backfill: rows are filled; verify: rows are compared; sql: statements of the user in one transaction; wait: for a time or a query';
COMMENT ON COLUMN zdm.steps.state IS 'pending, done or undone; of the current step, the state of the job';
COMMENT ON COLUMN zdm.steps.statement IS 'What it does, as a statement; a validation does the same in chunks';
COMMENT ON COLUMN zdm.steps.lock IS 'The strongest lock that it takes';
COMMENT ON COLUMN zdm.steps.undo IS 'What undoes it when the job is cancelled';
COMMENT ON COLUMN zdm.steps.finished_at IS 'When it was done or undone';
COMMENT ON COLUMN zdm.steps.expected_time IS 'How long it was expected to take, by the size of the table and a sample of its pages read at submit, without the wait for locks; 0 for a change of the catalogs, NULL when it is not known';
COMMENT ON COLUMN zdm.steps.migration IS 'Name of the migration, NULL for none';
COMMENT ON COLUMN zdm.steps.phase IS 'Phase of the migration: expand, migrate or contract';
COMMENT ON COLUMN zdm.steps.stage IS 'Which of its jobs does it: main, retire or purge';

COMMENT ON COLUMN zdm.steps.target IS 'Table that it is about';
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

COMMENT ON VIEW zdm.blockers IS 'Who is in the way of running jobs, now, one row per process and relation: who holds a lock that a job wants, or is in the transaction whose end it waits for. Columns on other sessions are empty for those who may not see them in pg_stat_activity.';
COMMENT ON COLUMN zdm.blockers.job_id IS 'Id of the job that waits';
COMMENT ON COLUMN zdm.blockers.job_name IS 'Name of the job that waits';
COMMENT ON COLUMN zdm.blockers.relation IS 'Relation that it wants to lock, or on which it executes a statement concurrently';
COMMENT ON COLUMN zdm.blockers.wanted_mode IS 'Mode in which it wants to lock it; NULL when it waits for the end of the transaction, as the build of an index does';
COMMENT ON COLUMN zdm.blockers.pid IS 'Process that is in the way; NULL for a prepared transaction';
COMMENT ON COLUMN zdm.blockers.role IS 'Its role';
COMMENT ON COLUMN zdm.blockers.application_name IS 'Its application_name';
COMMENT ON COLUMN zdm.blockers.state IS 'Its state, as in pg_stat_activity; of a prepared transaction, these words and its gid';
COMMENT ON COLUMN zdm.blockers.held_mode IS 'Strongest mode in which it has locked the relation; NULL when it has not, as one with an old snapshot';
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

COMMENT ON VIEW zdm.events IS 'What happened to each job and migration, when, and by whom; the newest, by event_id, first.';
COMMENT ON COLUMN zdm.events.event_id IS 'Ascending id';
COMMENT ON COLUMN zdm.events.at IS 'When';
COMMENT ON COLUMN zdm.events.job_id IS 'Id of the job, NULL when it is about the migration itself';
COMMENT ON COLUMN zdm.events.job_name IS 'Name of the job';
COMMENT ON COLUMN zdm.events.event IS 'The state or phase entered, or what happened';
COMMENT ON COLUMN zdm.events.actor IS 'Role that did it';
COMMENT ON COLUMN zdm.events.message IS 'Reason or error';
COMMENT ON COLUMN zdm.events.migration IS 'Name of the migration, NULL for none';
