-- What keeps a migration from being contracted: gates, invariants, approval,
-- freezes; and the kill switch.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
\set SHOW_CONTEXT never
ALTER SEQUENCE zdm.job_job_id_seq RESTART 8810001;
ALTER SEQUENCE zdm.migration_migration_id_seq RESTART 8810001;
ALTER SEQUENCE zdm.freeze_window_freeze_id_seq RESTART 101;
CREATE SCHEMA gates;
SET search_path = gates, public;
SET datestyle = ISO;
SET timezone = 'UTC';
SET intervalstyle = postgres;
CREATE TABLE account (id int PRIMARY KEY, balance int, old_balance int);
INSERT INTO account SELECT i, i, i FROM generate_series(1, 50) i;
CREATE PROCEDURE make(name text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM zdm.create_migration(name, 'team a', CURRENT_DATE, 'gates.account');
    PERFORM zdm.add_step(name, 'migrate', 'constraint', 'CHECK (balance >= 0)', constraint_name => 'never_negative');
    PERFORM zdm.add_step(name, 'contract', 'ddl', 'ALTER TABLE gates.account RENAME COLUMN old_balance TO hidden',
                         'ALTER TABLE gates.account RENAME COLUMN hidden TO old_balance');
    PERFORM zdm.add_step(name, 'contract', 'ddl', 'ALTER TABLE gates.account DROP COLUMN hidden');
END $$;
-- times differ from run to run
CREATE FUNCTION closed(of text) RETURNS TABLE (gate text, reason text) LANGUAGE sql AS $$
    SELECT gate, replace(regexp_replace(reason, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d([.]\d+)?([+]\d\d| UTC)', 'T', 'g'), current_user, 'me') FROM zdm.gates(of) WHERE NOT open
$$;

--
-- before it has begun
--
CALL make('balance');
SELECT * FROM closed('balance');
SELECT zdm.set_migration('balance', soak => '1 hour', minimum_age => '1 day', approved_by_other => true);
SELECT hold, soak, minimum_age, needs_approval, approved_by_other FROM zdm.migrations WHERE name = 'balance';
SELECT zdm.add_invariant('balance', 'nothing lost', 'SELECT id, balance FROM account WHERE balance IS DISTINCT FROM old_balance ORDER BY id', '1 s');
SELECT name, query, clean, runs, samples, job_id, state FROM zdm.invariants WHERE migration = 'balance';
SELECT zdm.start('balance');
CALL zdm.wait_for_migration('balance', timeout => '60 s');
CALL await($$ SELECT runs > 0 FROM zdm.invariants WHERE migration = 'balance' $$);
SELECT migration, name, clean, clean_since = last_run_at OR runs > 1 AS since, rows, last_error, samples, runs_every, time_limit, runs_as = current_user AS me
  FROM zdm.invariants WHERE migration = 'balance';
SELECT * FROM closed('balance');
\set VERBOSITY terse
SELECT zdm.contract('balance');
\set VERBOSITY default

--
-- one after the other
--
-- age
SELECT zdm.set_migration('balance', minimum_age => '0');
SELECT gate FROM closed('balance');
-- the soak
SELECT zdm.set_migration('balance', soak => '0');
SELECT * FROM closed('balance');
-- an invariant that is broken: the first rows are kept
UPDATE account SET balance = balance + 1 WHERE id > 20;
CALL await($$ SELECT NOT clean FROM zdm.invariants WHERE migration = 'balance' $$);
SELECT * FROM closed('balance') WHERE gate = 'invariants';
SELECT clean_since, rows, cardinality(samples) AS kept, samples[1], samples[10] FROM zdm.invariants WHERE migration = 'balance';
UPDATE account SET balance = old_balance;
CALL await($$ SELECT clean FROM zdm.invariants WHERE migration = 'balance' $$);
SELECT cardinality(samples) AS still_kept FROM zdm.invariants WHERE migration = 'balance';
-- one that cannot be run, that takes too long, that writes
CREATE VIEW view AS SELECT * FROM account WHERE false;
SELECT zdm.add_invariant('balance', 'view', 'SELECT * FROM view', '1 s');
CALL await($$ SELECT runs > 0 FROM zdm.invariants WHERE name = 'view' $$);
DROP VIEW view;
CALL await($$ SELECT last_error IS NOT NULL FROM zdm.invariants WHERE name = 'view' $$);
SELECT * FROM closed('balance') WHERE gate = 'invariants';
SELECT zdm.remove_invariant('balance', 'view');
SELECT zdm.add_invariant('balance', 'slow', 'SELECT 1 WHERE pg_sleep(5) IS NULL', '1 s', '50 ms');
CALL await($$ SELECT runs > 0 FROM zdm.invariants WHERE name = 'slow' $$);
SELECT * FROM closed('balance') WHERE gate = 'invariants';
SELECT zdm.remove_invariant('balance', 'slow');
CREATE FUNCTION writes() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN DELETE FROM gates.account; RETURN true; END';
SELECT zdm.add_invariant('balance', 'writes', 'SELECT 1 WHERE NOT writes()', '1 s');
CALL await($$ SELECT runs > 0 FROM zdm.invariants WHERE name = 'writes' $$);
SELECT * FROM closed('balance') WHERE gate = 'invariants';
SELECT count(*) FROM account;
SELECT zdm.remove_invariant('balance', 'writes');
SELECT * FROM closed('balance') WHERE gate = 'invariants';
SELECT event, message FROM zdm.events WHERE migration = 'balance' AND event LIKE 'invariant %' ORDER BY event_id;
SELECT name, state FROM zdm.jobs WHERE kind = 'invariant' AND migration = 'balance' AND state NOT IN ('running', 'queued') ORDER BY name;

-- approval: not by the creator, who cannot change that either
SELECT * FROM closed('balance');
\set VERBOSITY terse
SELECT zdm.approve('balance');
SELECT zdm.set_migration('balance', needs_approval => false);
SELECT zdm.set_migration('balance', approved_by_other => false);
\set VERBOSITY default
CREATE ROLE regress_zdm_other SUPERUSER;
SET SESSION AUTHORIZATION regress_zdm_other;
SELECT zdm.approve('balance');
SELECT approved_by, approved_at IS NOT NULL AS dated FROM zdm.migrations WHERE name = 'balance';
SET client_min_messages = notice;
SELECT zdm.approve('balance');
SET client_min_messages = warning;
RESET SESSION AUTHORIZATION;
SELECT * FROM closed('balance');

-- a constraint that somebody has dropped since
ALTER TABLE account DROP CONSTRAINT never_negative;
SELECT * FROM closed('balance');
ALTER TABLE account ADD CONSTRAINT never_negative CHECK (balance >= 0) NOT VALID;
SELECT * FROM closed('balance');
ALTER TABLE account VALIDATE CONSTRAINT never_negative;
SELECT * FROM closed('balance');

--
-- a freeze
--
SELECT zdm.freeze(now() - interval '1 hour', now() + interval '1 hour', 'end of the quarter') AS freeze \gset
SELECT starts_at < now() AS began, reason, active FROM zdm.freezes WHERE freeze_id = :freeze;
SELECT * FROM closed('balance');
ALTER TABLE account DROP CONSTRAINT never_negative;
CALL make('frozen');
SELECT zdm.start('frozen');
CALL await($$ SELECT waiting_for LIKE '%freeze%' FROM zdm.migrations WHERE name = 'frozen' $$);
SELECT phase, status, regexp_replace(waiting_for, 'at .*: ', 'at T: ') AS waiting_for FROM zdm.migrations WHERE name = 'frozen';
SELECT zdm.unfreeze(:freeze);
SELECT zdm.unfreeze(:freeze);
CALL zdm.wait_for_migration('frozen', timeout => '60 s');
SELECT zdm.abort('frozen');
CALL zdm.wait_for_migration('frozen', 'aborted', '60 s');
-- one that is to come stops nobody
ALTER TABLE account ADD CONSTRAINT never_negative CHECK (balance >= 0);
SELECT zdm.freeze(now() + interval '1 hour', now() + interval '2 hours', 'release') AS freeze \gset
SELECT count(*) FROM closed('balance');

--
-- contracted; reverted, it wants another approval
--
SELECT zdm.contract('balance');
CALL await($$ SELECT stage = 'retired' FROM zdm.migrations WHERE name = 'balance' $$);
SELECT zdm.revert('balance');
CALL await($$ SELECT stage = 'ready' FROM zdm.migrations WHERE name = 'balance' $$);
SELECT gate FROM closed('balance') WHERE gate <> 'invariants';

-- over, its invariants end
SELECT zdm.abort('balance');
CALL zdm.wait_for_migration('balance', 'aborted', '60 s');
CALL await($$ SELECT bool_and(state IN ('cancelled', 'done')) FROM zdm.jobs WHERE kind = 'invariant' AND migration = 'balance' $$);
SELECT conname FROM pg_constraint WHERE conrelid = 'account'::regclass AND contype = 'c';

--
-- the kill switch
--
CALL make('stopped');
SELECT zdm.add_step('stopped', 'expand', 'wait', 'SELECT false');
SELECT zdm.start('stopped');
CALL await($$ SELECT waiting_for LIKE 'step 1: its query%' FROM zdm.migrations WHERE name = 'stopped' $$);
SELECT zdm.stop_all('disk is full') > 0 AS stopped;
SELECT phase, status, replace(waiting_for, current_user, 'me') AS waiting_for FROM zdm.migrations WHERE name = 'stopped';
\set VERBOSITY terse
SELECT zdm.stop_all('again');
\set VERBOSITY default
-- what is submitted later does not begin either
SELECT zdm.start_backfill('account', 'old_balance = balance + 1', name => 'submitted while stopped');
CALL await($$ SELECT waiting_for LIKE 'zdm.resume_all()%' FROM zdm.jobs WHERE name = 'submitted while stopped' $$);
SELECT state, replace(waiting_for, current_user, 'me') AS waiting_for FROM zdm.jobs WHERE name = 'submitted while stopped';
SELECT zdm.resume_all() > 0 AS resumed;
CALL settle(zdm.job_id('submitted while stopped'));
SELECT state FROM zdm.jobs WHERE name = 'submitted while stopped';
CALL await($$ SELECT waiting_for LIKE 'step 1: its query%' AND status = 'running' FROM zdm.migrations WHERE name = 'stopped' $$);
SET client_min_messages = notice;
SELECT zdm.resume_all();
SET client_min_messages = warning;
SELECT zdm.abort('stopped');
CALL zdm.wait_for_migration('stopped', 'aborted', '60 s');

--
-- a trigger that does not fire: what is written then is in one column only
--
CREATE TABLE untriggered (id int PRIMARY KEY, old int);
INSERT INTO untriggered VALUES (1, 1);
CREATE FUNCTION trigger_off(order_sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE order_sql;
    RETURN 'done';
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN regexp_replace(SQLERRM, '~zdm_sync_\d+', '~zdm_sync_N');
END $$;
CREATE PROCEDURE each_trigger(statement text) LANGUAGE plpgsql AS $$
DECLARE
    name name;
BEGIN
    FOR name IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'untriggered'::regclass AND NOT tgisinternal LOOP
        EXECUTE format(statement, name);
    END LOOP;
END $$;
-- the hourly verification now: once the one before has said when the next one is due
CREATE PROCEDURE verify_now() LANGUAGE plpgsql AS $$
BEGIN
    CALL await($q$ SELECT state = 'queued' AND not_before > now() FROM zdm.job WHERE name = 'untriggered (verify)' $q$);
    UPDATE zdm.job SET not_before = NULL WHERE name = 'untriggered (verify)';
    PERFORM zdm.resume_job(job_id) FROM zdm.job WHERE name = 'untriggered (verify)';
END $$;
CREATE FUNCTION triggers_gate() RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(reason, '~zdm_sync_\d+', '~zdm_sync_N') FROM zdm.gates('untriggered') WHERE gate = 'triggers' AND NOT open
$$;
SELECT zdm.rename_column('untriggered', 'old', 'new', 'team a', CURRENT_DATE + 30, name => 'untriggered');
CALL zdm.wait_for_migration('untriggered', timeout => '60 s');
ALTER TABLE untriggered DISABLE TRIGGER ALL;
SELECT triggers_gate();
SELECT trigger_off($$ SELECT zdm.contract('untriggered') $$);
ALTER TABLE untriggered ENABLE TRIGGER ALL;
SELECT triggers_gate();
CALL each_trigger('ALTER TABLE untriggered ENABLE ALWAYS TRIGGER %I');
SELECT triggers_gate();
-- the rows that were written meanwhile are not known: not before they are verified again
CALL verify_now();
CALL await($$ SELECT triggers_gate() IS NULL $$);
SELECT zdm.contract('untriggered');
CALL zdm.wait_for_migration('untriggered', timeout => '60 s');
ALTER TABLE untriggered DISABLE TRIGGER ALL;
SELECT trigger_off($$ SELECT zdm.revert('untriggered') $$);
SELECT trigger_off($$ SELECT zdm.abort('untriggered') $$);
UPDATE untriggered SET new = 2;
CALL each_trigger('ALTER TABLE untriggered ENABLE ALWAYS TRIGGER %I');
SELECT trigger_off($$ SELECT zdm.revert('untriggered') $$);
CALL verify_now();
CALL await($$ SELECT verify_error IS NOT NULL FROM zdm.migration WHERE name = 'untriggered' $$);
SELECT trigger_off($$ SELECT zdm.revert('untriggered') $$);
-- mended, by writing what is there once more
UPDATE untriggered SET new = 1;
UPDATE untriggered SET new = 2;
CALL verify_now();
CALL await($$ SELECT triggers_gate() IS NULL $$);
SELECT zdm.revert('untriggered');
CALL zdm.wait_for_migration('untriggered', timeout => '60 s');
CALL each_trigger('DROP TRIGGER %I ON untriggered');
SELECT triggers_gate();
SET client_min_messages = error;  -- a warning with the number of the trigger
SELECT zdm.abort('untriggered');
SET client_min_messages = warning;
CALL zdm.wait_for_migration('untriggered', 'aborted', '60 s');

--
-- the same of a partition, and one that is attached: the trigger has never seen its rows
--
CREATE TABLE parted (id int, old int) PARTITION BY LIST (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
INSERT INTO parted VALUES (1, 1);
CREATE FUNCTION parted_gate() RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(reason, '~zdm_sync_\d+', '~zdm_sync_N') FROM zdm.gates('gates parted') WHERE gate = 'triggers' AND NOT open
$$;
CREATE PROCEDURE verify_parted() LANGUAGE plpgsql AS $$
BEGIN
    CALL await($q$ SELECT state = 'queued' AND not_before > now() FROM zdm.job WHERE name = 'gates parted (verify)' $q$);
    PERFORM zdm.retry('gates parted');
END $$;
SELECT zdm.rename_column('parted', 'old', 'new', 'team a', CURRENT_DATE + 30, name => 'gates parted');
CALL zdm.wait_for_migration('gates parted', timeout => '60 s');
SELECT parted_gate();
SELECT tgname AS sync_trigger FROM pg_trigger WHERE tgrelid = 'parted'::regclass \gset
ALTER TABLE parted_1 DISABLE TRIGGER :"sync_trigger";
SELECT parted_gate();
ALTER TABLE parted_1 ENABLE ALWAYS TRIGGER :"sync_trigger";
SELECT parted_gate();
CALL verify_parted();
CALL await($$ SELECT parted_gate() IS NULL $$);
CREATE TABLE parted_2 (LIKE parted);
INSERT INTO parted_2 VALUES (2, 2);
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES IN (2);
SELECT parted_gate();
CALL verify_parted();
CALL await($$ SELECT verify_error IS NOT NULL FROM zdm.migration WHERE name = 'gates parted' $$);
UPDATE parted SET old = old;
CALL verify_parted();
CALL await($$ SELECT parted_gate() IS NULL $$);
-- one that goes says nothing about the others
ALTER TABLE parted DETACH PARTITION parted_1;
SELECT parted_gate();
SELECT zdm.contract('gates parted');
CALL zdm.wait_for_migration('gates parted', timeout => '60 s');
SELECT zdm.revert('gates parted');
CALL zdm.wait_for_migration('gates parted', timeout => '60 s');
SELECT * FROM parted;
SELECT parted_gate();
SELECT zdm.abort('gates parted');
CALL zdm.wait_for_migration('gates parted', 'aborted', '60 s');
SELECT * FROM untriggered;

--
-- the new column is gone: what cannot be looked at is closed, and the way back is open
--
CREATE TABLE unshaped (id int PRIMARY KEY, old int NOT NULL UNIQUE);
INSERT INTO unshaped VALUES (1, 1);
SELECT zdm.rename_column('unshaped', 'old', 'new', 'team a', CURRENT_DATE + 30, name => 'unshaped');
CALL zdm.wait_for_migration('unshaped', timeout => '60 s');
ALTER TABLE unshaped DROP COLUMN new;
SELECT gate, regexp_replace(reason, '~zdm_sync_\d+', '~zdm_sync_N') AS reason FROM zdm.gates('unshaped') WHERE NOT open AND gate IN ('columns', 'constraints', 'rights', 'triggers');
SELECT zdm.abort('unshaped');
CALL zdm.wait_for_migration('unshaped', 'aborted', '60 s');
INSERT INTO unshaped VALUES (2, 2);
\d unshaped
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'unshaped'::regclass AND NOT tgisinternal;

--
-- a column is given another type, the table is dropped
--
CREATE TABLE retyped (id int PRIMARY KEY, old int);
INSERT INTO retyped VALUES (1, 1);
SELECT zdm.rename_column('retyped', 'old', 'new', 'team a', CURRENT_DATE + 30, name => 'retyped');
CALL zdm.wait_for_migration('retyped', timeout => '60 s');
SELECT gate, reason FROM zdm.gates('retyped') WHERE gate = 'columns';
ALTER TABLE retyped ALTER COLUMN new TYPE bigint;
SELECT gate, reason FROM zdm.gates('retyped') WHERE gate = 'columns';
ALTER TABLE retyped ALTER COLUMN new TYPE int, ALTER COLUMN old TYPE bigint;
SELECT gate, reason FROM zdm.gates('retyped') WHERE gate = 'columns';
DROP TABLE retyped;
SELECT gate, reason FROM zdm.gates('retyped') WHERE gate = 'columns';
SELECT zdm.abort('retyped');
CALL zdm.wait_for_migration('retyped', 'aborted', '60 s');

--
-- debt
--
CALL make('late');
SELECT zdm.start('late');
CALL zdm.wait_for_migration('late', timeout => '60 s');
UPDATE zdm.migration SET contract_by = CURRENT_DATE - 3 WHERE name = 'late';
SELECT name, owner, phase, status, days_late, why = 'it was to be contracted by ' || contract_by AS why FROM zdm.debt WHERE name = 'late';
SELECT zdm.set_migration('late', owner => 'team b', contract_by => CURRENT_DATE + 1);
SELECT count(*) FROM zdm.debt WHERE name = 'late';
SELECT zdm.abort('late');
CALL zdm.wait_for_migration('late', 'aborted', '60 s');

--
-- the hold ends in a freeze: nothing is dropped, and there is a way back
--
CREATE TABLE kept (id int PRIMARY KEY, old int);
SELECT zdm.create_migration('kept', 'team a', CURRENT_DATE, 'kept');
SELECT zdm.add_step('kept', 'contract', 'ddl', 'ALTER TABLE gates.kept RENAME COLUMN old TO hidden', 'ALTER TABLE gates.kept RENAME COLUMN hidden TO old');
SELECT zdm.add_step('kept', 'contract', 'ddl', 'ALTER TABLE gates.kept DROP COLUMN hidden');
SELECT zdm.start('kept');
CALL zdm.wait_for_migration('kept', timeout => '60 s');
SELECT zdm.contract('kept');
CALL await($$ SELECT stage = 'retired' FROM zdm.migrations WHERE name = 'kept' $$);
SELECT zdm.freeze(now(), now() + interval '1 hour', 'end of the quarter') AS freeze_of_hold \gset
SELECT zdm.set_migration('kept', hold => '0');
CALL await($$ SELECT waiting_for LIKE '%freeze%' FROM zdm.migrations WHERE name = 'kept' $$);
SELECT phase, stage, status, regexp_replace(waiting_for, 'at .*: ', 'at T: ') AS waiting_for FROM zdm.migrations WHERE name = 'kept';
-- a hold that is made longer then counts
SELECT zdm.set_migration('kept', hold => '1 day');
SELECT zdm.unfreeze(:freeze_of_hold);
CALL await($$ SELECT waiting_for LIKE '%hold%' FROM zdm.jobs WHERE name = 'kept (purge)' $$);
SELECT zdm.pause_migration('kept');
SELECT zdm.resume_migration('kept');
CALL await($$ SELECT state = 'queued' FROM zdm.jobs WHERE name = 'kept (purge)' $$);
SELECT phase, stage, status, waiting_for = 'the end of the hold at ' || (retired_at + hold)::timestamptz(0) AS waits FROM zdm.migrations WHERE name = 'kept';
SELECT zdm.revert('kept');
CALL await($$ SELECT stage = 'ready' FROM zdm.migrations WHERE name = 'kept' $$);
SELECT zdm.abort('kept');
CALL zdm.wait_for_migration('kept', 'aborted', '60 s');

RESET search_path;
DROP SCHEMA gates CASCADE;
DROP ROLE regress_zdm_other;
SELECT zdm.unfreeze(:freeze);
