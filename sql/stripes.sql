-- The scan of stripes: with nobody else at the table, the first sweep takes every
-- row once and leaves none to a second one, whatever the pages look like.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers

-- what became of a backfill of n = n + 1 where n = 0
CREATE PROCEDURE sp_try(target regclass, INOUT state text DEFAULT NULL, INOUT done_of text DEFAULT NULL,
                        INOUT sweeps int DEFAULT NULL, INOUT wrong bigint DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    job bigint;
    rows bigint;
BEGIN
    EXECUTE format('ANALYZE %s', target);
    EXECUTE format('SELECT count(*) FROM %s', target) INTO rows;
    COMMIT;
    job := zdm.start_backfill(target, 'n = n + 1', 'n = 0', name => 'sp: ' || target);
    COMMIT;
    CALL settle(job);
    SELECT b.state, CASE b.rows_done WHEN rows THEN 'all' ELSE format('%s of %s', b.rows_done, rows) END, b.sweep
      INTO state, done_of, sweeps FROM zdm.backfills b WHERE job_id = job;
    EXECUTE format('SELECT count(*) FROM %s WHERE n <> 1', target) INTO wrong;
END $$;

-- pages of one row, of few, of hundreds; more stripes than rows, rows at every offset
CREATE TABLE sp_one (n int NOT NULL DEFAULT 0, filler text);
ALTER TABLE sp_one ALTER filler SET STORAGE PLAIN;
INSERT INTO sp_one (filler) SELECT repeat('x', 6000) FROM generate_series(1, 40);
CALL sp_try('sp_one');
CREATE TABLE sp_few (n int NOT NULL DEFAULT 0, filler text);
ALTER TABLE sp_few ALTER filler SET STORAGE PLAIN;
INSERT INTO sp_few (filler) SELECT repeat('x', 1500) FROM generate_series(1, 203);
CALL sp_try('sp_few');
CREATE TABLE sp_many (n int NOT NULL DEFAULT 0);
INSERT INTO sp_many SELECT 0 FROM generate_series(1, 226 * 29 + 1);
CALL sp_try('sp_many');
-- so small that each stripe would be waited for longer than it takes: in one go
CREATE TABLE sp_small (n int NOT NULL DEFAULT 0);
INSERT INTO sp_small SELECT 0 FROM generate_series(1, 100);
CALL sp_try('sp_small');
SELECT count(DISTINCT xmin::text) FROM sp_small;
-- several windows, and one row on the last page
CREATE TABLE sp_windows (n int NOT NULL DEFAULT 0);
INSERT INTO sp_windows SELECT 0 FROM generate_series(1, 226 * 1200 + 1);
CALL sp_try('sp_windows');

-- other numbers of stripes
CREATE TABLE sp_50 (n int NOT NULL DEFAULT 0) WITH (fillfactor = 50);
INSERT INTO sp_50 SELECT 0 FROM generate_series(1, 5000);
CALL sp_try('sp_50');
CREATE TABLE sp_90 (n int NOT NULL DEFAULT 0) WITH (fillfactor = 90);
INSERT INTO sp_90 SELECT 0 FROM generate_series(1, 5000);
CALL sp_try('sp_90');
CREATE TABLE sp_10 (n int NOT NULL DEFAULT 0) WITH (fillfactor = 10);
INSERT INTO sp_10 SELECT 0 FROM generate_series(1, 5000);
CALL sp_try('sp_10');

-- pages with holes: dead, unused and redirected places, rows in the middle of chains
CREATE TABLE sp_holes (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, m int) WITH (autovacuum_enabled = off);
INSERT INTO sp_holes SELECT i FROM generate_series(1, 20000) i;
DELETE FROM sp_holes WHERE id % 3 = 0;
VACUUM sp_holes;
UPDATE sp_holes SET m = 1 WHERE id % 5 = 0;
UPDATE sp_holes SET m = 2 WHERE id % 10 = 0;
DELETE FROM sp_holes WHERE id % 7 = 0;
INSERT INTO sp_holes SELECT i FROM generate_series(20001, 22000) i;
BEGIN;
UPDATE sp_holes SET m = 3 WHERE id % 11 = 0;
DELETE FROM sp_holes WHERE id % 13 = 0;
ROLLBACK;
CALL sp_try('sp_holes');

-- batches that are cut down to the rows that fail: those are in quarantine, all others done
CREATE TABLE sp_bad (id int PRIMARY KEY, v text, n int);
INSERT INTO sp_bad SELECT i, CASE WHEN i IN (1, 2, 185, 186, 5000, 5001, 19999, 20000) THEN 'x' ELSE i::text END
  FROM generate_series(1, 20000) i;
ANALYZE sp_bad;
CALL backfill('sp_bad', 'n = v::int', name => 'sp: bad');
SELECT sweep FROM zdm.backfills WHERE name = 'sp: bad';
SELECT count(*) FROM sp_bad WHERE n IS DISTINCT FROM id AND v <> 'x' OR n IS NOT NULL AND v = 'x';

DROP TABLE sp_one, sp_few, sp_many, sp_small, sp_windows, sp_50, sp_90, sp_10, sp_holes, sp_bad;
DROP PROCEDURE sp_try;
