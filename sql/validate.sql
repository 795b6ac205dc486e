-- zdm.validate_constraint() on CHECK constraints: chunked, native, what it finds.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 8640001;

-- Starts a validation, waits for it, and says what became of it.
CREATE PROCEDURE validate(target regclass, con name, job_name text, method text DEFAULT 'chunked',
                          INOUT state text DEFAULT NULL, INOUT used text DEFAULT NULL,
                          INOUT rows_done bigint DEFAULT NULL, INOUT violations bigint DEFAULT NULL,
                          INOUT code text DEFAULT NULL, INOUT error text DEFAULT NULL,
                          INOUT valid boolean DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    job bigint;
BEGIN
    job := zdm.validate_constraint(target, con, method, name => job_name);
    COMMIT;
    CALL settle(job);
    SELECT v.state, v.method, v.rows_done, v.violations, j.last_sqlstate, j.last_error
      INTO validate.state, used, validate.rows_done, validate.violations, code, error
      FROM zdm.validations v JOIN zdm.jobs j USING (job_id) WHERE job_id = job;
    valid := (SELECT convalidated FROM pg_constraint WHERE conrelid = target AND conname = con);
END $$;

CREATE TABLE v_t (id int PRIMARY KEY, n int, s text, filler text DEFAULT repeat('x', 100));
INSERT INTO v_t SELECT i, i % 100, 'row ' || i FROM generate_series(1, 20000) i;
ANALYZE v_t;

--
-- a constraint that holds
--
ALTER TABLE v_t ADD CONSTRAINT v_n CHECK (n >= 0) NOT VALID;
CALL validate('v_t', 'v_n', 'v n');
SELECT method_reason, phase, units_done = units_total AS all_units, chunks > 0 AS chunks, restarts,
       longest_chunk < '1 s' AS short, definition, constraint_type
  FROM zdm.validations WHERE name = 'v n';
SELECT kind, state, progress, rows_done, waiting_for, last_error FROM zdm.jobs WHERE name = 'v n';
-- the planner believes it, and so does SET NOT NULL
ALTER TABLE v_t ADD CONSTRAINT v_n_set CHECK (n IS NOT NULL) NOT VALID;
CALL validate('v_t', 'v_n_set', 'v n set');
SET constraint_exclusion = on;
EXPLAIN (COSTS OFF) SELECT * FROM v_t WHERE n < 0;
RESET constraint_exclusion;
SET client_min_messages = debug1;
ALTER TABLE v_t ALTER n SET NOT NULL;
SET client_min_messages = notice;

--
-- already valid: done at once
--
SELECT zdm.validate_constraint('v_t', 'v_n', name => 'v n') = zdm.job_id('v n') AS same;
SET client_min_messages = warning;
SELECT zdm.validate_constraint('v_t', 'v_n', name => 'v n again') > 0 AS another;
SELECT state, progress, rows_done FROM zdm.jobs WHERE name = 'v n again';
SELECT event, message FROM zdm.events WHERE job_name = 'v n again' ORDER BY event_id;
SELECT zdm.assert_job_done(zdm.job_id('v n again'));

--
-- rows that break it
--
ALTER TABLE v_t ADD CONSTRAINT v_s CHECK (s NOT LIKE '%77' AND n IS NOT NULL) NOT VALID;
CALL validate('v_t', 'v_s', 'v s');
SELECT hint ~ 'zdm.retry_job' AS hint FROM zdm.jobs WHERE name = 'v s';
SELECT constraint_name, "table", row_key, row_values, occurrences
  FROM zdm.violations WHERE job_name = 'v s' ORDER BY (row_key ->> 'id')::int LIMIT 3;
SELECT count(*) AS listed FROM zdm.violations WHERE job_name = 'v s';
-- the ctid is the row's
SELECT count(*) AS found FROM zdm.violations v JOIN v_t t ON t.ctid = v.row_ctid
 WHERE v.job_name = 'v s' AND t.s LIKE '%77';
-- mended and retried
UPDATE v_t SET s = 'mended' WHERE s LIKE '%77' AND id <> 77;
SELECT zdm.retry_job(zdm.job_id('v s'));
CALL settle(zdm.job_id('v s'));
SELECT state, rows_done, violations, phase FROM zdm.validations WHERE name = 'v s';
SELECT row_key FROM zdm.violations WHERE job_name = 'v s';
UPDATE v_t SET s = 'mended' WHERE id = 77;
SELECT zdm.retry_job(zdm.job_id('v s'));
CALL settle(zdm.job_id('v s'));
SELECT state, rows_done, violations FROM zdm.validations WHERE name = 'v s';
SELECT count(*) FROM zdm.violations WHERE job_name = 'v s';
SELECT convalidated FROM pg_constraint WHERE conname = 'v_s';

--
-- NULL is no violation; system columns, whole rows, the last page, an empty table
--
CREATE TABLE v_null (n int, m int);
INSERT INTO v_null SELECT NULLIF(i % 3, 0), i FROM generate_series(1, 100) i;
ALTER TABLE v_null ADD CONSTRAINT v_null CHECK (n > 0 OR NULL) NOT VALID;
CALL validate('v_null', 'v_null', 'v null');
ALTER TABLE v_null ADD CONSTRAINT v_row CHECK (v_null IS NOT NULL OR m % 3 = 0) NOT VALID,
                   ADD CONSTRAINT v_oid CHECK (tableoid > 0) NOT VALID,
                   ADD CONSTRAINT v_last CHECK (m <> 100) NOT VALID;
CALL validate('v_null', 'v_row', 'v row');
CALL validate('v_null', 'v_oid', 'v oid');
CALL validate('v_null', 'v_last', 'v last');
SELECT row_ctid, row_key, row_values FROM zdm.violations WHERE job_name = 'v last';
CREATE TABLE v_empty (n int);
ALTER TABLE v_empty ADD CONSTRAINT v_empty CHECK (n > 0) NOT VALID;
CALL validate('v_empty', 'v_empty', 'v empty');

--
-- an expression that fails: the row is named
--
ALTER TABLE v_null ADD CONSTRAINT v_zero CHECK (1 / (m - 50) < 5) NOT VALID;
CALL validate('v_null', 'v_zero', 'v zero');
DELETE FROM v_null WHERE m = 50;
SELECT zdm.retry_job(zdm.job_id('v zero'));
CALL settle(zdm.job_id('v zero'));
SELECT state, convalidated FROM zdm.jobs, pg_constraint WHERE name = 'v zero' AND conname = 'v_zero';

--
-- partitions: each is marked, then the parents
--
CREATE TABLE v_p (k int, n int) PARTITION BY RANGE (k);
CREATE TABLE v_p1 PARTITION OF v_p FOR VALUES FROM (0) TO (1000);
CREATE TABLE v_p2 (n int, dropped int, k int);
ALTER TABLE v_p2 DROP dropped;
ALTER TABLE v_p ATTACH PARTITION v_p2 FOR VALUES FROM (1000) TO (2000);
CREATE TABLE v_p3 PARTITION OF v_p FOR VALUES FROM (2000) TO (3000) PARTITION BY RANGE (k);
CREATE TABLE v_p31 PARTITION OF v_p3 FOR VALUES FROM (2000) TO (2500);
INSERT INTO v_p SELECT i, i FROM generate_series(0, 2499) i;
ALTER TABLE v_p ADD CONSTRAINT v_p_n CHECK (n <> 1500) NOT VALID;
SELECT conrelid::regclass, convalidated FROM pg_constraint WHERE conname = 'v_p_n' ORDER BY conrelid::regclass::text COLLATE "C";
CALL validate('v_p', 'v_p_n', 'v p');
SELECT conrelid::regclass, convalidated FROM pg_constraint WHERE conname = 'v_p_n' ORDER BY conrelid::regclass::text COLLATE "C";
SELECT "table", row_values FROM zdm.violations WHERE job_name = 'v p';
DELETE FROM v_p WHERE n = 1500;
SELECT zdm.retry_job(zdm.job_id('v p'));
CALL settle(zdm.job_id('v p'));
-- only what is left is looked at again
SELECT state, rows_done, violations FROM zdm.validations WHERE name = 'v p';
SELECT conrelid::regclass, convalidated FROM pg_constraint WHERE conname = 'v_p_n' ORDER BY conrelid::regclass::text COLLATE "C";

--
-- inheritance: children before parents; NO INHERIT stays with the table
--
CREATE TABLE v_i (n int);
CREATE TABLE v_i1 () INHERITS (v_i);
CREATE TABLE v_i11 () INHERITS (v_i1);
CREATE TABLE v_i2 () INHERITS (v_i);
INSERT INTO v_i VALUES (1);
INSERT INTO v_i1 VALUES (2);
INSERT INTO v_i11 VALUES (-3);
INSERT INTO v_i2 VALUES (4);
ALTER TABLE v_i ADD CONSTRAINT v_i_n CHECK (n > 0) NOT VALID;
ALTER TABLE v_i ADD CONSTRAINT v_i_own CHECK (n > -1) NO INHERIT NOT VALID;
CALL validate('v_i', 'v_i_own', 'v i own');
CALL validate('v_i', 'v_i_n', 'v i');
SELECT conrelid::regclass, convalidated FROM pg_constraint WHERE conname = 'v_i_n' ORDER BY conrelid::regclass::text COLLATE "C";
DELETE FROM v_i11;
SELECT zdm.retry_job(zdm.job_id('v i'));
CALL settle(zdm.job_id('v i'));
SELECT state, rows_done, violations FROM zdm.validations WHERE name = 'v i';
SELECT conrelid::regclass, convalidated FROM pg_constraint WHERE conname = 'v_i_n' ORDER BY conrelid::regclass::text COLLATE "C";

--
-- native
--
ALTER TABLE v_t ADD CONSTRAINT v_native CHECK (n < 100) NOT VALID;
CALL validate('v_t', 'v_native', 'v native', 'native');
SELECT method_reason, phase FROM zdm.validations WHERE name = 'v native';
ALTER TABLE v_t ADD CONSTRAINT v_native_bad CHECK (n < 99) NOT VALID;
CALL validate('v_t', 'v_native_bad', 'v native bad', 'native');
SELECT hint FROM zdm.jobs WHERE name = 'v native bad';
UPDATE v_t SET n = 1 WHERE n = 99;
SELECT zdm.retry_job(zdm.job_id('v native bad'));
CALL settle(zdm.job_id('v native bad'));
SELECT state FROM zdm.jobs WHERE name = 'v native bad';
-- where chunks cannot reach: a foreign partition, which nobody can scan
CREATE FOREIGN DATA WRAPPER v_fdw;
CREATE SERVER v_server FOREIGN DATA WRAPPER v_fdw;
CREATE TABLE v_mixed (k int, n int) PARTITION BY RANGE (k);
CREATE TABLE v_mixed1 PARTITION OF v_mixed FOR VALUES FROM (0) TO (10);
CREATE FOREIGN TABLE v_mixed2 PARTITION OF v_mixed FOR VALUES FROM (10) TO (20) SERVER v_server;
INSERT INTO v_mixed VALUES (1, 1);
ALTER TABLE v_mixed ADD CONSTRAINT v_mixed_n CHECK (n > 0) NOT VALID;
CALL validate('v_mixed', 'v_mixed_n', 'v mixed');
SELECT method_reason FROM zdm.validations WHERE name = 'v mixed';

--
-- the plan
--
ALTER TABLE v_t ADD CONSTRAINT v_plan CHECK (n < 5000) NOT VALID;
SELECT statement, used_method, reason, locks, pages = pg_relation_size('v_t') / 8192 AS all_pages,
       rows > 10000 AS rows, expected_time BETWEEN '100 us' AND '10 s' AS expected, basis ~ '^[0-9]+ pages read' AS basis
  FROM zdm.plan_constraint('v_t', 'v_plan');
SELECT statement, used_method, reason, locks FROM zdm.plan_constraint('v_t', 'v_plan', 'native');
SELECT used_method, reason, expected_time IS NULL AS nothing FROM zdm.plan_constraint('v_t', 'v_n');
SELECT used_method, pages > 0 AS pages FROM zdm.plan_constraint('v_i', 'v_i_n');
SELECT zdm.plan_constraint('v_t', 'v_none'); \echo :SQLSTATE
SELECT zdm.plan_constraint('v_t', 'v_n', 'fast'); \echo :SQLSTATE
SELECT convalidated FROM pg_constraint WHERE conname = 'v_plan';

--
-- cancelled before it begins: nothing is marked, and it can be taken up
--
ALTER TABLE v_t ADD CONSTRAINT v_cancel CHECK (n < 1000) NOT VALID;
BEGIN;
SELECT zdm.validate_constraint('v_t', 'v_cancel', name => 'v cancel') > 0 AS started;
SELECT zdm.cancel_job(zdm.job_id('v cancel'));
COMMIT;
SELECT state, convalidated FROM zdm.jobs, pg_constraint WHERE name = 'v cancel' AND conname = 'v_cancel';
SELECT zdm.retry_job(zdm.job_id('v cancel'));
CALL settle(zdm.job_id('v cancel'));
SELECT state, convalidated FROM zdm.jobs, pg_constraint WHERE name = 'v cancel' AND conname = 'v_cancel';

--
-- dropped, or added again, since it was submitted
--
ALTER TABLE v_t ADD CONSTRAINT v_drop CHECK (n < 1000) NOT VALID;
BEGIN;
SELECT zdm.validate_constraint('v_t', 'v_drop', name => 'v drop') > 0 AS started;
SELECT zdm.pause_job(zdm.job_id('v drop'));
COMMIT;
ALTER TABLE v_t DROP CONSTRAINT v_drop;
SELECT zdm.resume_job(zdm.job_id('v drop'));
CALL settle(zdm.job_id('v drop'));
SELECT state, last_sqlstate, last_error, hint ~ 'retry_job' AS hint FROM zdm.jobs WHERE name = 'v drop';
ALTER TABLE v_t ADD CONSTRAINT v_drop CHECK (n < 1001) NOT VALID;
SELECT zdm.retry_job(zdm.job_id('v drop'));
CALL settle(zdm.job_id('v drop'));
SELECT state, convalidated FROM zdm.jobs, pg_constraint WHERE name = 'v drop' AND conname = 'v_drop';
-- done, then added again: another job by itself, an error under the same name
ALTER TABLE v_t DROP CONSTRAINT v_drop, ADD CONSTRAINT v_drop CHECK (n < 1001) NOT VALID;
SELECT zdm.validate_constraint('v_t', 'v_drop', name => 'v drop'); \echo :SQLSTATE
SELECT zdm.validate_constraint('v_t', 'v_drop') AS job \gset
CALL settle(:job);
SELECT state, convalidated FROM zdm.jobs, pg_constraint WHERE job_id = :job AND conname = 'v_drop';

--
-- bad input
--
CREATE VIEW v_view AS SELECT * FROM v_t;
CREATE TEMP TABLE v_temp (n int CHECK (n > 0));
SELECT zdm.validate_constraint('v_t', 'v_none'); \echo :SQLSTATE
SELECT zdm.validate_constraint('v_t', 'v_t_pkey'); \echo :SQLSTATE
SELECT zdm.validate_constraint('v_t', 'v_n', 'fast'); \echo :SQLSTATE
SELECT zdm.validate_constraint('v_t', 'v_n', NULL); \echo :SQLSTATE
SELECT zdm.validate_constraint('v_t', NULL); \echo :SQLSTATE
SELECT zdm.validate_constraint(NULL, 'v_n'); \echo :SQLSTATE
SELECT zdm.validate_constraint('v_t', 'v_n', name => ''); \echo :SQLSTATE
SELECT zdm.validate_constraint(0, 'v_n'); \echo :SQLSTATE
SELECT zdm.validate_constraint('v_view', 'v_n'); \echo :SQLSTATE
SELECT zdm.validate_constraint('v_mixed2', 'v_mixed_n'); \echo :SQLSTATE
SELECT zdm.validate_constraint('v_temp', 'v_temp_n_check'); \echo :SQLSTATE
SELECT zdm.validate_constraint('pg_class', 'v_n'); \echo :SQLSTATE
SELECT zdm.validate_constraint('zdm.job', 'job_state_check'); \echo :SQLSTATE
SELECT zdm.validate_constraint('v_t', 'v_s', name => 'v n'); \echo :SQLSTATE
SELECT zdm.validate_constraint('v_t', 'v_n', 'native', name => 'v n'); \echo :SQLSTATE
SELECT zdm.start_backfill('v_t', 's = ''x''', name => 'v n'); \echo :SQLSTATE
BEGIN READ ONLY;
SELECT zdm.validate_constraint('v_t', 'v_n'); \echo :SQLSTATE
ROLLBACK;

--
-- not yours; row security
--
CREATE ROLE v_owner;
CREATE ROLE v_other;
GRANT USAGE ON SCHEMA zdm TO v_owner, v_other;
GRANT CREATE ON SCHEMA public TO v_owner;
SET ROLE v_owner;
CREATE TABLE v_own (id int PRIMARY KEY, secret int);
INSERT INTO v_own SELECT i, i FROM generate_series(1, 10) i;
ALTER TABLE v_own ADD CONSTRAINT v_own_secret CHECK (secret < 10) NOT VALID;
ALTER TABLE v_own ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SET ROLE v_other;
SELECT zdm.validate_constraint('v_own', 'v_own_secret'); \echo :SQLSTATE
SET ROLE v_owner;
-- hidden rows are looked at, and not told
SELECT zdm.validate_constraint('v_own', 'v_own_secret', name => 'v own') > 0 AS started;
RESET ROLE;
CALL settle(zdm.job_id('v own'));
SELECT state, violations FROM zdm.validations WHERE name = 'v own';
SELECT row_ctid, row_key, row_values FROM zdm.violations WHERE job_name = 'v own';
SET ROLE v_other;
SELECT count(*) FROM zdm.validations;
RESET ROLE;
DROP TABLE v_own;
REVOKE ALL ON SCHEMA zdm, public FROM v_owner, v_other;
DROP ROLE v_owner, v_other;

--
-- the row as the expression sees it: its table, all of it, without the dropped column, with the added one and
-- with a value stored out of line; versions that are dead are not looked at
--
CREATE TABLE v_row (gone int, a int, big text, b int);
ALTER TABLE v_row ALTER big SET STORAGE EXTERNAL;
INSERT INTO v_row SELECT i, i, repeat('y', 3000), NULL FROM generate_series(1, 50) i;
ALTER TABLE v_row DROP gone, ADD c int DEFAULT 7;
UPDATE v_row SET b = 1 WHERE a % 2 = 0;
DELETE FROM v_row WHERE a % 5 = 0;
ALTER TABLE v_row ADD CONSTRAINT v_row_is CHECK (tableoid = 'v_row'::regclass AND length(big) = 3000 AND c = 7 AND
    (b IS NULL OR b = 1) AND row_to_json(v_row) ->> 'a' = a::text) NOT VALID;
CALL validate('v_row', 'v_row_is', 'v whole row');
ALTER TABLE v_row ADD CONSTRAINT v_row_b CHECK (b IS NOT NULL) NOT VALID;
CALL validate('v_row', 'v_row_b', 'v row b');
SELECT count(*), count(*) FILTER (WHERE a % 2 = 0) AS wrong
  FROM zdm.violations JOIN v_row ON v_row.ctid = row_ctid WHERE job_name = 'v row b';
