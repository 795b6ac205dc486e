-- Who may start, see and steer which job, and as whom it runs.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 8200001;
CREATE ROLE regress_zdm_owner LOGIN;
CREATE ROLE regress_zdm_member LOGIN IN ROLE regress_zdm_owner;
CREATE ROLE regress_zdm_heirless LOGIN NOINHERIT IN ROLE regress_zdm_owner;
CREATE ROLE regress_zdm_other LOGIN;
CREATE ROLE regress_zdm_nologin NOLOGIN;
CREATE ROLE regress_zdm_noconnect LOGIN;
CREATE ROLE regress_zdm_monitor LOGIN IN ROLE pg_monitor;
CREATE ROLE regress_zdm_nothing LOGIN;
GRANT USAGE ON SCHEMA zdm TO regress_zdm_owner, regress_zdm_member, regress_zdm_heirless, regress_zdm_other, regress_zdm_nologin, regress_zdm_monitor;
GRANT CREATE ON SCHEMA public TO regress_zdm_owner, regress_zdm_other, regress_zdm_nologin, regress_zdm_noconnect;
CREATE TABLE pr_seen (id int, "current_user" text, "session_user" text, definer text);
GRANT INSERT ON pr_seen TO PUBLIC;
CREATE FUNCTION pr_definer() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text';
CREATE FUNCTION pr_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.pr_seen VALUES (NEW.id, current_user, session_user, public.pr_definer());
    RETURN NEW;
END $$;

-- a table of the owner
SET ROLE regress_zdm_owner;
CREATE TABLE pr_t (id int PRIMARY KEY, n int);
INSERT INTO pr_t SELECT i FROM generate_series(1, 3) i;
RESET ROLE;
CREATE TRIGGER pr_trigger BEFORE UPDATE ON pr_t FOR EACH ROW EXECUTE FUNCTION pr_trigger();
CREATE CONSTRAINT TRIGGER pr_deferred AFTER UPDATE ON pr_t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pr_trigger();

--
-- as whom it runs: the table's owner, whoever called
--
CALL backfill('pr_t', 'n = id', name => 'pr: by superuser');
SELECT DISTINCT "current_user", "session_user", definer = current_user AS definer FROM pr_seen;
SELECT owner, created_by = current_user AS created_by FROM zdm.jobs WHERE name = 'pr: by superuser';
TRUNCATE pr_seen;
SET ROLE regress_zdm_member;
CALL backfill('pr_t', 'n = id + 1', name => 'pr: by member');
RESET ROLE;
SELECT DISTINCT "current_user", "session_user" FROM pr_seen;
SELECT owner, created_by FROM zdm.jobs WHERE name = 'pr: by member';
TRUNCATE pr_seen;

-- an owner who may not log in, and one who may not connect to this database
CREATE TABLE pr_nologin AS TABLE pr_t;
ALTER TABLE pr_nologin OWNER TO regress_zdm_nologin;
CREATE TRIGGER pr_trigger BEFORE UPDATE ON pr_nologin FOR EACH ROW EXECUTE FUNCTION pr_trigger();
CREATE CONSTRAINT TRIGGER pr_deferred AFTER UPDATE ON pr_nologin DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pr_trigger();
CALL backfill('pr_nologin', 'n = id');
SELECT DISTINCT "current_user" FROM pr_seen;
TRUNCATE pr_seen;
CREATE TABLE pr_noconnect AS TABLE pr_t;
ALTER TABLE pr_noconnect OWNER TO regress_zdm_noconnect;
CREATE TRIGGER pr_trigger BEFORE UPDATE ON pr_noconnect FOR EACH ROW EXECUTE FUNCTION pr_trigger();
REVOKE CONNECT ON DATABASE :DBNAME FROM PUBLIC;
CALL backfill('pr_noconnect', 'n = id');
GRANT CONNECT ON DATABASE :DBNAME TO PUBLIC;
SELECT DISTINCT "current_user" FROM pr_seen;
TRUNCATE pr_seen;
ALTER ROLE regress_zdm_noconnect CONNECTION LIMIT 0;
CALL backfill('pr_noconnect', 'n = id + 2');
SELECT DISTINCT "current_user" FROM pr_seen;
TRUNCATE pr_seen;

-- a trigger cannot climb from the owner to whom the worker is connected as
CREATE FUNCTION pr_climb() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE TG_ARGV[0];
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
    INSERT INTO public.pr_seen VALUES (NEW.id, current_user, session_user,
                                       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user));
    RETURN NEW;
END $$;
CREATE PROCEDURE pr_try_climb(statement text) LANGUAGE plpgsql AS $$
DECLARE
    t text;
    state text;
    x bigint;
    y text;
    n text;
BEGIN
    FOREACH t IN ARRAY ARRAY['pr_t', 'pr_nologin'] LOOP
        EXECUTE format('CREATE TRIGGER pr_climb BEFORE UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION pr_climb(%L)', t, statement);
        SELECT format('n = %s', count(*) + 100) INTO n FROM zdm.jobs;
        CALL backfill(t, n, NULL, t || statement, true, 0, state, x, x, y, y);
        EXECUTE format('DROP TRIGGER pr_climb ON %I', t);
    END LOOP;
END $$;
CALL pr_try_climb('RESET ROLE');
CALL pr_try_climb('SET ROLE NONE');
CALL pr_try_climb('RESET SESSION AUTHORIZATION');
CALL pr_try_climb('SET SESSION AUTHORIZATION DEFAULT');
CALL pr_try_climb('RESET ALL');
CALL pr_try_climb('DISCARD ALL');
SELECT DISTINCT "current_user", definer AS superuser FROM pr_seen WHERE definer IN ('true', 'false') ORDER BY 1;
SELECT state, count(*) FROM zdm.jobs WHERE name ~ '^pr_.*(RESET|SET|DISCARD)' GROUP BY 1;
TRUNCATE pr_seen;

-- a trigger that takes another role of the owner's and keeps it
GRANT regress_zdm_other TO regress_zdm_owner;
GRANT ALL ON pr_t TO regress_zdm_other;
CREATE FUNCTION pr_set_role() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SET ROLE regress_zdm_other;
    RETURN NEW;
END $$;
CREATE TRIGGER pr_set_role BEFORE UPDATE ON pr_t FOR EACH ROW EXECUTE FUNCTION pr_set_role();
CALL backfill('pr_t', 'n = id + 50', name => 'pr: set role');
DROP TRIGGER pr_set_role ON pr_t;
REVOKE regress_zdm_other FROM regress_zdm_owner;
REVOKE ALL ON pr_t FROM regress_zdm_other;
SELECT count(*) FROM pr_t WHERE n = id + 50;
TRUNCATE pr_seen;

--
-- who may start one
--
-- verify others, those who do not inherit, and those with all rights but ownership (error)
SET ROLE regress_zdm_other;
SELECT zdm.start_backfill('pr_t', 'n = 0');
SELECT zdm.estimate_backfill('pr_t', 'n = 0');
RESET ROLE;
GRANT ALL ON pr_t TO regress_zdm_other;
SET ROLE regress_zdm_other;
SELECT zdm.start_backfill('pr_t', 'n = 0');
RESET ROLE;
REVOKE ALL ON pr_t FROM regress_zdm_other;
SET ROLE regress_zdm_heirless;
SELECT zdm.start_backfill('pr_t', 'n = 0');
RESET ROLE;
SET ROLE regress_zdm_monitor;
SELECT zdm.start_backfill('pr_t', 'n = 0');
RESET ROLE;
-- verify without USAGE on the schema (error)
SET ROLE regress_zdm_nothing;
SELECT zdm.start_backfill('pr_t', 'n = 0');
SELECT * FROM zdm.jobs;
RESET ROLE;
SELECT count(*) FROM zdm.jobs WHERE name NOT LIKE 'pr%' AND target = 'public.pr_t';

-- verify an expression that the owner may not use, although the caller may (error)
CREATE TABLE pr_secret (v int);
INSERT INTO pr_secret VALUES (42);
CALL backfill('pr_t', 'n = (SELECT v FROM pr_secret)', name => 'pr: secret');
CREATE FUNCTION pr_secret_function() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 42';
REVOKE ALL ON FUNCTION pr_secret_function FROM PUBLIC;
CALL backfill('pr_t', 'n = pr_secret_function()', name => 'pr: secret function');
SELECT count(*) FROM pr_t WHERE n = 42;

-- an owner from whom rights on its own table were taken
REVOKE UPDATE ON pr_t FROM regress_zdm_owner;
CALL backfill('pr_t', 'n = 1', name => 'pr: revoked');
GRANT UPDATE ON pr_t TO regress_zdm_owner;
SELECT zdm.retry_job(zdm.job_id('pr: revoked'));
CALL zdm.wait_for_job(zdm.job_id('pr: revoked'));

--
-- who may steer one
--
BEGIN;
SELECT zdm.start_backfill('pr_t', 'n = 2', name => 'pr: steered') AS job \gset
SELECT zdm.pause_job(:job);
COMMIT;
SET ROLE regress_zdm_other;
-- verify by others (error)
SELECT zdm.pause_job(:job);
SELECT zdm.resume_job(:job);
SELECT zdm.cancel_job(:job);
SELECT zdm.retry_job(:job);
SELECT zdm.set_throttle(:job, 0.5);
SELECT zdm.start_backfill('pr_t', 'n = 2', name => 'pr: steered');
RESET ROLE;
-- verify a name that belongs to a job of somebody else (error)
SET ROLE regress_zdm_other;
CREATE TABLE pr_other (id int);
SELECT zdm.start_backfill('pr_other', 'id = 1', name => 'pr: steered');
RESET ROLE;
SELECT state FROM zdm.jobs WHERE job_id = :job;
SET ROLE regress_zdm_member;
SELECT zdm.resume_job(:job);
CALL zdm.wait_for_job(:job);
RESET ROLE;
SELECT event, actor = current_user AS me, actor = 'regress_zdm_member' AS member, actor = 'regress_zdm_owner' AS owner
  FROM zdm.events WHERE job_id = :job ORDER BY event_id;

-- pausing needs no more than the owner's rights, whoever holds zdm's tables
SET ROLE regress_zdm_owner;
SELECT zdm.start_backfill('pr_t', 'n = 3', name => 'pr: own') AS job \gset
CALL zdm.wait_for_job(:job);
RESET ROLE;

--
-- who sees what
--
CREATE TABLE pr_root (id int);
CALL backfill('pr_root', 'id = 1', name => 'pr: root');
CREATE PROCEDURE pr_sees(role text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    RAISE WARNING '% sees jobs of %, % of their backfills, % of their events', current_user,
        (SELECT string_agg(DISTINCT CASE WHEN owner LIKE 'regress_zdm%' THEN owner ELSE 'root' END, ', ') FROM zdm.jobs WHERE name LIKE 'pr%'),
        (SELECT CASE count(*) WHEN 0 THEN 'none' ELSE 'some' END FROM zdm.backfills WHERE name LIKE 'pr%'),
        (SELECT CASE count(*) WHEN 0 THEN 'none' ELSE 'some' END FROM zdm.events WHERE job_name LIKE 'pr%');
END $$;
CALL pr_sees('regress_zdm_owner');
CALL pr_sees('regress_zdm_member');
CALL pr_sees('regress_zdm_heirless');
CALL pr_sees('regress_zdm_other');
CALL pr_sees('regress_zdm_nologin');
CALL pr_sees('regress_zdm_monitor');
SET ROLE regress_zdm_other;
-- verify zdm's own tables (error)
SELECT * FROM zdm.job;
SELECT * FROM zdm.event;
SELECT * FROM zdm.backfill;
SELECT * FROM zdm.quarantined_row;
UPDATE zdm.jobs SET state = 'done';
SELECT nextval('zdm.job_job_id_seq');
RESET ROLE;

--
-- row security
--
SET ROLE regress_zdm_owner;
CREATE TABLE pr_rls (id int PRIMARY KEY, n int);
INSERT INTO pr_rls SELECT i FROM generate_series(1, 10) i;
CREATE POLICY pr_even ON pr_rls USING (id % 2 = 0);
ALTER TABLE pr_rls ENABLE ROW LEVEL SECURITY;
CALL backfill('pr_rls', 'n = id');
RESET ROLE;
SELECT count(*) FROM pr_rls WHERE n = id;
-- verify row security that is forced on the owner (error)
ALTER TABLE pr_rls FORCE ROW LEVEL SECURITY;
SELECT zdm.start_backfill('pr_rls', 'n = id + 1');
-- with BYPASSRLS it is not
ALTER ROLE regress_zdm_owner BYPASSRLS;
CALL backfill('pr_rls', 'n = id + 1');
SELECT count(*) FROM pr_rls WHERE n = id + 1;
ALTER ROLE regress_zdm_owner NOBYPASSRLS;
-- forced while a job is under way: an error, not rows that are left out
SELECT zdm.start_backfill('pr_rls', 'n = id + 2', name => 'pr: forced later') AS job \gset
ALTER TABLE pr_rls NO FORCE ROW LEVEL SECURITY;
BEGIN;
SELECT zdm.start_backfill('pr_rls', 'n = id + 2', name => 'pr: forced later') AS job \gset
SELECT zdm.pause_job(:job);
COMMIT;
CALL await(format($$ SELECT NOT EXISTS (SELECT FROM zdm.workers WHERE job_id = %s) $$, :job));
UPDATE pr_rls SET n = id;
ALTER TABLE pr_rls FORCE ROW LEVEL SECURITY;
SELECT zdm.resume_job(:job);
CALL settle(:job);
SELECT * FROM outcome(:job);
ALTER TABLE pr_rls NO FORCE ROW LEVEL SECURITY;
-- a table in a sub-select whose policies hide rows from the owner: an error as well
CREATE TABLE pr_lookup (id int, v int);
INSERT INTO pr_lookup SELECT i, i FROM generate_series(1, 10) i;
GRANT SELECT ON pr_lookup TO PUBLIC;
ALTER TABLE pr_lookup ENABLE ROW LEVEL SECURITY;
CALL backfill('pr_rls', 'n = coalesce((SELECT v FROM pr_lookup l WHERE l.id = pr_rls.id), -1)', name => 'pr: hidden');
SELECT count(*) FROM pr_rls WHERE n = -1;

--
-- a change of owner: paused, until a member of the new owner takes it on
--
UPDATE pr_t SET n = 0;
BEGIN;
SELECT zdm.start_backfill('pr_t', 'n = 9', name => 'pr: owner changes') AS job \gset
SELECT zdm.pause_job(:job);
COMMIT;
ALTER TABLE pr_t OWNER TO regress_zdm_other;
SET ROLE regress_zdm_owner;
-- verify by the former owner (error)
SELECT zdm.resume_job(:job);
RESET ROLE;
SELECT zdm.resume_job(:job);
CALL zdm.wait_for_job(:job);
SELECT owner FROM zdm.jobs WHERE job_id = :job;

DROP TABLE pr_t, pr_seen, pr_nologin, pr_noconnect, pr_secret, pr_other, pr_root, pr_rls, pr_lookup;
DROP PROCEDURE pr_sees, pr_try_climb;
DROP FUNCTION pr_definer, pr_trigger, pr_climb, pr_set_role, pr_secret_function;
DROP OWNED BY regress_zdm_owner, regress_zdm_member, regress_zdm_heirless, regress_zdm_other, regress_zdm_nologin, regress_zdm_noconnect, regress_zdm_monitor;
DROP ROLE regress_zdm_owner, regress_zdm_member, regress_zdm_heirless, regress_zdm_other, regress_zdm_nologin, regress_zdm_noconnect, regress_zdm_monitor, regress_zdm_nothing;
