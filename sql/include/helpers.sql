\set ECHO none
-- What the regression tests share.  Each test includes it first, so that each
-- can run alone.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS zdm;

-- Waits until a job has come to rest: neither queued nor running.
CREATE OR REPLACE PROCEDURE settle(job bigint) LANGUAGE plpgsql AS $$
DECLARE
    deadline timestamptz := clock_timestamp() + interval '60 seconds';
    now_state text;
BEGIN
    LOOP
        SELECT state INTO STRICT now_state FROM zdm.jobs WHERE job_id = job;
        EXIT WHEN now_state NOT IN ('queued', 'running');
        IF clock_timestamp() > deadline THEN
            RAISE EXCEPTION 'job is still %, waiting for %', now_state,
                (SELECT waiting_for FROM zdm.jobs WHERE job_id = job);
        END IF;
        COMMIT;
        -- short: a snapshot is held meanwhile, for which a striped batch waits
        PERFORM pg_sleep(0.005);
    END LOOP;
END $$;

-- Waits until a query returns true.
CREATE OR REPLACE PROCEDURE await(query text) LANGUAGE plpgsql AS $$
DECLARE
    deadline timestamptz := clock_timestamp() + interval '60 seconds';
    answer boolean;
BEGIN
    LOOP
        EXECUTE query INTO answer;
        EXIT WHEN answer;
        IF clock_timestamp() > deadline THEN
            RAISE EXCEPTION 'waited in vain for: %', query;
        END IF;
        COMMIT;
        PERFORM pg_sleep(0.005);
    END LOOP;
END $$;

-- What became of a job.
CREATE OR REPLACE FUNCTION outcome(job bigint, OUT state text, OUT rows_done bigint,
                                   OUT quarantined bigint, OUT code text, OUT error text)
LANGUAGE sql AS $$
    SELECT j.state, j.rows_done, b.quarantined, j.last_sqlstate, j.last_error
      FROM zdm.jobs j JOIN zdm.backfills b USING (job_id) WHERE job_id = job
$$;

-- Starts a backfill, waits for it, and says what became of it.
CREATE OR REPLACE PROCEDURE backfill(target text, set_clause text, filter text DEFAULT NULL,
                                     name text DEFAULT NULL, fire_triggers boolean DEFAULT true,
                                     max_quarantine int DEFAULT 100,
                                     INOUT state text DEFAULT NULL,
                                     INOUT rows_done bigint DEFAULT NULL,
                                     INOUT quarantined bigint DEFAULT NULL,
                                     INOUT code text DEFAULT NULL,
                                     INOUT error text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    before bigint[] := ARRAY(SELECT job_id FROM zdm.jobs);
    job bigint;
BEGIN
    job := zdm.start_backfill(target::regclass, set_clause, filter, name, fire_triggers,
                              max_quarantine => max_quarantine);
    ASSERT job <> ALL (before), 'there was such a job before: give another name';
    COMMIT;
    CALL settle(job);
    SELECT o.* INTO state, rows_done, quarantined, code, error FROM outcome(job) o;
END $$;

-- Runs a statement that should fail: its SQLSTATE, and whether it has a hint.
-- For statements of which the words are PostgreSQL's.
CREATE OR REPLACE FUNCTION refused(statement text, OUT code text, OUT hint boolean)
LANGUAGE plpgsql AS $$
DECLARE
    hint_text text;
BEGIN
    EXECUTE statement;
    code := 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, hint_text = PG_EXCEPTION_HINT;
    hint := hint_text <> '';
END $$;

-- The same for a backfill.
CREATE OR REPLACE FUNCTION refused(target regclass, set_clause text, filter text,
                                   OUT code text, OUT hint boolean)
LANGUAGE sql AS $$
    SELECT * FROM refused(format('SELECT zdm.start_backfill(%L, %L, %L)', target, set_clause, filter))
$$;
\set ECHO all
