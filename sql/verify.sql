-- zdm.verify(): rows that are not consistent with a mapping are counted and listed.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
\set mapping :abs_srcdir '/sql/include/mapping.sql'
\i :mapping
ALTER SEQUENCE zdm.job_job_id_seq RESTART 9310001;

-- Starts a verification, waits for it, and says what became of it.
CREATE PROCEDURE verify(target regclass, mapping bigint, job_name text, INOUT state text DEFAULT NULL,
                        INOUT result text DEFAULT NULL, INOUT promise text DEFAULT NULL, INOUT rows_done bigint DEFAULT NULL,
                        INOUT inconsistent bigint DEFAULT NULL, INOUT code text DEFAULT NULL, INOUT error text DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    job bigint;
BEGIN
    job := zdm.verify(target, mapping, job_name);
    COMMIT;
    CALL settle(job);
    SELECT v.state, v.result, v.promise, v.rows_done, v.inconsistent, j.last_sqlstate, j.last_error
      INTO verify.state, verify.result, verify.promise, verify.rows_done, verify.inconsistent, code, error
      FROM zdm.verifications v JOIN zdm.jobs j USING (job_id) WHERE job_id = job;
END $$;

CREATE TABLE ve_t (id int PRIMARY KEY, a int, b numeric, filler text DEFAULT repeat('x', 100));
INSERT INTO ve_t SELECT i, i, i * 1.5 FROM generate_series(1, 20000) i;
CALL map('ve_t', 1, 'b', 'a * 1.5');
ANALYZE ve_t;

--
-- all rows are
--
CALL verify('ve_t', 1, 've clean');
SELECT target, mapping_id, definition, phase, pass, pages_entered = pages_total AS all_pages, chunks > 0 AS chunks, restarts,
       rows_again, finished_at >= started_at AS finished, longest_chunk < '1 s' AS short
  FROM zdm.verifications WHERE name = 've clean';
SELECT kind, target, state, progress, rows_done, rows_estimated, waiting_for, last_error FROM zdm.jobs WHERE name = 've clean';
SELECT count(*) AS listed FROM zdm.inconsistent_rows;
-- its place in the table is not in the way of a shorter one
DELETE FROM ve_t WHERE id > 10000;
VACUUM ve_t;
CALL verify('ve_t', 1, 've shorter');

--
-- some are not: values are compared as they are stored
--
CALL behind('ve_t', 'UPDATE ve_t SET b = CASE id WHEN 10 THEN NULL WHEN 5000 THEN b + 1 ELSE b::numeric(20, 2) END WHERE id IN (10, 5000, 9000)');
CALL verify('ve_t', 1, 've some');
SELECT hint FROM zdm.jobs WHERE name = 've some';
SELECT job_name, mapping_id, "table", row_key, old_value, new_value, expected_value, sqlstate, message, total
  FROM zdm.inconsistent_rows WHERE job_name = 've some' ORDER BY (row_key ->> 'id')::int;
-- mended by the application, the rows are looked at again
UPDATE ve_t SET b = a * 1.5 WHERE id = 10;
SELECT zdm.retry_job(zdm.job_id('ve some'));
CALL settle(zdm.job_id('ve some'));
SELECT state, result, inconsistent, rows_done FROM zdm.verifications WHERE name = 've some';
-- the rest by a repair
SELECT zdm.repair('ve_t', 1, 've repair') > 0 AS started;
CALL settle(zdm.job_id('ve repair'));
SELECT * FROM outcome(zdm.job_id('ve repair'));
SELECT kind, state, rows_done FROM zdm.jobs WHERE name = 've repair';
SELECT zdm.retry_job(zdm.job_id('ve some'));
CALL settle(zdm.job_id('ve some'));
SELECT state, result, promise, inconsistent, rows_done FROM zdm.verifications WHERE name = 've some';
SELECT count(*) AS listed FROM zdm.inconsistent_rows WHERE job_name = 've some';

--
-- consistent by the way back
--
CREATE TABLE ve_lossy (id int PRIMARY KEY, a text, b text);
INSERT INTO ve_lossy VALUES (1, 'x', 'X'), (2, 'y', 'y'), (3, NULL, NULL), (4, 'z', 'q'), (5, NULL, 'v'), (6, 'w', NULL);
CALL map('ve_lossy', 2, 'b', 'upper(a)', 'a', 'lower(b)');
CALL verify('ve_lossy', 2, 've lossy');
SELECT row_key, old_value, new_value, expected_value FROM zdm.inconsistent_rows WHERE job_name = 've lossy' ORDER BY row_key;

--
-- filled where it is NULL
--
CREATE TABLE ve_fill (id int, a int, b int);
INSERT INTO ve_fill VALUES (1, 1, 1), (2, 2, 3), (3, NULL, NULL), (4, NULL, 4), (5, 5, NULL);
CALL map('ve_fill', 3, 'b', 'a', mode => 'fill');
CALL verify('ve_fill', 3, 've fill');
SELECT row_ctid, row_key, old_value, new_value, expected_value FROM zdm.inconsistent_rows WHERE job_name = 've fill';

--
-- rows on which the mapping fails are among them, and the others are looked at
--
CREATE TABLE ve_error (id int PRIMARY KEY, a text, b int, filler text DEFAULT repeat('x', 500));
INSERT INTO ve_error SELECT i, CASE WHEN i IN (7, 8, 300, 999) THEN 'word ' || i ELSE i::text END, CASE WHEN i <> 500 THEN i END
  FROM generate_series(1, 1000) i;
CALL map('ve_error', 4, 'b', 'a::int');
CALL verify('ve_error', 4, 've error');
SELECT row_key, old_value, new_value, expected_value, sqlstate, message FROM zdm.inconsistent_rows
 WHERE job_name = 've error' ORDER BY (row_key ->> 'id')::int;
-- every row, by functions that leave something behind when they fail
CREATE FUNCTION ve_raise(a text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF a LIKE '%' THEN RAISE EXCEPTION 'not %', a USING ERRCODE = 'ZZ001'; END IF;
    RETURN 1;
END $$;
CREATE FUNCTION ve_sql(a text) RETURNS int LANGUAGE sql IMMUTABLE STRICT SECURITY DEFINER AS 'SELECT 1 / (length(a) - length(a)) + ve_raise(a)';
CALL map('ve_error', 4, 'b', 've_raise(a)');
CALL verify('ve_error', 4, 've raise');
SELECT count(*), min(sqlstate), min(message) FROM zdm.inconsistent_rows WHERE job_name = 've raise';
CALL map('ve_error', 4, 'b', 've_sql(a)');
CALL verify('ve_error', 4, 've sql');
SELECT count(*), min(sqlstate), min(message) FROM zdm.inconsistent_rows WHERE job_name = 've sql';
-- what fails without any row
CALL map('ve_error', 4, 'b', 'length(a) + 1 / 0');
CALL verify('ve_error', 4, 've constant');

--
-- several columns on the old side, long values, a key of two columns
--
CREATE TABLE ve_wide (k text, l int, a text, c text, b text, PRIMARY KEY (l, k));
INSERT INTO ve_wide VALUES ('k', 1, repeat('ä', 300), 'c', NULL), ('k', 2, 'a', NULL, repeat('b', 201)), ('k', 3, 'a', 'c', 'ac');
CALL map('ve_wide', 5, 'b', 'a || c');
CALL verify('ve_wide', 5, 've wide');
SELECT row_key, length(old_value), octet_length(old_value), length(new_value), right(new_value, 5), length(expected_value), right(expected_value, 5)
  FROM zdm.inconsistent_rows WHERE job_name = 've wide' ORDER BY row_key;
CALL map('ve_wide', 5, 'b', '''nothing''');
CALL verify('ve_wide', 5, 've nothing');
SELECT row_key, old_value, right(expected_value, 7) FROM zdm.inconsistent_rows WHERE job_name = 've nothing' ORDER BY row_key LIMIT 1;

--
-- more than are listed
--
CREATE TABLE ve_many (id int PRIMARY KEY, a int, b int);
INSERT INTO ve_many SELECT i, i, -i FROM generate_series(1, 5000) i;
CALL map('ve_many', 6, 'b', 'a');
CALL verify('ve_many', 6, 've many');
SELECT count(*), min(total), max(total) FROM zdm.inconsistent_rows WHERE job_name = 've many';

--
-- settings of the mapping, not of anybody else
--
CREATE TABLE ve_zone (id int PRIMARY KEY, a timestamptz, b date);
INSERT INTO ve_zone VALUES (1, '2026-01-01 23:30:00+00', '2026-01-02');
CALL map('ve_zone', 7, 'b', 'a::date', settings => '{search_path, public, TimeZone, Asia/Tokyo}');
CALL verify('ve_zone', 7, 've zone');
CALL map('ve_zone', 7, 'b', 'a::date', settings => '{search_path, public, TimeZone, UTC}');
CALL verify('ve_zone', 7, 've other zone');

--
-- partitions, of which one has its columns in another order; children; an unlogged table
--
CREATE TABLE ve_p (id int, a int, b int) PARTITION BY RANGE (id);
CREATE TABLE ve_p1 PARTITION OF ve_p FOR VALUES FROM (1) TO (101);
CREATE TABLE ve_p2 (b int, gone int, a int, id int);
ALTER TABLE ve_p2 DROP gone;
ALTER TABLE ve_p ATTACH PARTITION ve_p2 FOR VALUES FROM (101) TO (201);
CREATE TABLE ve_p3 PARTITION OF ve_p FOR VALUES FROM (201) TO (301) PARTITION BY LIST (id);
CREATE TABLE ve_p31 PARTITION OF ve_p3 DEFAULT;
INSERT INTO ve_p SELECT i, i, CASE WHEN i % 100 = 0 THEN -1 ELSE i END FROM generate_series(1, 300) i;
CALL map('ve_p', 8, 'b', 'a');
ALTER TABLE ve_p1 ENABLE ALWAYS TRIGGER "~zdm_sync_8";
ALTER TABLE ve_p2 ENABLE ALWAYS TRIGGER "~zdm_sync_8";
ALTER TABLE ve_p31 ENABLE ALWAYS TRIGGER "~zdm_sync_8";
CALL verify('ve_p', 8, 've partitions');
SELECT "table", old_value, new_value, expected_value FROM zdm.inconsistent_rows WHERE job_name = 've partitions' ORDER BY 1;
-- a partition alone
CALL verify('ve_p2', 8, 've one partition');
CREATE TABLE ve_parent (id int, a int, b int);
CREATE TABLE ve_child (c int) INHERITS (ve_parent);
INSERT INTO ve_parent VALUES (1, 1, 1);
INSERT INTO ve_child VALUES (2, 2, 3);
CALL map('ve_parent', 9, 'b', 'a');
SELECT zdm.verify('ve_parent', 9);
CALL map('ve_child', 9, 'b', 'a');
CALL verify('ve_parent', 9, 've children');
SELECT "table", old_value, new_value FROM zdm.inconsistent_rows WHERE job_name = 've children';
CREATE UNLOGGED TABLE ve_unlogged (id int, a int, b int);
INSERT INTO ve_unlogged SELECT i, i, i FROM generate_series(1, 1000) i;
CALL map('ve_unlogged', 10, 'b', 'a');
CALL verify('ve_unlogged', 10, 've unlogged');
-- its pages do not say when they were written: all were read again
SELECT rows_again FROM zdm.verifications WHERE name = 've unlogged';
CREATE TABLE ve_empty (id int, a int, b int);
CALL map('ve_empty', 11, 'b', 'a');
CALL verify('ve_empty', 11, 've empty');

--
-- the same call gives the same job
--
SELECT zdm.verify('ve_many', 6, 've many') = zdm.job_id('ve many') AS same;
SELECT zdm.verify('ve_empty', 11) AS unnamed \gset
SELECT zdm.verify('ve_empty', 11) = :unnamed AS same;
CALL settle(:unnamed);
SELECT left(name, -8) AS name, state FROM zdm.jobs WHERE job_id = :unnamed;
SELECT zdm.verify('ve_empty', 11) = :unnamed AS same;
SET client_min_messages = notice;
SELECT zdm.verify('ve_empty', 11, 've empty') = zdm.job_id('ve empty') AS same;
SELECT zdm.verify('ve_many', 6, 've many') = zdm.job_id('ve many') AS same;
SET client_min_messages = warning;
SELECT zdm.verify('ve_empty', 11, 've many');
SELECT zdm.verify('ve_many', 6, 've repair');
CALL map('ve_many', 12, 'b', 'a');
SELECT zdm.verify('ve_many', 12, 've many');
BEGIN;
SELECT zdm.verify('ve_many', 12, 've rolled back') > 0 AS started;
ROLLBACK;
SELECT count(*) FROM zdm.jobs WHERE name = 've rolled back';

--
-- what is refused
--
SELECT zdm.verify(NULL, 1);
SELECT zdm.verify('ve_t', NULL);
SELECT zdm.verify('ve_t', 1, '');
SELECT zdm.verify(0, 1);
SELECT zdm.verify('ve_t', 99);
SELECT zdm.verify('pg_class', 1);
SELECT zdm.verify('zdm.job', 1);
CREATE VIEW ve_v AS SELECT * FROM ve_t;
SELECT zdm.verify('ve_v', 1);
CREATE TEMP TABLE ve_temp (a int);
SELECT zdm.verify('ve_temp', 1);
ALTER TABLE ve_t ENABLE TRIGGER "~zdm_sync_1";
SELECT zdm.verify('ve_t', 1);
ALTER TABLE ve_t DISABLE TRIGGER "~zdm_sync_1";
SELECT zdm.verify('ve_t', 1);
ALTER TABLE ve_t ENABLE ALWAYS TRIGGER "~zdm_sync_1";
CREATE ROLE regress_zdm_verify;
CREATE ROLE regress_zdm_verify_monitor IN ROLE pg_monitor;
GRANT USAGE ON SCHEMA zdm TO regress_zdm_verify, regress_zdm_verify_monitor;
SET ROLE regress_zdm_verify;
SELECT zdm.verify('ve_t', 1);
-- and what others see
SELECT count(*) FROM zdm.verifications;
SELECT count(*) FROM zdm.inconsistent_rows;
SET ROLE regress_zdm_verify_monitor;
SELECT row_key, old_value, new_value, expected_value, sqlstate, message, total FROM zdm.inconsistent_rows
 WHERE job_name = 've error' AND sqlstate IS NOT NULL LIMIT 1;
SELECT inconsistent FROM zdm.verifications WHERE name = 've error';
RESET ROLE;
DROP OWNED BY regress_zdm_verify, regress_zdm_verify_monitor;
DROP ROLE regress_zdm_verify, regress_zdm_verify_monitor;
-- the table goes, and so does what is known of it
DROP TABLE ve_many;
SELECT zdm.retry_job(zdm.job_id('ve many'));
-- triggers that do not agree
CALL map('ve_child', 9, 'b', 'a + 1');
SELECT zdm.retry_job(zdm.job_id('ve children'));
CALL settle(zdm.job_id('ve children'));
SELECT state, last_sqlstate, last_error, hint FROM zdm.jobs WHERE name = 've children';
-- and one that is gone
DROP TRIGGER "~zdm_sync_2" ON ve_lossy;
SELECT zdm.retry_job(zdm.job_id('ve lossy'));
CALL settle(zdm.job_id('ve lossy'));
SELECT state, last_sqlstate, last_error, hint FROM zdm.jobs WHERE name = 've lossy';
