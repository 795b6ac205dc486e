-- A freshly loaded table of some shape. Variables: rows, width (bytes of its long column), fillfactor,
-- partitions (0: a plain table).
SET client_min_messages = warning;
DROP TABLE IF EXISTS bench;
SELECT :partitions > 0 AS partitioned \gset
\if :partitioned
CREATE TABLE bench (id bigint, customer int, source text, note text) PARTITION BY RANGE (id);
SELECT format('CREATE TABLE bench_%s PARTITION OF bench FOR VALUES FROM (%s) TO (%s) WITH (fillfactor = %s)', i,
              (i - 1) * per + 1, i * per + 1, :fillfactor)
  FROM generate_series(1, :partitions) AS i, (SELECT (:rows + :partitions - 1) / :partitions AS per) AS p \gexec
\else
CREATE TABLE bench (id bigint, customer int, source text, note text) WITH (fillfactor = :fillfactor);
\endif

-- what is too long for a page is stored outside of the row as it is
ALTER TABLE bench ALTER note SET STORAGE EXTERNAL;
INSERT INTO bench
SELECT i, (i::bigint * 7919 % 100003)::int, (ARRAY['web', 'app', 'store', 'phone', 'partner'])[i % 5 + 1],
       left(repeat(md5(i::text), :width / 32 + 1), :width)
  FROM generate_series(1, :rows) AS i;
ALTER TABLE bench ADD PRIMARY KEY (id);
CREATE INDEX ON bench (customer);

-- what is to be filled
ALTER TABLE bench ADD COLUMN channel text;
VACUUM (ANALYZE) bench;
CHECKPOINT;
