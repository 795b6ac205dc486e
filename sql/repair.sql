-- zdm.repair(): a backfill by mapping converts what is not consistent, and leaves the rest alone.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
\set mapping :abs_srcdir '/sql/include/mapping.sql'
\i :mapping
ALTER SEQUENCE zdm.job_job_id_seq RESTART 9320001;

-- Starts a repair, waits for it, and says what became of it.
CREATE PROCEDURE repair(target regclass, mapping bigint, job_name text, INOUT state text DEFAULT NULL,
                        INOUT rows_done bigint DEFAULT NULL, INOUT quarantined bigint DEFAULT NULL,
                        INOUT code text DEFAULT NULL, INOUT error text DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    job bigint;
BEGIN
    job := zdm.repair(target, mapping, job_name);
    COMMIT;
    CALL settle(job);
    SELECT o.* INTO state, rows_done, quarantined, code, error FROM outcome(job) o;
END $$;

--
-- a new column
--
CREATE TABLE re_t (id int PRIMARY KEY, a int, b bigint, filler text DEFAULT repeat('x', 50));
INSERT INTO re_t (id, a) SELECT i, nullif(i % 10, 0) FROM generate_series(1, 20000) i;
UPDATE re_t SET b = a * 2 WHERE id <= 1000;
CALL map('re_t', 1, 'b', 'a * 2');
ANALYZE re_t;
CALL repair('re_t', 1, 're t');
SELECT count(*) FILTER (WHERE b IS DISTINCT FROM a * 2) AS wrong FROM re_t;
SELECT set_clause, filter, mapping_id, target, sweep, phase FROM zdm.backfills WHERE name = 're t';
SELECT kind, state, progress, rows_estimated FROM zdm.jobs WHERE name = 're t';
-- nothing is left to do
CALL repair('re_t', 1, 're t again');

--
-- precise values are not overwritten by what a lossy mapping makes of them
--
CREATE TABLE re_lossy (id int PRIMARY KEY, a text, b text);
INSERT INTO re_lossy VALUES (1, 'x', 'X'), (2, 'y', 'y'), (3, NULL, NULL), (4, 'z', 'q'), (5, NULL, 'v'), (6, 'w', NULL);
CALL map('re_lossy', 2, 'b', 'upper(a)', 'a', 'lower(b)');
CALL repair('re_lossy', 2, 're lossy');
SELECT * FROM re_lossy ORDER BY id;

--
-- filled where it is NULL
--
CREATE TABLE re_fill (id int, a int, b int);
INSERT INTO re_fill VALUES (1, 1, 1), (2, 2, 3), (3, NULL, NULL), (4, NULL, 4), (5, 5, NULL);
CALL map('re_fill', 3, 'b', 'a', mode => 'fill');
CALL repair('re_fill', 3, 're fill');
SELECT * FROM re_fill ORDER BY id;

--
-- rows that it cannot convert
--
CREATE TABLE re_bad (id int PRIMARY KEY, a text, b int);
INSERT INTO re_bad SELECT i, CASE WHEN i IN (7, 300) THEN 'word' ELSE i::text END FROM generate_series(1, 1000) i;
CALL map('re_bad', 4, 'b', 'a::int');
CALL repair('re_bad', 4, 're bad');
SELECT row_key, sqlstate, message FROM zdm.quarantine WHERE job_name = 're bad' ORDER BY row_key;
CALL behind('re_bad', 'UPDATE re_bad SET a = ''7'' WHERE id = 7');
SELECT zdm.retry_job(zdm.job_id('re bad'));
CALL settle(zdm.job_id('re bad'));
SELECT * FROM outcome(zdm.job_id('re bad'));
SELECT * FROM re_bad WHERE id IN (6, 7, 300) ORDER BY id;
UPDATE re_bad SET a = '300' WHERE id = 300;
SELECT zdm.retry_job(zdm.job_id('re bad'));
CALL settle(zdm.job_id('re bad'));
SELECT * FROM outcome(zdm.job_id('re bad'));

--
-- settings of the mapping, types that are assigned, a column to which something is added
--
CREATE TABLE re_zone (id int PRIMARY KEY, a timestamptz, b date, c numeric(6, 1), d varchar(3));
INSERT INTO re_zone (id, a) VALUES (1, '2026-01-01 23:30:00+00');
CALL map('re_zone', 5, 'b', 'a::date', settings => '{search_path, public, TimeZone, Asia/Tokyo}');
CALL repair('re_zone', 5, 're zone');
CALL map('re_zone', 6, 'c', 'id / 3.0');
CALL repair('re_zone', 6, 're typmod');
CALL map('re_zone', 7, 'd', '''much too long '' || id');
CALL repair('re_zone', 7, 're too long');
SELECT message FROM zdm.quarantine WHERE job_name = 're too long';
SELECT id, b, c, d FROM re_zone;

--
-- partitions with columns in another order, children, names that need quotes
--
CREATE TABLE "re P" (id int, "A" int, "a" int) PARTITION BY RANGE (id);
CREATE TABLE "re p1" PARTITION OF "re P" FOR VALUES FROM (1) TO (101);
CREATE TABLE "re p2" ("a" int, gone int, "A" int, id int);
ALTER TABLE "re p2" DROP gone;
ALTER TABLE "re P" ATTACH PARTITION "re p2" FOR VALUES FROM (101) TO (201);
INSERT INTO "re P" SELECT i, i FROM generate_series(1, 200) i;
CALL map('"re P"', 8, 'a', '"A" + 1');
ALTER TABLE "re p1" ENABLE ALWAYS TRIGGER "~zdm_sync_8";
ALTER TABLE "re p2" ENABLE ALWAYS TRIGGER "~zdm_sync_8";
CALL repair('"re P"', 8, 're partitions');
SELECT tableoid::regclass, count(*), count(*) FILTER (WHERE "a" = "A" + 1) AS "right" FROM "re P" GROUP BY 1 ORDER BY 1;
CREATE TABLE re_parent (id int, a int, b int);
CREATE TABLE re_child (c int) INHERITS (re_parent);
INSERT INTO re_parent VALUES (1, 1);
INSERT INTO re_child (id, a) VALUES (2, 2);
CALL map('re_parent', 9, 'b', 'a');
CALL repair('re_parent', 9, 're no trigger');
CALL map('re_child', 9, 'b', 'a + 1');
SELECT zdm.retry_job(zdm.job_id('re no trigger'));
CALL settle(zdm.job_id('re no trigger'));
SELECT state, last_sqlstate, last_error, hint FROM zdm.jobs WHERE name = 're no trigger';
CALL map('re_child', 9, 'b', 'a');
SELECT zdm.retry_job(zdm.job_id('re no trigger'));
CALL settle(zdm.job_id('re no trigger'));
SELECT id, a, b FROM re_parent ORDER BY id;

--
-- the owner of the table may have lost the right to read it
--
CREATE ROLE regress_zdm_repair;
GRANT USAGE ON SCHEMA zdm TO regress_zdm_repair;
CREATE TABLE re_owned (id int, a int, b int);
INSERT INTO re_owned VALUES (1, 1);
CALL map('re_owned', 10, 'b', 'a');
ALTER TABLE re_owned OWNER TO regress_zdm_repair;
REVOKE SELECT ON re_owned FROM regress_zdm_repair;
CALL repair('re_owned', 10, 're owned');
GRANT SELECT ON re_owned TO regress_zdm_repair;
SELECT zdm.retry_job(zdm.job_id('re owned'));
CALL settle(zdm.job_id('re owned'));
SELECT * FROM re_owned;

--
-- another trigger that has the last word
--
CREATE TABLE re_other (id int, a int, b int);
INSERT INTO re_other VALUES (1, 1);
CREATE FUNCTION re_other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.b := -1; RETURN NEW; END';
CALL map('re_other', 11, 'b', 'a');
CREATE TRIGGER "~~last" BEFORE UPDATE ON re_other FOR EACH ROW EXECUTE FUNCTION re_other();
CALL repair('re_other', 11, 're other');
SELECT sqlstate, message FROM zdm.quarantine WHERE job_name = 're other';

--
-- the same call gives the same job; what is refused
--
SELECT zdm.repair('re_t', 1, 're t') = zdm.job_id('re t') AS same;
SELECT zdm.repair('re_fill', 3, 're t');
SELECT zdm.start_backfill('re_t', 'b = 1', name => 're t');
SELECT zdm.start_backfill('re_t', 'b = a * 2', name => 're clauses') > 0 AS started;
SELECT zdm.repair('re_t', 1, 're clauses');
CALL settle(zdm.job_id('re clauses'));
SELECT zdm.repair('re_fill', 3) AS unnamed \gset
SELECT left(name, -8) AS name FROM zdm.jobs WHERE job_id = :unnamed;
CALL settle(:unnamed);
SELECT zdm.repair(NULL, 1);
SELECT zdm.repair('re_t', NULL);
SELECT zdm.repair('re_t', 99);
ALTER TABLE re_t DISABLE TRIGGER "~zdm_sync_1";
SELECT zdm.repair('re_t', 1, 're disabled');
ALTER TABLE re_t ENABLE REPLICA TRIGGER "~zdm_sync_1";
SELECT zdm.repair('re_t', 1, 're disabled');
SET ROLE regress_zdm_repair;
SELECT zdm.repair('re_t', 1, 're disabled');
RESET ROLE;
DROP TABLE re_owned;
DROP OWNED BY regress_zdm_repair;
DROP ROLE regress_zdm_repair;
