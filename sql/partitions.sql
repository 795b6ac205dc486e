-- Partitioned tables and inheritance: every leaf, by its own columns.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
CREATE TABLE pt (id int, k int, v text, n int, d int DEFAULT 1) PARTITION BY RANGE (k);
CREATE TABLE pt_1 PARTITION OF pt FOR VALUES FROM (0) TO (10);
-- sub-partitioned
CREATE TABLE pt_2 PARTITION OF pt FOR VALUES FROM (10) TO (20) PARTITION BY LIST (id);
CREATE TABLE pt_2_odd PARTITION OF pt_2 FOR VALUES IN (1, 3, 5);
CREATE TABLE pt_2_rest PARTITION OF pt_2 DEFAULT;
-- other column numbers, a dropped column, another default
CREATE TABLE pt_3 (gone int, n int, d int DEFAULT 3, v text, k int, id int);
ALTER TABLE pt_3 DROP gone;
ALTER TABLE pt ATTACH PARTITION pt_3 FOR VALUES FROM (20) TO (30);
-- one that is empty, one in another schema
CREATE TABLE pt_4 PARTITION OF pt FOR VALUES FROM (30) TO (40);
CREATE SCHEMA pt_schema;
CREATE TABLE pt_schema.pt_5 PARTITION OF pt FOR VALUES FROM (40) TO (50);
INSERT INTO pt (id, k, v) SELECT i % 7, CASE WHEN i % 50 BETWEEN 30 AND 39 THEN 1 ELSE i % 50 END, i::text FROM generate_series(1, 5000) i;

CALL backfill('pt', 'n = v::int');
SELECT tableoid::regclass, count(*), count(*) FILTER (WHERE n = v::int) AS right FROM pt GROUP BY 1 ORDER BY 1;
-- a clause that names the table names the parent, in leaves too
CALL backfill('pt', 'n = pt.n + 0, v = ''x'' || pt.v', 'pt.v NOT LIKE ''x%''');
SELECT count(*) FROM pt WHERE v = 'x' || n;
-- DEFAULT is that of the table that was named, as in UPDATE
UPDATE pt SET d = NULL;
CALL backfill('pt', 'd = DEFAULT');
SELECT tableoid::regclass, min(d), max(d) FROM pt GROUP BY 1 ORDER BY 1;
-- the place of a row
CALL backfill('pt', 'v = tableoid::regclass::text');
SELECT count(*) FROM pt WHERE v = tableoid::regclass::text;

-- a leaf by itself, a sub-tree by itself
CALL backfill('pt_1', 'd = 11');
CALL backfill('pt_2', 'd = 12');
CALL backfill('pt_schema.pt_5', 'd = 15');
SELECT tableoid::regclass, min(d), max(d) FROM pt GROUP BY 1 ORDER BY 1;

-- quarantine says which leaf
UPDATE pt SET v = 'bad' WHERE n IN (3, 12, 13, 25);
CALL backfill('pt', 'd = length(v) / (CASE v WHEN ''bad'' THEN 0 ELSE 1 END)', name => 'pt: quarantine');
SELECT "table", count(*) FROM zdm.quarantine WHERE job_name = 'pt: quarantine' GROUP BY 1 ORDER BY 1;

-- triggers of leaves and of the parent
CREATE TABLE pt_log (leaf text);
CREATE FUNCTION pt_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO pt_log VALUES (TG_TABLE_NAME); RETURN NEW; END $$;
CREATE TRIGGER pt_all BEFORE UPDATE ON pt FOR EACH ROW EXECUTE FUNCTION pt_trigger();
CREATE TRIGGER pt_one BEFORE UPDATE ON pt_3 FOR EACH ROW EXECUTE FUNCTION pt_trigger();
CALL backfill('pt', 'd = 5', 'id = 6');
SELECT leaf, count(*) / (SELECT count(*) FROM pt WHERE tableoid::regclass::text IN (leaf, 'pt_schema.' || leaf) AND id = 6) AS times FROM pt_log GROUP BY 1 ORDER BY 1;
DROP TRIGGER pt_all ON pt;
DROP TRIGGER pt_one ON pt_3;

-- partitions that come and go while the job is paused
UPDATE pt SET n = 0;
CREATE TABLE pt_late (LIKE pt);
INSERT INTO pt_late SELECT i, 55, 'late', 0, 0 FROM generate_series(1, 100) i;
BEGIN;
SELECT zdm.start_backfill('pt', 'n = 1', name => 'pt: attach') AS job \gset
SELECT zdm.set_throttle(:job, max_rows_per_second => 50);
COMMIT;
CALL await(format($$ SELECT rows_done > 0 FROM zdm.jobs WHERE job_id = %s $$, :job));
SELECT zdm.pause_job(:job);
ALTER TABLE pt ATTACH PARTITION pt_late FOR VALUES FROM (50) TO (60);
ALTER TABLE pt DETACH PARTITION pt_3;
DROP TABLE pt_4;
SELECT zdm.set_throttle(:job, max_rows_per_second => 'Infinity');
SELECT zdm.resume_job(:job);
CALL zdm.wait_for_job(:job);
SELECT count(*) FILTER (WHERE n <> 1) FROM pt;
-- what is no longer part of the table was left alone from then on
SELECT count(*) > 0 AS left_alone FROM pt_3 WHERE n = 0;

-- verify a leaf of another owner, and a foreign one (error)
CREATE ROLE regress_zdm_leaf;
ALTER TABLE pt_1 OWNER TO regress_zdm_leaf;
SELECT zdm.start_backfill('pt', 'n = 2');
ALTER TABLE pt_1 OWNER TO CURRENT_USER;
CREATE FOREIGN DATA WRAPPER pt_fdw;
CREATE SERVER pt_server FOREIGN DATA WRAPPER pt_fdw;
CREATE FOREIGN TABLE pt_foreign PARTITION OF pt FOR VALUES FROM (90) TO (100) SERVER pt_server;
SELECT zdm.start_backfill('pt', 'n = 2');
-- ... or that comes to be so later: not silently left out
DROP FOREIGN TABLE pt_foreign;
BEGIN;
SELECT zdm.start_backfill('pt', 'n = 2', name => 'pt: foreign later') AS job \gset
SELECT zdm.pause_job(:job);
COMMIT;
CALL await(format($$ SELECT NOT EXISTS (SELECT FROM zdm.workers WHERE job_id = %s) $$, :job));
ALTER TABLE pt_1 OWNER TO regress_zdm_leaf;
SELECT zdm.resume_job(:job);
CALL settle(:job);
SELECT state, code FROM outcome(:job);
ALTER TABLE pt_1 OWNER TO CURRENT_USER;
SELECT zdm.cancel_job(:job);

-- a generated column in a leaf, or a partition key of a sub-partition (error)
ALTER TABLE pt_1 ADD CHECK (k >= 0);
SELECT zdm.start_backfill('pt', 'id = 2');
SELECT zdm.start_backfill('pt', 'k = 2');

-- a partitioned table without partitions
CREATE TABLE pt_none (k int, n int) PARTITION BY LIST (k);
CALL backfill('pt_none', 'n = 1');

-- inheritance: parent and children, with columns of their own
CREATE TABLE ih (id int, n int);
CREATE TABLE ih_child (extra text, n int) INHERITS (ih);
CREATE TABLE ih_grandchild (more text) INHERITS (ih_child);
INSERT INTO ih SELECT i FROM generate_series(1, 10) i;
INSERT INTO ih_child SELECT i FROM generate_series(11, 20) i;
INSERT INTO ih_grandchild SELECT i FROM generate_series(21, 30) i;
CALL backfill('ih', 'n = ih.id * 2');
SELECT tableoid::regclass, count(*) FILTER (WHERE n = id * 2) FROM ih GROUP BY 1 ORDER BY 1;
CALL backfill('ih_child', 'n = 0, extra = ''e''');
SELECT tableoid::regclass, count(*) FILTER (WHERE n = 0) FROM ih GROUP BY 1 ORDER BY 1;

SET client_min_messages = error;
DROP TABLE pt, pt_3, pt_log, pt_none, ih CASCADE;
DROP FUNCTION pt_trigger;
DROP SCHEMA pt_schema;
DROP FOREIGN DATA WRAPPER pt_fdw CASCADE;
DROP ROLE regress_zdm_leaf;
