-- Foreign keys of partitioned tables before PostgreSQL 18: partition by partition, then adopted. (18: test/t/070_constraints_18.pl)
SELECT current_setting('server_version_num')::int >= 180000 AS can_be_not_valid \gset
\if :can_be_not_valid
\quit
\endif
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 8740001;
CREATE SCHEMA recipes_partitions;
SET search_path = recipes_partitions, public;
CREATE PROCEDURE recipe(call text, INOUT state text DEFAULT NULL, INOUT code text DEFAULT NULL, INOUT error text DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    job text;
BEGIN
    EXECUTE 'SELECT ' || call INTO job;
    COMMIT;
    CALL settle(zdm.job_id(job));
    SELECT j.state, j.last_sqlstate, j.last_error INTO state, code, error FROM zdm.jobs j WHERE name = job;
END $$;
CREATE PROCEDURE cleaned_up(job text) LANGUAGE plpgsql AS $$
BEGIN
    CALL await(format($q$ SELECT EXISTS (SELECT FROM zdm.events e WHERE e.job_name = %1$L AND e.event = 'cleaned up'
                           AND e.event_id > (SELECT max(event_id) FROM zdm.events c
                                              WHERE c.job_name = %1$L AND c.event = 'cancelled')) $q$, job));
END $$;
-- of the table and all below: their foreign keys, and whose child each is
CREATE FUNCTION keys(top regclass, OUT "table" regclass, OUT name name, OUT valid boolean, OUT of regclass, OUT definition text)
RETURNS SETOF record LANGUAGE sql AS $$
    SELECT c.conrelid::regclass, c.conname, c.convalidated, p.conrelid::regclass, pg_get_constraintdef(c.oid)
      FROM pg_constraint c LEFT JOIN pg_constraint p ON p.oid = c.conparentid
     WHERE c.contype = 'f' AND (c.conrelid = top OR c.conrelid IN (SELECT relid FROM pg_partition_tree(top)))
     ORDER BY c.conrelid::regclass::text COLLATE "C", c.conname COLLATE "C"
$$;
\set SHOW_CONTEXT never

CREATE TABLE customer (id int PRIMARY KEY, code text UNIQUE);
INSERT INTO customer SELECT i, 'c' || i FROM generate_series(1, 100) i;
-- two levels, columns in another order, a name that is taken, one that has the key already, one that has it NOT VALID
CREATE TABLE "Order" (id int, customer int, code text) PARTITION BY RANGE (id);
CREATE TABLE order_1 PARTITION OF "Order" FOR VALUES FROM (0) TO (100);
CREATE TABLE order_2 (gone int, code text, customer int, id int);
ALTER TABLE order_2 DROP gone;
ALTER TABLE "Order" ATTACH PARTITION order_2 FOR VALUES FROM (100) TO (200);
CREATE TABLE order_3 PARTITION OF "Order" FOR VALUES FROM (200) TO (400) PARTITION BY RANGE (id);
CREATE TABLE order_31 PARTITION OF order_3 FOR VALUES FROM (200) TO (300);
CREATE TABLE order_32 PARTITION OF order_3 FOR VALUES FROM (300) TO (400);
CREATE TABLE order_4 PARTITION OF "Order" FOR VALUES FROM (400) TO (500);
CREATE TABLE order_5 PARTITION OF "Order" FOR VALUES FROM (500) TO (600);
INSERT INTO "Order" SELECT i, i % 100 + 1, 'c' || i % 100 + 1 FROM generate_series(0, 599) i;
ALTER TABLE order_31 ADD CONSTRAINT order_customer CHECK (customer > 0);
ALTER TABLE order_4 ADD CONSTRAINT mine FOREIGN KEY (customer) REFERENCES customer ON DELETE CASCADE;
ALTER TABLE order_5 ADD CONSTRAINT unproved FOREIGN KEY (customer) REFERENCES customer (id) ON DELETE CASCADE NOT VALID;
-- not the same: another action, another column
ALTER TABLE order_1 ADD CONSTRAINT other FOREIGN KEY (customer) REFERENCES customer;
CREATE INDEX ON "Order" (customer);

-- every step and its lock is told before
SELECT step, kind, statement, lock, undo, expected_time > '0' AS takes_time
  FROM zdm.plan_steps($$SELECT zdm.add_foreign_key('"Order"', '{customer}', 'customer', on_delete => 'CASCADE', constraint_name => 'order_customer')$$);

-- an orphan in the middle: it is named, and what is done stays done
UPDATE "Order" SET customer = 1000 WHERE id = 150;
CALL recipe($$zdm.add_foreign_key('"Order"', '{customer}', 'customer', on_delete => 'CASCADE', constraint_name => 'order_customer', name => 'leaves')$$);
SELECT "table", constraint_name, row_values, total FROM zdm.violations WHERE job_name = 'leaves';
SELECT target, constraint_name, state FROM zdm.validations WHERE name = 'leaves';
SELECT step, kind, state, target FROM zdm.steps WHERE name = 'leaves' ORDER BY step;
SELECT * FROM keys('"Order"');

-- cancelled: nothing is left but what was there before
SELECT zdm.cancel_job(zdm.job_id('leaves'));
CALL cleaned_up('leaves');
SELECT * FROM keys('"Order"');
SELECT count(*) FROM zdm.validations WHERE name = 'leaves';

-- retried after all; in the meantime a partition was dropped, one detached, one attached
UPDATE "Order" SET customer = 1 WHERE id = 150;
DROP TABLE order_32;
ALTER TABLE "Order" DETACH PARTITION order_2;
UPDATE order_2 SET customer = 1000 WHERE id = 150;
CREATE TABLE order_6 (id int, customer int, code text);
INSERT INTO order_6 SELECT i, i % 100 + 1, 'c' FROM generate_series(600, 699) i;
UPDATE order_6 SET customer = 2000 WHERE id = 610;
ALTER TABLE "Order" ATTACH PARTITION order_6 FOR VALUES FROM (600) TO (700);
SELECT zdm.retry_job(zdm.job_id('leaves'));
CALL settle(zdm.job_id('leaves'));
SELECT state, last_error FROM zdm.jobs WHERE name = 'leaves';
SELECT "table", row_values FROM zdm.violations WHERE job_name = 'leaves';
SELECT step, kind, state, target FROM zdm.steps WHERE name = 'leaves' ORDER BY step;
UPDATE "Order" SET customer = 1 WHERE id = 610;
SELECT zdm.retry_job(zdm.job_id('leaves'));
CALL settle(zdm.job_id('leaves'));
SELECT state, progress, last_error FROM zdm.jobs WHERE name = 'leaves';
SELECT event, message FROM zdm.events WHERE job_name = 'leaves' AND event IN ('left out', 'steps added') ORDER BY event_id;
SELECT * FROM keys('"Order"');
SELECT * FROM keys('order_2');
-- it is one foreign key: a new partition has it, and a delete goes everywhere
CREATE TABLE order_7 PARTITION OF "Order" FOR VALUES FROM (700) TO (800);
INSERT INTO "Order" VALUES (700, 1000);
INSERT INTO "Order" VALUES (1, 1000);
ALTER TABLE order_1 DROP CONSTRAINT other;
DELETE FROM customer WHERE id = 7;
SELECT count(*) FROM "Order" WHERE customer = 7;
SELECT name, valid FROM keys('order_7');
-- the same again is the same job
SET client_min_messages = warning;
SELECT zdm.add_foreign_key('"Order"', '{customer}', 'customer', on_delete => 'CASCADE', constraint_name => 'order_customer', name => 'leaves');
RESET client_min_messages;

-- the inverse takes it from all; then it can be done again
SELECT statement, lock FROM zdm.plan_steps($$SELECT zdm.drop_constraint('"Order"', 'order_customer')$$);
CALL recipe($$zdm.drop_constraint('"Order"', 'order_customer')$$);
SELECT * FROM keys('"Order"');
SELECT zdm.add_foreign_key('"Order"', '{customer}', 'customer', on_delete => 'CASCADE', constraint_name => 'order_customer', name => 'leaves');
CALL recipe($$zdm.add_foreign_key('"Order"', '{customer}', 'customer', on_delete => 'CASCADE', on_update => 'SET NULL', match_full => true, deferral => 'DEFERRABLE INITIALLY DEFERRED')$$);
SELECT * FROM keys('"Order"');

-- what PostgreSQL says when it has nothing to validate: nothing
CREATE TABLE proof (id int, customer int) PARTITION BY RANGE (id);
CREATE TABLE proof_1 PARTITION OF proof FOR VALUES FROM (0) TO (100);
INSERT INTO proof SELECT i, i % 100 + 1 FROM generate_series(0, 99) i;
DELETE FROM proof WHERE customer = 7;
ALTER TABLE proof_1 ADD FOREIGN KEY (customer) REFERENCES customer;
SET client_min_messages = debug1;
ALTER TABLE proof ADD FOREIGN KEY (customer) REFERENCES customer;
RESET client_min_messages;

ALTER TABLE proof DROP CONSTRAINT proof_customer_fkey;
SET client_min_messages = debug1;
ALTER TABLE proof ADD FOREIGN KEY (customer) REFERENCES customer;
RESET client_min_messages;

-- one without partitions, a table that refers to itself, one that refers to a partitioned table
CREATE TABLE hollow (id int, customer int) PARTITION BY RANGE (id);
CALL recipe($$zdm.add_foreign_key('hollow', '{customer}', 'customer')$$);
SELECT * FROM keys('hollow');
CREATE TABLE tree (id int PRIMARY KEY, parent int) PARTITION BY RANGE (id);
CREATE TABLE tree_1 PARTITION OF tree FOR VALUES FROM (0) TO (10);
CREATE TABLE tree_2 PARTITION OF tree FOR VALUES FROM (10) TO (20);
INSERT INTO tree SELECT i, nullif(i / 2, 0) FROM generate_series(1, 19) i;
CALL recipe($$zdm.add_foreign_key('tree', '{parent}', 'tree')$$);
SELECT DISTINCT "table", name, valid FROM keys('tree') ORDER BY 1, 2;
INSERT INTO tree VALUES (0, 30);
DELETE FROM tree WHERE id = 2;
CREATE TABLE branch (id int, leaf int) PARTITION BY RANGE (id);
CREATE TABLE branch_1 PARTITION OF branch FOR VALUES FROM (0) TO (100);
CREATE TABLE branch_2 PARTITION OF branch FOR VALUES FROM (100) TO (200);
INSERT INTO branch SELECT i, i % 19 + 1 FROM generate_series(0, 199) i;
CALL recipe($$zdm.add_foreign_key('branch', '{leaf}', 'tree', '{id}', on_delete => 'CASCADE')$$);
SELECT DISTINCT "table", name, valid FROM keys('branch') ORDER BY 1, 2;
INSERT INTO branch VALUES (150, 77);
DELETE FROM tree WHERE id = 19;
SELECT count(*) FROM branch WHERE leaf = 19;
CALL recipe($$zdm.drop_constraint('branch', 'branch_leaf_fkey')$$);
SELECT * FROM keys('branch');
INSERT INTO branch VALUES (150, 77);

-- a partition that cannot have it, or belongs to somebody else
CREATE FOREIGN DATA WRAPPER regress_zdm_wrapper;
CREATE SERVER regress_zdm_server FOREIGN DATA WRAPPER regress_zdm_wrapper;
CREATE TABLE distant (id int, customer int) PARTITION BY RANGE (id);
CREATE FOREIGN TABLE distant_1 PARTITION OF distant FOR VALUES FROM (0) TO (10) SERVER regress_zdm_server;
SELECT zdm.add_foreign_key('distant', '{customer}', 'customer');
CREATE ROLE regress_zdm_partitions;
CREATE TABLE given (id int, customer int) PARTITION BY RANGE (id);
CREATE TABLE given_1 PARTITION OF given FOR VALUES FROM (0) TO (10);
ALTER TABLE given_1 OWNER TO regress_zdm_partitions;
SELECT zdm.add_foreign_key('given', '{customer}', 'customer', on_delete => 'CASCADE');
-- its own is adopted
ALTER TABLE given_1 ADD FOREIGN KEY (customer) REFERENCES customer ON DELETE CASCADE;
CALL recipe($$zdm.add_foreign_key('given', '{customer}', 'customer', on_delete => 'CASCADE')$$);
SELECT "table", valid, of, definition FROM keys('given');

-- undone after the adoption: what partitions had before, they have again; a detached one keeps it
CREATE TABLE adopter (id int, customer int) PARTITION BY RANGE (id);
CREATE TABLE adopter_1 PARTITION OF adopter FOR VALUES FROM (0) TO (100);
CREATE TABLE adopter_2 PARTITION OF adopter FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id);
CREATE TABLE adopter_21 PARTITION OF adopter_2 FOR VALUES FROM (100) TO (200);
CREATE TABLE adopter_3 PARTITION OF adopter FOR VALUES FROM (200) TO (300);
CREATE TABLE adopter_4 PARTITION OF adopter FOR VALUES FROM (300) TO (400);
ALTER TABLE adopter_1 ADD CONSTRAINT "Mine" FOREIGN KEY (customer) REFERENCES customer DEFERRABLE;
ALTER TABLE adopter_2 ADD CONSTRAINT ours FOREIGN KEY (customer) REFERENCES customer DEFERRABLE;
ALTER TABLE adopter_4 ADD CONSTRAINT mine FOREIGN KEY (customer) REFERENCES customer DEFERRABLE;
INSERT INTO adopter SELECT i, (SELECT min(id) FROM customer) FROM generate_series(0, 399) i;
CREATE TEMP TABLE keys_before AS SELECT * FROM keys('adopter');
SET client_min_messages = warning;
SELECT zdm.create_migration('adoption', 'team', CURRENT_DATE + 30, 'adopter');
SELECT zdm.add_step('adoption', 'migrate', 'constraint', 'FOREIGN KEY (customer) REFERENCES recipes_partitions.customer DEFERRABLE', constraint_name => 'all');
SELECT zdm.add_step('adoption', 'contract', 'sql', 'SELECT 1');
SELECT zdm.start('adoption');
CALL zdm.wait_for_migration('adoption', timeout => '60 s');
SELECT * FROM keys('adopter');
ALTER TABLE adopter DETACH PARTITION adopter_4;
SELECT zdm.abort('adoption');
CALL zdm.wait_for_migration('adoption', 'aborted', timeout => '60 s');
SELECT * FROM keys('adopter');
SELECT * FROM keys('adopter_4');
(TABLE keys_before EXCEPT SELECT * FROM keys('adopter')) UNION ALL (SELECT * FROM keys('adopter') EXCEPT TABLE keys_before);
INSERT INTO adopter VALUES (1, 10000);
INSERT INTO adopter VALUES (101, 10000);
DELETE FROM customer WHERE id = (SELECT min(id) FROM customer);
RESET client_min_messages;

SET client_min_messages = warning;
DROP SCHEMA recipes_partitions CASCADE;
DROP SERVER regress_zdm_server;
DROP FOREIGN DATA WRAPPER regress_zdm_wrapper;
DROP ROLE regress_zdm_partitions;
