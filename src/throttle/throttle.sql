-- Signals of load: how they are now, and how long each has held which job.

CREATE TABLE zdm.job_hold (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    signal          text NOT NULL,
    seconds         float8 NOT NULL DEFAULT 0,
    last_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, signal)
);
SELECT pg_catalog.pg_extension_config_dump('zdm.job_hold', '');
COMMENT ON TABLE zdm.job_hold IS 'How long each signal has held a job. Read zdm.holds instead.';
COMMENT ON COLUMN zdm.job_hold.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.job_hold.signal IS 'Name of the signal, as in zdm.throttle';
COMMENT ON COLUMN zdm.job_hold.seconds IS 'Seconds for which it has held the job';
COMMENT ON COLUMN zdm.job_hold.last_at IS 'When that was last counted';

CREATE TABLE zdm.throttle_order (
    order_id        int PRIMARY KEY DEFAULT 1 CHECK (order_id = 1),
    duty            float8 NOT NULL,
    ends_at         timestamptz NOT NULL,
    reason          text NOT NULL,
    ordered_by      text NOT NULL,
    ordered_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE zdm.throttle_order IS 'The order of zdm.throttle_all(). Read zdm.throttle instead.';
COMMENT ON COLUMN zdm.throttle_order.order_id IS 'Always 1';
COMMENT ON COLUMN zdm.throttle_order.duty IS 'Share of time that jobs may work';
COMMENT ON COLUMN zdm.throttle_order.ends_at IS 'When it ends by itself';
COMMENT ON COLUMN zdm.throttle_order.reason IS 'Why';
COMMENT ON COLUMN zdm.throttle_order.ordered_by IS 'Who has ordered it';
COMMENT ON COLUMN zdm.throttle_order.ordered_at IS 'When';

SELECT pg_catalog.pg_extension_config_dump('zdm.throttle_order', '');

CREATE FUNCTION zdm.throttle_all(duty float8, lasts interval, reason text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_throttle_all';
CREATE FUNCTION zdm.unthrottle_all() RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_unthrottle_all';
COMMENT ON FUNCTION zdm.throttle_all(float8, interval, text) IS
    'Has every job of the database work no more than this share of the time, for so long. A later call takes its place.';
COMMENT ON FUNCTION zdm.unthrottle_all() IS
    'Ends what zdm.throttle_all() has ordered.';

CREATE FUNCTION zdm.list_signals(OUT signal text, OUT value float8, OUT threshold float8, OUT utilisation float8, OUT unit text,
        OUT value_text text, OUT threshold_text text, OUT detail text, OUT of_writes boolean)
    RETURNS SETOF record
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_list_signals';
COMMENT ON FUNCTION zdm.list_signals() IS
    'Internal: signals of load as they are now. Read zdm.throttle instead.';
GRANT EXECUTE ON FUNCTION zdm.list_signals() TO PUBLIC;
