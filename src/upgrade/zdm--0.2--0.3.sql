\echo Use "ALTER EXTENSION zdm UPDATE" to load this file. \quit

-- Jobs: a time before which one is not run.

ALTER TABLE zdm.job ADD COLUMN not_before timestamptz;
COMMENT ON COLUMN zdm.job.not_before IS 'When it may run at the earliest, while it is queued';
COMMENT ON COLUMN zdm.job.cleanup IS 'Whether it leaves something behind that a worker removes once the job is cancelled; of a done job, whether it can be undone';

-- Recipes: steps of more kinds, the phase of each, what it fills and waits for.

ALTER TABLE zdm.recipe ADD COLUMN target_schema text;
ALTER TABLE zdm.recipe ADD COLUMN target_name text;
COMMENT ON COLUMN zdm.recipe.target_schema IS 'Schema of the table as the statements call it, NULL: as the job does';
COMMENT ON COLUMN zdm.recipe.target_name IS 'Name of the table as the statements call it, NULL: as the job does';
ALTER TABLE zdm.recipe_step DROP CONSTRAINT recipe_step_kind_check;
ALTER TABLE zdm.recipe_step ADD CONSTRAINT recipe_step_kind_check
    CHECK (kind IN ('ddl', 'index', 'validate', 'backfill', 'verify', 'sql', 'wait'));
ALTER TABLE zdm.recipe_step ADD COLUMN phase text CHECK (phase IN ('expand', 'migrate', 'contract'));
ALTER TABLE zdm.recipe_step ADD COLUMN mapping_id bigint;
ALTER TABLE zdm.recipe_step ADD COLUMN set_clause text;
ALTER TABLE zdm.recipe_step ADD COLUMN filter text;
ALTER TABLE zdm.recipe_step ADD COLUMN wait_ms float8;
ALTER TABLE zdm.recipe_step ADD COLUMN began_at timestamptz;
COMMENT ON COLUMN zdm.recipe_step.kind IS 'ddl: short statements in one transaction; index: a concurrent build; validate: in chunks; backfill: rows are filled; verify: rows are compared; sql: statements of the user in one transaction; wait: for a time or a query';
COMMENT ON COLUMN zdm.recipe_step.phase IS 'Phase of the migration that it belongs to, NULL when it belongs to none';
COMMENT ON COLUMN zdm.recipe_step.mapping_id IS 'Mapping by which rows are filled or compared, NULL for none';
COMMENT ON COLUMN zdm.recipe_step.set_clause IS 'Assignments of a backfill without a mapping, as after SET';
COMMENT ON COLUMN zdm.recipe_step.filter IS 'Which rows a backfill is about, as after WHERE; of a wait, the query that has to return true';
COMMENT ON COLUMN zdm.recipe_step.wait_ms IS 'How long it waits at least, in ms';
COMMENT ON COLUMN zdm.recipe_step.began_at IS 'When it began, NULL before, and where that does not matter';

-- What is shown of them.

CREATE OR REPLACE VIEW zdm.jobs WITH (security_barrier) AS
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
            WHEN j.state = 'queued' AND j.not_before > pg_catalog.clock_timestamp() THEN coalesce(j.waiting_for, 'until ' || j.not_before::timestamptz(0))
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
              sum(s.work) AS work,
              sum(s.work) FILTER (WHERE s.state = 'done') AS work_done,
              sum(s.work) FILTER (WHERE s.is_current) AS work_now,
              min(s.kind) FILTER (WHERE s.is_current) AS kind,
              min(s.wait_ms) FILTER (WHERE s.is_current) AS wait_ms,
              min(s.began_at) FILTER (WHERE s.is_current) AS began_at
         FROM (SELECT e.*,
                      e.step = min(e.step) FILTER (WHERE e.state <> 'done') OVER () AS is_current,
                      greatest(coalesce(e.expected_ms, CASE e.kind WHEN 'ddl' THEN 0 ELSE 1000 END), e.wait_ms, 50) AS work
                 FROM zdm.recipe_step e WHERE e.job_id = j.job_id) s) r
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
              WHEN 'validate' THEN (v.done + v.leaf_done)::float8 / nullif(greatest(v.total, v.done + v.leaf_total), 0)
              WHEN 'validation' THEN (v.done + v.leaf_done)::float8 / nullif(greatest(v.total, v.done + v.leaf_total), 0)
              END AS share) k
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);
COMMENT ON COLUMN zdm.steps.kind IS 'ddl: short statements in one transaction; index: a concurrent build; validate: in chunks; backfill: rows are filled; verify: rows are compared; sql: statements of the user in one transaction; wait: for a time or a query';
-- keys: NULLS NOT DISTINCT, DEFERRABLE
DROP FUNCTION zdm.add_unique(regclass, name[], name, text);
DROP FUNCTION zdm.add_primary_key(regclass, name[], name, text);
CREATE FUNCTION zdm.add_unique(
        target regclass, columns name[], constraint_name name DEFAULT NULL, name text DEFAULT NULL,
        nulls_not_distinct boolean DEFAULT false, deferral text DEFAULT 'NOT DEFERRABLE') RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_unique';
CREATE FUNCTION zdm.add_primary_key(
        target regclass, columns name[], constraint_name name DEFAULT NULL, name text DEFAULT NULL,
        deferral text DEFAULT 'NOT DEFERRABLE') RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_primary_key';
COMMENT ON FUNCTION zdm.add_unique(regclass, name[], name, text, boolean, text) IS
    'Add a UNIQUE constraint at commit: its index is built concurrently. Returns the name of the job. Inverse: zdm.drop_constraint.';
COMMENT ON FUNCTION zdm.add_primary_key(regclass, name[], name, text, text) IS
    'Add a primary key at commit: its columns are made NOT NULL by proof, its index is built concurrently. Returns the name of the job. Inverse: zdm.drop_constraint.';

CREATE FUNCTION zdm.rename_column(
        target regclass, column_name name, new_name name, owner text, contract_by date,
        name text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_rename_column';
CREATE FUNCTION zdm.change_column_type(
        target regclass, column_name name, new_type text, forward text DEFAULT NULL, reverse text DEFAULT NULL,
        new_name name DEFAULT NULL, owner text DEFAULT NULL, contract_by date DEFAULT NULL, winner text DEFAULT 'new',
        on_error text DEFAULT 'fail', name text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_change_column_type';
CREATE FUNCTION zdm.add_column(
        target regclass, column_name name, data_type text, owner text, contract_by date, fill text DEFAULT NULL,
        column_default text DEFAULT NULL, not_null boolean DEFAULT false, name text DEFAULT NULL,
        dry_run boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_column';
CREATE FUNCTION zdm.drop_column(
        target regclass, column_name name, owner text, contract_by date, name text DEFAULT NULL,
        dry_run boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_drop_column';
CREATE FUNCTION zdm.dependents(
        target regclass, column_name name, OUT kind text, OUT name text, OUT how text, OUT certain boolean,
        OUT carried boolean)
    RETURNS SETOF record
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'zdm_dependents';

COMMENT ON FUNCTION zdm.rename_column(regclass, name, name, text, date, text, boolean) IS
    'Rename a column in three phases: both names are there and kept equal until nobody uses the old one. Starts at commit, returns the name of the migration. Inverse: zdm.abort, zdm.revert.';
COMMENT ON FUNCTION zdm.change_column_type(regclass, name, text, text, text, name, text, date, text, text, text, boolean) IS
    'Change the type of a column in three phases: a column of the new type is kept in step with the old one by forward and reverse, and takes its name at the end, or has new_name from the start. Starts at commit, returns the name of the migration. Inverse: zdm.abort, zdm.revert.';
COMMENT ON FUNCTION zdm.add_column(regclass, name, text, text, date, text, text, boolean, text, boolean) IS
    'Add a column without rewriting the table. fill is an expression over the row that fills it in rows that leave it NULL, those that are there and those that are written, until zdm.contract; column_default counts from then on, or from the start where there is no fill. Starts at commit, returns the name of the migration. Inverse: zdm.abort, zdm.drop_column.';
COMMENT ON FUNCTION zdm.drop_column(regclass, name, text, date, text, boolean) IS
    'Drop a column in two moves: zdm.contract hides it, and it is dropped after the hold. Starts at commit, returns the name of the migration. Inverse: zdm.abort, zdm.revert.';
COMMENT ON FUNCTION zdm.dependents(regclass, name) IS
    'What uses a column: indexes, constraints, views, functions, policies, triggers, publications. certain: recorded by PostgreSQL, and not only found in a text; carried: zdm.rename_column and zdm.change_column_type see to it.';


DROP FUNCTION zdm.plan_steps(text);
CREATE FUNCTION zdm.plan_steps(
        call text, OUT step int, OUT kind text, OUT statement text, OUT lock text, OUT undo text,
        OUT expected_time interval, OUT basis text, OUT phase text, OUT stage text)
    RETURNS SETOF record
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_plan_steps';
COMMENT ON FUNCTION zdm.plan_steps(text) IS
    'The steps of a call of zdm.add_check, zdm.rename_column and their likes, given as you would run it: statement, lock, what undoes it, phase, and the time that it takes, by reading a sample of the pages now. Starts nothing and changes nothing.';
