-- NOT NULL that a valid CHECK of the user's proves already: nothing is added, scanned or dropped.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
CREATE SCHEMA not_null_proof;
SET search_path = not_null_proof, public;
CREATE VIEW steps AS SELECT step, statement, undo FROM zdm.steps WHERE job_id IN (SELECT job_id FROM zdm.jobs WHERE target LIKE 'not_null_proof.%') ORDER BY job_id, step;
CREATE FUNCTION checks(relation regclass) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = relation AND contype = 'c' ORDER BY 1
$$;
CREATE TABLE t (a int, b int, c int, d int);
INSERT INTO t SELECT i, i, i, i FROM generate_series(1, 100) i;
ALTER TABLE t ADD CONSTRAINT a_given CHECK (a IS NOT NULL), ADD CONSTRAINT b_given CHECK (b > 0 AND b IS NOT NULL),
    ADD CONSTRAINT c_given CHECK (c IS NOT NULL) NOT VALID, ADD CONSTRAINT d_given CHECK (d > 0);

SELECT zdm.set_not_null('t', 'a', name => 'proof a');
CALL zdm.wait_for_job(zdm.job_id('proof a'), '1 min');
SELECT * FROM steps;
SELECT attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'a';
SELECT checks('t');
-- what proves nothing: NOT VALID, or true for NULL
SELECT "column", p.step, p.statement FROM (VALUES ('b'), ('c'), ('d')) AS v ("column"),
    zdm.plan_steps(format('SELECT zdm.set_not_null(''t'', %L)', "column")) p;
-- a primary key takes it as well; cancelled or dropped, the column is as before
SELECT step, statement, undo FROM zdm.plan_steps('SELECT zdm.add_primary_key(''t'', ''{a,b}'')');
SELECT zdm.add_primary_key('t', '{b}', name => 'proof b');
CALL zdm.wait_for_job(zdm.job_id('proof b'), '1 min');
SELECT checks('t');

-- all below must have it, and whoever comes
CREATE TABLE p (k int, a int) PARTITION BY RANGE (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
ALTER TABLE p1 ADD CONSTRAINT a_here CHECK (a IS NOT NULL);
SELECT count(*) FROM zdm.plan_steps('SELECT zdm.set_not_null(''p'', ''a'')');
ALTER TABLE p ADD CONSTRAINT a_everywhere CHECK (a IS NOT NULL);
SELECT count(*) FROM zdm.plan_steps('SELECT zdm.set_not_null(''p'', ''a'')');
SELECT zdm.set_not_null('p', 'a', name => 'proof p');
CALL zdm.wait_for_job(zdm.job_id('proof p'), '1 min');
SELECT attrelid::regclass, attnotnull FROM pg_attribute WHERE attrelid IN ('p'::regclass, 'p1'::regclass) AND attname = 'a' ORDER BY 1;
CREATE TABLE top (a int, CONSTRAINT only_here CHECK (a IS NOT NULL) NO INHERIT);
CREATE TABLE below () INHERITS (top);
SELECT count(*) FROM zdm.plan_steps('SELECT zdm.set_not_null(''top'', ''a'')');

SET client_min_messages = warning;
DROP SCHEMA not_null_proof CASCADE;
