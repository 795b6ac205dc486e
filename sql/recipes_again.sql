-- Changes of constraints: repeated after they were undone, names that collide, tables that are renamed or given away, odd columns.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 8730001;
CREATE SCHEMA recipes_again;
SET search_path = recipes_again, public;
CREATE PROCEDURE finish(job text) LANGUAGE plpgsql AS $$
BEGIN
    CALL settle(zdm.job_id(job));
END $$;
-- starts one, waits for it, and says what became of it
CREATE PROCEDURE recipe(call text, INOUT state text DEFAULT NULL, INOUT code text DEFAULT NULL, INOUT error text DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    job text;
BEGIN
    EXECUTE 'SELECT ' || call INTO job;
    COMMIT;
    CALL finish(job);
    SELECT j.state, j.last_sqlstate, j.last_error INTO state, code, error FROM zdm.jobs j WHERE name = job;
END $$;
CREATE PROCEDURE cleaned_up(job text) LANGUAGE plpgsql AS $$
BEGIN
    CALL await(format($q$ SELECT EXISTS (SELECT FROM zdm.events e WHERE e.job_name = %1$L AND e.event = 'cleaned up'
                           AND e.event_id > (SELECT max(event_id) FROM zdm.events c
                                              WHERE c.job_name = %1$L AND c.event = 'cancelled')) $q$, job));
END $$;
CREATE FUNCTION constraints(relation regclass, OUT name name, OUT valid boolean, OUT definition text) RETURNS SETOF record
LANGUAGE sql AS $$
    SELECT conname, convalidated, pg_get_constraintdef(oid) FROM pg_constraint
     WHERE conrelid = relation AND contype <> 'n' ORDER BY conname COLLATE "C"
$$;
\set SHOW_CONTEXT never

-- up, down, up: without a name it is done again; with one, the call says that it is not
CREATE TABLE t (a int, b int);
INSERT INTO t SELECT i, i FROM generate_series(1, 100) i;
CALL recipe($$zdm.add_check('t', 'a > 0', 'positive')$$);
CALL recipe($$zdm.drop_constraint('t', 'positive')$$);
CALL recipe($$zdm.add_check('t', 'a > 0', 'positive')$$);
SELECT * FROM constraints('t');
CALL recipe($$zdm.drop_constraint('t', 'positive')$$);
SELECT * FROM constraints('t');
CALL recipe($$zdm.set_not_null('t', 'a')$$);
CALL recipe($$zdm.drop_not_null('t', 'a')$$);
CALL recipe($$zdm.set_not_null('t', 'a')$$);
SELECT attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'a';
CALL recipe($$zdm.drop_not_null('t', 'a')$$);
SELECT attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'a';
CALL recipe($$zdm.add_unique('t', '{a}', 't_a', name => 'again unique')$$);
CALL recipe($$zdm.drop_constraint('t', 't_a')$$);
SELECT zdm.add_unique('t', '{a}', 't_a', name => 'again unique'); \echo :SQLSTATE
SELECT zdm.assert_job_done(zdm.job_id('again unique'));

-- the same name for another table is another definition
CREATE TABLE t_other (a int, b int);
CALL recipe($$zdm.add_check('t', 'b > 0', 'b_positive', name => 'again check')$$);
SELECT zdm.add_check('t_other', 'b > 0', 'b_positive', name => 'again check'); \echo :SQLSTATE

-- names that are chosen: two calls in one transaction, two columns that differ in the 60th letter only
CREATE TABLE names (a int, b int, other int, "a column with a name that is so very long that one sees the end" int,
    "a column with a name that is so very long that one sees the er" int);
INSERT INTO names VALUES (1, 1, 1, 1, 1);
BEGIN;
SELECT zdm.add_check('names', 'a > 0', name => 'again names 1');
SELECT zdm.add_check('names', 'b > 0', name => 'again names 2');
SELECT zdm.set_not_null('names', 'a', name => 'again names 3');
SELECT zdm.add_primary_key('names', '{a,"a column with a name that is so very long that one sees the end","a column with a name that is so very long that one sees the er"}', name => 'again names 4');
COMMIT;
CALL finish('again names 1');
CALL finish('again names 2');
CALL finish('again names 3');
CALL finish('again names 4');
SELECT name, state, last_error FROM zdm.jobs WHERE name LIKE 'again names%' ORDER BY name COLLATE "C";
SELECT name, valid FROM constraints('names');

-- a column of a row type: a row with empty fields is not NULL, and nothing is scanned under the lock
CREATE TYPE pair AS (x int, y int);
CREATE TABLE rows_of (id int, p pair);
INSERT INTO rows_of VALUES (1, (1, NULL)), (2, (NULL, NULL));
CALL recipe($$zdm.set_not_null('rows_of', 'p', name => 'again rows')$$);
SELECT statement FROM zdm.steps WHERE name = 'again rows' ORDER BY step;
SELECT attnotnull FROM pg_attribute WHERE attrelid = 'rows_of'::regclass AND attname = 'p';
-- that it is proved: what PostgreSQL says when it has scanned nothing
ALTER TABLE rows_of ALTER p DROP NOT NULL, ADD CONSTRAINT proof CHECK (p IS DISTINCT FROM NULL);
SET client_min_messages = debug1;
ALTER TABLE rows_of ALTER p SET NOT NULL;
RESET client_min_messages;
-- domains, generated columns, identity
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE odd (id int GENERATED ALWAYS AS IDENTITY, d positive, g int GENERATED ALWAYS AS (d + 1) STORED, "a ""b""" int);
INSERT INTO odd (d, "a ""b""") VALUES (1, 1);
CALL recipe($$zdm.set_not_null('odd', 'id')$$);
CALL recipe($$zdm.set_not_null('odd', 'd')$$);
CALL recipe($$zdm.set_not_null('odd', 'g')$$);
CALL recipe($$zdm.set_not_null('odd', 'a "b"')$$);
SELECT attname, attnotnull FROM pg_attribute WHERE attrelid = 'odd'::regclass AND attnum > 0 ORDER BY attnum;
CALL recipe($$zdm.add_check('odd', '"a ""b""" > 0', 'a name of sixty-three bytes, which is as long as a name may be ä')$$);
SELECT * FROM constraints('odd');

-- cancelled twice: nothing is left either time
ALTER TABLE t ADD c int;
SELECT zdm.add_check('t', 'c IS NOT NULL', 'twice', name => 'again twice');
CALL finish('again twice');
SELECT zdm.cancel_job(zdm.job_id('again twice'));
CALL cleaned_up('again twice');
SELECT name FROM constraints('t') WHERE name = 'twice';
SELECT zdm.retry_job(zdm.job_id('again twice'));
CALL finish('again twice');
SELECT name, valid FROM constraints('t') WHERE name = 'twice';
SELECT zdm.cancel_job(zdm.job_id('again twice'));
CALL cleaned_up('again twice');
SELECT name FROM constraints('t') WHERE name = 'twice';

-- keys whose NULLs are equal, that are checked at the end
CREATE TABLE slots (id int, room int, hour int);
INSERT INTO slots VALUES (1, 1, 9), (2, 1, NULL), (3, 1, NULL);
SELECT step, kind, statement, undo FROM zdm.plan_steps($$SELECT zdm.add_unique('slots', '{room,hour}', nulls_not_distinct => true, deferral => 'deferrable initially deferred')$$);
SELECT step, kind, statement FROM zdm.plan_steps($$SELECT zdm.add_primary_key('slots', '{id}', deferral => 'DEFERRABLE')$$);
CALL recipe($$zdm.add_unique('slots', '{room,hour}', 'slots_key', nulls_not_distinct => true, name => 'again slots')$$);
SELECT row_values, occurrences FROM zdm.violations WHERE job_name = 'again slots';
SELECT zdm.cancel_job(zdm.job_id('again slots'));
CALL cleaned_up('again slots');
DELETE FROM slots WHERE id = 3;
CALL recipe($$zdm.add_unique('slots', '{room,hour}', 'slots_key', nulls_not_distinct => true, deferral => 'DEFERRABLE INITIALLY DEFERRED')$$);
CALL recipe($$zdm.add_primary_key('slots', '{id}', deferral => 'DEFERRABLE')$$);
SELECT * FROM constraints('slots');
INSERT INTO slots VALUES (4, 1, NULL);
BEGIN;
UPDATE slots SET hour = 9 WHERE id = 2;
UPDATE slots SET hour = 10 WHERE id = 1;
UPDATE slots SET id = id + 1;
COMMIT;
SELECT * FROM slots ORDER BY id;
-- the same again is the same job; something else is not
SET client_min_messages = warning;
SELECT count(*) FROM (SELECT zdm.add_unique('slots', '{room,hour}', 'slots_key', nulls_not_distinct => true, deferral => 'DEFERRABLE INITIALLY DEFERRED')) s;
SELECT count(*) FROM zdm.jobs WHERE target = 'recipes_again.slots';
RESET client_min_messages;
SELECT zdm.add_unique('slots', '{room,hour}', 'slots_key');
-- made anew by hand, and otherwise: that is not what was asked for
ALTER TABLE slots DROP CONSTRAINT slots_key, ADD CONSTRAINT slots_key UNIQUE NULLS NOT DISTINCT (room, hour);
CALL recipe($$zdm.add_unique('slots', '{room,hour}', 'slots_key', nulls_not_distinct => true, deferral => 'DEFERRABLE INITIALLY DEFERRED')$$);
ALTER TABLE slots DROP CONSTRAINT slots_key;
CALL recipe($$zdm.add_unique('slots', '{room,hour}', 'slots_key', name => 'again slots 2')$$);
ALTER TABLE slots DROP CONSTRAINT slots_key, ADD CONSTRAINT slots_key UNIQUE NULLS NOT DISTINCT (room, hour);
SELECT zdm.add_unique('slots', '{room,hour}', 'slots_key', name => 'again slots 2');
SELECT zdm.add_unique('slots', '{room}', nulls_not_distinct => NULL);
SELECT zdm.add_unique('slots', '{room}', deferral => 'sometimes');
SELECT zdm.add_primary_key('slots', '{id}', deferral => NULL);

-- renamed in the middle, with another table in its place: it stays with its own
CREATE TABLE renamed (a int);
INSERT INTO renamed VALUES (NULL);
SELECT zdm.set_not_null('renamed', 'a', name => 'again renamed');
CALL finish('again renamed');
ALTER TABLE renamed RENAME TO renamed_old;
CREATE TABLE renamed (a int);
UPDATE renamed_old SET a = 1;
SELECT zdm.retry_job(zdm.job_id('again renamed'));
CALL finish('again renamed');
SELECT state, last_error FROM zdm.jobs WHERE name = 'again renamed';
SELECT attrelid::regclass, attnotnull FROM pg_attribute WHERE attrelid IN ('renamed'::regclass, 'renamed_old'::regclass) AND attname = 'a' ORDER BY attrelid;
SELECT * FROM constraints('renamed');
SELECT * FROM constraints('renamed_old');

-- given away in the middle: it pauses
CREATE ROLE regress_zdm_again;
GRANT ALL ON SCHEMA recipes_again TO regress_zdm_again;
GRANT USAGE ON SCHEMA zdm TO regress_zdm_again;
CREATE TABLE given (a int);
INSERT INTO given VALUES (NULL);
SELECT zdm.set_not_null('given', 'a', name => 'again given');
CALL finish('again given');
ALTER TABLE given OWNER TO regress_zdm_again;
BEGIN; -- nobody takes it up before all is as it should be
UPDATE zdm.job SET state = 'queued' WHERE name = 'again given';
UPDATE zdm.recipe_step SET state = 'done' WHERE job_id = zdm.job_id('again given') AND kind = 'validate';
SELECT zdm.resume_job(zdm.job_id('again given'));
COMMIT;
CALL finish('again given');
SELECT state, last_sqlstate, last_error FROM zdm.jobs WHERE name = 'again given';
SELECT attnotnull FROM pg_attribute WHERE attrelid = 'given'::regclass AND attname = 'a';

-- bad input is refused when it is submitted
CREATE VIEW v AS SELECT * FROM t;
CREATE TEMP TABLE tt (a int);
CREATE TABLE keys (a int PRIMARY KEY, b int, c int, d int);
CREATE UNIQUE INDEX keys_b ON keys (b) WHERE b > 0;
CREATE UNIQUE INDEX keys_c_d ON keys (d, c) INCLUDE (b);
SELECT zdm.add_check('v', 'a > 0'); \echo :SQLSTATE
SELECT zdm.add_unique('tt', '{a}'); \echo :SQLSTATE
SELECT zdm.add_primary_key('pg_class', '{relname}'); \echo :SQLSTATE
SELECT zdm.add_check('t', 'a > 0', ''); \echo :SQLSTATE
SELECT zdm.add_foreign_key('t', '{a}', 'v'); \echo :SQLSTATE
SELECT zdm.add_foreign_key('t', '{a}', 'tt'); \echo :SQLSTATE
SELECT zdm.add_foreign_key('t', '{a}', 'given'); \echo :SQLSTATE
SELECT zdm.add_foreign_key('t', '{a,b}', 'keys'); \echo :SQLSTATE
SELECT zdm.add_foreign_key('t', '{a}', 'keys', '{nowhere}'); \echo :SQLSTATE
SELECT zdm.add_foreign_key('t', '{a}', 'keys', '{b}'); \echo :SQLSTATE
SELECT zdm.add_foreign_key('t', '{a,b}', 'keys', '{c}'); \echo :SQLSTATE
SELECT zdm.add_foreign_key('t', '{a}', 'keys', '{d}'); \echo :SQLSTATE
CREATE TABLE refers (a int, b int);
CALL recipe($$zdm.add_foreign_key('refers', '{a,b}', 'keys', '{c,d}')$$);
SELECT * FROM constraints('refers');

-- what is inherited is dropped where it comes from
CREATE TABLE parted (id int CONSTRAINT parted_check CHECK (id > 0)) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
SELECT zdm.drop_constraint('parted_1', 'parted_check'); \echo :SQLSTATE
CALL recipe($$zdm.drop_constraint('parted', 'parted_check')$$);
SELECT * FROM constraints('parted_1');

SET client_min_messages = warning;
DROP SCHEMA recipes_again CASCADE;
REVOKE USAGE ON SCHEMA zdm FROM regress_zdm_again;
DROP ROLE regress_zdm_again;
