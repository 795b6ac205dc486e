-- Rows that cannot be converted: recorded with key, SQLSTATE and message; the
-- others are done; zdm.retry_job() takes just those.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 8100001;
CREATE TABLE q_t (id int PRIMARY KEY, v text, n int CHECK (n < 1000));
INSERT INTO q_t SELECT i, CASE WHEN i % 500 = 0 THEN 'x' || i ELSE i::text END FROM generate_series(1, 2000) i;

--
-- by cast
--
SELECT zdm.start_backfill('q_t', 'n = v::int', 'id <= 900 OR v LIKE ''x%''', name => 'q: cast') AS job \gset
CALL settle(:job);
SELECT * FROM outcome(:job);
SELECT hint FROM zdm.jobs WHERE job_id = :job;
SELECT job_name, "table", row_key, sqlstate, message FROM zdm.quarantine WHERE job_id = :job ORDER BY (row_key ->> 'id')::int;
SELECT count(*), count(*) FILTER (WHERE n = v::int) AS right FROM q_t WHERE n IS NOT NULL;

-- retry with nothing mended: the same rows, and no others
CALL zdm.wait_for_job(:job);
SELECT zdm.retry_job(:job);
CALL settle(:job);
SELECT * FROM outcome(:job);

-- retry with two mended, one by deletion
UPDATE q_t SET v = '500' WHERE id = 500;
DELETE FROM q_t WHERE id = 1000;
SELECT zdm.retry_job(:job);
CALL settle(:job);
SELECT * FROM outcome(:job);
SELECT row_key, sqlstate FROM zdm.quarantine WHERE job_id = :job ORDER BY (row_key ->> 'id')::int;
-- an update of a row in quarantine that mends nothing: what is there now is recorded
UPDATE q_t SET v = 'x-1500' WHERE id = 1500;
SELECT zdm.retry_job(:job);
CALL settle(:job);
SELECT row_key, message FROM zdm.quarantine WHERE job_id = :job ORDER BY (row_key ->> 'id')::int;
-- all mended
UPDATE q_t SET v = id WHERE v ~ 'x';
SELECT zdm.retry_job(:job);
CALL zdm.wait_for_job(:job);
SELECT * FROM outcome(:job);
SELECT count(*) FROM q_t WHERE n IS NOT NULL AND n <> v::int;
SELECT event, count(*) FROM zdm.events WHERE job_id = :job GROUP BY 1 ORDER BY 1;

--
-- the application mends the row while the job is still at it: nothing stays
-- behind in quarantine, and the job ends done
--
UPDATE q_t SET n = NULL, v = CASE WHEN id = 7 THEN 'seven' ELSE v END;
BEGIN;
SELECT zdm.start_backfill('q_t', 'n = v::int', 'id < 100', name => 'q: mended meanwhile') AS job \gset
SELECT zdm.set_throttle(:job, max_rows_per_second => 20);
COMMIT;
CALL await(format($$ SELECT quarantined = 1 FROM zdm.backfills WHERE job_id = %s $$, :job));
UPDATE q_t SET v = '7' WHERE id = 7;
SELECT zdm.set_throttle(:job, max_rows_per_second => 'Infinity');
CALL zdm.wait_for_job(:job);
SELECT state, quarantined FROM zdm.backfills WHERE job_id = :job;
SELECT count(*) FROM q_t WHERE n = v::int;

--
-- the limit
--
UPDATE q_t SET n = NULL, v = 'x';
CALL backfill('q_t', 'n = v::int', name => 'q: limit', max_quarantine => 3);
SELECT count(*) FROM zdm.quarantine WHERE job_name = 'q: limit';
CALL backfill('q_t', 'n = v::int', name => 'q: none', max_quarantine => 0);
SELECT count(*) FROM zdm.quarantine WHERE job_name = 'q: none';
-- raised by nothing but mending: the job goes on where it stopped
UPDATE q_t SET v = '5';
SELECT zdm.retry_job(zdm.job_id('q: limit'));
CALL settle(zdm.job_id('q: limit'));
SELECT state, quarantined FROM zdm.backfills WHERE name = 'q: limit';
SELECT count(*) FROM q_t WHERE n IS DISTINCT FROM 5;

--
-- by constraint, by trigger, by function, by division, by length
--
TRUNCATE q_t;
ALTER TABLE q_t ADD u int UNIQUE, ADD short varchar(3), ADD m int NOT NULL DEFAULT 0;
INSERT INTO q_t SELECT i, i FROM generate_series(1, 5) i;
CALL backfill('q_t', 'n = id * 250', name => 'q: check');
CALL backfill('q_t', 'u = id / 2', name => 'q: unique');
CALL backfill('q_t', 'm = nullif(id, 3)', name => 'q: not null');
CALL backfill('q_t', 'm = 12 / (id - 2)', name => 'q: division');
CALL backfill('q_t', 'short = repeat(''z'', id)', name => 'q: length');
CREATE FUNCTION q_raise(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF i = 4 THEN RAISE 'no four'; END IF;
    IF i = 5 THEN RAISE 'no five' USING ERRCODE = 'QQ005'; END IF;
    RETURN i;
END $$;
CALL backfill('q_t', 'm = q_raise(id)', name => 'q: function');
CREATE FUNCTION q_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id = 2 THEN RAISE 'not two' USING ERRCODE = 'check_violation', HINT = 'Try three.'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER q_trigger BEFORE UPDATE ON q_t FOR EACH ROW EXECUTE FUNCTION q_trigger();
CALL backfill('q_t', 'v = ''t''', name => 'q: trigger');
DROP TRIGGER q_trigger ON q_t;
CALL backfill('q_t', 'v = (SELECT t.short FROM q_t t WHERE t.id >= q_t.id)', 'id > 3', name => 'q: cardinality');
SELECT job_name, row_key, sqlstate, message FROM zdm.quarantine WHERE job_name LIKE 'q: %' AND job_name NOT IN ('q: limit', 'q: none', 'q: unique', 'q: mended meanwhile')
 ORDER BY job_name, (row_key ->> 'id')::int;
SELECT id, n, m, short, v FROM q_t ORDER BY id;
SELECT count(u), count(DISTINCT u) FROM q_t;
SELECT DISTINCT sqlstate, message FROM zdm.quarantine WHERE job_name = 'q: unique';

-- the filter itself fails on a row
UPDATE q_t SET v = id;
UPDATE q_t SET v = 'bad' WHERE id = 3;
CALL backfill('q_t', 'm = 77', 'v::int > 1', name => 'q: filter');
SELECT row_key, sqlstate FROM zdm.quarantine WHERE job_name = 'q: filter';
SELECT id FROM q_t WHERE m = 77 ORDER BY id;

-- by a name or a syntax that means nothing: no more than any other failed cast
CREATE TABLE q_names (id int PRIMARY KEY, v text, r regclass, y regtype, f regproc, ns regnamespace, c regconfig, q tsquery, j jsonpath);
INSERT INTO q_names SELECT i, CASE i WHEN 50 THEN 'no_such' WHEN 70 THEN '"' ELSE NULL END FROM generate_series(1, 200) i;
CALL backfill('q_names', 'r = coalesce(v, ''pg_class'')::regclass', name => 'q: regclass');
CALL backfill('q_names', 'y = coalesce(v, ''int'')::regtype', name => 'q: regtype');
CALL backfill('q_names', 'f = coalesce(v, ''now'')::regproc', name => 'q: regproc');
CALL backfill('q_names', 'ns = coalesce(v, ''public'')::regnamespace', name => 'q: regnamespace');
CALL backfill('q_names', 'c = coalesce(v, ''simple'')::regconfig', name => 'q: regconfig');
CALL backfill('q_names', 'q = (CASE WHEN id = 70 THEN ''&'' ELSE ''a'' END)::tsquery', name => 'q: reg: tsquery');
CALL backfill('q_names', 'j = coalesce(v, ''$'')::jsonpath', name => 'q: reg: jsonpath');
SELECT job_name, string_agg(row_key ->> 'id', ' ' ORDER BY row_key) FROM zdm.quarantine WHERE job_name LIKE 'q: reg%' GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM q_names WHERE v IS NULL AND (r IS NULL OR y IS NULL OR f IS NULL OR ns IS NULL OR c IS NULL OR q IS NULL OR j IS NULL);
DROP TABLE q_names;

--
-- a proof whose snapshot has become too old has found nothing that is left
--
CREATE FUNCTION q_too_old(i int) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF (SELECT phase = 'proof' FROM zdm.backfills WHERE name = 'q: snapshot') THEN
        RAISE 'snapshot too old' USING ERRCODE = '72000';
    END IF;
    RETURN i;
END $$;
CALL backfill('q_t', 'm = q_too_old(id)', name => 'q: snapshot');
SELECT id FROM q_t WHERE m IS DISTINCT FROM id;

--
-- keys
--
CREATE TABLE q_nokey (v text, n int);
CREATE TABLE q_composite (b text, a int, "C c" date, v text, n int, PRIMARY KEY (a, "C c", b));
INSERT INTO q_nokey VALUES ('1'), ('one');
INSERT INTO q_composite VALUES (E'quo"te\\\n', 1, '2026-02-03', 'one'), ('b', 2, '2026-02-03', '2');
CALL backfill('q_nokey', 'n = v::int');
CALL backfill('q_composite', 'n = v::int');
SELECT "table", row_key, sqlstate FROM zdm.quarantine WHERE job_name ~ '^q_(nokey|composite)' ORDER BY 1;
-- a row without a key is found by its place
SELECT v FROM q_nokey WHERE ctid = (SELECT row_ctid FROM zdm.quarantine WHERE job_name LIKE 'q_nokey%');
UPDATE q_nokey SET v = '1' WHERE n IS NULL;
SELECT job_id AS job FROM zdm.jobs WHERE name LIKE 'q_nokey%' \gset
SELECT zdm.retry_job(:job);
CALL zdm.wait_for_job(:job);
SELECT * FROM q_nokey;

-- many rows on many pages: exactly the bad ones
CREATE TABLE q_many (id int PRIMARY KEY, v text, n int);
INSERT INTO q_many SELECT i, CASE WHEN i % 997 = 0 THEN '-' ELSE i::text END FROM generate_series(1, 40000) i;
CALL backfill('q_many', 'n = v::int');
SELECT count(*) FROM q_many WHERE n IS NULL AND v <> '-' OR n <> id;
SELECT count(*) AS recorded FROM zdm.quarantine q JOIN q_many m ON m.id = (row_key ->> 'id')::int
 WHERE q.job_name LIKE 'q_many%' AND m.v = '-';

-- rows in quarantine move with VACUUM FULL: retry finds them all the same
UPDATE q_many SET v = id WHERE id <= 997;
VACUUM FULL q_many;
SELECT job_id AS job FROM zdm.jobs WHERE name LIKE 'q_many%' \gset
SELECT zdm.retry_job(:job);
CALL settle(:job);
SELECT * FROM outcome(:job);
SELECT count(*) AS recorded FROM zdm.quarantine q JOIN q_many m ON m.id = (row_key ->> 'id')::int
 WHERE q.job_id = :job AND m.v = '-';
UPDATE q_many SET v = id;
SELECT zdm.retry_job(:job);
CALL settle(:job);
SELECT * FROM outcome(:job);
SELECT count(*) FROM q_many WHERE n IS DISTINCT FROM id;

DROP TABLE q_t, q_nokey, q_composite, q_many;
DROP FUNCTION q_raise, q_trigger, q_too_old;
