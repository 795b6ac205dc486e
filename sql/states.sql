-- States of a job: what may be done in each, what it says, and its events.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 8300001;
SET client_min_messages = notice;
CREATE TABLE st_t (id int PRIMARY KEY, n int);
INSERT INTO st_t SELECT i FROM generate_series(1, 10) i;

--
-- queued, with nobody at it: all within the transaction that starts it
--
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT zdm.start_backfill('st_t', 'n = 1', name => 'st: queued') AS job \gset
SET LOCAL client_min_messages = notice;
SELECT state, progress, rows_done, waiting_for, pid, started_at, finished_at, eta, rows_per_second FROM zdm.jobs WHERE job_id = :job;
SELECT zdm.resume_job(:job);
SELECT zdm.retry_job(:job);
-- verify that it is not done (error)
SAVEPOINT s;
SELECT zdm.assert_job_done(:job);
ROLLBACK TO s;
CALL zdm.wait_for_job(:job);
ROLLBACK TO s;
SELECT zdm.pause_job(:job);
SELECT state, waiting_for FROM zdm.jobs WHERE job_id = :job;
COMMIT;

--
-- paused
--
SELECT zdm.pause_job(:job);
-- verify what a paused job refuses (error)
SELECT zdm.retry_job(:job);
SELECT zdm.assert_job_done(:job);
CALL zdm.wait_for_job(:job, '0');
CALL zdm.wait_for_job(:job, '100 ms');
SELECT zdm.set_throttle(:job, duty => 0.5, batch_time => '5 ms', max_rows_per_second => 1000);
SELECT state, duty, batch_time, max_rows_per_second FROM zdm.jobs WHERE job_id = :job;
-- the same start gives the same job, and does not resume it
SELECT zdm.start_backfill('st_t', 'n = 1', name => 'st: queued') = :job AS same;
SELECT state FROM zdm.jobs WHERE job_id = :job;
SELECT zdm.cancel_job(:job);

--
-- cancelled
--
SELECT state, waiting_for, finished_at IS NOT NULL AS finished FROM zdm.jobs WHERE job_id = :job;
SELECT zdm.cancel_job(:job);
-- verify what a cancelled job refuses (error)
SELECT zdm.pause_job(:job);
SELECT zdm.resume_job(:job);
SELECT zdm.assert_job_done(:job);
CALL zdm.wait_for_job(:job);
SELECT zdm.start_backfill('st_t', 'n = 1', name => 'st: queued') = :job AS same;
SELECT zdm.retry_job(:job);
CALL zdm.wait_for_job(:job);

--
-- done
--
SELECT state, progress, rows_done, waiting_for, pid, eta, last_error, last_sqlstate, hint,
       started_at <= finished_at AS finished, created_at <= started_at AS started FROM zdm.jobs WHERE job_id = :job;
SELECT zdm.assert_job_done(:job);
CALL zdm.wait_for_job(:job);
CALL zdm.wait_for_job(:job, '0');
SELECT zdm.start_backfill('st_t', 'n = 1', name => 'st: queued') = :job AS same;
-- verify what a job that is done refuses (error)
SELECT zdm.pause_job(:job);
SELECT zdm.resume_job(:job);
SELECT zdm.cancel_job(:job);
SELECT zdm.retry_job(:job);
SELECT event, message FROM zdm.events WHERE job_id = :job ORDER BY event_id;

--
-- failed
--
SET client_min_messages = warning;
SELECT zdm.start_backfill('st_t', 'n = 1 / (id - 5)', name => 'st: failed') AS job \gset
SET client_min_messages = notice;
CALL settle(:job);
SELECT state, last_sqlstate, last_error, hint, finished_at IS NOT NULL AS finished, pid FROM zdm.jobs WHERE job_id = :job;
-- verify what a failed job refuses (error)
SELECT zdm.pause_job(:job);
SELECT zdm.resume_job(:job);
SELECT zdm.assert_job_done(:job);
CALL zdm.wait_for_job(:job);
SELECT zdm.start_backfill('st_t', 'n = 1 / (id - 5)', name => 'st: failed') = :job AS same;
SELECT zdm.cancel_job(:job);
SELECT state FROM zdm.jobs WHERE job_id = :job;
DELETE FROM st_t WHERE id = 5;
SELECT zdm.retry_job(:job);
CALL zdm.wait_for_job(:job);
SELECT state, last_error, last_sqlstate, hint FROM zdm.jobs WHERE job_id = :job;
SELECT event, message FROM zdm.events WHERE job_id = :job ORDER BY event_id;

--
-- running
--
CREATE TABLE st_big (id int PRIMARY KEY, n int);
INSERT INTO st_big SELECT i FROM generate_series(1, 20000) i;
BEGIN;
SET client_min_messages = warning;
SELECT zdm.start_backfill('st_big', 'n = 1', name => 'st: running') AS job \gset
SET client_min_messages = notice;
SELECT zdm.set_throttle(:job, max_rows_per_second => 50);
COMMIT;
CALL await(format($$ SELECT rows_done > 0 FROM zdm.jobs WHERE job_id = %s $$, :job));
SELECT state, progress > 0 AND progress < 1 AS progress, rows_done < 20000 AS rows_done, pid IS NOT NULL AS pid, finished_at FROM zdm.jobs WHERE job_id = :job;
SELECT role, connected_as = current_user AS connected_as FROM zdm.workers WHERE job_id = :job;
SELECT zdm.resume_job(:job);
SELECT zdm.retry_job(:job);
-- verify that it is not done (error)
SELECT zdm.assert_job_done(:job);
CALL zdm.wait_for_job(:job, '100 ms');
SELECT zdm.pause_job(:job);
CALL await(format($$ SELECT pid IS NULL FROM zdm.jobs WHERE job_id = %s $$, :job));
SELECT state FROM zdm.jobs WHERE job_id = :job;
SELECT rows_done AS rows_before FROM zdm.jobs WHERE job_id = :job \gset
SELECT count(*) = :rows_before AS agrees FROM st_big WHERE n = 1;
-- resumed it goes on, and counts each row once
SELECT zdm.resume_job(:job);
CALL await(format($$ SELECT rows_done > %s FROM zdm.jobs WHERE job_id = %s $$, :rows_before, :job));
SELECT zdm.cancel_job(:job);
CALL await(format($$ SELECT pid IS NULL FROM zdm.jobs WHERE job_id = %s $$, :job));
SELECT zdm.set_throttle(:job, max_rows_per_second => 'Infinity');
SELECT zdm.retry_job(:job);
CALL zdm.wait_for_job(:job);
SELECT rows_done FROM zdm.jobs WHERE job_id = :job;
SELECT count(*) FROM st_big WHERE n = 1;
SELECT event FROM zdm.events WHERE job_id = :job AND event <> 'striping' ORDER BY event_id;

-- pause and resume at once, before the worker has noticed
BEGIN;
SET client_min_messages = warning;
SELECT zdm.start_backfill('st_big', 'n = 2', name => 'st: quick') AS job \gset
SET client_min_messages = notice;
SELECT zdm.set_throttle(:job, max_rows_per_second => 50);
COMMIT;
CALL await(format($$ SELECT rows_done > 0 FROM zdm.jobs WHERE job_id = %s $$, :job));
SELECT zdm.pause_job(:job);
SELECT zdm.resume_job(:job);
SELECT zdm.set_throttle(:job, max_rows_per_second => 'Infinity');
CALL zdm.wait_for_job(:job);
SELECT count(*) FROM st_big WHERE n = 2;

-- in one transaction, and rolled back: nothing has happened
BEGIN;
SET client_min_messages = warning;
SELECT zdm.start_backfill('st_big', 'n = 3', name => 'st: rolled back') AS job \gset
SET client_min_messages = notice;
SELECT zdm.pause_job(:job);
COMMIT;
BEGIN;
SELECT zdm.cancel_job(:job);
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT zdm.resume_job(:job);
ROLLBACK TO s;
COMMIT;
SELECT state FROM zdm.jobs WHERE job_id = :job;
SELECT zdm.cancel_job(:job);

--
-- the table is gone
--
CREATE TABLE st_gone (id int);
INSERT INTO st_gone VALUES (1);
BEGIN;
SET client_min_messages = warning;
SELECT zdm.start_backfill('st_gone', 'id = 2', name => 'st: gone') AS job \gset
SET client_min_messages = notice;
SELECT zdm.pause_job(:job);
COMMIT;
DROP TABLE st_gone;
-- verify that it cannot go on (error)
SELECT zdm.resume_job(:job);
SELECT state FROM zdm.jobs WHERE job_id = :job;
SELECT zdm.cancel_job(:job);
-- verify that a table of the same name is not taken for it (error)
CREATE TABLE st_gone (id int);
SELECT zdm.retry_job(:job);
SELECT zdm.start_backfill('st_gone', 'id = 2', name => 'st: gone');
SELECT state FROM zdm.jobs WHERE job_id = :job;

--
-- the table is renamed, or moved to another schema: the job follows
--
BEGIN;
SET client_min_messages = warning;
SELECT zdm.start_backfill('st_gone', 'id = 3', name => 'st: renamed') AS job \gset
SET client_min_messages = notice;
SELECT zdm.pause_job(:job);
COMMIT;
INSERT INTO st_gone VALUES (1);
CREATE SCHEMA st_schema;
ALTER TABLE st_gone SET SCHEMA st_schema;
ALTER TABLE st_schema.st_gone RENAME TO st_there;
SELECT zdm.resume_job(:job);
CALL zdm.wait_for_job(:job);
SELECT * FROM st_schema.st_there;

--
-- zdm.job_id() and jobs that do not exist
--
SELECT zdm.job_id('st: renamed') = :job AS found;
-- verify (error)
SELECT zdm.job_id('st: no such job');
SELECT zdm.pause_job(8300000);
SELECT zdm.resume_job(-1);
SELECT zdm.cancel_job(9223372036854775807);
SELECT zdm.retry_job(0);
SELECT zdm.assert_job_done(8300000);
CALL zdm.wait_for_job(8300000);
SELECT zdm.set_throttle(8300000, 0.5);

--
-- every state change is an event, and none is missing: started with queued,
-- each follows from the one before
--
SELECT lag, event, count(*) FROM (
    SELECT event, lag(event) OVER (PARTITION BY job_id ORDER BY event_id) FROM zdm.events
     WHERE job_name LIKE 'st: %' AND event IN ('queued', 'running', 'paused', 'failed', 'cancelled', 'done')) e
 WHERE (lag, event) NOT IN (('queued', 'running'), ('queued', 'paused'), ('queued', 'cancelled'), ('queued', 'failed'),
    ('running', 'done'), ('running', 'failed'), ('running', 'paused'), ('running', 'cancelled'), ('paused', 'queued'),
    ('paused', 'cancelled'), ('failed', 'queued'), ('failed', 'cancelled'), ('cancelled', 'queued'))
    OR lag IS NULL AND event <> 'queued' GROUP BY 1, 2;

SET client_min_messages = warning;
DROP TABLE st_t, st_big;
DROP SCHEMA st_schema CASCADE;
