-- zdm.estimate_backfill(): what a backfill would cost; it changes nothing.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
CREATE TABLE es_t (id int PRIMARY KEY, n int, filler text DEFAULT repeat('x', 100));
INSERT INTO es_t SELECT i, i % 10 FROM generate_series(1, 20000) i;
ANALYZE es_t;
SELECT count(*) AS before FROM zdm.jobs \gset

-- rows, pages and the rest for the whole table
SELECT rows, pages = pg_relation_size('es_t') / current_setting('block_size')::int AS pages, batches > 0 AS batches,
       expected_time > '0' AS time, wal_bytes > 0 AS wal, disk_bytes > 0 AS disk, basis <> '' AS basis
  FROM zdm.estimate_backfill('es_t', 'n = 1');
-- a filter makes it less
SELECT rows BETWEEN 1000 AND 3000 AS tenth FROM zdm.estimate_backfill('es_t', 'n = 1', 'n = 5');
SELECT rows < 10 AS few FROM zdm.estimate_backfill(target => 'es_t', set_clause => 'n = 1', filter => 'id = 7');
SELECT a.expected_time > b.expected_time AS time, a.wal_bytes > b.wal_bytes AS wal, a.pages = b.pages AS pages
  FROM zdm.estimate_backfill('es_t', 'n = 1') a, zdm.estimate_backfill('es_t', 'n = 1', 'n = 5') b;
-- an empty table, a partitioned one
CREATE TABLE es_empty (n int);
SELECT pages, batches, disk_bytes FROM zdm.estimate_backfill('es_empty', 'n = 1');
-- a number of rows that nobody has counted yet is called a guess
SELECT basis ~ 'guess before the table''s first ANALYZE' AS guess FROM zdm.estimate_backfill('es_empty', 'n = 1');
SELECT basis ~ 'guess' AS guess FROM zdm.estimate_backfill('es_t', 'n = 1');
CREATE TABLE es_part (id int, n int) PARTITION BY RANGE (id);
CREATE TABLE es_part_1 PARTITION OF es_part FOR VALUES FROM (0) TO (500);
CREATE TABLE es_part_2 PARTITION OF es_part FOR VALUES FROM (500) TO (2000);
INSERT INTO es_part SELECT i FROM generate_series(1, 1000) i;
ANALYZE es_part;
SELECT rows, pages = (pg_relation_size('es_part_1') + pg_relation_size('es_part_2')) / current_setting('block_size')::int AS pages
  FROM zdm.estimate_backfill('es_part', 'n = 1');
-- what was done is what the next estimate rests on
CALL backfill('es_t', 'n = 100');
SELECT basis ~ 'as in [1-9]' AS own FROM zdm.estimate_backfill('es_t', 'n = 1');
-- a definition that start_backfill() takes, and in a read-only transaction
BEGIN READ ONLY;
SELECT rows > 0 AS rows FROM zdm.estimate_backfill('es_t', 'filler = gen_random_uuid()::text', 'filler IS NOT NULL');
COMMIT;
-- verify those that it refuses (error)
SELECT set_clause, filter, refused.* FROM (VALUES
    ('no_such_column = 1', NULL), ('n = 1; SELECT 1', NULL), ('n = 1 WHERE true', NULL), ('n = ''x''', NULL),
    ('filler = gen_random_uuid()::text', NULL), ('n = 1', 'random() < 1'), ('n = 1', 'true) OR (true')
) AS v (set_clause, filter), refused(format('SELECT zdm.estimate_backfill(%L, %L, %L)', 'es_t', set_clause, filter));
SELECT count(*) - :before AS started FROM zdm.jobs WHERE target <> 'public.es_t';
SELECT min(n), max(n) FROM es_part;

DROP TABLE es_t, es_empty, es_part;
