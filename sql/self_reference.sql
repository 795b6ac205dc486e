-- Assignments that give another value when they are made again: never applied
-- twice to a row, never without a word.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
CREATE TABLE self_t (id int PRIMARY KEY, n int, s text, done boolean, arr int[], old int, new int);
INSERT INTO self_t SELECT i, i, 's' || i, false, ARRAY[i], i, NULL FROM generate_series(1, 500) i;
CREATE VIEW self_changed AS
    SELECT count(*) FILTER (WHERE n <> id) AS n, count(*) FILTER (WHERE s <> 's' || id) AS s,
           count(*) FILTER (WHERE arr <> ARRAY[id]) AS arr, count(*) FILTER (WHERE old <> id OR new IS NOT NULL) AS swapped
      FROM self_t;

-- each fails and has changed nothing
CALL backfill('self_t', 'n = n + 1', max_quarantine => 5);
CALL backfill('self_t', 's = s || ''!''', max_quarantine => 5);
CALL backfill('self_t', 'arr = arr || 1', max_quarantine => 5);
CALL backfill('self_t', 'n = n + 1', 'id > 0', max_quarantine => 5);
CALL backfill('self_t', 'old = new, new = old', max_quarantine => 5);
SELECT * FROM self_changed;

-- with more room in quarantine as well
CALL backfill('self_t', 'n = n + 1', name => 'self: all of it', max_quarantine => 1000);
SELECT * FROM self_changed;

-- the quarantine says why
SELECT sqlstate, message, count(*) FROM zdm.quarantine WHERE job_name = 'self: all of it' GROUP BY 1, 2;

-- the value differs only at some rows: those are left alone, the others done
CALL backfill('self_t', 'n = CASE WHEN id % 100 = 0 THEN n + 1 ELSE -1 END');
SELECT count(*) FILTER (WHERE n = -1) AS set, count(*) FILTER (WHERE n = id) AS left_alone FROM self_t;
UPDATE self_t SET n = id;

-- a filter that its own assignment makes false: once, and exactly once
CALL backfill('self_t', 'n = n + 1, done = true', 'NOT done');
CALL backfill('self_t', 'new = old, old = NULL', 'old IS NOT NULL');
SELECT count(*) FILTER (WHERE n <> id + 1) AS n, count(*) FILTER (WHERE new <> id OR old IS NOT NULL) AS moved FROM self_t;

-- a filter that it does not make false
CALL backfill('self_t', 'n = n + 1', 'n > 0', max_quarantine => 5);
CALL backfill('self_t', 's = gen_random_uuid()::text', 's IS NOT NULL', max_quarantine => 5);
SELECT count(*) FILTER (WHERE n <> id + 1) AS n, count(*) FILTER (WHERE s <> 's' || id) AS s FROM self_t;

-- references to itself that settle
CALL backfill('self_t', 's = upper(s), n = abs(n), arr = arr[1:1]');
CALL backfill('self_t', 'n = least(n, 100)');
SELECT count(*) FILTER (WHERE s = 'S' || id AND n = least(id + 1, 100)) FROM self_t;

-- a value that depends on other rows of the same table
CREATE TABLE self_rank (id int PRIMARY KEY, r int);
INSERT INTO self_rank SELECT i FROM generate_series(1, 300) i;
CALL backfill('self_rank', 'r = (SELECT count(*) FROM self_rank o WHERE o.id < self_rank.id)');
SELECT count(*) FROM self_rank WHERE r = id - 1;

-- verify a value that depends on the assigned column of other rows: without a
-- filter it would never come to rest (error)
SELECT code, hint FROM refused('self_rank', 'r = (SELECT max(o.r) + 1 FROM self_rank o)', NULL);
SELECT count(*) FROM self_rank WHERE r = id - 1;
-- with a filter that the assignment makes false, once
UPDATE self_rank SET r = NULL WHERE id > 200;
CALL backfill('self_rank', 'r = (SELECT max(o.r) + 1 FROM self_rank o)', 'r IS NULL');
SELECT count(*) FILTER (WHERE id <= 200 AND r = id - 1) AS kept, count(*) FILTER (WHERE id > 200 AND r >= 200) AS set FROM self_rank;

-- values that are the same within a transaction and others in the next: refused,
-- or ended, but not written again and again while the application is blamed
CREATE TABLE self_stable (id int, n bigint, ts timestamptz) PARTITION BY RANGE (id);
CREATE TABLE self_stable_1 PARTITION OF self_stable FOR VALUES FROM (0) TO (100);
CREATE TABLE self_stable_2 PARTITION OF self_stable FOR VALUES FROM (100) TO (200);
INSERT INTO self_stable SELECT i FROM generate_series(1, 199) i;
CREATE PROCEDURE self_try(set_clause text, INOUT written_once boolean DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    job bigint;
BEGIN
    BEGIN
        job := zdm.start_backfill('self_stable', set_clause);
    EXCEPTION WHEN invalid_object_definition THEN
        written_once := true;
        RETURN;
    END;
    COMMIT;
    CALL await(format($q$ SELECT sweep > 4 OR state NOT IN ('queued', 'running') FROM zdm.backfills WHERE job_id = %s $q$, job));
    written_once := (SELECT rows_done FROM zdm.jobs WHERE job_id = job) <= 199;
    IF (SELECT state IN ('queued', 'running') FROM zdm.jobs WHERE job_id = job) THEN
        PERFORM zdm.cancel_job(job);
    END IF;
END $$;
CALL self_try('ts = ''now''');
CALL self_try('ts = ''now''::text::timestamptz');
CALL self_try('n = txid_current()');
DROP PROCEDURE self_try;
DROP TABLE self_stable;

-- whatever is left running by a zdm that accepts the above
SELECT zdm.cancel_job(job_id) FROM zdm.jobs WHERE target = 'public.self_rank' AND state <> 'done';
DROP TABLE self_rank;
DROP TABLE self_t CASCADE;
