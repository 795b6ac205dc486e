-- zdm.explain_ddl: what it says, of what it warns, and what bad input gets.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
CREATE SCHEMA xd;
SET search_path = xd, public;

CREATE TABLE p (id int PRIMARY KEY, u int);
CREATE TABLE t (id int PRIMARY KEY, a int, b text, v varchar(10), p_id int, proved int,
                CONSTRAINT t_proved CHECK (proved > 0 AND proved IS NOT NULL));
INSERT INTO p SELECT i, i FROM generate_series(1, 100) i;
INSERT INTO t SELECT i, i, i, i, i, i FROM generate_series(1, 1000) i;
CREATE INDEX t_v ON t (v);
CREATE UNIQUE INDEX t_a ON t (a);
ALTER TABLE t ADD CONSTRAINT t_fk FOREIGN KEY (p_id) REFERENCES p NOT VALID;
ALTER TABLE t ADD CONSTRAINT t_nv CHECK (a > 0) NOT VALID;
CREATE TABLE empty (id int, a int, b text);
CREATE INDEX empty_a ON empty (a);
CREATE VIEW vw AS SELECT b FROM t;
CREATE MATERIALIZED VIEW mv AS SELECT id FROM p;
CREATE UNIQUE INDEX mv_id ON mv (id);
CREATE TABLE part (k int NOT NULL, a int) PARTITION BY RANGE (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
INSERT INTO part SELECT i, i FROM generate_series(0, 99) i;
CREATE TABLE part_new (k int NOT NULL, a int);
INSERT INTO part_new SELECT i, i FROM generate_series(100, 199) i;
CREATE TABLE part_ready (k int NOT NULL, a int, CHECK (k >= 200 AND k < 300));
INSERT INTO part_ready SELECT i, i FROM generate_series(200, 299) i;
CREATE TABLE dflt (k int, a int) PARTITION BY LIST (k);
CREATE TABLE dflt_rest PARTITION OF dflt DEFAULT;
CREATE TABLE dflt_1 PARTITION OF dflt FOR VALUES IN (1);
INSERT INTO dflt SELECT i, i FROM generate_series(3, 99) i;
CREATE DOMAIN pos AS int CHECK (VALUE > 0);
CREATE DOMAIN used AS int;
CREATE TABLE uses (x used);
INSERT INTO uses VALUES (1);
CREATE UNIQUE INDEX uses_x ON uses (x);
CREATE SCHEMA xd2;
CREATE TABLE xd2.goes AS SELECT 1 AS x;
CREATE TYPE mood AS ENUM ('fine');
CREATE SEQUENCE s;

-- One line per relation: lock, R(ewrites), S(cans), whether others can read and write, whether there is work.
CREATE FUNCTION explain(statement text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format('  %s: %s%s%s%s%s%s %s%s', coalesce(relation, '-'), coalesce(lower(lock_mode), 'no lock'),
                  CASE WHEN rewrites THEN ' R' END, CASE WHEN scans THEN ' S' END,
                  CASE WHEN blocks_reads THEN ', blocks reads and writes' WHEN blocks_writes THEN ', blocks writes' END,
                  CASE WHEN bytes > 0 THEN ', works' END, CASE WHEN safe THEN ', safe.' ELSE ', UNSAFE.' END, advice, '')
      FROM zdm.explain_ddl(statement)
$$;
CREATE TABLE statements (n int GENERATED ALWAYS AS IDENTITY, statement text);
INSERT INTO statements (statement) VALUES
    ('ALTER TABLE t ADD COLUMN x int'),
    ('ALTER TABLE t ADD COLUMN x timestamptz DEFAULT now()'),
    ('ALTER TABLE t ADD COLUMN x uuid DEFAULT gen_random_uuid()'),
    ('ALTER TABLE t ADD COLUMN x bigserial'),
    ('ALTER TABLE t ADD COLUMN x int GENERATED ALWAYS AS IDENTITY'),
    ('ALTER TABLE t ADD COLUMN x int GENERATED ALWAYS AS (a * 2) STORED'),
    ('ALTER TABLE t ADD COLUMN x pos'),
    ('ALTER TABLE t ADD COLUMN x int NOT NULL'),
    ('ALTER TABLE t ADD COLUMN x int NOT NULL DEFAULT 0'),
    ('ALTER TABLE t ADD COLUMN x int DEFAULT 0, ALTER COLUMN x SET NOT NULL'),
    ('ALTER TABLE t ADD COLUMN x int CHECK (x > 0)'),
    ('ALTER TABLE t ADD COLUMN x int UNIQUE'),
    ('ALTER TABLE t ADD COLUMN x int REFERENCES p'),
    ('ALTER TABLE t ADD COLUMN IF NOT EXISTS a int'),
    ('ALTER TABLE t ALTER COLUMN a TYPE bigint'),
    ('ALTER TABLE t ALTER COLUMN v TYPE varchar(20)'),
    ('ALTER TABLE t ALTER COLUMN v TYPE text COLLATE "C"'),
    ('ALTER TABLE t ALTER COLUMN b TYPE varchar(5)'),
    ('ALTER TABLE t ALTER COLUMN proved TYPE oid'),
    ('ALTER TABLE t ALTER COLUMN p_id TYPE bigint'),
    ('ALTER TABLE t ALTER COLUMN a SET NOT NULL'),
    ('ALTER TABLE t ALTER COLUMN proved SET NOT NULL'),
    ('ALTER TABLE t ALTER COLUMN a SET STATISTICS 100'),
    ('ALTER TABLE t RENAME COLUMN a TO aa'),
    ('ALTER TABLE t DROP COLUMN a'),
    ('ALTER TABLE t DROP COLUMN b'),
    ('ALTER TABLE t ADD CHECK (a > 0)'),
    ('ALTER TABLE t ADD CHECK (a > 0) NOT VALID'),
    ('ALTER TABLE t VALIDATE CONSTRAINT t_nv'),
    ('ALTER TABLE t VALIDATE CONSTRAINT t_proved'),
    ('ALTER TABLE t ADD CHECK (id > 0) NOT VALID, VALIDATE CONSTRAINT t_nv'),
    ('ALTER TABLE t ADD FOREIGN KEY (p_id) REFERENCES p'),
    ('ALTER TABLE t ADD FOREIGN KEY (p_id) REFERENCES p NOT VALID'),
    ('ALTER TABLE empty ADD FOREIGN KEY (a) REFERENCES p'),
    ('ALTER TABLE t ADD FOREIGN KEY (p_id) REFERENCES p (u)'),
    ('ALTER TABLE t VALIDATE CONSTRAINT t_fk'),
    ('ALTER TABLE t DROP CONSTRAINT t_fk'),
    ('ALTER TABLE t ADD UNIQUE (a)'),
    ('ALTER TABLE t ADD UNIQUE USING INDEX t_a'),
    ('ALTER TABLE t ADD UNIQUE (id), DROP CONSTRAINT t_nv'),
    ('ALTER TABLE uses ADD PRIMARY KEY USING INDEX uses_x'),
    ('ALTER TABLE part_new ADD PRIMARY KEY (k)'),
    ('ALTER TABLE t ADD EXCLUDE (a WITH =)'),
    ('ALTER TABLE part_ready ADD PRIMARY KEY (a)'),
    ('ALTER TABLE t SET UNLOGGED'),
    ('ALTER TABLE t SET LOGGED'),
    ('ALTER TABLE t SET (fillfactor = 80)'),
    ('ALTER TABLE t SET (autovacuum_enabled = off), ALTER COLUMN a SET DEFAULT 1'),
    ('ALTER TABLE t RENAME TO tt'),
    ('ALTER TABLE t SET SCHEMA public'),
    ('ALTER SCHEMA xd RENAME TO xdd'),
    ('DROP TABLE t'),
    ('DROP TABLE t CASCADE'),
    ('DROP TABLE IF EXISTS nothing'),
    ('TRUNCATE t'),
    ('ALTER TABLE empty ADD COLUMN x uuid DEFAULT gen_random_uuid()'),
    ('ALTER TABLE empty ALTER COLUMN a TYPE bigint'),
    ('ALTER TABLE empty ADD COLUMN x int NOT NULL'),
    ('ALTER TABLE empty RENAME COLUMN a TO aa'),
    ('CREATE INDEX ON empty (a)'),
    ('DROP INDEX empty_a'),
    ('DROP TABLE empty'),
    ('CREATE INDEX ON t (b)'),
    ('CREATE INDEX IF NOT EXISTS t_v ON t (b)'),
    ('CREATE INDEX t_v ON t (b)'),
    ('CREATE INDEX CONCURRENTLY ON t (b)'),
    ('CREATE INDEX ON part (a)'),
    ('CREATE INDEX CONCURRENTLY ON part (a)'),
    ('CREATE INDEX ON ONLY part (a)'),
    ('DROP INDEX t_v'),
    ('DROP INDEX CONCURRENTLY t_v'),
    ('DROP INDEX t_pkey'),
    ('REINDEX INDEX t_v'),
    ('REINDEX TABLE CONCURRENTLY t'),
    ('ALTER INDEX t_v RENAME TO t_vv'),
    ('ALTER TABLE part ADD COLUMN x int'),
    ('ALTER TABLE part ADD COLUMN x uuid DEFAULT gen_random_uuid()'),
    ('ALTER TABLE part ATTACH PARTITION part_new FOR VALUES FROM (100) TO (200)'),
    ('ALTER TABLE part ATTACH PARTITION part_ready FOR VALUES FROM (200) TO (300)'),
    ('ALTER TABLE part DETACH PARTITION part_1'),
    ('ALTER TABLE part DETACH PARTITION part_1 CONCURRENTLY'),
    ('ALTER TABLE dflt DETACH PARTITION dflt_1 CONCURRENTLY'),
    ('CREATE TABLE dflt_2 PARTITION OF dflt FOR VALUES IN (2)'),
    ('CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (200)'),
    ('DROP TABLE part_1'),
    ('CREATE TABLE fresh (id int)'),
    ('CREATE TABLE IF NOT EXISTS t (id int)'),
    ('CREATE TABLE fresh (id int REFERENCES p)'),
    ('CREATE TABLE fresh AS SELECT * FROM t'),
    ('VACUUM t'),
    ('VACUUM FULL t'),
    ('ANALYZE t'),
    ('CLUSTER t USING t_v'),
    ('REFRESH MATERIALIZED VIEW mv'),
    ('REFRESH MATERIALIZED VIEW CONCURRENTLY mv'),
    ('REFRESH MATERIALIZED VIEW mv WITH NO DATA'),
    ('LOCK TABLE t'),
    ('CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION suppress_redundant_updates_trigger()'),
    ('CREATE OR REPLACE VIEW vw AS SELECT b, 1 AS one FROM t'),
    ('DROP VIEW vw'),
    ('DROP TYPE used CASCADE'),
    ('DROP SCHEMA xd2 CASCADE'),
    ('DROP FUNCTION explain(text)'),
    ('COMMENT ON TABLE t IS ''x'''),
    ('GRANT SELECT ON t TO PUBLIC'),
    ('ALTER DOMAIN used ADD CHECK (VALUE > 0)'),
    ('ALTER DOMAIN used ADD CONSTRAINT c CHECK (VALUE > 0) NOT VALID'),
    ('ALTER TYPE mood ADD VALUE ''better'''),
    ('ALTER TYPE mood RENAME VALUE ''fine'' TO ''good'''),
    ('CREATE TYPE other AS ENUM (''x'')'),
    ('CREATE FUNCTION f() RETURNS int LANGUAGE sql AS ''SELECT 1'''),
    ('CREATE TYPE t AS ENUM (''x'')'),
    ('CREATE SEQUENCE IF NOT EXISTS s'),
    ('ALTER TABLE t RENAME COLUMN a TO b'),
    ('ALTER TABLE t RENAME TO p'),
    ('ALTER TYPE mood ADD VALUE ''fine'''),
    ('ALTER TYPE mood ADD VALUE IF NOT EXISTS ''fine'''),
    ('ALTER TYPE mood ADD VALUE ''better'' AFTER ''nothing'''),
    ('ALTER TABLE t SET (nothing = 1)'),
    ('ALTER TABLE t REPLICA IDENTITY USING INDEX t_v'),
    ('ALTER TABLE t ALTER COLUMN id DROP NOT NULL'),
    ('ALTER TABLE t ALTER COLUMN a SET DEFAULT ''x'''),
    ('ALTER TABLE t ADD FOREIGN KEY (b) REFERENCES p NOT VALID'),
    ('ALTER TABLE part ATTACH PARTITION part_new FOR VALUES FROM (50) TO (200)'),
    ('CREATE INDEX ON t USING gin (a)'),
    ('CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION now()'),
    ('CREATE EXTENSION pg_trgm'),
    ('DROP OWNED BY CURRENT_USER');

\a
\t on
\set ECHO none
SELECT format('SELECT %L UNION ALL SELECT explain(%L)', statement, statement) FROM statements ORDER BY n \gexec
\set ECHO all
\t off
\a

-- verify the bytes: what is read, or read and written
SELECT relation, bytes = pg_relation_size('t') AS heap FROM zdm.explain_ddl('ALTER TABLE t ADD CHECK (a > 1)');
SELECT relation, bytes = CASE relation WHEN 't' THEN pg_relation_size('t') + coalesce(pg_relation_size(nullif((SELECT reltoastrelid FROM pg_class WHERE oid = 't'::regclass), 0)), 0)
                         ELSE pg_relation_size(relation::regclass) END AS right_size
  FROM zdm.explain_ddl('ALTER TABLE t ADD COLUMN x float8 DEFAULT random()');
SELECT relation, bytes FROM zdm.explain_ddl('ALTER TABLE t ADD COLUMN x int');

-- verify names: printed as regclass prints them
SELECT relation FROM zdm.explain_ddl('ALTER TABLE xd.t ADD COLUMN x int');
SET search_path = public;
SELECT relation FROM zdm.explain_ddl(statement => 'ALTER TABLE xd.t ADD COLUMN x int');
SET search_path = xd, public;

-- verify temporary tables, and those that this transaction has made or rewritten: nobody else is in the way
CREATE TEMP TABLE temporary (a int);
INSERT INTO temporary SELECT generate_series(1, 100);
SELECT explain('ALTER TABLE temporary ALTER COLUMN a TYPE bigint');
BEGIN;
CREATE TABLE made (a int);
INSERT INTO made SELECT generate_series(1, 100);
SELECT explain('ALTER TABLE made ALTER COLUMN a SET NOT NULL');
SELECT explain('CREATE INDEX ON made (a)');
SELECT explain('ALTER TABLE made ADD FOREIGN KEY (a) REFERENCES p');
ROLLBACK;
-- verify that reading is enough
BEGIN READ ONLY;
SELECT explain('ALTER TABLE t ADD COLUMN x int');
COMMIT;

--
-- bad input
--
-- verify what is no statement of DDL (error)
SELECT * FROM zdm.explain_ddl(NULL);
SELECT * FROM zdm.explain_ddl('');
SELECT * FROM zdm.explain_ddl('-- nothing');
SELECT * FROM zdm.explain_ddl('SELECT 1');
SELECT * FROM zdm.explain_ddl('INSERT INTO t VALUES (1)');
SELECT * FROM zdm.explain_ddl('UPDATE t SET a = 1');
SELECT * FROM zdm.explain_ddl('DO $$ BEGIN END $$');
SELECT * FROM zdm.explain_ddl('BEGIN');
SELECT * FROM zdm.explain_ddl('SET search_path = x');
SELECT * FROM zdm.explain_ddl('EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1');
-- verify two statements, errors of syntax (error)
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ADD COLUMN x int; DROP TABLE t');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ADD COLUM x int');
SELECT * FROM zdm.explain_ddl('ALTER TABLE');
-- verify names that are not there (error)
SELECT * FROM zdm.explain_ddl('ALTER TABLE nothing ADD COLUMN x int');
SELECT * FROM zdm.explain_ddl('ALTER TABLE no_schema.t ADD COLUMN x int');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ADD COLUMN x no_type');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ADD COLUMN a int');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ADD COLUMN x int DEFAULT no_function()');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ALTER COLUMN nothing TYPE int');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ALTER COLUMN b TYPE int');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ALTER COLUMN nothing SET NOT NULL');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t DROP COLUMN nothing');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t RENAME COLUMN nothing TO x');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t DROP CONSTRAINT nothing');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t VALIDATE CONSTRAINT nothing');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ADD FOREIGN KEY (p_id) REFERENCES nothing');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ADD UNIQUE (nothing)');
SELECT * FROM zdm.explain_ddl('CREATE INDEX ON nothing (a)');
SELECT * FROM zdm.explain_ddl('CREATE INDEX ON t (nothing)');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ADD CHECK (nothing > 0)');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ADD CHECK (a)');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ADD FOREIGN KEY (nothing) REFERENCES p');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p (nothing)');
SELECT * FROM zdm.explain_ddl('CREATE INDEX ON t (a) INCLUDE (nothing)');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t DISABLE TRIGGER nothing');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ENABLE RULE nothing');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t CLUSTER ON nothing');
SELECT * FROM zdm.explain_ddl('CLUSTER t USING nothing');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t REPLICA IDENTITY USING INDEX nothing');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t OWNER TO nothing');
SELECT * FROM zdm.explain_ddl('ALTER TRIGGER nothing ON t RENAME TO x');
SELECT * FROM zdm.explain_ddl('ALTER POLICY nothing ON t USING (true)');
SELECT * FROM zdm.explain_ddl('CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION nothing()');
SELECT * FROM zdm.explain_ddl('CREATE TRIGGER x BEFORE UPDATE OF nothing ON t EXECUTE FUNCTION suppress_redundant_updates_trigger()');
SELECT * FROM zdm.explain_ddl('CREATE INDEX ON t USING nothing (a)');
SELECT * FROM zdm.explain_ddl('GRANT SELECT ON nothing TO PUBLIC');
SELECT * FROM zdm.explain_ddl('GRANT SELECT (nothing) ON t TO PUBLIC');
SELECT * FROM zdm.explain_ddl('GRANT SELECT ON t TO nothing');
SELECT * FROM zdm.explain_ddl('GRANT USAGE ON SCHEMA nothing TO PUBLIC');
SELECT * FROM zdm.explain_ddl('GRANT USAGE ON TYPE nothing TO PUBLIC');
SELECT * FROM zdm.explain_ddl('GRANT EXECUTE ON FUNCTION nothing() TO PUBLIC');
SELECT * FROM zdm.explain_ddl('GRANT nothing TO CURRENT_USER');
SELECT * FROM zdm.explain_ddl('ALTER SEQUENCE s OWNED BY t.nothing');
SELECT * FROM zdm.explain_ddl('CREATE SEQUENCE fresh OWNED BY nothing.a');
SELECT * FROM zdm.explain_ddl('ALTER DOMAIN pos DROP CONSTRAINT nothing');
SELECT * FROM zdm.explain_ddl('DROP TABLE nothing');
SELECT * FROM zdm.explain_ddl('DROP INDEX nothing');
SELECT * FROM zdm.explain_ddl('TRUNCATE nothing');
SELECT * FROM zdm.explain_ddl('ALTER DOMAIN nothing SET NOT NULL');
SELECT * FROM zdm.explain_ddl('ALTER TYPE nothing ADD VALUE ''x''');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t SET TABLESPACE nothing');
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ATTACH PARTITION part_new FOR VALUES FROM (1) TO (2)');
-- verify the wrong kind of thing (error)
SELECT * FROM zdm.explain_ddl('ALTER INDEX t RENAME TO x');
SELECT * FROM zdm.explain_ddl('DROP TABLE vw');
SELECT * FROM zdm.explain_ddl('DROP INDEX t');
SELECT * FROM zdm.explain_ddl('REINDEX INDEX t');
SELECT * FROM zdm.explain_ddl('REFRESH MATERIALIZED VIEW t');
SELECT * FROM zdm.explain_ddl('ALTER DOMAIN int4 SET NOT NULL');
SELECT * FROM zdm.explain_ddl('ALTER TYPE pos ADD VALUE ''x''');
-- verify the SQLSTATEs, and that each has a hint
CREATE FUNCTION refusal(statement text, OUT code text, OUT has_hint boolean) LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    PERFORM FROM zdm.explain_ddl(statement);
EXCEPTION
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, hint = PG_EXCEPTION_HINT;
        has_hint := hint <> '';
END $$;
SELECT code, has_hint, statement FROM (VALUES (NULL), (''), ('SELECT 1'), ('VACUUM t; VACUUM t'), ('ALTER TABLE t ADD COLUM x int'),
       ('ALTER TABLE nothing ADD COLUMN x int'), ('ALTER TABLE nothing.t ADD COLUMN x int'), ('ALTER TABLE t DROP COLUMN nothing'),
       ('ALTER TABLE t ADD COLUMN a int'), ('ALTER TABLE t ADD COLUMN x nothing'), ('ALTER TABLE t ADD COLUMN x int DEFAULT nothing()'),
       ('ALTER TABLE t ALTER COLUMN b TYPE int'), ('ALTER TABLE t DROP CONSTRAINT nothing'), ('ALTER TABLE t ADD CHECK (a)'),
       ('DROP TABLE vw'), ('DROP FUNCTION nothing'), ('DROP SCHEMA nothing'), ('ALTER TABLE pg_class ADD COLUMN x int')) s (statement),
       refusal(statement);
-- verify what belongs to others (error)
SELECT * FROM zdm.explain_ddl('ALTER TABLE pg_class ADD COLUMN x int');
CREATE ROLE regress_zdm_explain_owner;
GRANT CREATE ON SCHEMA xd TO regress_zdm_explain_owner;
ALTER TABLE t OWNER TO regress_zdm_explain_owner;
ALTER DOMAIN pos OWNER TO regress_zdm_explain_owner;
CREATE ROLE regress_zdm_explainer;
GRANT USAGE ON SCHEMA zdm, xd TO regress_zdm_explainer;
SET ROLE regress_zdm_explainer;
SELECT * FROM zdm.explain_ddl('ALTER TABLE t ADD COLUMN x int');
SELECT * FROM zdm.explain_ddl('DROP TABLE t');
SELECT * FROM zdm.explain_ddl('CREATE INDEX ON t (a)');
SELECT * FROM zdm.explain_ddl('TRUNCATE t');
SELECT * FROM zdm.explain_ddl('DROP INDEX t_v');
SELECT * FROM zdm.explain_ddl('REINDEX TABLE t');
SELECT * FROM zdm.explain_ddl('ALTER DOMAIN pos SET NOT NULL');
CREATE TEMP TABLE mine (a int);
SELECT relation, safe FROM zdm.explain_ddl('ALTER TABLE mine ADD COLUMN x int');
RESET ROLE;
DROP TABLE mine;
-- of a whole database: what one may maintain there
ALTER TABLE t CLUSTER ON t_v;
GRANT regress_zdm_explain_owner TO regress_zdm_explainer;
SET ROLE regress_zdm_explainer;
SELECT relation, lock_mode, rewrites, scans FROM zdm.explain_ddl('VACUUM') ORDER BY relation COLLATE "C";
SELECT relation, lock_mode, rewrites, safe FROM zdm.explain_ddl('VACUUM FULL') ORDER BY relation COLLATE "C";
SELECT relation, lock_mode, rewrites, safe FROM zdm.explain_ddl('CLUSTER') WHERE relation !~ 't_' ORDER BY relation COLLATE "C";
SELECT relation, lock_mode, rewrites, safe FROM zdm.explain_ddl('REINDEX SCHEMA xd') WHERE relation !~ 't_' ORDER BY relation COLLATE "C";
RESET ROLE;
REVOKE regress_zdm_explain_owner FROM regress_zdm_explainer;
REVOKE ALL ON SCHEMA zdm, xd FROM regress_zdm_explainer;
DROP ROLE regress_zdm_explainer;
DROP SCHEMA xd, xd2 CASCADE;
DROP ROLE regress_zdm_explain_owner;
