-- zdm.plan_steps(): what a change of a constraint would do, without starting it; the times that zdm.steps keeps.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 8720001;
CREATE SCHEMA plan_steps;
SET search_path = plan_steps, public;
CREATE TABLE big (id bigint, n int, filler text);
INSERT INTO big SELECT i, i, repeat('x', 100) FROM generate_series(1, 20000) i;
CREATE TABLE empty (id int, n int);

-- each with its steps; what reads the table takes time, what changes the catalogs takes none
SELECT step, kind, statement, lock, undo, expected_time > '0' AS takes_time, basis ~ '^[1-9]\d* pages read' AS measured
  FROM zdm.plan_steps($$SELECT zdm.set_not_null('big', 'n')$$);
SELECT step, kind, statement, lock, expected_time > '0' AS takes_time
  FROM zdm.plan_steps($$SELECT zdm.add_primary_key('big', '{id, n}')$$);
SELECT step, kind, statement, expected_time > '0' AS takes_time
  FROM zdm.plan_steps($$SELECT zdm.add_check('big', 'n > 0', constraint_name => 'positive');$$);
SELECT kind, statement FROM zdm.plan_steps($$SELECT zdm.drop_not_null('big', 'n')$$);
-- so do a build, a backfill, a comparison
SELECT kind, expected_time > '0' AS takes_time FROM zdm.plan_steps($$SELECT zdm.add_unique('big', '{id}')$$);
SELECT kind, expected_time > '0' AS takes_time
  FROM zdm.plan_steps($$SELECT zdm.rename_column('big', 'filler', 'note', 'team', CURRENT_DATE + 30)$$) WHERE kind IN ('backfill', 'verify');
-- an empty table takes none
SELECT kind, expected_time FROM zdm.plan_steps($$SELECT zdm.set_not_null('empty', 'n')$$);
-- nothing is started, not even what a read-only transaction could not
SELECT count(*) FROM zdm.jobs WHERE target LIKE 'plan_steps.%';
BEGIN READ ONLY;
SELECT count(*) FROM zdm.plan_steps($$SELECT zdm.set_not_null('big', 'n')$$);
ROLLBACK;
-- and the next call is not a preview
SELECT zdm.set_not_null('big', 'n', name => 'started');
CALL settle(zdm.job_id('started'));
SELECT step, kind, state, expected_time > '0' AS takes_time FROM zdm.steps WHERE name = 'started' ORDER BY step;
SELECT count(*) FROM zdm.plan_steps($$SELECT zdm.set_not_null('big', 'n')$$);

-- partitions count
CREATE TABLE parted (id int, n int) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10000);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10000) TO (20001);
INSERT INTO parted SELECT i, i FROM generate_series(1, 20000) i;
SELECT kind, expected_time > '0' AS takes_time FROM zdm.plan_steps($$SELECT zdm.set_not_null('parted', 'n')$$);

-- bad input
\set SHOW_CONTEXT never
SELECT * FROM zdm.plan_steps(NULL);
SELECT * FROM zdm.plan_steps('');
SELECT * FROM zdm.plan_steps('SELECT 1');
SELECT * FROM zdm.plan_steps('DROP TABLE big');
SELECT * FROM zdm.plan_steps($$SELECT zdm.set_not_null('big', 'n'); DROP TABLE big$$);
SELECT * FROM zdm.plan_steps($$SELECT zdm.set_not_null('big', 'n') FROM generate_series(1, 2)$$);
SELECT * FROM zdm.plan_steps($$SELECT zdm.start_backfill('big', 'n = 1')$$);
SELECT * FROM zdm.plan_steps($$SELECT zdm.set_not_null('big', 'n', name => zdm.start_backfill('big', 'n = 1')::text)$$);
SELECT * FROM zdm.plan_steps($$SELECT zdm.set_not_null('big', 'nowhere')$$);
SELECT * FROM zdm.plan_steps($$SELECT zdm.set_not_null('big'$$);
SELECT * FROM zdm.plan_steps($$WITH d AS (DELETE FROM big RETURNING 1) SELECT zdm.set_not_null('big', 'n')$$);
-- after an error the next call is not a preview either
SELECT zdm.drop_not_null('big', 'n', name => 'started too');
CALL settle(zdm.job_id('started too'));
SELECT state FROM zdm.jobs WHERE name = 'started too';
CREATE ROLE regress_zdm_plan_steps;
GRANT USAGE ON SCHEMA zdm, plan_steps TO regress_zdm_plan_steps;
SET ROLE regress_zdm_plan_steps;
SELECT * FROM zdm.plan_steps($$SELECT zdm.set_not_null('big', 'n')$$);
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA plan_steps CASCADE;
REVOKE USAGE ON SCHEMA zdm FROM regress_zdm_plan_steps;
DROP ROLE regress_zdm_plan_steps;
