-- A freshly loaded copy of the table, in the same state every time. Variables: rows, indexes (2 or 5).
SET client_min_messages = warning;
DROP TABLE IF EXISTS bench;

CREATE TABLE bench WITH (fillfactor = 100) AS
SELECT i::bigint AS id,
       (i::bigint * 7919 % 100003)::int AS customer,
       (ARRAY['web', 'app', 'store', 'phone', 'partner'])[i % 5 + 1] AS source,
       (i % 100000 / 100.0)::numeric(10,2) AS amount,
       timestamptz '2024-01-01' + i * interval '7 seconds' AS created_at,
       repeat(md5(i::text), 2) || left(md5(i::text), 16) AS note
  FROM generate_series(1, :rows) AS i;

ALTER TABLE bench ADD PRIMARY KEY (id);
CREATE INDEX ON bench (customer);
SELECT :indexes > 2 AS more_indexes \gset
\if :more_indexes
CREATE INDEX ON bench (created_at);
CREATE INDEX ON bench (amount);
CREATE INDEX ON bench (source, created_at);
\endif

CREATE SEQUENCE bench_id OWNED BY bench.id START :rows INCREMENT 1;
SELECT setval('bench_id', :rows);
ALTER TABLE bench ALTER id SET DEFAULT nextval('bench_id');

-- what is to be filled
ALTER TABLE bench ADD COLUMN channel text;

VACUUM (ANALYZE) bench;
CHECKPOINT;
