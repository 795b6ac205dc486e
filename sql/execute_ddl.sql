-- zdm.execute_ddl(): what runs, as whom, under which names.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 8600001;
-- Starts a statement, waits for it, and says what became of it.
CREATE PROCEDURE ddl(statement text, name text DEFAULT NULL, INOUT state text DEFAULT NULL, INOUT code text DEFAULT NULL,
                     INOUT error text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    job bigint;
BEGIN
    job := zdm.execute_ddl(statement, name);
    COMMIT;
    CALL settle(job);
    SELECT j.state, j.last_sqlstate, j.last_error INTO state, code, error FROM zdm.jobs j WHERE job_id = job;
END $$;
CREATE TABLE ddl_t (id int PRIMARY KEY, n int);
INSERT INTO ddl_t SELECT i, i FROM generate_series(1, 100) i;

-- a statement in one transaction
CALL ddl('ALTER TABLE ddl_t ADD COLUMN c int DEFAULT 7');
SELECT count(*) FROM ddl_t WHERE c = 7;
SELECT name LIKE 'alter table ddl_t:________' AS name, kind, target, state, progress, rows_done, waiting_for, owner = current_user AS owner
  FROM zdm.jobs WHERE job_id = 8600001;

-- the same again: the same job
SELECT zdm.execute_ddl('ALTER TABLE ddl_t ADD COLUMN c int DEFAULT 7') = 8600001 AS same;
-- verify another definition under a name, and errors of the statement itself, at once or when it runs (error)
CALL ddl('ALTER TABLE ddl_t ADD COLUMN d int', 'ddl: taken');
SELECT zdm.execute_ddl('ALTER TABLE ddl_t ADD COLUMN e int', 'ddl: taken');
SELECT zdm.start_backfill('ddl_t', 'n = 1', name => 'ddl: taken');
SELECT zdm.execute_ddl('ALTER TABLE ddl_t ADD COLUMN c text');
SELECT zdm.execute_ddl('ALTER TABLE ddl_t ADD CHECK (no_such_column > 0)');
CALL ddl('ALTER TABLE ddl_t ALTER COLUMN c TYPE int USING (1 / (id - 50))');
-- mended, it goes on
CALL ddl('ALTER TABLE ddl_t ADD CONSTRAINT ddl_c CHECK (c = 8) NOT VALID', 'ddl: check');
CALL ddl('ALTER TABLE ddl_t VALIDATE CONSTRAINT ddl_c', 'ddl: validate');
UPDATE ddl_t SET c = 8;
SELECT zdm.job_id('ddl: validate') AS job \gset
SELECT zdm.retry_job(:job);
CALL settle(:job);
SELECT state, phase, executed_at IS NOT NULL AS executed FROM zdm.statements WHERE job_id = :job;
SELECT convalidated FROM pg_constraint WHERE conname = 'ddl_c';

-- every family
CREATE SCHEMA ddl_s;
CALL ddl('CREATE TABLE ddl_s.made (id int PRIMARY KEY, t int REFERENCES ddl_t)');
CALL ddl('CREATE INDEX made_t ON ddl_s.made (t)');
CALL ddl('CREATE VIEW ddl_s.v AS SELECT * FROM ddl_s.made');
CALL ddl('CREATE OR REPLACE VIEW ddl_s.v AS SELECT *, 1 AS one FROM ddl_s.made');
CALL ddl('CREATE MATERIALIZED VIEW ddl_s.m AS SELECT id FROM ddl_t');
CALL ddl('CREATE UNIQUE INDEX m_id ON ddl_s.m (id)');
CALL ddl('REFRESH MATERIALIZED VIEW CONCURRENTLY ddl_s.m');
CALL ddl('REFRESH MATERIALIZED VIEW ddl_s.m');
CALL ddl('CREATE FUNCTION ddl_s.f() RETURNS trigger LANGUAGE plpgsql AS ''BEGIN RETURN NEW; END''');
CALL ddl('CREATE TRIGGER tr BEFORE INSERT ON ddl_s.made FOR EACH ROW EXECUTE FUNCTION ddl_s.f()');
CALL ddl('ALTER TABLE ddl_s.made DISABLE TRIGGER tr');
CALL ddl('DROP TRIGGER tr ON ddl_s.made');
CALL ddl('CREATE TYPE ddl_s.e AS ENUM (''a'')');
CALL ddl('ALTER TYPE ddl_s.e ADD VALUE ''b''');
CALL ddl('CREATE SEQUENCE ddl_s.q');
CALL ddl('ALTER SEQUENCE ddl_s.q INCREMENT 5');
CALL ddl('CREATE POLICY p ON ddl_s.made');
CALL ddl('ALTER POLICY p ON ddl_s.made USING (true)');
CALL ddl('CREATE RULE r AS ON DELETE TO ddl_s.made DO INSTEAD NOTHING');
CALL ddl('COMMENT ON TABLE ddl_s.made IS ''made''');
CALL ddl('GRANT SELECT ON ddl_s.made TO PUBLIC');
CALL ddl('CREATE STATISTICS ddl_s.st ON id, t FROM ddl_s.made');
CALL ddl('ALTER TABLE ddl_s.made ALTER COLUMN t SET STATISTICS 100');
CALL ddl('CREATE DOMAIN ddl_s.d AS int');
CALL ddl('ALTER TABLE ddl_s.made RENAME COLUMN t TO t2');
CALL ddl('ALTER INDEX ddl_s.made_t RENAME TO made_t2');
CALL ddl('REINDEX INDEX ddl_s.made_t2');
CALL ddl('TRUNCATE ddl_s.made');
CALL ddl('ALTER TABLE ddl_s.made SET SCHEMA public');
CALL ddl('ALTER TABLE made RENAME TO made2');
CALL ddl('DROP INDEX made_t2');
CALL ddl('DROP TABLE IF EXISTS no_such_table');
CALL ddl('DROP TABLE made2 CASCADE');
SELECT count(*) FROM zdm.statements WHERE phase = 'executed' AND job_id > (SELECT job_id FROM zdm.jobs WHERE name = 'ddl: validate');
SELECT relname FROM pg_class WHERE relnamespace = 'ddl_s'::regnamespace ORDER BY 1;
SELECT DISTINCT target FROM zdm.statements WHERE target NOT LIKE '%.%' ORDER BY 1;

-- statements that commit in their middle
CALL ddl('CREATE INDEX CONCURRENTLY ddl_n ON ddl_t (n)');
CALL ddl('REINDEX INDEX CONCURRENTLY ddl_n');
CALL ddl('REINDEX (CONCURRENTLY) TABLE ddl_t');
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid = 'ddl_t'::regclass ORDER BY 1;
CALL ddl('DROP INDEX CONCURRENTLY ddl_n', 'ddl: drop n');
CREATE TABLE ddl_p (k int, n int) PARTITION BY RANGE (k);
CREATE TABLE ddl_p1 PARTITION OF ddl_p FOR VALUES FROM (0) TO (10);
CALL ddl('ALTER TABLE ddl_p DETACH PARTITION ddl_p1 CONCURRENTLY');
SELECT count(*) FROM pg_inherits WHERE inhparent = 'ddl_p'::regclass;
CALL ddl('ALTER TABLE ddl_p ATTACH PARTITION ddl_p1 FOR VALUES FROM (0) TO (10)');
CALL ddl('ALTER TABLE ddl_p ADD COLUMN c int NOT NULL DEFAULT 1');
CALL ddl('CREATE TABLE ddl_p2 PARTITION OF ddl_p FOR VALUES FROM (10) TO (20)');
CALL ddl('DROP TABLE ddl_p2');
-- one that fails leaves no invalid index, and runs when it is mended
INSERT INTO ddl_t (id, n, c) VALUES (101, 1, 8);
CALL ddl('CREATE UNIQUE INDEX CONCURRENTLY ddl_n ON ddl_t (n)', 'ddl: unique');
SELECT count(*) FROM pg_index WHERE NOT indisvalid;
DELETE FROM ddl_t WHERE id = 101;
SELECT zdm.job_id('ddl: unique') AS job \gset
SELECT zdm.retry_job(:job);
CALL settle(:job);
SELECT state FROM zdm.jobs WHERE job_id = :job;
SELECT indisvalid FROM pg_index WHERE indexrelid = 'ddl_n'::regclass;
-- an index of somebody else is left alone, valid or not (error)
CALL ddl('CREATE INDEX CONCURRENTLY ddl_n ON ddl_t (id)', 'ddl: name in use');
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ddl_n'::regclass;
SELECT zdm.job_id('ddl: name in use') AS job \gset
SELECT zdm.retry_job(:job);
CALL settle(:job);
SELECT state, last_sqlstate FROM zdm.jobs WHERE job_id = :job;
SELECT indisvalid FROM pg_index WHERE indexrelid = 'ddl_n'::regclass;
DROP INDEX ddl_n;

-- names mean what they meant where it was submitted
CREATE SCHEMA ddl_s2;
CREATE TABLE ddl_s2.ddl_t (id int);
SET search_path = ddl_s2, public;
CALL zdm.wait_for_job(zdm.execute_ddl('ALTER TABLE ddl_t ADD COLUMN here int', 'ddl: path'), '1 min');
CALL zdm.wait_for_job(zdm.execute_ddl('CREATE TABLE made_here (t timestamptz DEFAULT ''2026-01-01 00:00'')', 'ddl: path 2'), '1 min');
RESET search_path;
SELECT target FROM zdm.jobs WHERE name = 'ddl: path';
SELECT count(*) FROM pg_attribute WHERE attrelid = 'ddl_s2.ddl_t'::regclass AND attname = 'here';
SELECT to_regclass('ddl_s2.made_here') IS NOT NULL AS made;

-- a statement that is checked at submit leaves no lock
BEGIN;
SELECT zdm.execute_ddl('ALTER TABLE ddl_t ADD COLUMN never int', 'ddl: locks nothing') > 0 AS started;
SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'ddl_t'::regclass;
ROLLBACK;

-- in a transaction: not before it commits, never when it rolls back
BEGIN;
SELECT zdm.execute_ddl('ALTER TABLE ddl_t ADD COLUMN never int', 'ddl: rolled back') > 0 AS started;
ROLLBACK;
SELECT count(*) FROM zdm.jobs WHERE name = 'ddl: rolled back';

-- as the caller, whoever owns the table
CREATE ROLE regress_zdm_ddl_owner;
CREATE ROLE regress_zdm_ddl_member IN ROLE regress_zdm_ddl_owner;
CREATE ROLE regress_zdm_ddl_other;
GRANT USAGE ON SCHEMA zdm TO regress_zdm_ddl_owner, regress_zdm_ddl_other;
GRANT CREATE ON SCHEMA ddl_s2 TO regress_zdm_ddl_owner;
GRANT USAGE ON SCHEMA ddl_s2 TO PUBLIC;
CREATE TABLE ddl_s2.owned (id int);
ALTER TABLE ddl_s2.owned OWNER TO regress_zdm_ddl_owner;
SET ROLE regress_zdm_ddl_member;
CALL zdm.wait_for_job(zdm.execute_ddl('CREATE TABLE ddl_s2.mine (id int)', 'ddl: mine'), '1 min');
CALL zdm.wait_for_job(zdm.execute_ddl('ALTER TABLE ddl_s2.owned ADD COLUMN c name DEFAULT current_user', 'ddl: owned'), '1 min');
CALL zdm.wait_for_job(zdm.execute_ddl('CREATE INDEX CONCURRENTLY owned_c ON ddl_s2.owned (c)', 'ddl: owned c'), '1 min');
SELECT name, owner, state FROM zdm.jobs ORDER BY job_id;
-- verify somebody else (error)
SET ROLE regress_zdm_ddl_other;
SELECT zdm.execute_ddl('ALTER TABLE ddl_s2.owned ADD COLUMN d int');
SELECT zdm.execute_ddl('DROP TABLE ddl_s2.owned');
SELECT zdm.execute_ddl('TRUNCATE ddl_s2.owned');
SELECT zdm.execute_ddl('CREATE INDEX ON ddl_s2.owned (id)');
SELECT zdm.execute_ddl('ALTER TABLE ddl_t ADD COLUMN d int', 'ddl: mine');
SELECT count(*) FROM zdm.statements;
RESET ROLE;
-- rights that do instead of ownership
GRANT TRIGGER, TRUNCATE, REFERENCES ON ddl_s2.owned TO regress_zdm_ddl_other;
GRANT CREATE ON SCHEMA ddl_s2 TO regress_zdm_ddl_other;
SET ROLE regress_zdm_ddl_other;
SELECT * FROM refused('SELECT relation, lock_mode FROM zdm.explain_ddl(''TRUNCATE ddl_s2.owned'')');
CALL zdm.wait_for_job(zdm.execute_ddl('TRUNCATE ddl_s2.owned', 'ddl: other'), '1 min');
CALL zdm.wait_for_job(zdm.execute_ddl('CREATE TRIGGER other BEFORE INSERT ON ddl_s2.owned EXECUTE FUNCTION suppress_redundant_updates_trigger()', 'ddl: other 2'), '1 min');
SELECT name, owner, state FROM zdm.jobs ORDER BY job_id;
RESET ROLE;
SELECT tableowner FROM pg_tables WHERE tablename = 'mine';
-- rights that are lost before it runs (error)
BEGIN;
SET LOCAL ROLE regress_zdm_ddl_member;
SELECT zdm.execute_ddl('ALTER TABLE ddl_s2.owned ADD COLUMN e int', 'ddl: lost rights') AS job \gset
SELECT zdm.pause_job(:job);
COMMIT;
REVOKE regress_zdm_ddl_owner FROM regress_zdm_ddl_member;
SELECT zdm.resume_job(:job);
CALL settle(:job);
SELECT state, last_sqlstate, last_error, owner FROM zdm.jobs WHERE job_id = :job;

-- verify what is no DDL, or not for a job (error)
SELECT statement, refused.* FROM (VALUES
    ('SELECT 1'), ('SELECT 1 INTO x'), ('INSERT INTO ddl_t VALUES (1)'), ('UPDATE ddl_t SET n = 1'), ('DELETE FROM ddl_t'), ('COPY ddl_t TO STDOUT'),
    ('BEGIN'), ('COMMIT'), ('SET work_mem = 1'), ('LOCK TABLE ddl_t'), ('VACUUM ddl_t'), ('ANALYZE ddl_t'), ('EXPLAIN SELECT 1'),
    ('PREPARE p AS SELECT 1'), ('LISTEN x'), ('CHECKPOINT'), ('DISCARD ALL'), ('CLUSTER ddl_t'), ('CREATE DATABASE x'), ('CREATE ROLE x'),
    ('DROP ROLE x'), ('ALTER SYSTEM SET work_mem = 1'), ('CREATE TABLESPACE x LOCATION ''/x'''), ('DROP DATABASE x'), ('COMMENT ON DATABASE x IS ''x'''),
    ('ALTER DATABASE x OWNER TO y'), ('CREATE EXTENSION x'), ('DROP EXTENSION zdm'), ('DO ''BEGIN END'''), ('CALL ddl(''x'')'), ('DROP OWNED BY x'),
    ('CREATE SUBSCRIPTION s CONNECTION '''' PUBLICATION p'), ('REINDEX SCHEMA public'), ('REINDEX DATABASE x'), ('CREATE TEMP TABLE x (id int)'),
    ('CREATE TABLE pg_temp.x (id int)'), ('CREATE TEMP VIEW x AS SELECT 1'), ('CREATE TEMP SEQUENCE x'), ('CREATE TEMP TABLE x AS SELECT 1'),
    ('CREATE INDEX CONCURRENTLY ON ddl_t (n)'), ('CREATE SCHEMA x CREATE TABLE y (id int)'), ('GRANT pg_monitor TO x'),
    ('CREATE TABLE x AS WITH d AS (DELETE FROM ddl_t RETURNING id) SELECT id FROM d'), ('CREATE TABLE x AS SELECT id FROM ddl_t FOR UPDATE'),
    ('ALTER TABLE pg_catalog.pg_class ADD COLUMN c int'), ('DROP TABLE pg_catalog.pg_class'), ('TRUNCATE zdm.job'), ('ALTER TABLE zdm.job ADD COLUMN c int'),
    (''), (' -- nothing'), (';'), ('ALTER TABLE ddl_t ADD x int; DROP TABLE ddl_t'), ('ALTER TABLE'), ('no such statement'),
    ('ALTER TABLE no_such_table ADD COLUMN c int'), ('DROP TABLE no_such_table'), ('DROP TABLE a.b.c.d'), ('COMMENT ON COLUMN x IS NULL'), ('CREATE INDEX ON no_such_table (n)'), ('ALTER TABLE no_such_schema.t ADD COLUMN c int')
) AS v (statement), refused(format('SELECT zdm.execute_ddl(%L)', statement));
CREATE TEMP TABLE ddl_temp (id int);
SELECT * FROM refused('SELECT zdm.execute_ddl(''ALTER TABLE ddl_temp ADD COLUMN c int'')');
SELECT zdm.execute_ddl(NULL);
SELECT zdm.execute_ddl('CREATE TABLE x ()', name => '');
SELECT zdm.execute_ddl('CREATE TABLE x ()', deadline => '-1 s');
SELECT zdm.execute_ddl('CREATE TABLE x ()', deadline => '0.1 ms');
SELECT zdm.execute_ddl('ALTER TABLE ddl_t ADD COLUMN COLUMN c int');
BEGIN READ ONLY;
SELECT zdm.execute_ddl('CREATE TABLE x ()');
ROLLBACK;
SELECT to_regclass('x');

DROP PROCEDURE ddl;
DROP TABLE ddl_t, ddl_p CASCADE;
SET client_min_messages = error;
DROP SCHEMA ddl_s, ddl_s2 CASCADE;
DROP OWNED BY regress_zdm_ddl_owner, regress_zdm_ddl_other;
DROP ROLE regress_zdm_ddl_owner, regress_zdm_ddl_member, regress_zdm_ddl_other;
