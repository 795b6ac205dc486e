-- zdm.drop_index() and zdm.reindex(); zdm.create_index() on partitioned tables.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 9100001;
\set ECHO none
CREATE OR REPLACE PROCEDURE index_job(call text, INOUT state text DEFAULT NULL,
                                      INOUT code text DEFAULT NULL, INOUT error text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    job bigint;
BEGIN
    EXECUTE 'SELECT ' || call INTO job;
    COMMIT;
    CALL settle(job);
    SELECT j.state, j.last_sqlstate, j.last_error INTO state, code, error FROM zdm.jobs j WHERE job_id = job;
END $$;
\set ECHO all
\set SHOW_CONTEXT never
CREATE TABLE di (id int PRIMARY KEY, a int, EXCLUDE (a WITH =));
INSERT INTO di SELECT i, i FROM generate_series(1, 100) i;
CREATE INDEX di_1 ON di (a);
CREATE INDEX di_2 ON di (a, id);

-- rebuild: as often as asked for
SELECT 'di_1'::regclass::oid AS before \gset
CALL index_job($$zdm.reindex('di_1')$$);
SELECT 'di_1'::regclass::oid <> :before AS is_new, indisvalid FROM pg_index WHERE indexrelid = 'di_1'::regclass;
CALL index_job($$zdm.reindex('di_1')$$);
CALL index_job($$zdm.reindex('di_pkey', name => 'again')$$);
SELECT zdm.reindex('di_pkey', name => 'again') = zdm.job_id('again') AS same;
-- one that is not valid is mended
INSERT INTO di VALUES (1000, 1000);
ALTER TABLE di ADD COLUMN k int DEFAULT 1;
\set VERBOSITY terse
CREATE UNIQUE INDEX CONCURRENTLY di_broken ON di (k);
\set VERBOSITY default
CALL index_job($$zdm.reindex('di_broken', name => 'mend')$$);
SELECT count(*), bool_or(indisvalid) FROM pg_index WHERE indexrelid::regclass::text LIKE 'di_broken%';
UPDATE di SET k = id;
SELECT zdm.retry_job(zdm.job_id('mend'));
CALL settle(zdm.job_id('mend'));
SELECT count(*), bool_and(indisvalid) FROM pg_index WHERE indexrelid::regclass::text LIKE 'di_broken%';

-- drop
CALL index_job($$zdm.drop_index('di_2')$$);
SELECT to_regclass('di_2');
CREATE INDEX di_2 ON di (a, id);
CALL index_job($$zdm.drop_index('public.di_2', name => 'drop di_2')$$);
SELECT to_regclass('di_2');

-- bad input
SELECT zdm.drop_index(NULL); \echo :SQLSTATE
SELECT zdm.drop_index('di'); \echo :SQLSTATE
SELECT zdm.drop_index('di_pkey'); \echo :SQLSTATE
SELECT zdm.drop_index('nowhere'); \echo :SQLSTATE
SELECT zdm.drop_index('pg_class_oid_index'); \echo :SQLSTATE
SELECT zdm.drop_index('di_1', name => 'again'); \echo :SQLSTATE
SELECT zdm.reindex('di'); \echo :SQLSTATE
SELECT zdm.reindex('di_a_excl'); \echo :SQLSTATE
SELECT zdm.reindex('zdm.job_pkey'); \echo :SQLSTATE
CREATE ROLE regress_zdm_stranger;
GRANT USAGE ON SCHEMA zdm TO regress_zdm_stranger;
SET ROLE regress_zdm_stranger;
SELECT zdm.reindex('di_1'); \echo :SQLSTATE
SELECT zdm.drop_index('di_1'); \echo :SQLSTATE
RESET ROLE;
REVOKE USAGE ON SCHEMA zdm FROM regress_zdm_stranger;
DROP ROLE regress_zdm_stranger;

-- partitioned, two levels, columns in another order, an index that is there
CREATE TABLE dp (id int, part int, txt text) PARTITION BY LIST (part);
CREATE TABLE dp_1 PARTITION OF dp FOR VALUES IN (1);
CREATE TABLE dp_2 (txt text, gone int, part int, id int);
ALTER TABLE dp_2 DROP COLUMN gone;
ALTER TABLE dp ATTACH PARTITION dp_2 FOR VALUES IN (2);
CREATE TABLE dp_3 PARTITION OF dp FOR VALUES IN (3) PARTITION BY RANGE (id);
CREATE TABLE dp_3a PARTITION OF dp_3 FOR VALUES FROM (0) TO (500);
CREATE TABLE dp_3b PARTITION OF dp_3 DEFAULT;
INSERT INTO dp SELECT i, 1 + i % 3, 'x' || i FROM generate_series(1, 1000) i;
SELECT zdm.create_index('CREATE INDEX ON ONLY dp (id)'); \echo :SQLSTATE
CALL index_job($$zdm.create_index('CREATE INDEX dp_txt ON dp (lower(txt) DESC, id) WHERE dp.id > 10')$$);
SELECT relid, parentrelid, level, isleaf, indisvalid FROM pg_partition_tree('dp_txt') JOIN pg_index ON indexrelid = relid ORDER BY level, relid::text;
SELECT pg_get_indexdef(relid) FROM pg_partition_tree('dp_txt') ORDER BY relid::text;
SELECT tables_done, tables_total, percent FROM zdm.indexes WHERE index = 'public.dp_txt';
CALL index_job($$zdm.reindex('dp_txt')$$);
SELECT count(*), bool_and(indisvalid) FROM pg_partition_tree('dp_txt') JOIN pg_index ON indexrelid = relid;
SELECT count(*) FROM pg_class WHERE relname LIKE '%cc_new%' OR relname LIKE '%ccold%';
SELECT zdm.drop_index('dp_1_lower_id_idx'); \echo :SQLSTATE
CALL index_job($$zdm.drop_index('dp_txt')$$);
SELECT count(*) FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('dp'));
-- a unique one must have the key of the partitions: refused before anything is built
CALL index_job($$zdm.create_index('CREATE UNIQUE INDEX dp_id ON dp (id)')$$);
SELECT count(*) FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('dp'));
-- duplicates in one partition
INSERT INTO dp VALUES (3, 1, 'again');
CALL index_job($$zdm.create_index('CREATE UNIQUE INDEX dp_id ON dp (id, part)', name => 'dp')$$);
SELECT constraint_name, "table", row_values, occurrences FROM zdm.violations WHERE job_id = zdm.job_id('dp');
DELETE FROM dp WHERE txt = 'again';
SELECT zdm.retry_job(zdm.job_id('dp'));
CALL settle(zdm.job_id('dp'));
SELECT state FROM zdm.jobs WHERE name = 'dp';
SELECT count(*), bool_and(indisvalid) FROM pg_partition_tree('dp_id') JOIN pg_index ON indexrelid = relid;
-- without partitions
CREATE TABLE dp_none (a int) PARTITION BY HASH (a);
CALL index_job($$zdm.create_index('CREATE INDEX ON dp_none (a)')$$);
SELECT indisvalid FROM pg_index WHERE indrelid = 'dp_none'::regclass;
DROP TABLE di, dp, dp_none;
