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

-- Backfills: by the mapping of a sync trigger, and as steps of other jobs.

ALTER TABLE zdm.backfill ADD COLUMN mapping_id bigint;
ALTER TABLE zdm.backfill ADD COLUMN target oid;
ALTER TABLE zdm.backfill ADD COLUMN target_schema text;
ALTER TABLE zdm.backfill ADD COLUMN target_name text;
COMMENT ON COLUMN zdm.backfill.mapping_id IS 'Mapping that says what is assigned, NULL: set_clause and filter say it';
COMMENT ON COLUMN zdm.backfill.target IS 'OID of the table, where it is not the one of the job';
COMMENT ON COLUMN zdm.backfill.target_schema IS 'Its schema';
COMMENT ON COLUMN zdm.backfill.target_name IS 'Its name';

CREATE FUNCTION zdm.repair(
        target regclass,
        mapping bigint,
        name text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_repair';
COMMENT ON FUNCTION zdm.repair(regclass, bigint, text) IS
    'Starts, at commit, a backfill by the mapping of a sync trigger of the table: the new column of rows that are not consistent becomes what the mapping computes from the old ones; consistent rows are left alone. Returns the id of the job. It has no inverse; zdm.cancel_job stops it.';

-- Verifications: definition and result, cursor, rows found; the function that starts one.

CREATE TABLE zdm.verification (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    mapping_id      bigint NOT NULL,
    target          oid NOT NULL,
    target_schema   text NOT NULL,
    target_name     text NOT NULL,
    definition      text,
    result          text CHECK (result IN ('clean', 'inconsistent')),
    promise         text CHECK (promise IN ('snapshot', 'passes')),
    rows            bigint,
    inconsistent    bigint,
    chunks          bigint,
    started_at      timestamptz,
    finished_at     timestamptz
);
CREATE INDEX verification_mapping ON zdm.verification (mapping_id);

-- Written as zdm.backfill_cursor is: by ctid, without an index.
CREATE TABLE zdm.verification_cursor (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    made_in         text,
    phase           text NOT NULL DEFAULT 'scan' CHECK (phase IN ('scan', 'proof', 'ended')),
    pass            int NOT NULL DEFAULT 0,
    leaf            oid NOT NULL DEFAULT 0,
    leaf_filenode   oid NOT NULL DEFAULT 0,
    leaf_premises   text,
    mark_lsn        pg_lsn NOT NULL DEFAULT '0/0',
    mark_xid        xid8 NOT NULL DEFAULT '0',
    seen_lsn        pg_lsn NOT NULL DEFAULT '0/0',
    seen_xid        xid8 NOT NULL DEFAULT '0',
    leaf_blocks     bigint NOT NULL DEFAULT 0,
    next_block      bigint NOT NULL DEFAULT 0,
    leaf_rows       bigint NOT NULL DEFAULT 0,
    leaf_inconsistent bigint NOT NULL DEFAULT 0,
    total           bigint NOT NULL DEFAULT 0,
    done            bigint NOT NULL DEFAULT 0,
    rows_done       bigint NOT NULL DEFAULT 0,
    rows_again      bigint NOT NULL DEFAULT 0,
    rows_estimated  bigint NOT NULL DEFAULT 0,
    inconsistent    bigint NOT NULL DEFAULT 0,
    chunks          bigint NOT NULL DEFAULT 0,
    restarts        bigint NOT NULL DEFAULT 0,
    retries         bigint NOT NULL DEFAULT 0,
    work_ms         float8 NOT NULL DEFAULT 0,
    longest_ms      float8 NOT NULL DEFAULT 0,
    rows_per_second float8 NOT NULL DEFAULT 0,
    seconds_left    float8,
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 1000);

CREATE TABLE zdm.verified_leaf (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    leaf            oid NOT NULL,
    leaf_filenode   oid NOT NULL,
    premises        text NOT NULL,
    pass            int NOT NULL,
    mark_lsn        pg_lsn NOT NULL,
    mark_xid        xid8 NOT NULL,
    PRIMARY KEY (job_id, leaf)
);

CREATE TABLE zdm.inconsistent_row (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    leaf            oid NOT NULL,
    leaf_schema     text NOT NULL,
    leaf_name       text NOT NULL,
    row_ctid        tid NOT NULL,
    row_key         jsonb,
    old_value       text,
    new_value       text,
    expected_value  text,
    sqlstate        text,
    message         text,
    found_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX inconsistent_row_job ON zdm.inconsistent_row (job_id);

SELECT pg_catalog.pg_extension_config_dump('zdm.verification', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.verification_cursor', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.verified_leaf', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.inconsistent_row', '');

CREATE FUNCTION zdm.verify(
        target regclass,
        mapping bigint,
        name text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_verify';

COMMENT ON FUNCTION zdm.verify(regclass, bigint, text) IS
    'Starts, at commit, a job that looks at all rows of a table and counts those that are not consistent with the mapping of its sync trigger; done when there are none. Reads only. Returns the id of the job. It has no inverse; zdm.cancel_job stops it.';

COMMENT ON TABLE zdm.verification IS 'Verifications and their results. Read zdm.verifications instead.';
COMMENT ON COLUMN zdm.verification.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.verification.mapping_id IS 'Id of the mapping, as in the name of the trigger';
COMMENT ON COLUMN zdm.verification.target IS 'OID of the table';
COMMENT ON COLUMN zdm.verification.target_schema IS 'Its schema';
COMMENT ON COLUMN zdm.verification.target_name IS 'Its name';
COMMENT ON COLUMN zdm.verification.definition IS 'What was compared';
COMMENT ON COLUMN zdm.verification.result IS 'clean or inconsistent, NULL before its end';
COMMENT ON COLUMN zdm.verification.promise IS 'What clean means: snapshot or passes';
COMMENT ON COLUMN zdm.verification.rows IS 'Rows looked at';
COMMENT ON COLUMN zdm.verification.inconsistent IS 'Rows that were not consistent';
COMMENT ON COLUMN zdm.verification.chunks IS 'Chunks committed';
COMMENT ON COLUMN zdm.verification.started_at IS 'When it began, the last time';
COMMENT ON COLUMN zdm.verification.finished_at IS 'When it came to its result';

COMMENT ON TABLE zdm.verification_cursor IS 'How far verifications are. Read zdm.jobs and zdm.verifications instead.';
COMMENT ON COLUMN zdm.verification_cursor.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.verification_cursor.made_in IS 'Cluster and database in which the place has a meaning';
COMMENT ON COLUMN zdm.verification_cursor.phase IS 'scan, proof, or ended: the next start begins anew';
COMMENT ON COLUMN zdm.verification_cursor.pass IS 'Number of the pass, 0 before it begins';
COMMENT ON COLUMN zdm.verification_cursor.leaf IS 'OID of the relation being scanned';
COMMENT ON COLUMN zdm.verification_cursor.leaf_filenode IS 'Its storage when the scan began';
COMMENT ON COLUMN zdm.verification_cursor.leaf_premises IS 'Hash of what decides which of its rows are consistent';
COMMENT ON COLUMN zdm.verification_cursor.mark_lsn IS 'End of the WAL when its scan began';
COMMENT ON COLUMN zdm.verification_cursor.mark_xid IS 'Oldest transaction at work then';
COMMENT ON COLUMN zdm.verification_cursor.seen_lsn IS 'mark_lsn of its scan in the pass before';
COMMENT ON COLUMN zdm.verification_cursor.seen_xid IS 'mark_xid of its scan in the pass before';
COMMENT ON COLUMN zdm.verification_cursor.leaf_blocks IS 'Where its scan ends';
COMMENT ON COLUMN zdm.verification_cursor.next_block IS 'Where the next chunk starts';
COMMENT ON COLUMN zdm.verification_cursor.leaf_rows IS 'Rows looked at in it';
COMMENT ON COLUMN zdm.verification_cursor.leaf_inconsistent IS 'Rows in it that were not consistent';
COMMENT ON COLUMN zdm.verification_cursor.total IS 'Size of all relations when the pass began, in blocks';
COMMENT ON COLUMN zdm.verification_cursor.done IS 'Size of the relations left behind in it';
COMMENT ON COLUMN zdm.verification_cursor.rows_done IS 'Rows looked at in the first pass';
COMMENT ON COLUMN zdm.verification_cursor.rows_again IS 'Rows looked at after it';
COMMENT ON COLUMN zdm.verification_cursor.rows_estimated IS 'Rows to look at';
COMMENT ON COLUMN zdm.verification_cursor.inconsistent IS 'Rows that were not consistent';
COMMENT ON COLUMN zdm.verification_cursor.chunks IS 'Chunks committed';
COMMENT ON COLUMN zdm.verification_cursor.restarts IS 'Scans of a relation started over';
COMMENT ON COLUMN zdm.verification_cursor.retries IS 'Steps tried again';
COMMENT ON COLUMN zdm.verification_cursor.work_ms IS 'Milliseconds at work';
COMMENT ON COLUMN zdm.verification_cursor.longest_ms IS 'Milliseconds of the longest chunk';
COMMENT ON COLUMN zdm.verification_cursor.rows_per_second IS 'Pace';
COMMENT ON COLUMN zdm.verification_cursor.seconds_left IS 'Estimate of the time left';
COMMENT ON COLUMN zdm.verification_cursor.updated_at IS 'When this row was written';

COMMENT ON TABLE zdm.verified_leaf IS 'Relations that a pass of a verification has gone through.';
COMMENT ON COLUMN zdm.verified_leaf.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.verified_leaf.leaf IS 'OID of the relation';
COMMENT ON COLUMN zdm.verified_leaf.leaf_filenode IS 'Its storage then';
COMMENT ON COLUMN zdm.verified_leaf.premises IS 'Hash of what decided which of its rows are consistent';
COMMENT ON COLUMN zdm.verified_leaf.pass IS 'Number of the pass';
COMMENT ON COLUMN zdm.verified_leaf.mark_lsn IS 'End of the WAL when the pass began with it';
COMMENT ON COLUMN zdm.verified_leaf.mark_xid IS 'Oldest transaction at work then';

COMMENT ON TABLE zdm.inconsistent_row IS 'Rows that are not consistent with a mapping. Read zdm.inconsistent_rows instead.';
COMMENT ON COLUMN zdm.inconsistent_row.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.inconsistent_row.leaf IS 'OID of the relation';
COMMENT ON COLUMN zdm.inconsistent_row.leaf_schema IS 'Its schema';
COMMENT ON COLUMN zdm.inconsistent_row.leaf_name IS 'Its name';
COMMENT ON COLUMN zdm.inconsistent_row.row_ctid IS 'Place of the row version';
COMMENT ON COLUMN zdm.inconsistent_row.row_key IS 'Primary key';
COMMENT ON COLUMN zdm.inconsistent_row.old_value IS 'Value of the old side';
COMMENT ON COLUMN zdm.inconsistent_row.new_value IS 'Value of the new column';
COMMENT ON COLUMN zdm.inconsistent_row.expected_value IS 'What the mapping computes for the new column';
COMMENT ON COLUMN zdm.inconsistent_row.sqlstate IS 'SQLSTATE of the error, where the mapping fails for the row';
COMMENT ON COLUMN zdm.inconsistent_row.message IS 'Message of that error';
COMMENT ON COLUMN zdm.inconsistent_row.found_at IS 'When it was found';

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
       coalesce(f.rows_done, b.tuples_done) AS rows_done,
       coalesce(f.rows_estimated, b.tuples_total) AS rows_estimated,
       CASE WHEN j.state = 'running' AND w.pid IS NOT NULL THEN f.rows_per_second
            WHEN j.state = 'done' AND j.finished_at > j.started_at THEN
                 f.rows_done / extract(epoch FROM j.finished_at - j.started_at)::float8
            END AS rows_per_second,
       CASE WHEN j.state = 'running' AND w.pid IS NOT NULL AND f.seconds_left >= 0 THEN
                 pg_catalog.make_interval(secs => pg_catalog.round(f.seconds_left)) END AS eta,
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
              WHEN 'verify' THEN CASE WHEN y.phase = 'proof' OR y.pass > 1 THEN 0.99
                   ELSE (y.done + y.next_block)::float8 / nullif(greatest(y.total, y.done + y.leaf_blocks), 0) END
              END AS share) k
 CROSS JOIN LATERAL (
       SELECT * FROM (VALUES
              (1, 'backfill', c.rows_done, c.rows_estimated, c.rows_per_second, c.seconds_left),
              (2, 'verify', y.rows_done, y.rows_estimated, y.rows_per_second, y.seconds_left),
              (3, 'valid', v.rows_done, v.rows_estimated, v.rows_per_second, v.seconds_left))
           AS f (n, kind, rows_done, rows_estimated, rows_per_second, seconds_left)
        ORDER BY coalesce(r.kind, j.kind) NOT LIKE f.kind || '%', f.rows_done IS NULL, f.n LIMIT 1) f
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

CREATE OR REPLACE VIEW zdm.backfills WITH (security_barrier) AS
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
COMMENT ON COLUMN zdm.jobs.kind IS 'What the job does: backfill, verify, validation, index, ddl, recipe';
COMMENT ON COLUMN zdm.jobs.rows_done IS 'Rows changed so far; of a verification or validation, rows looked at';
COMMENT ON COLUMN zdm.backfills.mapping_id IS 'Mapping of the tables sync trigger that says what is assigned; NULL: set_clause and filter say it';

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
-- The trigger that keeps the old and the new side of a row in step, and what it
-- has met.

CREATE FUNCTION zdm.sync() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_sync';
COMMENT ON FUNCTION zdm.sync() IS
    'Internal: trigger function that keeps the two sides of a mapping in step. Its arguments are the mapping; zdm makes its triggers itself.';

CREATE FUNCTION zdm.create_sync(target regclass, mapping_id bigint, new_column text, forward text,
                                old_column text DEFAULT NULL, reverse text DEFAULT NULL, mode text DEFAULT 'sync',
                                authority text DEFAULT 'old', winner text DEFAULT 'old', on_error text DEFAULT 'fail') RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_create_sync';
COMMENT ON FUNCTION zdm.create_sync(regclass, bigint, text, text, text, text, text, text, text, text) IS
    'Internal: checks a mapping on a table that has both columns and makes its sync trigger; returns the statement.';

CREATE FUNCTION zdm.sync_missing_rights(target regclass, mapping_id bigint, OUT role oid, OUT function oid) RETURNS SETOF record
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_sync_missing_rights';
COMMENT ON FUNCTION zdm.sync_missing_rights(regclass, bigint) IS
    'Internal: roles that may write the table, and functions of its mapping that they may not execute.';

CREATE FUNCTION zdm.sync_later_triggers(target regclass, mapping_id bigint) RETURNS SETOF text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_sync_later_triggers_of';
COMMENT ON FUNCTION zdm.sync_later_triggers(regclass, bigint) IS
    'Internal: BEFORE row triggers of the table, its partitions and children that fire after the sync trigger of that mapping.';

CREATE FUNCTION zdm.sync_counts(mapping_id bigint, OUT conflicts bigint, OUT drift bigint, OUT errors bigint, OUT last_at timestamptz)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_sync_counts';
COMMENT ON FUNCTION zdm.sync_counts(bigint) IS
    'Internal: what the sync triggers of a mapping have met. Use zdm.sync_activity.';

CREATE FUNCTION zdm.list_sync_samples(OUT mapping_id bigint, OUT relation oid, OUT at timestamptz, OUT kind text,
                                      OUT row_key text, OUT role oid, OUT pid int, OUT message text) RETURNS SETOF record
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_list_sync_samples';
COMMENT ON FUNCTION zdm.list_sync_samples() IS
    'Internal: rows that the sync triggers have counted. Use zdm.sync_samples.';

-- A partition has a copy of its parent's trigger; a child has one of its own
-- for the same mapping.
CREATE VIEW zdm.sync_activity WITH (security_barrier) AS
SELECT m.mapping_id,
       m."table",
       c.conflicts,
       c.drift,
       c.errors,
       c.last_at
  FROM (SELECT DISTINCT ON (substring(t.tgname::text FROM '^~zdm_sync_([0-9]{1,18})$'))
               substring(t.tgname::text FROM '^~zdm_sync_([0-9]{1,18})$')::bigint AS mapping_id,
               pg_catalog.format('%I.%I', n.nspname, r.relname) AS "table"
          FROM pg_catalog.pg_trigger t
          JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid AND f.proname = 'sync'
          JOIN pg_catalog.pg_namespace z ON z.oid = f.pronamespace AND z.nspname = 'zdm'
          JOIN pg_catalog.pg_class r ON r.oid = t.tgrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
         WHERE t.tgparentid = 0 AND t.tgname::text ~ '^~zdm_sync_[0-9]{1,18}$'
           AND (pg_catalog.pg_has_role(r.relowner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'))
         ORDER BY substring(t.tgname::text FROM '^~zdm_sync_([0-9]{1,18})$'),
                  EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = r.oid), r.oid) m
 CROSS JOIN LATERAL zdm.sync_counts(m.mapping_id) c;

CREATE VIEW zdm.sync_samples WITH (security_barrier) AS
SELECT s.mapping_id,
       pg_catalog.format('%I.%I', n.nspname, r.relname) AS "table",
       s.at,
       s.kind,
       s.row_key,
       pg_catalog.pg_get_userbyid(s.role) AS role,
       s.pid,
       s.message
  FROM zdm.list_sync_samples() s
  LEFT JOIN pg_catalog.pg_class r ON r.oid = s.relation
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace;

GRANT SELECT ON zdm.sync_activity, zdm.sync_samples TO PUBLIC;

COMMENT ON VIEW zdm.sync_activity IS
    'The mappings that sync triggers keep in step, and what these have met since the server was started, in transactions that were rolled back, too. Counts are NULL when zdm is not preloaded.';
COMMENT ON COLUMN zdm.sync_activity.mapping_id IS 'Id of the mapping';
COMMENT ON COLUMN zdm.sync_activity."table" IS 'Its table';
COMMENT ON COLUMN zdm.sync_activity.conflicts IS 'Updates that changed both sides and left them inconsistent: the winner was kept';
COMMENT ON COLUMN zdm.sync_activity.drift IS 'Rows whose new side was changed and could not be carried back, since there is no reverse expression';
COMMENT ON COLUMN zdm.sync_activity.errors IS 'Rows that the mapping could not convert and that were let through';
COMMENT ON COLUMN zdm.sync_activity.last_at IS 'When the last of these was met';

COMMENT ON VIEW zdm.sync_samples IS
    'Rows that zdm.sync_activity counts, the last 16 of each mapping.';
COMMENT ON COLUMN zdm.sync_samples.mapping_id IS 'Id of the mapping';
COMMENT ON COLUMN zdm.sync_samples."table" IS 'Table or partition of the row';
COMMENT ON COLUMN zdm.sync_samples.at IS 'When';
COMMENT ON COLUMN zdm.sync_samples.kind IS 'conflict, drift or error';
COMMENT ON COLUMN zdm.sync_samples.row_key IS 'Primary key of the row, cut after 200 bytes; NULL when there is none or you have not the rights of the owner';
COMMENT ON COLUMN zdm.sync_samples.role IS 'Role that wrote the row';
COMMENT ON COLUMN zdm.sync_samples.pid IS 'Its process';
COMMENT ON COLUMN zdm.sync_samples.message IS 'What was the matter, cut after 200 bytes; NULL when you have not the rights of the owner';
