-- What people read of verifications.

CREATE VIEW zdm.verifications WITH (security_barrier) AS
SELECT j.job_id,
       j.name,
       pg_catalog.format('%I.%I', d.target_schema, d.target_name) AS target,
       d.mapping_id,
       d.definition,
       j.state,
       CASE WHEN c.pass > 0 THEN c.phase END AS phase,
       c.pass,
       c.done + c.leaf_blocks AS pages_entered,
       greatest(c.total, c.done + c.leaf_blocks) AS pages_total,
       c.rows_done,
       c.rows_again,
       c.inconsistent,
       d.result,
       d.promise,
       c.chunks,
       c.restarts,
       c.retries,
       pg_catalog.make_interval(secs => c.work_ms / 1000.0) AS work_time,
       pg_catalog.make_interval(secs => c.longest_ms / 1000.0) AS longest_chunk,
       d.started_at,
       d.finished_at
  FROM zdm.job j
  JOIN zdm.verification d USING (job_id)
  JOIN zdm.verification_cursor c USING (job_id)
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

-- The rows' contents are data of the table: for those who have the rights of
-- the job's owner.  Members of pg_monitor see that there are some, and where.
CREATE VIEW zdm.inconsistent_rows WITH (security_barrier) AS
SELECT r.job_id,
       j.name AS job_name,
       d.mapping_id,
       pg_catalog.format('%I.%I', r.leaf_schema, r.leaf_name) AS "table",
       r.row_ctid,
       CASE WHEN o.is_mine THEN r.row_key END AS row_key,
       CASE WHEN o.is_mine THEN r.old_value END AS old_value,
       CASE WHEN o.is_mine THEN r.new_value END AS new_value,
       CASE WHEN o.is_mine THEN r.expected_value END AS expected_value,
       r.sqlstate,
       CASE WHEN o.is_mine THEN r.message END AS message,
       c.inconsistent AS total,
       r.found_at
  FROM zdm.inconsistent_row r
  JOIN zdm.job j USING (job_id)
  JOIN zdm.verification d USING (job_id)
  JOIN zdm.verification_cursor c USING (job_id)
 CROSS JOIN LATERAL (
       SELECT EXISTS (SELECT FROM pg_catalog.pg_roles p
                       WHERE p.rolname = zdm.owner_name(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner)
                         AND pg_catalog.pg_has_role(p.oid, 'USAGE')) AS is_mine) o
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

GRANT SELECT ON zdm.verifications, zdm.inconsistent_rows TO PUBLIC;

COMMENT ON VIEW zdm.verifications IS 'One row per verification of a mapping: what, how far, and what it has come to.';
COMMENT ON COLUMN zdm.verifications.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.verifications.name IS 'Name of the job';
COMMENT ON COLUMN zdm.verifications.target IS 'Table whose rows are compared';
COMMENT ON COLUMN zdm.verifications.mapping_id IS 'Id of the mapping, as in the name of the tables sync trigger';
COMMENT ON COLUMN zdm.verifications.definition IS 'What is compared: new column = what is computed for it';
COMMENT ON COLUMN zdm.verifications.state IS 'State of the job';
COMMENT ON COLUMN zdm.verifications.phase IS 'scan: in chunks; proof: under one snapshot; ended';
COMMENT ON COLUMN zdm.verifications.pass IS 'Number of the pass; a second one only where a proof would take longer than zdm.max_snapshot_age';
COMMENT ON COLUMN zdm.verifications.pages_entered IS 'Pages of the tables and partitions that this pass has gone through or is at';
COMMENT ON COLUMN zdm.verifications.pages_total IS 'Pages in all';
COMMENT ON COLUMN zdm.verifications.rows_done IS 'Rows looked at in the first pass';
COMMENT ON COLUMN zdm.verifications.rows_again IS 'Rows looked at after it, because they were written meanwhile';
COMMENT ON COLUMN zdm.verifications.inconsistent IS 'Rows that are not consistent, found so far; zdm.inconsistent_rows lists them';
COMMENT ON COLUMN zdm.verifications.result IS 'clean or inconsistent, NULL before its end';
COMMENT ON COLUMN zdm.verifications.promise IS 'What clean means. snapshot: at one instant no row was inconsistent; passes: no row was that was there when the second pass began and was not written since';
COMMENT ON COLUMN zdm.verifications.chunks IS 'Chunks committed';
COMMENT ON COLUMN zdm.verifications.restarts IS 'Scans of a table or partition started over';
COMMENT ON COLUMN zdm.verifications.retries IS 'Steps tried again';
COMMENT ON COLUMN zdm.verifications.work_time IS 'Time at work, without pauses';
COMMENT ON COLUMN zdm.verifications.longest_chunk IS 'Duration of the longest chunk';
COMMENT ON COLUMN zdm.verifications.started_at IS 'When it began, the last time';
COMMENT ON COLUMN zdm.verifications.finished_at IS 'When it came to its result';

COMMENT ON VIEW zdm.inconsistent_rows IS
    'Rows that are not consistent with a mapping, up to 100 for each verification.';
COMMENT ON COLUMN zdm.inconsistent_rows.job_id IS 'Id of the job that found them';
COMMENT ON COLUMN zdm.inconsistent_rows.job_name IS 'Name of the job';
COMMENT ON COLUMN zdm.inconsistent_rows.mapping_id IS 'Id of the mapping';
COMMENT ON COLUMN zdm.inconsistent_rows."table" IS 'Table or partition of the row';
COMMENT ON COLUMN zdm.inconsistent_rows.row_ctid IS 'Place of the row when it was found';
COMMENT ON COLUMN zdm.inconsistent_rows.row_key IS 'Primary key of the row, NULL when there is none or you have not the rights of the owner';
COMMENT ON COLUMN zdm.inconsistent_rows.old_value IS 'Value of the old column; of several, a JSON object of them; cut after 200 bytes; NULL when you have not the rights of the owner';
COMMENT ON COLUMN zdm.inconsistent_rows.new_value IS 'Value of the new column, likewise';
COMMENT ON COLUMN zdm.inconsistent_rows.expected_value IS 'What the mapping computes for the new column, likewise; NULL when that fails, too';
COMMENT ON COLUMN zdm.inconsistent_rows.sqlstate IS 'SQLSTATE of the error, where the mapping fails for the row';
COMMENT ON COLUMN zdm.inconsistent_rows.message IS 'Message of that error; NULL when you have not the rights of the owner';
COMMENT ON COLUMN zdm.inconsistent_rows.total IS 'Rows found by the job, with those that are not listed';
COMMENT ON COLUMN zdm.inconsistent_rows.found_at IS 'When it was found';
