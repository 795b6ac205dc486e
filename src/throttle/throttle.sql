-- Signals of load: how they are now, and how long each has held which job.

CREATE TABLE zdm.job_hold (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    signal          text NOT NULL,
    seconds         float8 NOT NULL DEFAULT 0,
    last_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, signal)
);
COMMENT ON TABLE zdm.job_hold IS 'How long each signal has held a job. Read zdm.holds instead.';
COMMENT ON COLUMN zdm.job_hold.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.job_hold.signal IS 'Name of the signal, as in zdm.throttle';
COMMENT ON COLUMN zdm.job_hold.seconds IS 'Seconds for which it has held the job';
COMMENT ON COLUMN zdm.job_hold.last_at IS 'When that was last counted';

CREATE FUNCTION zdm.list_signals(OUT signal text, OUT value float8, OUT threshold float8, OUT utilisation float8, OUT unit text,
        OUT value_text text, OUT threshold_text text, OUT detail text, OUT of_writes boolean)
    RETURNS SETOF record
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_list_signals';
COMMENT ON FUNCTION zdm.list_signals() IS
    'Internal: signals of load as they are now. Read zdm.throttle instead.';
GRANT EXECUTE ON FUNCTION zdm.list_signals() TO PUBLIC;
