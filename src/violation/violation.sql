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
