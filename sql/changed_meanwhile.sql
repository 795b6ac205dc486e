-- What the clauses are about changes between submit and the first batch: the
-- backfill does what was meant, or fails and says why.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
CREATE PROCEDURE after(change text, INOUT code text DEFAULT NULL, INOUT error text DEFAULT NULL, INOUT hint text DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    job bigint;
BEGIN
    DROP TABLE IF EXISTS cm_t;
    CREATE TABLE cm_t (id int PRIMARY KEY, a text, b text);
    INSERT INTO cm_t SELECT i, 'a' || i FROM generate_series(1, 1000) i;
    job := zdm.start_backfill('cm_t', 'b = upper(a)', name => 'cm: ' || change);
    PERFORM zdm.pause_job(job);
    COMMIT;
    EXECUTE change;
    PERFORM zdm.resume_job(job);
    COMMIT;
    CALL settle(job);
    SELECT j.last_sqlstate, j.last_error, j.hint INTO code, error, hint FROM zdm.jobs j WHERE job_id = job;
END $$;

-- names that other columns have got: nothing is written
CALL after('ALTER TABLE cm_t RENAME a TO tmp; ALTER TABLE cm_t RENAME b TO a; ALTER TABLE cm_t RENAME tmp TO b');
SELECT count(*) FILTER (WHERE b = 'a' || id), count(a) FROM cm_t;
CALL after('ALTER TABLE cm_t RENAME a TO a_old; ALTER TABLE cm_t ADD COLUMN a text');
SELECT count(b) FROM cm_t;
CALL after('ALTER TABLE cm_t DROP COLUMN b; ALTER TABLE cm_t ADD COLUMN b text');
CALL after('ALTER TABLE cm_t RENAME a TO a_old');
-- columns that it does not use, and the place of another one
CALL after('ALTER TABLE cm_t RENAME id TO key; ALTER TABLE cm_t ADD COLUMN id int');
CALL after('ALTER TABLE cm_t ALTER a TYPE varchar(20)');
SELECT count(*) FROM cm_t WHERE b = upper(a);
-- a rule
CALL after('CREATE RULE cm_r AS ON UPDATE TO cm_t DO ALSO SELECT 1');
DROP TABLE cm_t;
DROP PROCEDURE after;
