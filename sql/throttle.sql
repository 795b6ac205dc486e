-- The throttle: ceiling of rows a second, duty, duration of a batch; seen by
-- counters, not by the clock of the test.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
CREATE TABLE th_t (id int PRIMARY KEY, n int) WITH (fillfactor = 50);
INSERT INTO th_t SELECT i FROM generate_series(1, 20000) i;

-- a ceiling: by the job's own clock no more rows than it allows, a batch's worth apart
BEGIN;
SELECT zdm.start_backfill('th_t', 'n = 1', name => 'th: ceiling') AS job \gset
SELECT zdm.set_throttle(:job, max_rows_per_second => 400);
COMMIT;
CALL await(format($$ SELECT batches >= 4 FROM zdm.backfills WHERE job_id = %s $$, :job));
SELECT rows_done <= 400 * (1 + extract(epoch FROM clock_timestamp() - started_at)) + 300 AS under_ceiling, state
  FROM zdm.jobs WHERE job_id = :job;
-- taken away it takes effect at once: the rest would last minutes
SELECT zdm.set_throttle(:job, max_rows_per_second => 'Infinity');
CALL zdm.wait_for_job(:job, '30 s');
SELECT count(*) FROM th_t WHERE n = 1;

-- NULL keeps what was set
BEGIN;
SELECT zdm.start_backfill('th_t', 'n = 2', name => 'th: keep') AS job \gset
SELECT zdm.pause_job(:job);
COMMIT;
SELECT zdm.set_throttle(:job, duty => 0.25);
SELECT zdm.set_throttle(:job, batch_time => '7 ms');
SELECT zdm.set_throttle(:job, max_rows_per_second => 123);
SELECT zdm.set_throttle(:job);
SELECT duty, extract(milliseconds FROM batch_time)::int AS batch_ms, max_rows_per_second FROM zdm.jobs WHERE job_id = :job;
SELECT zdm.cancel_job(:job);
-- also of a job that has ended, for its next turn
SELECT zdm.set_throttle(:job, 1, '20 ms', 'Infinity');
SELECT zdm.retry_job(:job);
CALL zdm.wait_for_job(:job);

-- duty: of the time between start and end no more than its share was work
BEGIN;
SELECT zdm.start_backfill('th_t', 'n = 3', name => 'th: duty') AS job \gset
SELECT zdm.set_throttle(:job, duty => 0.2);
COMMIT;
CALL zdm.wait_for_job(:job);
SELECT extract(epoch FROM work_time) < 0.3 * extract(epoch FROM finished_at - started_at) AS rested, work_time > '0' AS worked
  FROM zdm.backfills JOIN zdm.jobs USING (job_id) WHERE job_id = :job;

-- a smaller target makes more and smaller batches
BEGIN;
SELECT zdm.start_backfill('th_t', 'n = 4', name => 'th: large') AS large \gset
SELECT zdm.set_throttle(:large, batch_time => '50 ms');
COMMIT;
CALL zdm.wait_for_job(:large);
BEGIN;
SELECT zdm.start_backfill('th_t', 'n = 5', name => 'th: small') AS small \gset
SELECT zdm.set_throttle(:small, batch_time => '1 ms');
COMMIT;
CALL zdm.wait_for_job(:small);
SELECT s.batches > l.batches AS more FROM zdm.backfills s, zdm.backfills l WHERE s.job_id = :small AND l.job_id = :large;

DROP TABLE th_t;
