-- Triggers of the target: they fire, and whatever they do to the session or to
-- the row, the backfill stays right.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
CREATE TABLE trg_t (id int PRIMARY KEY, n int, m int, note text);
CREATE TABLE trg_log (id int, who text, what text, seq serial);
CREATE TABLE trg_parent (id int PRIMARY KEY);
CREATE PROCEDURE trg_reset(rows int DEFAULT 5) LANGUAGE plpgsql AS $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'trg_t'::regclass AND NOT tgisinternal LOOP
        EXECUTE format('DROP TRIGGER %I ON trg_t', t.tgname);
    END LOOP;
    TRUNCATE trg_t, trg_log RESTART IDENTITY;
    INSERT INTO trg_t SELECT i FROM generate_series(1, rows) i;
END $$;

--
-- every kind fires, once for a row that is updated
--
CALL trg_reset();
CREATE FUNCTION trg_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.trg_log (id, what) VALUES (CASE WHEN TG_LEVEL = 'ROW' THEN NEW.id END, TG_WHEN || ' ' || TG_LEVEL);
    RETURN NEW;
END $$;
CREATE TRIGGER trg_1 BEFORE UPDATE ON trg_t FOR EACH ROW EXECUTE FUNCTION trg_note();
CREATE TRIGGER trg_2 AFTER UPDATE OF n ON trg_t FOR EACH ROW EXECUTE FUNCTION trg_note();
CREATE TRIGGER trg_3 AFTER UPDATE OF m ON trg_t FOR EACH ROW EXECUTE FUNCTION trg_note();
CREATE TRIGGER trg_4 AFTER UPDATE ON trg_t FOR EACH ROW WHEN (NEW.n > 3) EXECUTE FUNCTION trg_note();
CREATE CONSTRAINT TRIGGER trg_5 AFTER UPDATE ON trg_t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trg_note();
UPDATE trg_t SET n = 1 WHERE id = 1;
TRUNCATE trg_log;
CALL backfill('trg_t', 'n = id');
SELECT what, count(*), count(DISTINCT id) FROM trg_log GROUP BY 1 ORDER BY 1;

-- transition tables
CALL trg_reset();
CREATE FUNCTION trg_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO trg_log (id, what) SELECT o.id, n.n::text FROM olds o JOIN news n USING (id);
    RETURN NULL;
END $$;
CREATE TRIGGER trg_1 AFTER UPDATE ON trg_t REFERENCING OLD TABLE AS olds NEW TABLE AS news
    FOR EACH STATEMENT EXECUTE FUNCTION trg_transition();
CALL backfill('trg_t', 'n = id + 1');
SELECT count(*), count(DISTINCT id) FROM trg_log WHERE what = (id + 1)::text;

--
-- what a trigger leaves behind in the session does no harm
--
CREATE FUNCTION trg_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_unlock_all();
    RESET ROLE;
    SET lock_timeout = '1ms';
    SET statement_timeout = '1ms';
    SET default_transaction_read_only = on;
    SET default_transaction_isolation = 'serializable';
    SET default_transaction_deferrable = on;
    SET search_path = pg_temp;
    SET row_security = on;
    SET enable_tidscan = off;
    SET enable_seqscan = off;
    SET synchronous_commit = on;
    SET TimeZone = 'Pacific/Kiritimati';
    SET DateStyle = 'German';
    SET constraint_exclusion = on;
    RETURN NEW;
END $$;
CALL trg_reset(30000);
CREATE TRIGGER trg_1 BEFORE UPDATE ON trg_t FOR EACH ROW EXECUTE FUNCTION trg_session();
CREATE TRIGGER trg_2 AFTER UPDATE ON trg_t FOR EACH ROW WHEN (NEW.id % 1000 = 0) EXECUTE FUNCTION trg_note();
CALL backfill('trg_t', 'n = id', name => 'trg: session');
SELECT count(*) FROM trg_t WHERE n = id;
SELECT count(DISTINCT id), count(*) FROM trg_log;
SELECT event, count(*) FROM zdm.events WHERE job_name = 'trg: session' AND event <> 'striping' GROUP BY 1 ORDER BY 1;

-- ... nor when the job has something to say: rewritten, and waiting
CALL trg_reset(20000);
CREATE TRIGGER trg_1 BEFORE UPDATE ON trg_t FOR EACH ROW EXECUTE FUNCTION trg_session();
BEGIN;
SELECT zdm.start_backfill('trg_t', 'n = id', name => 'trg: events') AS job \gset
SELECT zdm.set_throttle(:job, max_rows_per_second => 100);
COMMIT;
CALL await(format($$ SELECT rows_done > 0 FROM zdm.jobs WHERE job_id = %s $$, :job));
VACUUM FULL trg_t;
SELECT zdm.set_throttle(:job, max_rows_per_second => 'Infinity');
CALL settle(:job);
SELECT state, code, error FROM outcome(:job);
SELECT count(*) FROM trg_t WHERE n = id;
SELECT event FROM zdm.events WHERE job_id = :job AND event <> 'striping' ORDER BY event_id;

-- a setting that the expression depends on, changed in the middle of a batch:
-- no row gets a wrong value, nor is one left out without a word
CALL trg_reset(100);
CREATE TRIGGER trg_1 BEFORE UPDATE ON trg_t FOR EACH ROW EXECUTE FUNCTION trg_session();
CALL backfill('trg_t', 'note = ''2026-01-01 12:00+00''::timestamptz::text', name => 'trg: time zone', max_quarantine => 1000);
SELECT count(*) FROM trg_t WHERE note <> '2026-01-01 12:00+00'::timestamptz::text;
SELECT count(*) = (SELECT count(*) FROM zdm.quarantine WHERE job_name = 'trg: time zone') FROM trg_t WHERE note IS NULL;

-- the lock by which the job is known to be alive survives
CALL trg_reset(5);
CREATE TRIGGER trg_1 BEFORE UPDATE ON trg_t FOR EACH ROW EXECUTE FUNCTION trg_session();
BEGIN;
SELECT zdm.start_backfill('trg_t', 'n = id * 2', name => 'trg: lock') AS job \gset
SELECT zdm.set_throttle(:job, max_rows_per_second => 0.01);
COMMIT;
CALL await(format($$ SELECT rows_done = 5 FROM zdm.jobs WHERE job_id = %s $$, :job));
SELECT role, database = current_database() AS here, pid = (SELECT pid FROM zdm.jobs WHERE job_id = :job) AS same
  FROM zdm.workers WHERE job_id = :job;
SELECT zdm.set_throttle(:job, max_rows_per_second => 'Infinity');
CALL zdm.wait_for_job(:job);

--
-- triggers that get in the way of the update
--
-- BEFORE returns NULL: the row is not silently left out
CALL trg_reset();
CREATE FUNCTION trg_suppress() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE WHEN NEW.id <> 3 THEN NEW END;
END $$;
CREATE TRIGGER trg_1 BEFORE UPDATE ON trg_t FOR EACH ROW EXECUTE FUNCTION trg_suppress();
CALL backfill('trg_t', 'n = id', name => 'trg: suppress');
SELECT row_key, sqlstate, message FROM zdm.quarantine WHERE job_name = 'trg: suppress';
SELECT id, n FROM trg_t ORDER BY id;

-- BEFORE changes what was assigned: rows are not updated for ever
CALL trg_reset();
CREATE FUNCTION trg_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id = 3 THEN NEW.n := -1; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trg_1 BEFORE UPDATE ON trg_t FOR EACH ROW EXECUTE FUNCTION trg_change();
CALL backfill('trg_t', 'n = id', name => 'trg: change');
SELECT row_key, sqlstate, message FROM zdm.quarantine WHERE job_name = 'trg: change';
SELECT id, n FROM trg_t ORDER BY id;
-- with a filter that the change satisfies it is fine
CALL backfill('trg_t', 'n = id', 'n IS NULL', name => 'trg: change and filter');
SELECT id, n FROM trg_t WHERE id = 3;

-- a deferred constraint trigger that fails at commit
CALL trg_reset(2000);
CREATE FUNCTION trg_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id % 700 = 0 THEN RAISE 'too late' USING ERRCODE = 'integrity_constraint_violation'; END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER trg_1 AFTER UPDATE ON trg_t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trg_at_commit();
CALL backfill('trg_t', 'n = id', name => 'trg: deferred');
SELECT row_key, sqlstate, message FROM zdm.quarantine WHERE job_name = 'trg: deferred' ORDER BY (row_key ->> 'id')::int;
SELECT count(*) FILTER (WHERE n = id), count(*) FILTER (WHERE n IS NULL) FROM trg_t;
-- the row in zdm's own cursor agrees with the data
SELECT rows_done FROM zdm.jobs WHERE name = 'trg: deferred';

-- a trigger that writes to another row of the table, which is still to come
CALL trg_reset();
CREATE FUNCTION trg_other_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE trg_t SET m = coalesce(m, 0) + 1 WHERE id = NEW.id + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER trg_1 AFTER UPDATE OF n ON trg_t FOR EACH ROW EXECUTE FUNCTION trg_other_row();
CALL backfill('trg_t', 'n = id', name => 'trg: other row');
SELECT id, n, m FROM trg_t ORDER BY id;
CALL trg_reset();
CREATE TRIGGER trg_1 BEFORE UPDATE OF n ON trg_t FOR EACH ROW EXECUTE FUNCTION trg_other_row();
CALL backfill('trg_t', 'n = id + 0');
SELECT id, n, m FROM trg_t ORDER BY id;

-- a trigger that ends the transaction's snapshot, or writes to zdm's tables
CALL trg_reset();
CREATE FUNCTION trg_meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        PERFORM 1 / 0;
    EXCEPTION WHEN division_by_zero THEN
        INSERT INTO trg_log (id, what) VALUES (NEW.id, 'subtransaction');
    END;
    RETURN NEW;
END $$;
CREATE TRIGGER trg_1 BEFORE UPDATE ON trg_t FOR EACH ROW EXECUTE FUNCTION trg_meddle();
CALL backfill('trg_t', 'n = id - 1');
SELECT count(*) FROM trg_log;

-- a trigger that pauses its own job: it takes effect after the batch
CALL trg_reset(4000);
CREATE FUNCTION trg_pause() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM zdm.pause_job(zdm.job_id('trg: pause'));
    RETURN NULL;
END $$;
CREATE TRIGGER trg_1 AFTER UPDATE ON trg_t FOR EACH STATEMENT EXECUTE FUNCTION trg_pause();
SELECT zdm.start_backfill('trg_t', 'n = id', name => 'trg: pause') AS job \gset
CALL settle(:job);
SELECT state, rows_done BETWEEN 1 AND 3999 AS begun FROM zdm.jobs WHERE job_id = :job;
DROP TRIGGER trg_1 ON trg_t;
SELECT zdm.resume_job(:job);
CALL zdm.wait_for_job(:job);
SELECT count(*) FROM trg_t WHERE n = id;

--
-- fire_triggers => false
--
CALL trg_reset();
CREATE TRIGGER trg_1 BEFORE UPDATE ON trg_t FOR EACH ROW EXECUTE FUNCTION trg_note();
CREATE TRIGGER trg_2 BEFORE UPDATE ON trg_t FOR EACH ROW EXECUTE FUNCTION trg_note();
ALTER TABLE trg_t ENABLE ALWAYS TRIGGER trg_2;
CALL backfill('trg_t', 'n = id', fire_triggers => false);
SELECT what, count(*) FROM trg_log GROUP BY 1;
SELECT count(*) FROM trg_t WHERE n = id;

-- verify it with a column of a foreign key on either side (error)
ALTER TABLE trg_t ADD CONSTRAINT trg_fk FOREIGN KEY (m) REFERENCES trg_parent;
SELECT zdm.start_backfill('trg_t', 'm = 7', fire_triggers => false);
SELECT zdm.start_backfill('trg_parent', 'id = id + 1', 'id < 0', fire_triggers => false);
-- with triggers the foreign key is checked
CALL backfill('trg_t', 'm = 7', name => 'trg: foreign key');
SELECT DISTINCT sqlstate FROM zdm.quarantine WHERE job_name = 'trg: foreign key';

ALTER TABLE trg_t DROP CONSTRAINT trg_fk;

--
-- what a trigger raises is said of the row, whatever its SQLSTATE
--
CALL trg_reset(40);
CREATE FUNCTION trg_raise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id % 10 = 0 THEN
        RAISE 'not this row' USING ERRCODE = (ARRAY['57014', '02000', '28000', '55000'])[NEW.id / 10];
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trg_1 BEFORE UPDATE ON trg_t FOR EACH ROW EXECUTE FUNCTION trg_raise();
SELECT zdm.start_backfill('trg_t', 'm = id', name => 'trg: raise') AS job \gset
CALL settle(:job);
SELECT state, rows_done, quarantined FROM outcome(:job);
SELECT row_key, sqlstate, message FROM zdm.quarantine WHERE job_id = :job ORDER BY sqlstate;
DROP FUNCTION trg_raise CASCADE;

-- verify it by somebody who is no superuser (error)
CREATE ROLE regress_zdm_trigger;
GRANT CREATE ON SCHEMA public TO regress_zdm_trigger;
GRANT USAGE ON SCHEMA zdm TO regress_zdm_trigger;
SET ROLE regress_zdm_trigger;
CREATE TABLE trg_own (id int);
SELECT zdm.start_backfill('trg_own', 'id = 1', fire_triggers => false);
RESET ROLE;

DROP TABLE trg_t, trg_log, trg_parent, trg_own;
REVOKE ALL ON SCHEMA public, zdm FROM regress_zdm_trigger;

DROP ROLE regress_zdm_trigger;
DROP PROCEDURE trg_reset;
DROP FUNCTION trg_note, trg_transition, trg_session, trg_suppress, trg_change, trg_at_commit, trg_other_row, trg_meddle, trg_pause;
