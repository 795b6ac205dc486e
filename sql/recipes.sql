-- Sequences that change a constraint: their steps, their end, bad input, undoing.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 8700001;
CREATE SCHEMA recipes;
SET search_path = recipes, public;
CREATE TABLE customer (id int PRIMARY KEY, name text);
INSERT INTO customer SELECT i, 'c' || i FROM generate_series(1, 100) i;
CREATE TABLE "Order" (id int, customer int, "Amount" numeric, channel text, code text);
INSERT INTO "Order" SELECT i, i % 100 + 1, i, 'web', 'o' || i FROM generate_series(1, 1000) i;

CREATE PROCEDURE finish(job text) LANGUAGE plpgsql AS $$
BEGIN
    CALL settle(zdm.job_id(job));
END $$;
-- a cancelled job has removed what it made
CREATE PROCEDURE cleaned_up(job text) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 600 LOOP
        COMMIT;
        EXIT WHEN EXISTS (SELECT FROM zdm.events e WHERE e.job_name = job AND e.event = 'cleaned up'
                           AND e.event_id > (SELECT max(event_id) FROM zdm.events c
                                              WHERE c.job_name = job AND c.event = 'cancelled'));
        PERFORM pg_sleep(0.05);
    END LOOP;
END $$;
CREATE VIEW constraints AS
SELECT conname, convalidated, pg_get_constraintdef(oid) AS definition
  FROM pg_constraint WHERE conrelid = '"Order"'::regclass AND contype <> 'n' ORDER BY conname;
CREATE VIEW steps AS
SELECT name, step, kind, state, statement, lock FROM zdm.steps
 WHERE job_id IN (SELECT job_id FROM zdm.jobs WHERE target LIKE 'recipes.%') ORDER BY job_id, step;

-- each to its end
SELECT zdm.add_check('"Order"', '"Amount" > 0 AND channel <> '''' -- text', 'amount_positive', name => 'check');
CALL finish('check');
SELECT zdm.set_not_null('"Order"', 'channel', name => 'not null');
CALL finish('not null');
SELECT zdm.add_foreign_key('"Order"', '{customer}', 'customer', on_delete => 'cascade', name => 'key');
CALL finish('key');
SELECT zdm.add_unique('"Order"', '{code}', name => 'unique');
CALL finish('unique');
SELECT zdm.add_primary_key('"Order"', '{id,customer}', name => 'primary');
CALL finish('primary');
SELECT * FROM constraints;
SELECT attname, attnotnull FROM pg_attribute WHERE attrelid = '"Order"'::regclass AND attnum > 0 ORDER BY attnum;
SELECT * FROM steps;
SELECT name, kind, state, progress FROM zdm.jobs WHERE kind = 'recipe' AND target LIKE 'recipes.%' ORDER BY job_id;

-- again: the same job, whatever has changed since
SELECT zdm.add_check('"Order"', '"Amount" > 0 AND (channel <> '''')', 'amount_positive', name => 'check');
SELECT zdm.set_not_null('"Order"', 'channel', name => 'not null');
SELECT zdm.add_primary_key('"Order"', '{id,customer}', name => 'primary');
SELECT zdm.add_check('"Order"', '"Amount" > 1', 'amount_positive', name => 'check'); \echo :SQLSTATE
SELECT zdm.add_unique('"Order"', '{code}', name => 'check'); \echo :SQLSTATE

-- their inverses
SELECT zdm.drop_constraint('"Order"', 'amount_positive', name => 'drop check');
CALL finish('drop check');
SELECT zdm.drop_not_null('"Order"', 'channel', name => 'drop not null');
CALL finish('drop not null');
SELECT zdm.drop_constraint('"Order"', 'Order_pkey', name => 'drop key');
CALL finish('drop key');
SELECT * FROM constraints;

-- rows in the way: named, the constraint stays NOT VALID; mended, it goes on; cancelled, nothing is left
UPDATE "Order" SET channel = NULL WHERE id IN (7, 8);
SELECT zdm.set_not_null('"Order"', 'channel', name => 'nulls');
CALL finish('nulls');
SELECT last_error, last_sqlstate, hint FROM zdm.jobs WHERE name = 'nulls';
SELECT constraint_name, "table", row_values, total FROM zdm.violations WHERE job_name = 'nulls' ORDER BY row_ctid;
SELECT * FROM constraints WHERE NOT convalidated;
UPDATE "Order" SET channel = 'web' WHERE channel IS NULL;
SELECT zdm.retry_job(zdm.job_id('nulls'));
CALL finish('nulls');
SELECT * FROM constraints WHERE conname ~ 'zdm';

-- duplicates in the way; cancelled, nothing is left
SELECT zdm.drop_constraint('"Order"', 'Order_code_key', name => 'drop unique');
CALL finish('drop unique');
INSERT INTO "Order" SELECT * FROM "Order" WHERE id = 9;
SELECT zdm.add_primary_key('"Order"', '{code}', name => 'duplicates');
CALL finish('duplicates');
SELECT last_sqlstate, hint FROM zdm.jobs WHERE name = 'duplicates';
SELECT constraint_name, row_values, occurrences FROM zdm.violations WHERE job_name = 'duplicates';
SELECT step, state FROM zdm.steps WHERE name = 'duplicates' ORDER BY step;
SELECT zdm.cancel_job(zdm.job_id('duplicates'));
CALL cleaned_up('duplicates');
SELECT * FROM constraints;
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid = '"Order"'::regclass;
SELECT step, state FROM zdm.steps WHERE name = 'duplicates' ORDER BY step;

-- mended and retried after all
DELETE FROM "Order" o USING "Order" p WHERE o.code = p.code AND o.ctid > p.ctid;
SELECT zdm.retry_job(zdm.job_id('duplicates'));
CALL finish('duplicates');
SELECT * FROM constraints;

-- a key that points nowhere
SELECT zdm.drop_constraint('"Order"', 'Order_customer_fkey', name => 'drop foreign key');
CALL finish('drop foreign key');
UPDATE "Order" SET customer = 1000 WHERE id = 11;
SELECT zdm.add_foreign_key('"Order"', '{customer}', 'customer', '{id}', name => 'orphan');
CALL finish('orphan');
SELECT last_sqlstate FROM zdm.jobs WHERE name = 'orphan';
SELECT constraint_name, row_values, total FROM zdm.violations WHERE job_name = 'orphan';
SELECT zdm.cancel_job(zdm.job_id('orphan'));
CALL cleaned_up('orphan');
SELECT * FROM constraints;

-- verify that bad input is refused and starts nothing (error)
SELECT zdm.add_check(NULL, 'true'); \echo :SQLSTATE
SELECT zdm.add_check('"Order"', NULL); \echo :SQLSTATE
SELECT zdm.add_check('"Order"', ''); \echo :SQLSTATE
SELECT zdm.add_check('"Order"', 'nowhere > 0'); \echo :SQLSTATE
SELECT zdm.add_check('"Order"', '"Amount" > 0) NOT VALID, DROP COLUMN channel, ADD CHECK (true'); \echo :SQLSTATE
SELECT zdm.add_check('"Order"', 'true; DROP TABLE "Order"'); \echo :SQLSTATE
SELECT zdm.add_check('"Order"', '"Amount"'); \echo :SQLSTATE
SELECT zdm.add_check('"Order"', 'EXISTS (SELECT 1)'); \echo :SQLSTATE
SELECT zdm.add_check('"Order"', 'true FROM customer'); \echo :SQLSTATE
SELECT zdm.add_check('"Order"', 'true', 'Order_pkey'); \echo :SQLSTATE
SELECT zdm.add_check('constraints', 'true'); \echo :SQLSTATE
SELECT zdm.add_check('pg_class', 'true'); \echo :SQLSTATE
SELECT zdm.set_not_null('"Order"', 'nowhere'); \echo :SQLSTATE
SELECT zdm.set_not_null('"Order"', NULL); \echo :SQLSTATE
SELECT zdm.set_not_null('"Order"', 'ctid'); \echo :SQLSTATE
SELECT zdm.add_unique('"Order"', '{}'); \echo :SQLSTATE
SELECT zdm.add_unique('"Order"', '{code,code}'); \echo :SQLSTATE
SELECT zdm.add_unique('"Order"', '{code,NULL}'); \echo :SQLSTATE
SELECT zdm.add_unique('"Order"', '{code}', 'customer'); \echo :SQLSTATE
SELECT zdm.add_primary_key('"Order"', '{id}'); \echo :SQLSTATE
SELECT zdm.add_foreign_key('"Order"', '{customer}', 'customer', on_delete => 'explode'); \echo :SQLSTATE
SELECT zdm.drop_constraint('"Order"', 'nowhere'); \echo :SQLSTATE
SELECT zdm.add_check('"Order"', 'true', name => ''); \echo :SQLSTATE
BEGIN READ ONLY;
SELECT zdm.add_check('"Order"', 'true'); \echo :SQLSTATE
ROLLBACK;
CREATE ROLE regress_zdm_recipes;
GRANT USAGE ON SCHEMA zdm, recipes TO regress_zdm_recipes;
SET ROLE regress_zdm_recipes;
SELECT zdm.add_check('"Order"', 'true'); \echo :SQLSTATE
RESET ROLE;
CREATE TABLE parted (id int, k int) PARTITION BY RANGE (k);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
SELECT zdm.add_unique('parted', '{k}'); \echo :SQLSTATE

-- nothing to do; partitions
SELECT zdm.set_not_null('customer', 'id', name => 'nothing');
CALL finish('nothing');
SELECT zdm.drop_not_null('parted', 'id', name => 'nothing 2');
CALL finish('nothing 2');
INSERT INTO parted VALUES (1, 1);
SELECT zdm.set_not_null('parted', 'id', name => 'parted');
CALL finish('parted');
SELECT attrelid::regclass, attnotnull FROM pg_attribute WHERE attrelid IN ('parted'::regclass, 'parted_1'::regclass) AND attname = 'id';
SELECT count(*) FROM pg_constraint WHERE conrelid IN ('parted'::regclass, 'parted_1'::regclass) AND contype = 'c';

SET client_min_messages = warning;
DROP SCHEMA recipes CASCADE;
REVOKE USAGE ON SCHEMA zdm FROM regress_zdm_recipes;
DROP ROLE regress_zdm_recipes;
