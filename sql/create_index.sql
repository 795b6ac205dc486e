-- zdm.create_index(): every form of statement, names, what is there already.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 9000001;
\set ECHO none
-- Starts a job on an index, waits for it, and says what became of it.
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
CREATE TABLE ci (id int PRIMARY KEY, a int, b text, c int[], d int4range);
INSERT INTO ci SELECT i, i % 100, 'b' || i, ARRAY[i], int4range(i, i + 1) FROM generate_series(1, 2000) i;
ANALYZE ci;

-- all forms
CALL index_job($$zdm.create_index('CREATE INDEX ON ci (a)')$$);
CALL index_job($$zdm.create_index('CREATE INDEX CONCURRENTLY ci_2 ON ci USING btree (a DESC NULLS LAST, b COLLATE "C") INCLUDE (id) WITH (fillfactor = 70) WHERE a > 10;')$$);
CALL index_job($$zdm.create_index('create unique index ci_3 on public.ci (lower(b), (a + id))')$$);
CALL index_job($$zdm.create_index('CREATE INDEX ci_4 ON ci USING gin (c)')$$);
CALL index_job($$zdm.create_index('CREATE INDEX ci_5 ON ci USING gist (d)')$$);
CALL index_job($$zdm.create_index('CREATE INDEX ci_6 ON ci USING hash (b)')$$);
CALL index_job($$zdm.create_index('CREATE INDEX ci_7 ON ci USING brin (id) WITH (pages_per_range = 4)')$$);
CALL index_job($$zdm.create_index('CREATE INDEX ci_8 ON ci (b text_pattern_ops) TABLESPACE pg_default')$$);
CALL index_job($$zdm.create_index('CREATE UNIQUE INDEX ci_9 ON ci (id, a) NULLS NOT DISTINCT')$$);
CALL index_job($$zdm.create_index('CREATE INDEX IF NOT EXISTS ci_9 ON ci (b)')$$);
CALL index_job($$zdm.create_index('CREATE INDEX "Odd name" ON ci (a, id)')$$);
SELECT indexrelid::regclass, indisvalid, indisready, pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'ci'::regclass ORDER BY indexrelid::regclass::text COLLATE "C";
SELECT action, index, "table", state, phase, tables_done, tables_total, percent FROM zdm.indexes WHERE index LIKE '%ci_2%';
SELECT event, message FROM zdm.events e JOIN zdm.indexes USING (job_id) WHERE definition LIKE '%IF NOT%' ORDER BY event_id;
CREATE MATERIALIZED VIEW ci_view AS SELECT id, a FROM ci;
CALL index_job($$zdm.create_index('CREATE UNIQUE INDEX ON ci_view (id)')$$);
\d ci_view

-- the same definition is the same job, as long as the index is there
SELECT count(DISTINCT zdm.create_index('CREATE INDEX ci_4 ON ci USING gin (c)')) FROM generate_series(1, 3);
SELECT zdm.create_index('CREATE INDEX ci_10 ON ci (a)', name => 'mine') = zdm.create_index('CREATE INDEX ci_10 ON ci (a)', name => 'mine') AS same;
CALL settle(zdm.job_id('mine'));
SELECT zdm.create_index('CREATE INDEX ci_10 ON ci (b)', name => 'mine'); \echo :SQLSTATE
DROP INDEX ci_4, ci_10;
SELECT zdm.create_index('CREATE INDEX ci_10 ON ci (a)', name => 'mine'); \echo :SQLSTATE
CALL index_job($$zdm.create_index('CREATE INDEX ci_4 ON ci USING gin (c)')$$);
SELECT indisvalid FROM pg_index WHERE indexrelid = 'ci_4'::regclass;

-- nothing happens when the caller rolls back
BEGIN;
SELECT zdm.create_index('CREATE INDEX ci_11 ON ci (a)') > 0 AS started;
ROLLBACK;
SELECT count(*) FROM zdm.indexes WHERE index = 'public.ci_11';

-- bad input
\set SHOW_CONTEXT never
SELECT zdm.create_index(NULL); \echo :SQLSTATE
SELECT zdm.create_index(''); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON ci (a); DROP TABLE ci'); \echo :SQLSTATE
SELECT zdm.create_index('DROP TABLE ci'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON ci (a'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON nowhere (a)'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON ci (nothing)'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON ci ((nothing + 1))'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON ci USING nothing (a)'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON ci USING gin (a)'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ci_2 ON ci (a)'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON pg_class (relname)'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON zdm.job (name)'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON zdm.jobs (name)'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON ci (a)', name => ''); \echo :SQLSTATE
CREATE TEMP TABLE ci_temp (a int);
SELECT zdm.create_index('CREATE INDEX ON ci_temp (a)'); \echo :SQLSTATE
SET default_transaction_read_only = on;
SELECT zdm.create_index('CREATE INDEX ON ci (a)'); \echo :SQLSTATE
RESET default_transaction_read_only;
CREATE ROLE regress_zdm_stranger;
GRANT USAGE ON SCHEMA zdm TO regress_zdm_stranger;
SET ROLE regress_zdm_stranger;
SELECT zdm.create_index('CREATE INDEX ON ci (a)'); \echo :SQLSTATE
RESET ROLE;
REVOKE USAGE ON SCHEMA zdm FROM regress_zdm_stranger;
DROP ROLE regress_zdm_stranger;
-- what only the build can tell fails the job, and leaves nothing
CALL index_job($$zdm.create_index('CREATE INDEX ci_12 ON ci ((1 / (a - 5)))')$$);
SELECT count(*) FROM pg_index WHERE NOT indisvalid;

-- duplicates
CREATE TABLE ci_dup (id int PRIMARY KEY, k text, n int);
INSERT INTO ci_dup SELECT i, CASE WHEN i <= 6 THEN 'twice' || i % 3 WHEN i = 7 THEN NULL ELSE 'k' || i END, 1 FROM generate_series(1, 50) i;
INSERT INTO ci_dup VALUES (100, NULL, 1);
-- not analyzed: found by the build
CALL index_job($$zdm.create_index('CREATE UNIQUE INDEX ci_dup_k ON ci_dup (upper(k)) WHERE n = 1', name => 'dup')$$);
SELECT constraint_name, "table", row_key, row_values, occurrences, total FROM zdm.violations ORDER BY row_values::text;
SELECT hint IS NOT NULL AS hint FROM zdm.jobs WHERE name = 'dup';
SELECT count(*) FROM pg_index WHERE NOT indisvalid;
-- mended
DELETE FROM ci_dup WHERE id <= 3;
SELECT zdm.retry_job(zdm.job_id('dup'));
CALL settle(zdm.job_id('dup'));
SELECT state, (SELECT count(*) FROM zdm.violations) AS violations FROM zdm.jobs WHERE name = 'dup';
SELECT indisvalid FROM pg_index WHERE indexrelid = 'ci_dup_k'::regclass;
-- analyzed: found before the build; 100 of many are listed
INSERT INTO ci_dup SELECT i, i / 2, 2 FROM generate_series(1000, 1499) i;
ANALYZE ci_dup;
CALL index_job($$zdm.create_index('CREATE UNIQUE INDEX ci_dup_many ON ci_dup (k, n) NULLS NOT DISTINCT')$$);
SELECT count(*), min(total), min(occurrences) FROM zdm.violations;

-- what is not ours is not touched: an invalid index of that name
CREATE TABLE ci_foreign (a int);
INSERT INTO ci_foreign VALUES (1), (1);
\set VERBOSITY terse
CREATE UNIQUE INDEX CONCURRENTLY ci_theirs ON ci_foreign (a);
\set VERBOSITY default
SELECT zdm.create_index('CREATE INDEX ci_theirs ON ci_foreign (a)'); \echo :SQLSTATE
CALL index_job($$zdm.create_index('CREATE INDEX IF NOT EXISTS ci_theirs ON ci_foreign (a)')$$);
SELECT indisvalid, indisunique FROM pg_index WHERE indexrelid = 'ci_theirs'::regclass;

DROP MATERIALIZED VIEW ci_view;
DROP TABLE ci, ci_temp, ci_dup, ci_foreign;
