-- zdm.start_backfill(): the happy path through psql, transactions, names.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 8500001;
CREATE TABLE sb_orders (id bigint PRIMARY KEY, source text, channel text, filler text DEFAULT repeat('x', 60)) WITH (autovacuum_enabled = off);
INSERT INTO sb_orders SELECT i, (ARRAY['web', 'app', NULL])[i % 3 + 1], CASE WHEN i % 7 = 0 THEN 'KEPT' END FROM generate_series(1, 50000) i;
CREATE INDEX sb_orders_source ON sb_orders (source);

-- start, wait, look: row by row the same as an UPDATE
CREATE TABLE sb_expected AS SELECT id, source, upper(source) AS channel, filler FROM sb_orders;
SELECT zdm.start_backfill('sb_orders', 'channel = upper(source)') AS job \gset
CALL zdm.wait_for_job(:job);
SELECT zdm.assert_job_done(:job);
(TABLE sb_orders EXCEPT TABLE sb_expected) UNION ALL (TABLE sb_expected EXCEPT TABLE sb_orders) LIMIT 5;
SELECT count(*) FROM sb_orders;
SELECT job_id = :job AS id, name ~ '^sb_orders\.channel:[0-9a-f]{8}$' AS name, kind, target, state, progress, rows_estimated > 0 AS estimated,
       rows_per_second > 0 AS rate, eta, waiting_for, pid, owner = current_user AS owner, last_error FROM zdm.jobs WHERE job_id = :job;
SELECT set_clause, filter, fire_triggers, analyze_after, max_quarantine, max_sweeps, phase, sweep, sweep_skipped, hot_share BETWEEN 0 AND 1 AS hot,
       quarantined, batches > 0 AS batches, wal_bytes > 0 AS wal, work_time > '0' AS work FROM zdm.backfills WHERE job_id = :job;
-- rows that were right already were not written
SELECT rows_done = (SELECT count(*) FROM generate_series(1, 50000) i WHERE (ARRAY['web', 'app', NULL])[i % 3 + 1] IS NOT NULL OR i % 7 = 0) AS rows_done
  FROM zdm.jobs WHERE job_id = :job;
-- ANALYZE has run
SELECT reltuples FROM pg_class WHERE relname = 'sb_orders';
SELECT n_distinct FROM pg_stats WHERE tablename = 'sb_orders' AND attname = 'channel';

-- every argument, by name
SELECT zdm.start_backfill(target => 'sb_orders', set_clause => 'channel = ''none''', filter => 'channel IS NULL', name => 'sb: named',
    fire_triggers => true, analyze_after => false, max_quarantine => 0, max_sweeps => 1) AS job \gset
CALL zdm.wait_for_job(job => :job, timeout => '1 minute');
SELECT filter, fire_triggers, analyze_after, max_quarantine, max_sweeps, rows_done = (SELECT count(*) FROM sb_orders WHERE source IS NULL) AS all_rows
  FROM zdm.backfills WHERE job_id = :job;
SELECT n_distinct FROM pg_stats WHERE tablename = 'sb_orders' AND attname = 'channel';

--
-- names: the same definition is the same job
--
CREATE TABLE sb_t (id int, n int, "M m" int);
INSERT INTO sb_t SELECT i FROM generate_series(1, 10) i;
SELECT zdm.start_backfill('sb_t', 'n = 1') AS job \gset
SELECT zdm.start_backfill('sb_t', 'n = 1') = :job AS same;
SELECT zdm.start_backfill('public.sb_t', 'n = 1', NULL, NULL) = :job AS same;
SELECT zdm.start_backfill('sb_t', 'n = 1', analyze_after => false, max_quarantine => 5, max_sweeps => 9) = :job AS same;
CALL zdm.wait_for_job(:job);
-- other definitions are others
SELECT zdm.start_backfill('sb_t', 'n = 2') <> :job AS other;
SELECT zdm.start_backfill('sb_t', 'n = 1', 'id > 100') <> :job AS other;
SELECT zdm.start_backfill('sb_t', 'n = 1', name => 'sb: own name') <> :job AS other;
SELECT zdm.start_backfill('sb_t', 'n = 1', fire_triggers => false) <> :job AS other;
SELECT zdm.start_backfill('sb_t', '"M m" = 1, n = 7', 'id = 1') AS job \gset
CALL await($$ SELECT count(*) = 0 FROM zdm.jobs WHERE state IN ('queued', 'running') $$);
SELECT count(*), count(DISTINCT name) FROM zdm.jobs WHERE target = 'public.sb_t' AND state = 'done';
SELECT regexp_replace(name, '[0-9a-f]{8}$', 'hash') FROM zdm.jobs WHERE job_id = :job;
-- by name
SELECT zdm.start_backfill('sb_t', 'n = 3', name => 'sb: twice') AS job \gset
SELECT zdm.start_backfill('sb_t', 'n = 3', name => 'sb: twice') = :job AS same;
CALL zdm.wait_for_job(:job);
--
-- transactions
--
SELECT count(*) AS before FROM zdm.jobs \gset
BEGIN;
SELECT zdm.start_backfill('sb_t', 'n = 4', name => 'sb: rolled back') > 0 AS started;
SELECT count(*) = :before + 1 AS there FROM zdm.jobs;
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT zdm.start_backfill('sb_t', 'n = 4', name => 'sb: rolled back to savepoint') > 0 AS started;
ROLLBACK TO s;
COMMIT;
SELECT count(*) - :before AS new FROM zdm.jobs;
SELECT count(*) FROM sb_t WHERE n = 4;
-- a table, its column and its backfill in one transaction
BEGIN;
CREATE TABLE sb_new (id int);
INSERT INTO sb_new SELECT i FROM generate_series(1, 100) i;
ALTER TABLE sb_new ADD n int;
SELECT zdm.start_backfill('sb_new', 'n = id') AS job \gset
SELECT count(n) FROM sb_new;
COMMIT;
CALL zdm.wait_for_job(:job);
SELECT count(*) FROM sb_new WHERE n = id;
-- inside a function, several at once
DO $$
BEGIN
    FOR i IN 1..6 LOOP
        PERFORM zdm.start_backfill('sb_new', format('n = %s', i * 1000), format('id = %s', i), format('sb: many %s', i));
    END LOOP;
    BEGIN
        PERFORM zdm.start_backfill('sb_new', 'n = 0', name => 'sb: many 0');
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN
        NULL;
    END;
END $$;
CALL await($$ SELECT count(*) = 6 FROM zdm.jobs WHERE name LIKE 'sb: many%' AND state = 'done' $$);
SELECT count(*) FROM sb_new WHERE n = id * 1000;
SELECT count(*) FROM zdm.jobs WHERE name = 'sb: many 0';

-- verify PREPARE TRANSACTION (error)
BEGIN;
SELECT zdm.start_backfill('sb_t', 'n = 4', name => 'sb: prepared') > 0 AS started;
PREPARE TRANSACTION 'sb';
SELECT count(*) FROM zdm.jobs WHERE name = 'sb: prepared';

--
-- other relations
--
CREATE UNLOGGED TABLE sb_unlogged AS SELECT i AS id, 0 AS n FROM generate_series(1, 1000) i;
CALL backfill('sb_unlogged', 'n = id');
SELECT count(*) FROM sb_unlogged WHERE n = id;
CREATE TABLE sb_empty (n int);
CALL backfill('sb_empty', 'n = 1');
CREATE TABLE sb_no_rows_left AS TABLE sb_unlogged;
DELETE FROM sb_no_rows_left;
CALL backfill('sb_no_rows_left', 'n = 1');
CREATE TABLE sb_low_fillfactor (id int, n int) WITH (fillfactor = 10);
INSERT INTO sb_low_fillfactor SELECT i FROM generate_series(1, 5000) i;
CALL backfill('sb_low_fillfactor', 'n = id');
CREATE TABLE sb_indexed (id int PRIMARY KEY, n int);
INSERT INTO sb_indexed SELECT i FROM generate_series(1, 5000) i;
CREATE INDEX ON sb_indexed (n);
CREATE INDEX ON sb_indexed ((n + 1)) WHERE n > 10;
CALL backfill('sb_indexed', 'n = id');
SET enable_seqscan = off;
SELECT count(*) FROM sb_indexed WHERE n BETWEEN 1 AND 5000;
SELECT count(*) FROM sb_indexed WHERE n + 1 > 11 AND n > 10;
RESET enable_seqscan;
-- the primary key itself
CALL backfill('sb_indexed', 'id = id + 100000', 'id < 100000');
SELECT count(*), min(id), max(id) FROM sb_indexed;
-- wide rows, some of them larger than a page
CREATE TABLE sb_wide (id int, big text, n int);
ALTER TABLE sb_wide ALTER big SET STORAGE EXTERNAL;
INSERT INTO sb_wide SELECT i, repeat(md5(i::text), 5 + (i % 4) * 100) FROM generate_series(1, 1000) i;
CALL backfill('sb_wide', 'n = length(big)');
SELECT count(*) FROM sb_wide WHERE n = length(big);

DROP TABLE sb_orders, sb_expected, sb_t, sb_new, sb_unlogged, sb_empty, sb_no_rows_left, sb_low_fillfactor, sb_indexed, sb_wide;
