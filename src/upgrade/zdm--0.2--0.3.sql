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
