-- Publications: what subscribers need before phase expand, and when the old
-- column is retired.  What is approved when is told here; 081_publications has
-- a subscriber.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
\set SHOW_CONTEXT never
ALTER SEQUENCE zdm.mapping_mapping_id_seq RESTART 8820001;
CREATE SCHEMA pubs;
SET search_path = pubs, public;
CREATE VIEW items AS
SELECT m.name, p.phase, p.statement, p.state FROM zdm.migrations m, zdm.plan(m.name) p
 WHERE m.target LIKE 'pubs.%' AND p.kind = 'manual' ORDER BY m.migration_id, p.phase DESC, p.statement;
CREATE VIEW what AS
SELECT name, phase, stage, waiting_for, next_step, approved_by = current_user AS approved FROM zdm.migrations
 WHERE target LIKE 'pubs.%' AND phase NOT IN ('done', 'aborted') ORDER BY migration_id;
CREATE TABLE t (id int PRIMARY KEY, email text NOT NULL, n int, code varchar(10));
INSERT INTO t SELECT i, 'u' || i, i, 'c' || i FROM generate_series(1, 100) i;
-- each version warns of wal_level in words of its own
SET client_min_messages = error;
CREATE PUBLICATION regress_zdm_pub FOR TABLE t;

--
-- a migration that adds a column to a published table
--
SET client_min_messages = notice;
SELECT zdm.rename_column('t', 'email', 'mail', owner => 'me', contract_by => CURRENT_DATE, name => 'pub mail');
SELECT * FROM what;
SELECT * FROM items;
-- it does not start without an approval, however it is called
SELECT zdm.rename_column('t', 'email', 'mail', owner => 'me', contract_by => CURRENT_DATE, name => 'pub mail');
SELECT * FROM refused($$ SELECT zdm.start('pub mail') $$);
SELECT zdm.start('pub mail');
SELECT count(*) FROM zdm.jobs WHERE name = 'pub mail';
SELECT gate, reason FROM zdm.gates('pub mail') WHERE gate IN ('steps', 'approval');
SELECT zdm.approve('pub mail');
SELECT * FROM what;
SELECT statement LIKE '%before the start%' AS before_start, state FROM items;
SELECT reason FROM zdm.gates('pub mail') WHERE gate = 'approval';
-- a publication that comes after the approval
SET client_min_messages = error;
CREATE PUBLICATION regress_zdm_late FOR TABLE t WITH (publish = 'insert');
SET client_min_messages = notice;
SELECT zdm.start('pub mail');
SELECT zdm.approve('pub mail');
SELECT zdm.approve('pub mail');
DROP PUBLICATION regress_zdm_late;
SELECT zdm.start('pub mail');
CALL zdm.wait_for_migration('pub mail', timeout => '60 s');
-- the approval is used up: there is something before contract, too
SELECT * FROM what;
SELECT phase, state FROM items;
SELECT gate, reason FROM zdm.gates('pub mail') WHERE NOT open;
SELECT zdm.contract('pub mail');
SELECT zdm.approve('pub mail');
SELECT phase, state FROM items;
SELECT zdm.contract('pub mail');
CALL await($$ SELECT stage = 'retired' FROM zdm.migrations WHERE name = 'pub mail' $$);
-- an approval is for one contract
SELECT zdm.revert('pub mail');
CALL await($$ SELECT stage = 'ready' FROM zdm.migrations WHERE name = 'pub mail' $$);
SELECT name, stage, approved FROM what;
SELECT zdm.contract('pub mail');
-- aborted, its column is gone: to do it again, it needs another one
SELECT zdm.approve('pub mail');
SELECT zdm.abort('pub mail');
CALL zdm.wait_for_migration('pub mail', 'aborted', '60 s');
SELECT zdm.retry('pub mail');
SELECT zdm.retry_job(zdm.job_id('pub mail'));
SELECT phase, state FROM items;
SELECT zdm.approve('pub mail');
SELECT zdm.retry('pub mail');
CALL zdm.wait_for_migration('pub mail', timeout => '60 s');
SELECT name, phase, stage, approved FROM what;
SELECT zdm.abort('pub mail');
CALL zdm.wait_for_migration('pub mail', 'aborted', '60 s');
-- without the publication, nothing is left
DROP PUBLICATION regress_zdm_pub;
SELECT zdm.approve('pub mail');
SELECT zdm.retry('pub mail');
CALL zdm.wait_for_migration('pub mail', timeout => '60 s');
SELECT zdm.abort('pub mail');
CALL zdm.wait_for_migration('pub mail', 'aborted', '60 s');

--
-- by another role
--
SET client_min_messages = error;
CREATE PUBLICATION regress_zdm_pub FOR TABLE t;
SET client_min_messages = warning;
SELECT zdm.add_column('t', 'extra', 'int', 'me', CURRENT_DATE, name => 'pub extra');
SELECT zdm.set_migration('pub extra', approved_by_other => true);
SELECT * FROM what;
SELECT zdm.approve('pub extra');
CREATE ROLE regress_zdm_pubs SUPERUSER;
SET SESSION AUTHORIZATION regress_zdm_pubs;
SELECT zdm.approve('pub extra');
RESET SESSION AUTHORIZATION;
-- called again, an approved one is started
SELECT zdm.add_column('t', 'extra', 'int', 'me', CURRENT_DATE, name => 'pub extra');
CALL zdm.wait_for_migration('pub extra', 'done', '60 s');
SELECT event FROM zdm.events WHERE migration = 'pub extra' AND event IN ('planned', 'changed', 'approved', 'expand', 'done') ORDER BY event_id;

--
-- what there is to do, by call
--
CREATE TABLE part (k int, v int NOT NULL, PRIMARY KEY (k)) PARTITION BY RANGE (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (k);
CREATE TABLE part_2a PARTITION OF part_2 FOR VALUES FROM (10) TO (15);
CREATE TABLE nowhere (id int PRIMARY KEY, v int);
CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY, v int);
SELECT zdm.change_column_type('t', 'n', 'bigint', owner => 'me', contract_by => CURRENT_DATE, name => 'pub swap', dry_run => true);
SELECT zdm.change_column_type('t', 'n', 'numeric(12,2)', 'n / 100.0', '(amount * 100)::int', 'amount', owner => 'me', contract_by => CURRENT_DATE, name => 'pub amount', dry_run => true);
SELECT zdm.change_column_type('t', 'n', 'text', 'n || ''!''', new_name => 'pub no way back', owner => 'me', contract_by => CURRENT_DATE, name => 'pub no way back', dry_run => true);
SELECT zdm.rename_column('t', 'id', 'key', owner => 'me', contract_by => CURRENT_DATE, name => 'pub key', dry_run => true);
SELECT zdm.add_column('t', 'a', 'text', 'me', CURRENT_DATE, fill => 'email', not_null => true, column_default => '''x''', name => 'pub fill', dry_run => true);
SELECT zdm.add_column('t', 'd', 'int', 'me', CURRENT_DATE, not_null => true, column_default => '7', name => 'pub default', dry_run => true);
SELECT zdm.add_column('t', 'u', 'uuid', 'me', CURRENT_DATE, column_default => 'gen_random_uuid()', name => 'pub volatile default', dry_run => true);
SELECT zdm.drop_column('t', 'n', 'me', CURRENT_DATE, name => 'pub drop', dry_run => true);
SELECT name, phase, statement FROM items WHERE state = 'pending' AND name <> 'pub mail';
-- nothing for others
SELECT zdm.rename_column('nowhere', 'v', 'w', owner => 'me', contract_by => CURRENT_DATE, name => 'pub nowhere', dry_run => true);
SELECT count(*) FROM items WHERE name = 'pub nowhere';
-- rows that are found by all columns
ALTER TABLE t REPLICA IDENTITY FULL;
SELECT zdm.rename_column('t', 'code', 'c', owner => 'me', contract_by => CURRENT_DATE, name => 'pub full', dry_run => true);
SELECT zdm.add_column('t', 'f', 'int', 'me', CURRENT_DATE, name => 'pub full add', dry_run => true);
SELECT name, phase, statement FROM items WHERE name LIKE 'pub full%';
SELECT statement FROM zdm.plan('pub full add') WHERE kind = 'warning';
ALTER TABLE t REPLICA IDENTITY DEFAULT;
DROP PUBLICATION regress_zdm_pub;

--
-- which publications
--
SET client_min_messages = error;
CREATE PUBLICATION regress_zdm_list FOR TABLE t (id, n);
CREATE PUBLICATION regress_zdm_list_other FOR TABLE t (id, email);
CREATE PUBLICATION regress_zdm_nothing FOR TABLE t WITH (publish = '');
CREATE PUBLICATION regress_zdm_filter FOR TABLE t WHERE (n > 0) WITH (publish = 'insert');
CREATE PUBLICATION regress_zdm_schema FOR TABLES IN SCHEMA pubs;
CREATE PUBLICATION "Regress zdm via root" FOR TABLE part WITH (publish_via_partition_root = true);
CREATE PUBLICATION regress_zdm_part FOR TABLE part;
CREATE PUBLICATION regress_zdm_leaf FOR TABLE part_1;
CREATE PUBLICATION regress_zdm_leaf_list FOR TABLE part_1 (k, v);
CREATE PUBLICATION regress_zdm_inner FOR TABLE part_2;
CREATE PUBLICATION regress_zdm_root_list FOR TABLE part (k, v) WITH (publish_via_partition_root = true);
SET client_min_messages = warning;
SELECT zdm.rename_column('t', 'n', 'number', owner => 'me', contract_by => CURRENT_DATE, name => 'pub table', dry_run => true);
SELECT zdm.change_column_type('t', 'n', 'bigint', owner => 'me', contract_by => CURRENT_DATE, name => 'pub table swap', dry_run => true);
SELECT zdm.drop_column('t', 'n', 'me', CURRENT_DATE, name => 'pub table drop', dry_run => true);
SELECT name, phase, statement FROM items WHERE name LIKE 'pub table%';
SELECT name, how, carried FROM zdm.dependents('t', 'n') WHERE kind = 'publication';
SELECT zdm.add_column('part', 'w', 'int', 'me', CURRENT_DATE, name => 'pub parted', dry_run => true);
SELECT phase, statement FROM items WHERE name = 'pub parted';
SELECT zdm.rename_column('part', 'v', 'w', owner => 'me', contract_by => CURRENT_DATE, name => 'pub parted rename', dry_run => true);
SELECT phase, statement FROM items WHERE name = 'pub parted rename' AND statement LIKE '%regress_zdm_part %';
SELECT name, how, carried FROM zdm.dependents('part', 'v') WHERE kind = 'publication';
SELECT zdm.add_column('unlogged', 'w', 'int', 'me', CURRENT_DATE, name => 'pub unlogged', dry_run => true);
SELECT count(*) FROM items WHERE name = 'pub unlogged';
DROP PUBLICATION regress_zdm_list, regress_zdm_list_other, regress_zdm_nothing, regress_zdm_filter, regress_zdm_schema, "Regress zdm via root",
    regress_zdm_part, regress_zdm_leaf, regress_zdm_leaf_list, regress_zdm_inner, regress_zdm_root_list;

--
-- all tables, zdm's own with them
--
SET client_min_messages = error;
CREATE PUBLICATION regress_zdm_all FOR ALL TABLES;
CREATE PUBLICATION regress_zdm_all_root FOR ALL TABLES WITH (publish_via_partition_root = true);
SET client_min_messages = warning;
SELECT zdm.add_column('part', 'x', 'int', 'me', CURRENT_DATE, name => 'pub all parted', dry_run => true);
SELECT phase, statement FROM items WHERE name = 'pub all parted';
SELECT zdm.change_column_type('t', 'n', 'bigint', owner => 'me', contract_by => CURRENT_DATE, name => 'pub all');
SELECT zdm.approve('pub all');
SELECT zdm.start('pub all');
CALL zdm.wait_for_migration('pub all', timeout => '60 s');
SELECT zdm.approve('pub all');
SELECT zdm.contract('pub all', '0');
CALL zdm.wait_for_migration('pub all', 'done', '60 s');
SELECT n, pg_typeof(n) FROM t WHERE id = 1;
-- a row of every table of zdm's own can be changed and deleted
SELECT c.oid::regclass FROM pg_class c
 WHERE c.relnamespace = 'zdm'::regnamespace AND c.relkind = 'r' AND c.relpersistence = 'p' AND c.relreplident <> 'f'
   AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary AND indimmediate) ORDER BY c.relname;
DROP PUBLICATION regress_zdm_all, regress_zdm_all_root;

SET client_min_messages = warning;
SELECT count(zdm.abort(name)) > 0 FROM zdm.migrations WHERE target LIKE 'pubs.%' AND phase NOT IN ('done', 'aborted');
DROP SCHEMA pubs CASCADE;
DROP ROLE regress_zdm_pubs;
