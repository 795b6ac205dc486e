-- The table at the end of the demo: one line "label|value" each.
WITH figure AS (
    SELECT j.rows_done, j.started_at, j.finished_at, b.wal_bytes, b.hot_share, b.batches,
           pg_total_relation_size('pgbench_accounts') AS size_after
      FROM zdm.jobs j JOIN zdm.backfills b USING (job_id))
SELECT 'time|' || round(extract(epoch FROM finished_at - started_at)::numeric, 1)
       || ' s, crash included; ' || batches || ' transactions'
  FROM figure
UNION ALL
SELECT 'WAL|' || pg_size_pretty(wal_bytes) || ', ' || wal_bytes / rows_done || ' bytes a row'
  FROM figure
UNION ALL
SELECT 'size before, after|' || pg_size_pretty(:size_before::bigint) || ', ' || pg_size_pretty(size_after)
       || ' (' || to_char(100.0 * size_after / :size_before - 100, 'SGFM990') || ' %)'
  FROM figure
UNION ALL
SELECT 'HOT updates|' || round((hot_share * 100)::numeric) || ' %'
  FROM figure
