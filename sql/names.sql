-- Names of tables, columns, schemas, roles and jobs: quotes, capitals, spaces,
-- keywords, 63 bytes, non-ASCII.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 8050001;
SET client_encoding = utf8;
CREATE ROLE "regress_zdm Rôle ""x""";
CREATE SCHEMA "Sché ma ""q""" AUTHORIZATION "regress_zdm Rôle ""x""";

-- for each name: a table of that name, with a column of that name, in a schema with a name
CREATE TABLE nm_names (i serial, n text);
INSERT INTO nm_names (n) VALUES
    ('Capital'), ('two words'), ('quo"te'), ('apo''strophe'), ('back\slash'), ('per%cent %I %s %1$s'), ('do.t'), ('semi;colon'),
    ('--'), ('/*'), ('$1'), ('$$'), ('select'), ('table'), ('default'), ('user'), ('ctid_'), (' '), (' leading'), ('trailing '),
    (E'new\nline'), (E'tab\t'), ('žluťoučký'), ('表'), ('🐘'), ('1digit'), (repeat('x', 63)), (repeat('é', 31)), ('unsettled'), ('t'), ('job');
CREATE PROCEDURE nm_try(name text, INOUT state text DEFAULT NULL, INOUT right_rows bigint DEFAULT NULL,
                        INOUT by_name boolean DEFAULT NULL, INOUT quarantined text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    its_table text := format('%I.%I', 'Sché ma "q"', name);
    its_name text := name;
    job bigint;
BEGIN
    EXECUTE format('CREATE TABLE %s (id int PRIMARY KEY, %I text)', its_table, name);
    EXECUTE format('ALTER TABLE %s OWNER TO %I', its_table, 'regress_zdm Rôle "x"');
    EXECUTE format('INSERT INTO %s SELECT i FROM generate_series(1, 3) i', its_table);
    job := zdm.start_backfill(its_table::regclass, format('%I = %I.id::text || %L', name, name, name), format('%I IS NULL', name), name);
    COMMIT;
    CALL settle(job);
    state := (SELECT j.state FROM zdm.jobs j WHERE job_id = job AND j.target = its_table AND j.name = its_name);
    EXECUTE format('SELECT count(*) FROM %s WHERE %I = id || %L', its_table, name, name) INTO right_rows;
    by_name := zdm.job_id(name) = job;
    -- a second one with a derived name, for which a row fails
    job := zdm.start_backfill(its_table::regclass, format('%I = (1 / (id - 2))::text', name));
    COMMIT;
    CALL settle(job);
    quarantined := (SELECT q.sqlstate || (q."table" = its_table) || (q.job_name LIKE '%:________') FROM zdm.quarantine q WHERE job_id = job);
END $$;
CREATE TABLE nm_results (name text, state text, right_rows bigint, by_name boolean, quarantined text);
DO $$
DECLARE
    r record;
    state text; right_rows bigint; by_name boolean; quarantined text;
BEGIN
    FOR r IN SELECT n FROM nm_names ORDER BY i LOOP
        CALL nm_try(r.n, state, right_rows, by_name, quarantined);
        INSERT INTO nm_results VALUES (r.n, state, right_rows, by_name, quarantined);
    END LOOP;
END $$;
-- those with another result than all should have
SELECT * FROM nm_results WHERE (state, right_rows, by_name, quarantined) IS DISTINCT FROM ('done', 3::bigint, true, '22012truetrue');
SELECT count(*) FROM nm_results;

-- a primary key of such names
CREATE TABLE "Key T" ("a ""b""" text, "ключ" int, n int, PRIMARY KEY ("ключ", "a ""b"""));
INSERT INTO "Key T" VALUES ('é"\', 1, NULL);
CALL backfill('"Key T"', 'n = 1 / ("ключ" - 1)', name => 'names: key');
SELECT row_key FROM zdm.quarantine WHERE job_name = 'names: key';

-- names of jobs: up to 200 characters, whatever they are
CREATE TABLE nm_t (n int);
CALL backfill('nm_t', 'n = 1', name => repeat('é', 200));
SELECT zdm.job_id(repeat('é', 200)) = job_id AS found FROM zdm.jobs WHERE name = repeat('é', 200);
CALL backfill('nm_t', 'n = 2', name => E'line\nline');
CALL backfill('nm_t', 'n = 3', name => '%s %d %n');
CALL backfill('nm_t', 'n = 4', name => ' ');
-- of a long table and a long column a name is derived that can be used
CREATE TABLE nm_long (n int);
DO $$ BEGIN
    EXECUTE format('ALTER TABLE nm_long RENAME TO %I', repeat('ž', 31));
    EXECUTE format('ALTER TABLE %I RENAME n TO %I', repeat('ž', 31), repeat('ň', 31));
END $$;
SELECT format('%I', repeat('ž', 31)) AS t, format('%I = 1', repeat('ň', 31)) AS c \gset
CALL backfill(:'t', :'c');

SET client_min_messages = error;
DROP SCHEMA "Sché ma ""q""" CASCADE;
DROP TABLE nm_names, nm_results, "Key T", nm_t, :t;
DROP PROCEDURE nm_try;
DROP ROLE "regress_zdm Rôle ""x""";
