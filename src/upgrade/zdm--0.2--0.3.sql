\echo Use "ALTER EXTENSION zdm UPDATE" to load this file. \quit

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

-- steps and validations about partitions and children
ALTER TABLE zdm.recipe_step ADD COLUMN target oid, ADD COLUMN target_schema text, ADD COLUMN target_name text,
    ADD COLUMN target_in text;
ALTER TABLE zdm.validation ADD COLUMN target oid, ADD COLUMN target_schema text, ADD COLUMN target_name text;
CREATE OR REPLACE VIEW zdm.validations WITH (security_barrier) AS
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

CREATE OR REPLACE VIEW zdm.steps WITH (security_barrier) AS
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

COMMENT ON COLUMN zdm.steps.target IS 'Table that it is about: that of the job, or a partition or child of it';
COMMENT ON COLUMN zdm.recipe_step.target IS 'OID of the relation that it is about, when that is not the one of the job; 0 when it is gone';
COMMENT ON COLUMN zdm.recipe_step.target_schema IS 'Its schema';
COMMENT ON COLUMN zdm.recipe_step.target_name IS 'Its name when the step was made';
COMMENT ON COLUMN zdm.recipe_step.target_in IS 'Cluster and database in which the OID has a meaning';
COMMENT ON COLUMN zdm.validation.target IS 'OID of the table, when a step of a recipe is about another one than its job';
COMMENT ON COLUMN zdm.validation.target_schema IS 'Its schema';
COMMENT ON COLUMN zdm.validation.target_name IS 'Its name';
