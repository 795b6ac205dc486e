\echo Use "ALTER EXTENSION zdm UPDATE TO '0.2'" to load this file. \quit

-- job: what a cancelled job leaves behind is removed by a worker

ALTER TABLE zdm.job ADD COLUMN cleanup boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN zdm.job.cleanup IS 'Whether it leaves something behind that a worker removes once the job is cancelled';
DROP INDEX zdm.job_unfinished;
CREATE INDEX job_unfinished ON zdm.job (job_id) WHERE state IN ('queued', 'running') OR (state = 'cancelled' AND cleanup);
