-- Settings of roles and databases that get in the way of a worker.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
SET timezone = 'America/Los_Angeles';
CREATE ROLE regress_zdm_settings LOGIN;
CREATE ROLE regress_zdm_settings_nologin;
GRANT CREATE ON SCHEMA public TO regress_zdm_settings, regress_zdm_settings_nologin;
CREATE SCHEMA settings_evil;
GRANT USAGE ON SCHEMA settings_evil TO PUBLIC;
CREATE FUNCTION settings_evil.upper(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'evil' $$;
CREATE FUNCTION settings_evil.format(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'evil' $$;

CREATE FUNCTION settings_seen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.seen := concat_ws(' ', current_setting('transaction_isolation'), current_setting('transaction_read_only'),
                          current_setting('row_security'), current_setting('session_replication_role'));
    RETURN NEW;
END $$;

-- one table for each owner
CREATE TABLE settings_login (id int PRIMARY KEY, v text, n text, t text, seen text);
INSERT INTO settings_login SELECT i, 'v' || i FROM generate_series(1, 300) i;
CREATE TRIGGER settings_seen BEFORE UPDATE ON settings_login FOR EACH ROW EXECUTE FUNCTION settings_seen();
CREATE TABLE settings_nologin (LIKE settings_login);
INSERT INTO settings_nologin SELECT * FROM settings_login;
CREATE TRIGGER settings_seen BEFORE UPDATE ON settings_nologin FOR EACH ROW EXECUTE FUNCTION settings_seen();
ALTER TABLE settings_login OWNER TO regress_zdm_settings;
ALTER TABLE settings_nologin OWNER TO regress_zdm_settings_nologin;

-- runs under the settings that a procedure has made, for both owners
CREATE PROCEDURE settings_try(what text, INOUT login text DEFAULT NULL, INOUT nologin text DEFAULT NULL,
                              INOUT seen text DEFAULT NULL, INOUT wrong bigint DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    name text;
    setting text;
    rows_done bigint;
    code text;
    error text;
    expression text := $e$ n = CASE WHEN NULL::text = NULL THEN 'evil' ELSE upper(v) || '\a' END,
                          t = '2026-01-01 00:00+00'::timestamptz::text $e$;
BEGIN
    name := split_part(what, '=', 1);
    setting := substr(what, length(name) + 2);
    IF what <> '' THEN
        EXECUTE format('ALTER DATABASE %I SET %s = %s', current_database(), name, setting);
        EXECUTE format('ALTER ROLE regress_zdm_settings SET %s = %s', name, setting);
        EXECUTE format('ALTER ROLE regress_zdm_settings_nologin SET %s = %s', name, setting);
    END IF;
    UPDATE settings_login SET n = NULL, t = NULL WHERE n IS NOT NULL OR t IS NOT NULL;
    UPDATE settings_nologin SET n = NULL, t = NULL WHERE n IS NOT NULL OR t IS NOT NULL;
    COMMIT;
    CALL backfill('settings_login', expression, NULL, 'settings login: ' || what,
                  true, 0, login, rows_done, rows_done, code, error);
    login := concat_ws(' ', login, code, error);
    CALL backfill('settings_nologin', expression, NULL, 'settings nologin: ' || what,
                  true, 0, nologin, rows_done, rows_done, code, error);
    nologin := concat_ws(' ', nologin, code, error);
    SELECT string_agg(DISTINCT s.seen, ',') INTO seen FROM (TABLE settings_login UNION ALL TABLE settings_nologin) s;
    SELECT count(*) INTO wrong FROM (TABLE settings_login UNION ALL TABLE settings_nologin) s
     WHERE n IS DISTINCT FROM upper(v) || E'\\a' OR t <> '2026-01-01 00:00+00'::timestamptz::text;
    IF what <> '' THEN
        EXECUTE format('ALTER DATABASE %I RESET %s', current_database(), name);
        EXECUTE format('ALTER ROLE regress_zdm_settings RESET %s', name);
        EXECUTE format('ALTER ROLE regress_zdm_settings_nologin RESET %s', name);
    END IF;
    COMMIT;
END $$;

CALL settings_try('');
CALL settings_try('default_transaction_read_only=on');
CALL settings_try('default_transaction_isolation=serializable');
CALL settings_try('default_transaction_deferrable=on');
CALL settings_try('lock_timeout=1');
CALL settings_try('statement_timeout=1');
CALL settings_try('idle_in_transaction_session_timeout=1');
CALL settings_try('row_security=off');
CALL settings_try('session_replication_role=replica');
CALL settings_try('search_path=settings_evil, pg_catalog, public');
CALL settings_try('TimeZone=''Pacific/Kiritimati''');
CALL settings_try('DateStyle=''German''');
CALL settings_try('enable_tidscan=off');
CALL settings_try('constraint_exclusion=on');
CALL settings_try('standard_conforming_strings=off');
CALL settings_try('transform_null_equals=on');

-- a constraint with which the planner could leave the table out
ALTER TABLE settings_login ADD CHECK (id > 0);
ALTER DATABASE :DBNAME SET constraint_exclusion = on;
CALL backfill('settings_login', 'n = ''none''', 'id < 0', name => 'settings: excluded');
ALTER DATABASE :DBNAME RESET constraint_exclusion;

-- the search_path of the session that starts a job is that of its expressions
SET search_path = settings_evil, pg_catalog, public;
CALL public.backfill('public.settings_login', 'n = upper(v)', name => 'settings: search path');
RESET search_path;
SELECT DISTINCT n FROM settings_login;
-- verify that what is not in it is not found (error)
SET search_path = pg_catalog;
SELECT code, hint FROM public.refused($$ SELECT zdm.start_backfill('public.settings_login', 'n = settings_fold(v)') $$);
RESET search_path;
-- "$user" is that of the session
CREATE SCHEMA regress_zdm_settings AUTHORIZATION regress_zdm_settings;
CREATE FUNCTION regress_zdm_settings.fold(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower($1) $$;
SET ROLE regress_zdm_settings;
RESET search_path;
RESET ROLE;
GRANT USAGE ON SCHEMA zdm TO regress_zdm_settings;
SET ROLE regress_zdm_settings;
CALL backfill('settings_login', 'n = fold(v)', name => 'settings: $user');
RESET ROLE;
SELECT count(*) FROM settings_login WHERE n = v;

-- what was recorded
SELECT settings[1:6] FROM zdm.backfills WHERE name = 'settings: $user';

-- zdm.* settings: the prefix is reserved, none can be set in a session
SET zdm.no_such_setting = 1;
SET zdm.duty = 0.5;
SELECT name, boot_val, context FROM pg_settings WHERE name LIKE 'zdm.%' ORDER BY name;

DROP TABLE settings_login, settings_nologin;
DROP PROCEDURE settings_try;
DROP FUNCTION settings_seen;
SET client_min_messages = error;
DROP SCHEMA settings_evil, regress_zdm_settings CASCADE;
DROP OWNED BY regress_zdm_settings, regress_zdm_settings_nologin;
DROP ROLE regress_zdm_settings, regress_zdm_settings_nologin;
