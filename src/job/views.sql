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
       pg_catalog.format('%I.%I', coalesce(s.target_schema, j.target_schema), coalesce(s.target_name, j.target_name)) AS target
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
COMMENT ON COLUMN zdm.steps.target IS 'Table that it is about: that of the job, or a partition or child of it';
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
