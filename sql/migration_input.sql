-- Migrations: bad input, and who may do what.  Each an error with its SQLSTATE
-- and a hint, and nothing half done.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
\set SHOW_CONTEXT never
ALTER SEQUENCE zdm.job_job_id_seq RESTART 8820001;
ALTER SEQUENCE zdm.migration_migration_id_seq RESTART 8820001;
CREATE SCHEMA input;
SET search_path = input, public;
SET datestyle = ISO;
CREATE TABLE thing (id int PRIMARY KEY, a int);
CREATE VIEW some_view AS SELECT * FROM thing;
CREATE PROCEDURE refuse(statement text) LANGUAGE plpgsql AS $$
DECLARE
    code text; message text; detail text; hint text;
BEGIN
    EXECUTE statement;
    RAISE WARNING 'ACCEPTED: %', statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE WARNING '% % | % | %', code, message, detail, replace(hint, (SELECT rolname FROM pg_roles WHERE oid = 10), 'postgres');
END $$;
SELECT zdm.create_migration('there', 'team', '2999-01-01', 'thing');
SELECT zdm.add_step('there', 'expand', 'sql', 'SELECT 1');

--
-- create_migration
--
CALL refuse($$ SELECT zdm.create_migration(NULL, 'team') $$);
CALL refuse($$ SELECT zdm.create_migration('', 'team') $$);
CALL refuse($$ SELECT zdm.create_migration('new', NULL) $$);
CALL refuse($$ SELECT zdm.create_migration('new', ' ') $$);
CALL refuse($$ SELECT zdm.create_migration('new', 'team', '2020-01-01') $$);
CALL refuse($$ SELECT zdm.create_migration('new', 'team', 'infinity') $$);
CALL refuse($$ SELECT zdm.create_migration('new', 'team', target => 'some_view') $$);
CALL refuse($$ SELECT zdm.create_migration('new', 'team', target => 'pg_class') $$);
CALL refuse($$ SELECT zdm.create_migration('new', 'team', target => 'nowhere') $$);
CALL refuse($$ SELECT zdm.create_migration('new', 'team', target => 0) $$);
CALL refuse($$ SELECT zdm.create_migration('there', 'team') $$);
CALL refuse($$ SELECT zdm.set_not_null('thing', 'a', name => 'there') $$);
CALL refuse($$ SELECT zdm.set_not_null('thing', 'a', name => 'new', owner => '') $$);
CALL refuse($$ SELECT zdm.set_not_null('thing', 'a', name => 'new', contract_by => '2020-01-01') $$);
CALL refuse($$ SELECT zdm.set_not_null('thing', 'a', name => 'new', dry_run => NULL) $$);

--
-- add_step
--
CALL refuse($$ SELECT zdm.add_step(NULL, 'expand', 'sql', 'SELECT 1') $$);
CALL refuse($$ SELECT zdm.add_step('nowhere', 'expand', 'sql', 'SELECT 1') $$);
CALL refuse($$ SELECT zdm.add_step('there', NULL, 'sql', 'SELECT 1') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'explode', 'sql', 'SELECT 1') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', NULL, 'SELECT 1') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'dance', 'SELECT 1') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'sql') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'sql', '') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'sql', 'SELEC 1') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'sql', 'COMMIT') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'sql', 'SELECT 1', 'SELEC 2') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'sql', 'SELECT 1', filter => 'true') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'sql', 'SELECT 1', stage => 'retire') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'contract', 'sql', 'SELECT 1', stage => 'later') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'ddl', 'SELECT 1') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'ddl', 'CREATE INDEX CONCURRENTLY i ON input.thing (a)') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'index', 'CREATE INDEX ON input.thing (a)') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'index', 'DROP TABLE input.thing') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'index', 'CREATE INDEX i ON input.thing (a); DROP TABLE input.thing') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'constraint') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'constraint', 'CHECK (a > 0) NOT VALID, DROP COLUMN a', constraint_name => 'c') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'constraint', 'UNIQUE (a)', constraint_name => 'c') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'constraint', 'CHECK (a > 0); DROP TABLE input.thing; --', constraint_name => 'c') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'backfill') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'verify', 'DELETE FROM input.thing') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'wait') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'wait', wait_time => '-1 s') $$);
CALL refuse($$ SELECT zdm.add_step('there', 'expand', 'wait', 'DELETE FROM input.thing') $$);
SELECT zdm.set_not_null('thing', 'a', name => 'recipe', dry_run => true);
CALL refuse($$ SELECT zdm.add_step('recipe', 'expand', 'sql', 'SELECT 1') $$);
SELECT zdm.create_migration('tableless', 'team');
CALL refuse($$ SELECT zdm.add_step('tableless', 'expand', 'backfill', set_clause => 'a = 1') $$);
CALL refuse($$ SELECT zdm.start('tableless') $$);
SELECT count(*) FROM zdm.plan('there');

--
-- orders
--
CALL refuse($$ SELECT zdm.start(NULL) $$);
CALL refuse($$ SELECT zdm.start('nowhere') $$);
CALL refuse($$ SELECT zdm.contract('nowhere') $$);
CALL refuse($$ SELECT zdm.contract('there', '-1 day') $$);
CALL refuse($$ SELECT zdm.contract('there') $$);
CALL refuse($$ SELECT zdm.revert('there') $$);
CALL refuse($$ SELECT zdm.retry('there') $$);
CALL refuse($$ SELECT zdm.pause_migration('there') $$);
CALL refuse($$ SELECT * FROM zdm.gates('nowhere') $$);
CALL refuse($$ SELECT * FROM zdm.plan(NULL) $$);
CALL refuse($$ SELECT zdm.assert_migration('there') $$);
CALL refuse($$ SELECT zdm.assert_migration('there', 'explode') $$);
CALL refuse($$ SELECT zdm.set_migration('there', hold => '-1 s') $$);
CALL refuse($$ SELECT zdm.set_migration('there', owner => '') $$);
CALL refuse($$ SELECT zdm.set_migration('there', contract_by => '2020-01-01') $$);
CALL refuse($$ SELECT zdm.set_migration('there', contract_by => 'infinity') $$);
CALL zdm.wait_for_migration('nowhere');
CALL zdm.wait_for_migration('there', 'explode');
CALL zdm.wait_for_migration('there', 'done', '-1 s');
CALL zdm.wait_for_migration('there', 'done', '1 ms');
BEGIN;
CALL zdm.wait_for_migration('there');
ROLLBACK;
BEGIN READ ONLY;
SELECT zdm.start('there');
ROLLBACK;

--
-- invariants, freezes, the kill switch
--
CALL refuse($$ SELECT zdm.add_invariant('there', NULL, 'SELECT 1') $$);
CALL refuse($$ SELECT zdm.add_invariant('there', '', 'SELECT 1') $$);
CALL refuse($$ SELECT zdm.add_invariant('there', 'i', NULL) $$);
CALL refuse($$ SELECT zdm.add_invariant('there', 'i', 'DELETE FROM thing') $$);
CALL refuse($$ SELECT zdm.add_invariant('there', 'i', 'SELECT 1; SELECT 2') $$);
CALL refuse($$ SELECT zdm.add_invariant('there', 'i', 'SELECT nowhere FROM thing') $$);
CALL refuse($$ SELECT zdm.add_invariant('there', 'i', 'SELECT 1', '1 ms') $$);
CALL refuse($$ SELECT zdm.add_invariant('there', 'i', 'SELECT 1', time_limit => '0') $$);
SELECT zdm.add_invariant('there', 'i', 'SELECT 1');
CALL refuse($$ SELECT zdm.add_invariant('there', 'i', 'SELECT 2') $$);
CALL refuse($$ SELECT zdm.remove_invariant('there', 'j') $$);
CALL refuse($$ SELECT zdm.freeze(now(), NULL, 'why') $$);
CALL refuse($$ SELECT zdm.freeze(now(), now() - interval '1 s', 'why') $$);
CALL refuse($$ SELECT zdm.freeze(now() - interval '2 s', now() - interval '1 s', 'why') $$);
CALL refuse($$ SELECT zdm.freeze(now(), now() + interval '1 s', ' ') $$);
CALL refuse($$ SELECT zdm.unfreeze(-1) $$);
CALL refuse($$ SELECT zdm.stop_all(NULL) $$);

--
-- who may
--
CREATE ROLE regress_zdm_owner;
CREATE ROLE regress_zdm_member IN ROLE regress_zdm_owner;
CREATE ROLE regress_zdm_stranger;
CREATE ROLE regress_zdm_watcher IN ROLE pg_monitor;
GRANT USAGE ON SCHEMA zdm, input TO regress_zdm_owner, regress_zdm_member, regress_zdm_stranger, regress_zdm_watcher;
CREATE TABLE theirs (id int PRIMARY KEY, a int);
ALTER TABLE theirs OWNER TO regress_zdm_owner;
SET ROLE regress_zdm_member;
SELECT zdm.create_migration('ours', 'team', target => 'theirs');
SELECT zdm.create_migration('mine', 'me');
SELECT zdm.add_step('ours', 'expand', 'ddl', 'ALTER TABLE input.theirs ADD COLUMN b int');
CALL refuse($$ SELECT zdm.add_step('ours', 'expand', 'backfill', set_clause => 'a = 1', target => 'thing') $$);
CALL refuse($$ SELECT zdm.create_migration('other', 'me', target => 'thing') $$);
SELECT name, runs_as, created_by FROM zdm.migrations ORDER BY name;
CALL refuse($$ SELECT zdm.start('there') $$);
SET ROLE regress_zdm_stranger;
SELECT count(*) FROM zdm.migrations;
CALL refuse($$ SELECT zdm.start('ours') $$);
CALL refuse($$ SELECT * FROM zdm.plan('ours') $$);
CALL refuse($$ SELECT zdm.create_migration('ours', 'me') $$);
CALL refuse($$ SELECT zdm.freeze(now(), now() + interval '1 s', 'why') $$);
CALL refuse($$ SELECT zdm.stop_all('why') $$);
CALL refuse($$ SELECT zdm.resume_all() $$);
SET ROLE regress_zdm_watcher;
SELECT count(*) > 2 AS sees_all FROM zdm.migrations;
CALL refuse($$ SELECT zdm.start('ours') $$);
CALL refuse($$ SELECT zdm.approve('ours') $$);
SET ROLE regress_zdm_owner;
SELECT zdm.start('ours');
RESET ROLE;
CALL zdm.wait_for_migration('ours', timeout => '60 s');
SELECT phase, runs_as FROM zdm.migrations WHERE name = 'ours';
SELECT attname FROM pg_attribute WHERE attrelid = 'theirs'::regclass AND attnum = 3;

--
-- none of it was left half done
--
SELECT name, phase FROM zdm.migrations WHERE migration_id >= 8820001 ORDER BY name;
SELECT count(*) FROM zdm.freezes WHERE reason = 'why';
RESET search_path;
SELECT zdm.abort('there'), zdm.abort('recipe'), zdm.abort('tableless'), zdm.abort('mine');
DROP SCHEMA input CASCADE;
REVOKE USAGE ON SCHEMA zdm FROM regress_zdm_owner, regress_zdm_member, regress_zdm_stranger, regress_zdm_watcher;
DROP ROLE regress_zdm_member, regress_zdm_owner, regress_zdm_stranger, regress_zdm_watcher;
