-- Migrations with a plan of one's own: their phases, orders, what is tracked.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
\set SHOW_CONTEXT never
ALTER SEQUENCE zdm.job_job_id_seq RESTART 8800001;
ALTER SEQUENCE zdm.migration_migration_id_seq RESTART 8800001;
CREATE SCHEMA migrations;
SET search_path = migrations, public;
CREATE TABLE item (id int PRIMARY KEY, code text, amount int);
INSERT INTO item SELECT i, 'c' || i, i FROM generate_series(1, 100) i;

CREATE VIEW what AS
SELECT name, phase, stage, status, owner, waiting_for, last_error, next_step FROM zdm.migrations
 WHERE migration_id BETWEEN 8800001 AND 8800999 ORDER BY migration_id;
CREATE FUNCTION columns(OUT columns text) LANGUAGE sql AS $$
    SELECT string_agg(attname || CASE WHEN attnotnull THEN ' not null' ELSE '' END, ', ' ORDER BY attnum)
      FROM pg_attribute WHERE attrelid = 'migrations.item'::regclass AND attnum > 0 AND NOT attisdropped
$$;
CREATE FUNCTION events(of text) RETURNS TABLE (event text, job_name text, message text) LANGUAGE sql AS $$
    SELECT event, job_name, replace(message, current_user, 'me') FROM zdm.events
     WHERE migration = of AND event NOT IN ('continued') ORDER BY event_id
$$;

--
-- a plan, phase by phase
--
SELECT zdm.create_migration('size', 'team a', CURRENT_DATE + 30, 'item');
SELECT zdm.add_step('size', 'expand', 'ddl', 'ALTER TABLE migrations.item ADD COLUMN size int', 'ALTER TABLE migrations.item DROP COLUMN size');
SELECT zdm.add_step('size', 'migrate', 'sql', 'UPDATE migrations.item SET size = amount WHERE size IS NULL');
SELECT zdm.add_step('size', 'migrate', 'constraint', 'CHECK (size IS NOT NULL)', constraint_name => 'size_there');
SELECT zdm.add_step('size', 'migrate', 'index', 'CREATE INDEX item_size ON migrations.item (size)');
SELECT zdm.add_step('size', 'migrate', 'verify', 'SELECT 1 FROM migrations.item WHERE size IS DISTINCT FROM amount;');
SELECT zdm.add_step('size', 'contract', 'ddl', 'ALTER TABLE migrations.item DROP COLUMN hidden_amount');
SELECT zdm.add_step('size', 'contract', 'ddl', 'ALTER TABLE migrations.item RENAME COLUMN amount TO hidden_amount',
                    'ALTER TABLE migrations.item RENAME COLUMN hidden_amount TO amount');
-- in front of those of a later phase
SELECT zdm.add_step('size', 'expand', 'wait', wait_time => '1 ms');
-- what is there already is not added twice
SET client_min_messages = notice;
SELECT zdm.create_migration('size', 'team a', CURRENT_DATE + 30, 'item');
SELECT zdm.add_step('size', 'migrate', 'index', 'CREATE INDEX item_size ON migrations.item (size)');
SET client_min_messages = warning;
\x on
SELECT phase, stage, step, kind, statement, lock, undo, expected_time, state, job_id FROM zdm.plan('size');
\x off
SELECT * FROM what;
SELECT migration, phase, stage, step, state, job_id FROM zdm.steps WHERE migration = 'size' ORDER BY step;

SELECT zdm.start('size');
CALL zdm.wait_for_migration('size', timeout => '60 s');
SELECT * FROM what;
SELECT columns();
SELECT step, state, job_id FROM zdm.plan('size');
SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'item'::regclass AND contype = 'c';
SELECT * FROM zdm.gates('size');
SET client_min_messages = notice;
SELECT zdm.start('size');
SET client_min_messages = warning;
SELECT zdm.assert_migration('size', 'contract');
-- retire, back, retire again
SELECT zdm.contract('size');
CALL await($$ SELECT stage = 'retired' FROM zdm.migrations WHERE name = 'size' $$);
SELECT columns();
SELECT name, phase, stage, status, waiting_for = 'the end of the hold at ' || (retired_at + hold)::timestamptz(0) AS waits, next_step
  FROM zdm.migrations WHERE name = 'size';
SELECT name, state, not_before = (SELECT retired_at + hold FROM zdm.migrations WHERE name = 'size') AS at_end_of_hold
  FROM zdm.jobs JOIN zdm.job USING (job_id, name, state) WHERE migration = 'size' AND name LIKE '%purge%';
SELECT zdm.revert('size');
CALL await($$ SELECT stage = 'ready' FROM zdm.migrations WHERE name = 'size' $$);
SELECT columns();
SELECT zdm.revert('size');
-- what comes too early or too late
SET client_min_messages = notice;
SELECT zdm.retry_job(zdm.job_id('size (retire)'));
SELECT zdm.retry_job(zdm.job_id('size (purge)'));
SELECT zdm.retry('size');
SELECT zdm.pause_migration('size');
SELECT zdm.resume_migration('size');
-- again, without a hold
SET client_min_messages = warning;
SELECT zdm.contract('size', hold => '0');
CALL zdm.wait_for_migration('size', 'done', '60 s');
SELECT columns();
SELECT * FROM what;
SELECT progress, eta, job_id, finished_at IS NOT NULL AS finished FROM zdm.migrations WHERE name = 'size';
SELECT * FROM events('size');
-- over
SET client_min_messages = notice;
SELECT zdm.contract('size');
SELECT zdm.revert('size');
SELECT zdm.abort('size');
SELECT zdm.retry('size');
SELECT zdm.approve('size');
SELECT zdm.add_step('size', 'contract', 'sql', 'SELECT 1');
SELECT zdm.add_invariant('size', 'late', 'SELECT 1');
SELECT zdm.assert_migration('size');
SET client_min_messages = warning;

--
-- abort: from plan, in the middle, when ready, when retired
--
CREATE PROCEDURE make(name text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM zdm.create_migration(name, 'team b', CURRENT_DATE, 'migrations.item');
    PERFORM zdm.add_step(name, 'expand', 'ddl', 'ALTER TABLE migrations.item ADD COLUMN extra int', 'ALTER TABLE migrations.item DROP COLUMN extra');
    PERFORM zdm.add_step(name, 'migrate', 'constraint', 'CHECK (size > 0)', constraint_name => 'positive');
    PERFORM zdm.add_step(name, 'contract', 'ddl', 'ALTER TABLE migrations.item RENAME COLUMN code TO hidden_code',
                         'ALTER TABLE migrations.item RENAME COLUMN hidden_code TO code');
    PERFORM zdm.add_step(name, 'contract', 'ddl', 'ALTER TABLE migrations.item DROP COLUMN hidden_code');
END $$;
CALL make('planned');
SELECT zdm.abort('planned');
SELECT * FROM what WHERE name = 'planned';
SELECT zdm.abort('planned');
SELECT zdm.start('planned');
UPDATE item SET size = -1 WHERE id = 7;
CALL make('failing');
SELECT zdm.start('failing');
CALL await($$ SELECT status = 'failed' FROM zdm.migrations WHERE name = 'failing' $$);
SELECT * FROM what WHERE name = 'failing';
SELECT name, owner, days_late, stuck_since IS NOT NULL AS stuck, why FROM zdm.debt WHERE name = 'failing';
CALL zdm.wait_for_migration('failing', timeout => '60 s');
SELECT zdm.contract('failing');
SELECT zdm.resume_migration('failing');
SELECT columns();
SELECT zdm.abort('failing');
CALL zdm.wait_for_migration('failing', 'aborted', '60 s');
SELECT columns();
SELECT conname FROM pg_constraint WHERE conrelid = 'item'::regclass AND contype = 'c';
SELECT count(*) FROM zdm.debt WHERE name = 'failing';
-- retried after that, it does all of it again
UPDATE item SET size = id WHERE id = 7;
SELECT zdm.retry('failing');
CALL zdm.wait_for_migration('failing', 'contract', '60 s');
SELECT columns();
SELECT zdm.abort('failing');
CALL zdm.wait_for_migration('failing', 'aborted', '60 s');
SELECT columns();
SELECT zdm.retry('failing');
CALL zdm.wait_for_migration('failing', 'contract', '60 s');
SELECT zdm.contract('failing');
CALL await($$ SELECT stage = 'retired' FROM zdm.migrations WHERE name = 'failing' $$);
SELECT columns();
SELECT zdm.abort('failing');
CALL zdm.wait_for_migration('failing', 'aborted', '60 s');
SELECT columns();
SELECT conname FROM pg_constraint WHERE conrelid = 'item'::regclass AND contype = 'c';
SELECT event FROM events('failing') WHERE job_name IS NULL;
CALL zdm.wait_for_migration('failing', 'done', '60 s');

-- the job itself is cancelled: the same
SELECT zdm.retry('failing');
CALL zdm.wait_for_migration('failing', 'contract', '60 s');
SELECT zdm.cancel_job(zdm.job_id('failing'));
SELECT zdm.abort('failing');
CALL zdm.wait_for_migration('failing', 'aborted', '60 s');

-- no way back from what has no undo
SELECT zdm.create_migration('one way', 'team b', CURRENT_DATE, 'migrations.item');
SELECT zdm.add_step('one way', 'contract', 'ddl', 'ALTER TABLE migrations.item DROP CONSTRAINT size_there', stage => 'retire');
SELECT zdm.add_step('one way', 'contract', 'sql', 'SELECT 1');
SELECT zdm.start('one way');
CALL zdm.wait_for_migration('one way', timeout => '60 s');
SELECT zdm.contract('one way');
CALL await($$ SELECT stage = 'retired' FROM zdm.migrations WHERE name = 'one way' $$);
SELECT zdm.revert('one way');
SELECT zdm.abort('one way');
SELECT zdm.contract('one way', '0');
CALL zdm.wait_for_migration('one way', 'done', '60 s');

--
-- pause, resume; a step added in between
--
SELECT zdm.create_migration('resting', 'team c');
SELECT zdm.add_step('resting', 'migrate', 'wait', 'SELECT EXISTS (SELECT FROM migrations.item WHERE id = 0)');
SELECT zdm.start('resting');
CALL await($$ SELECT waiting_for IS NOT NULL AND phase = 'migrate' FROM zdm.migrations WHERE name = 'resting' $$);
SELECT phase, status, waiting_for, waiting_since IS NOT NULL AS since FROM zdm.migrations WHERE name = 'resting';
SELECT zdm.add_step('resting', 'migrate', 'sql', 'DELETE FROM migrations.item WHERE id = 0');
SELECT zdm.pause_migration('resting');
SELECT zdm.pause_migration('resting');
SELECT zdm.add_step('resting', 'expand', 'sql', 'SELECT 1');
SELECT zdm.add_step('resting', 'migrate', 'sql', 'DELETE FROM migrations.item WHERE id = 0');
SELECT zdm.add_step('resting', 'contract', 'sql', 'SELECT 1');
SELECT phase, status, next_step FROM zdm.migrations WHERE name = 'resting';
SELECT zdm.retry('resting');
INSERT INTO item (id, size) VALUES (0, 1);
SELECT zdm.resume_migration('resting');
CALL zdm.wait_for_migration('resting', timeout => '60 s');
SELECT count(*) FROM item WHERE id = 0;
SELECT zdm.assert_migration('resting', 'done');

-- what has nothing to purge is done when it is contracted, and cannot be reverted
SELECT zdm.add_column('item', 'letter', 'text', 'team d', CURRENT_DATE, fill => 'left(code, 1)', column_default => '''x''', name => 'letter');
CALL zdm.wait_for_migration('letter', 'contract', '60 s');
INSERT INTO item (id, code, size) VALUES (-1, 'filled', 1);
SELECT zdm.revert('letter');
SELECT zdm.contract('letter');
CALL zdm.wait_for_migration('letter', 'done', '60 s');
INSERT INTO item (id, code, size) VALUES (-2, 'default', 1);
SELECT id, letter FROM item WHERE id < 0 ORDER BY id;
SELECT phase, waiting_for, next_step FROM zdm.migrations WHERE name = 'letter';
SELECT * FROM refused($$ SELECT zdm.revert('letter') $$);
SELECT zdm.revert('letter');
SELECT zdm.abort('letter');
DELETE FROM item WHERE id < 0;
ALTER TABLE item DROP COLUMN letter;
-- names without a schema mean what they meant in the session that gave the plan
CREATE FUNCTION is_size(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0';
SELECT zdm.create_migration('short names', 'team a', CURRENT_DATE + 30, 'item');
SELECT zdm.add_step('short names', 'expand', 'ddl', 'ALTER TABLE item ADD COLUMN width int', 'ALTER TABLE item DROP COLUMN width');
SELECT zdm.add_step('short names', 'migrate', 'backfill', set_clause => 'width = 1');
SELECT zdm.add_step('short names', 'migrate', 'constraint', 'CHECK (is_size(width))', constraint_name => 'is_width');
SELECT zdm.add_step('short names', 'migrate', 'index', 'CREATE INDEX item_width ON item (width)');
SELECT zdm.add_step('short names', 'migrate', 'verify', 'SELECT FROM item WHERE width IS NULL');
SELECT zdm.add_step('short names', 'contract', 'ddl', 'ALTER TABLE item DROP COLUMN width');
RESET search_path;
SELECT zdm.start('short names');
CALL zdm.wait_for_migration('short names', timeout => '60 s');
SELECT indexdef FROM pg_indexes WHERE indexname = 'item_width';
SELECT zdm.abort('short names');
CALL zdm.wait_for_migration('short names', 'aborted', timeout => '60 s');
SET search_path = migrations, public;
SELECT columns();

-- changes of constraints are migrations, too
SELECT zdm.set_not_null('item', 'size', name => 'size not null', owner => 'team d', dry_run => true);
SELECT name, kind, phase, owner, contract_by, progress, next_step FROM zdm.migrations WHERE name = 'size not null';
SELECT phase, step, kind, state FROM zdm.plan('size not null');
SELECT columns();
SELECT zdm.contract('size not null');
SELECT zdm.revert('size not null');
SELECT zdm.set_not_null('item', 'size', name => 'size not null');
CALL zdm.wait_for_migration('size not null', timeout => '60 s');
-- it will never be: an error at once
CALL zdm.wait_for_migration('size not null', 'aborted', '60 s');
SELECT columns();
SELECT name, kind, phase, owner, contract_by, progress, job_id = zdm.job_id('size not null') AS is_job FROM zdm.migrations WHERE name = 'size not null';
SELECT * FROM events('size not null');
SELECT zdm.revert('size not null');

--
-- a change of the trigger that comes after the migration has made it anew, or dropped it
--
CREATE TABLE price (id int PRIMARY KEY, cents int);
INSERT INTO price SELECT i, i FROM generate_series(1, 10) i;
SELECT zdm.change_column_type('price', 'cents', 'bigint', owner => 'team c', contract_by => CURRENT_DATE, name => 'cents');
CALL zdm.wait_for_migration('cents', timeout => '60 s');
BEGIN;
SELECT zdm.set_mapping_on_error('cents', 'null') AS job \gset
SELECT zdm.pause_job(:job);
COMMIT;
SELECT zdm.contract('cents');
CALL await($$ SELECT stage = 'retired' FROM zdm.migrations WHERE name = 'cents' $$);
SELECT state FROM zdm.jobs WHERE job_id = :job;
SELECT * FROM refused(format($$ SELECT zdm.retry_job(%s) $$, :job));
INSERT INTO price VALUES (11, 11);
SELECT on_error FROM zdm.mappings WHERE migration = 'cents';
SELECT zdm.revert('cents');
CALL await($$ SELECT stage = 'ready' FROM zdm.migrations WHERE name = 'cents' $$);
SELECT count(*) FROM price WHERE cents = id;
BEGIN;
SELECT zdm.set_mapping_on_error('cents', 'fail') AS job \gset
SELECT zdm.pause_job(:job);
COMMIT;
SELECT zdm.abort('cents');
CALL zdm.wait_for_migration('cents', 'aborted', '60 s');
SELECT state FROM zdm.jobs WHERE job_id = :job;
UPDATE price SET cents = 12 WHERE id = 11 RETURNING *;

RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA migrations CASCADE;
