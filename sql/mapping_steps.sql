-- Backfills by mapping and verifications as steps of one job.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
\set mapping :abs_srcdir '/sql/include/mapping.sql'
\i :mapping
ALTER SEQUENCE zdm.job_job_id_seq RESTART 9330001;

-- A job with these steps; no SQL function makes such a one, so the rows are written here.
CREATE PROCEDURE start_steps(job_name text, target regclass, steps jsonb) LANGUAGE plpgsql AS $$
DECLARE
    job bigint;
BEGIN
    INSERT INTO zdm.job (name, kind, state, target, target_schema, target_name, owner_id, owner, created_by, cluster_id, database_id)
        SELECT job_name, 'recipe', 'paused', c.oid, c.relnamespace::regnamespace, c.relname, c.relowner, c.relowner::regrole, current_user,
               (SELECT system_identifier FROM pg_control_system()), (SELECT oid FROM pg_database WHERE datname = current_database())
          FROM pg_class c WHERE c.oid = target
        RETURNING job_id INTO job;
    INSERT INTO zdm.recipe (job_id, recipe, definition, settings) VALUES (job, 'test', job_name, '{search_path,public}');
    INSERT INTO zdm.recipe_step (job_id, step, kind, statement, object, lock, mapping_id, set_clause)
        SELECT job, n, s ->> 'kind', '', '', '', (s ->> 'mapping')::bigint, s ->> 'set'
          FROM jsonb_array_elements(steps) WITH ORDINALITY e (s, n);
    PERFORM zdm.resume_job(job);
    COMMIT;
    CALL settle(job);
END $$;

CREATE TABLE ms_t (id int PRIMARY KEY, a text, b int, c int, d int);
INSERT INTO ms_t SELECT i, CASE WHEN i = 300 THEN 'word' ELSE i::text END FROM generate_series(1, 1000) i;
CALL map('ms_t', 1, 'b', 'a::int');
CALL map('ms_t', 2, 'c', 'id + 1');
ANALYZE ms_t;
CALL start_steps('ms steps', 'ms_t', '[{"kind": "backfill", "mapping": 1}, {"kind": "verify", "mapping": 1},
    {"kind": "backfill", "mapping": 2}, {"kind": "backfill", "set": "d = 7"}, {"kind": "verify", "mapping": 2}]');

-- a row in quarantine ends it, and is tried again with it
SELECT state, progress, rows_done, rows_estimated, last_sqlstate, last_error FROM zdm.jobs WHERE name = 'ms steps';
SELECT step, kind, state FROM zdm.steps WHERE name = 'ms steps';
SELECT row_key, sqlstate, message FROM zdm.quarantine WHERE job_name = 'ms steps';
SELECT target, set_clause, mapping_id, state, quarantined, rows_done FROM zdm.backfills WHERE name = 'ms steps';
CALL behind('ms_t', 'UPDATE ms_t SET a = ''300'' WHERE id = 300; UPDATE ms_t SET b = 0 WHERE id = 5');
SELECT zdm.retry_job(zdm.job_id('ms steps'));
CALL settle(zdm.job_id('ms steps'));
SELECT state, rows_done, last_error FROM zdm.jobs WHERE name = 'ms steps';
SELECT count(*) FILTER (WHERE b = a::int) AS b, count(*) FILTER (WHERE c = id + 1) AS c, count(*) FILTER (WHERE d = 7) AS d FROM ms_t;
SELECT step, kind, state FROM zdm.steps WHERE name = 'ms steps';
-- of each kind, the last one is kept
SELECT set_clause, mapping_id, quarantined, rows_done FROM zdm.backfills WHERE name = 'ms steps';
SELECT mapping_id, definition, result, promise, rows_done, inconsistent FROM zdm.verifications WHERE name = 'ms steps';
SELECT count(*) FROM zdm.quarantine WHERE job_name = 'ms steps';

-- rows that are not consistent end it; what repairs them lets it go on
CALL behind('ms_t', 'UPDATE ms_t SET b = -1 WHERE id IN (1, 2)');
CALL start_steps('ms found', 'ms_t', '[{"kind": "verify", "mapping": 2}, {"kind": "verify", "mapping": 1}, {"kind": "verify", "mapping": 1}]');
SELECT state, progress > 0.3 AS a_third, rows_done, last_sqlstate, last_error, hint FROM zdm.jobs WHERE name = 'ms found';
SELECT step, kind, state FROM zdm.steps WHERE name = 'ms found';
SELECT mapping_id, row_key, old_value, new_value, expected_value, total FROM zdm.inconsistent_rows WHERE job_name = 'ms found' ORDER BY row_ctid;
SELECT zdm.repair('ms_t', 1, 'ms repair') > 0 AS started;
CALL settle(zdm.job_id('ms repair'));
SELECT zdm.retry_job(zdm.job_id('ms found'));
CALL settle(zdm.job_id('ms found'));
SELECT state, progress, last_error FROM zdm.jobs WHERE name = 'ms found';
SELECT mapping_id, result, inconsistent FROM zdm.verifications WHERE name = 'ms found';

-- without the trigger there is nothing to go by
CALL behind('ms_t', 'UPDATE ms_t SET b = -1 WHERE id IN (1, 2)');
ALTER TABLE ms_t DISABLE TRIGGER "~zdm_sync_1";
CALL start_steps('ms disabled', 'ms_t', '[{"kind": "backfill", "mapping": 1}]');
SELECT state, last_sqlstate, last_error, hint FROM zdm.jobs WHERE name = 'ms disabled';
DROP TRIGGER "~zdm_sync_1" ON ms_t;
SELECT zdm.retry_job(zdm.job_id('ms disabled'));
CALL settle(zdm.job_id('ms disabled'));
SELECT state, last_sqlstate, last_error FROM zdm.jobs WHERE name = 'ms disabled';
CALL map('ms_t', 1, 'b', 'a::int');
SELECT zdm.retry_job(zdm.job_id('ms disabled'));
CALL settle(zdm.job_id('ms disabled'));
SELECT state, rows_done FROM zdm.jobs WHERE name = 'ms disabled';
SELECT * FROM ms_t WHERE id IN (1, 2) ORDER BY id;
