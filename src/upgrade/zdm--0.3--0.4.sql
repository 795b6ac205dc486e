\echo Use "ALTER EXTENSION zdm UPDATE TO '0.4'" to load this file. \quit

-- What 0.3 had and is other now

ALTER TABLE zdm.job ADD COLUMN thresholds text[];
ALTER TABLE zdm.job ADD COLUMN duty_until timestamptz;

DROP FUNCTION zdm.set_throttle(bigint, float8, interval, float8);

-- What is new, and views and comments as they are now

CREATE FUNCTION zdm.set_throttle(job bigint, duty float8 DEFAULT NULL,
        batch_time interval DEFAULT NULL, max_rows_per_second float8 DEFAULT NULL,
        signal text DEFAULT NULL, threshold text DEFAULT NULL, lasts interval DEFAULT NULL)
    RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_set_throttle';
COMMENT ON FUNCTION zdm.set_throttle(bigint, float8, interval, float8, text, text, interval) IS
    'Sets the throttle of one job: share of time at work (0 to 1) and for how long that lasts, duration a batch aims at, ceiling of rows a second (Infinity for none), the threshold of one signal (as its setting, ''off'' or ''default''). NULL keeps a value. Takes effect within a second.';
COMMENT ON COLUMN zdm.job.thresholds IS 'Thresholds of its own: names of signals and values in turn';
COMMENT ON COLUMN zdm.job.duty_until IS 'When its own share of time ends; NULL: never';

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

CREATE OR REPLACE VIEW zdm.jobs WITH (security_barrier) AS
SELECT j.job_id,
       j.name,
       j.kind,
       CASE WHEN j.target_schema = '' THEN j.target_name
            ELSE pg_catalog.format('%I.%I', j.target_schema, j.target_name) END AS target,
       j.state,
       CASE WHEN j.state = 'done' THEN 1.0
            WHEN r.steps > 0 THEN
                 pg_catalog.round(least(0.99, (coalesce(r.work_done, 0) + coalesce(r.work_now, 0) * least(coalesce(k.share, 0), 1)) / r.work)::numeric, 4)
            ELSE pg_catalog.round(least(0.99, coalesce(k.share, 0))::numeric, 4) END::float8 AS progress,
       coalesce(f.rows_done, b.tuples_done) AS rows_done,
       coalesce(f.rows_estimated, b.tuples_total) AS rows_estimated,
       CASE WHEN j.state = 'running' AND w.pid IS NOT NULL THEN f.rows_per_second
            WHEN j.state = 'done' AND j.finished_at > j.started_at THEN
                 f.rows_done / extract(epoch FROM j.finished_at - j.started_at)::float8
            END AS rows_per_second,
       CASE WHEN j.state = 'running' AND w.pid IS NOT NULL AND f.seconds_left >= 0 THEN
                 pg_catalog.make_interval(secs => pg_catalog.round(f.seconds_left)) END AS eta,
       CASE WHEN j.state NOT IN ('queued', 'running') OR w.pid IS NOT NULL THEN
                 coalesce(j.waiting_for, zdm.awaits(j.job_id, b.waiting_for,
                                                    b.pid IS NULL AND (x.phase IS NOT NULL OR j.kind = 'ddl')))
            WHEN NOT zdm.is_local(j.cluster_id, j.database_id) THEN
                 pg_catalog.format('zdm.resume_job(%s): it came from another cluster or database (restore, copy or upgrade)', j.job_id)
            WHEN pg_catalog.pg_is_in_recovery() THEN 'the primary: this is a standby'
            WHEN pg_catalog.current_setting('zdm.autostart', true) = 'off' THEN 'zdm.autostart, which is off: no worker is started'
            WHEN j.state = 'queued' AND j.not_before > pg_catalog.clock_timestamp() THEN coalesce(j.waiting_for, 'until ' || j.not_before::timestamptz(0))
            -- the start of the server ends what a worker waited for
            WHEN zdm.running_since() IS NULL AND (j.state = 'running' OR j.state_since < pg_catalog.clock_timestamp() - interval '10 s')
                 AND (j.waiting_for IS NULL OR j.waiting_since < pg_catalog.pg_postmaster_start_time()) THEN
                 pg_catalog.format('a worker: there is no launcher (shared_preload_libraries), so zdm.resume_job(%s) has to ask for one', j.job_id)
            ELSE coalesce(j.waiting_for, 'a worker') END AS waiting_for,
       w.pid,
       zdm.owner_name(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner) AS owner,
       j.created_at,
       j.created_by,
       j.started_at,
       j.finished_at,
       j.state_since,
       j.last_error,
       j.last_sqlstate,
       j.last_hint AS hint,
       j.duty,
       pg_catalog.make_interval(secs => j.batch_time_ms / 1000.0) AS batch_time,
       j.max_rows_per_second,
       j.waiting_since,
       (SELECT m.name FROM zdm.migration m WHERE m.migration_id = j.migration_id) AS migration,
       j.duty_until,
       j.thresholds,
       CASE WHEN j.state = 'running' AND c.work_ms > 0 AND k.share > 0 AND k.share < 1 THEN
                 pg_catalog.make_interval(secs => pg_catalog.round(c.work_ms / 1000 * (1 - k.share) / k.share)) END AS eta_unthrottled
  FROM zdm.job j
  LEFT JOIN zdm.backfill_cursor c USING (job_id)
  LEFT JOIN zdm.validation_cursor v USING (job_id)
  LEFT JOIN zdm.verification_cursor y USING (job_id)
  LEFT JOIN zdm.index_job x USING (job_id)
  LEFT JOIN zdm.workers w ON w.job_id = j.job_id AND w.database = pg_catalog.current_database()
  LEFT JOIN zdm.list_index_builds() b ON b.pid = w.pid
 CROSS JOIN LATERAL (
       SELECT count(*) AS steps,
              sum(s.work) AS work,
              sum(s.work) FILTER (WHERE s.state = 'done') AS work_done,
              sum(s.work) FILTER (WHERE s.is_current) AS work_now,
              min(s.kind) FILTER (WHERE s.is_current) AS kind,
              min(s.wait_ms) FILTER (WHERE s.is_current) AS wait_ms,
              min(s.began_at) FILTER (WHERE s.is_current) AS began_at
         FROM (SELECT e.state, e.kind, e.wait_ms, e.began_at,
                      e.step = min(e.step) FILTER (WHERE e.state <> 'done') OVER () AS is_current,
                      greatest(coalesce(e.expected_ms, CASE e.kind WHEN 'ddl' THEN 0 ELSE 1000 END), e.wait_ms, 50) AS work
                 FROM zdm.recipe_step e WHERE e.job_id = j.job_id AND j.state <> 'done') s) r
 CROSS JOIN LATERAL (
       SELECT CASE coalesce(r.kind, j.kind)
              WHEN 'backfill' THEN
                   CASE WHEN c.phase = 'proof' OR c.sweep > 1 THEN 0.99
                        WHEN c.blocks_total > 0 THEN
                             (c.blocks_done + c.window_start
                              + (c.window_end - c.window_start)::float8
                                * (c.stripe + CASE WHEN c.window_end > c.window_start
                                                   THEN (c.next_block - c.window_start)::float8
                                                        / (c.window_end - c.window_start)
                                                   ELSE 0 END) / c.stripes)
                             / c.blocks_total END
              WHEN 'index' THEN (x.leaves_done + coalesce(b.progress, 0)) / nullif(x.leaves_total, 0)
              WHEN 'wait' THEN extract(epoch FROM pg_catalog.clock_timestamp() - r.began_at)::float8 * 1000 / nullif(r.wait_ms, 0)
              WHEN 'verify' THEN CASE WHEN y.phase = 'proof' OR y.pass > 1 THEN 0.99
                   ELSE (y.done + y.next_block)::float8 / nullif(greatest(y.total, y.done + y.leaf_blocks), 0) END
              WHEN 'validate' THEN (v.done + v.leaf_done)::float8 / nullif(greatest(v.total, v.done + v.leaf_total), 0)
              WHEN 'validation' THEN (v.done + v.leaf_done)::float8 / nullif(greatest(v.total, v.done + v.leaf_total), 0)
              END AS share) k
 -- whose figures: those of the step or the job at work, otherwise the first that there are
 CROSS JOIN LATERAL (
       SELECT CASE WHEN coalesce(r.kind, j.kind) LIKE 'backfill%' THEN 'c'
                   WHEN coalesce(r.kind, j.kind) LIKE 'verify%' THEN 'y'
                   WHEN coalesce(r.kind, j.kind) LIKE 'valid%' THEN 'v'
                   WHEN c.rows_done IS NOT NULL THEN 'c' WHEN y.rows_done IS NOT NULL THEN 'y' ELSE 'v' END AS whose) h
 CROSS JOIN LATERAL (
       SELECT CASE h.whose WHEN 'c' THEN c.rows_done WHEN 'y' THEN y.rows_done ELSE v.rows_done END AS rows_done,
              CASE h.whose WHEN 'c' THEN c.rows_estimated WHEN 'y' THEN y.rows_estimated ELSE v.rows_estimated END AS rows_estimated,
              CASE h.whose WHEN 'c' THEN c.rows_per_second WHEN 'y' THEN y.rows_per_second ELSE v.rows_per_second END AS rows_per_second,
              CASE h.whose WHEN 'c' THEN c.seconds_left WHEN 'y' THEN y.seconds_left ELSE v.seconds_left END AS seconds_left) f
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);
COMMENT ON COLUMN zdm.jobs.duty_until IS 'When its own share of time ends; NULL: never';
COMMENT ON COLUMN zdm.jobs.thresholds IS 'Thresholds of its own, by zdm.set_throttle: names of signals and values in turn';
COMMENT ON COLUMN zdm.jobs.eta_unthrottled IS 'Expected time to the end if nothing held or slowed it: what is left, at the rate of the time at work; of backfills';

-- What people and dashboards read of load.

CREATE VIEW zdm.throttle WITH (security_barrier) AS
SELECT s.signal,
       s.value,
       s.threshold,
       s.utilisation,
       s.unit,
       CASE WHEN s.value IS NOT NULL THEN s.value_text END AS value_text,
       s.threshold_text,
       s.detail,
       s.of_writes,
       (SELECT pg_catalog.array_agg(j.name ORDER BY j.name) FROM zdm.job j
         WHERE j.state = 'running'
           AND (j.waiting_for LIKE '%(' || s.signal || ')%'
                OR (s.signal = 'order' AND j.waiting_for LIKE 'zdm.unthrottle_all()%'))
           AND zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner)) AS holds
  FROM (SELECT * FROM zdm.list_signals()
        UNION ALL
        SELECT 'order', o.duty, NULL, NULL, '', o.duty::text, NULL,
               pg_catalog.format('%s, by %s until %s', o.reason, o.ordered_by, o.ends_at::timestamptz(0)), false
          FROM zdm.throttle_order o WHERE o.ends_at > pg_catalog.clock_timestamp()) s;
GRANT SELECT ON zdm.throttle TO PUBLIC;
COMMENT ON VIEW zdm.throttle IS 'Signals of load: how each is now, its threshold, and which jobs it holds; and the order of zdm.throttle_all(), whose value is the share of time that jobs may work.';
COMMENT ON COLUMN zdm.throttle.signal IS 'Name, as in zdm.set_throttle';
COMMENT ON COLUMN zdm.throttle.value IS 'As it is now; NULL when there is nothing to tell';
COMMENT ON COLUMN zdm.throttle.threshold IS 'From which jobs are held, by the setting; NULL: off';
COMMENT ON COLUMN zdm.throttle.utilisation IS 'Value / threshold: jobs are held from 1 on, until it is below 0.8';
COMMENT ON COLUMN zdm.throttle.unit IS 'Unit of value and threshold';
COMMENT ON COLUMN zdm.throttle.value_text IS 'Value for people';
COMMENT ON COLUMN zdm.throttle.threshold_text IS 'Threshold for people';
COMMENT ON COLUMN zdm.throttle.detail IS 'Who or what it is about';
COMMENT ON COLUMN zdm.throttle.of_writes IS 'Whether it leaves jobs alone that only read';
COMMENT ON COLUMN zdm.throttle.holds IS 'Names of the jobs that it holds now';

CREATE VIEW zdm.holds WITH (security_barrier) AS
SELECT h.job_id, j.name, h.signal, h.seconds, h.last_at
  FROM zdm.job_hold h JOIN zdm.job j USING (job_id)
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);
GRANT SELECT ON zdm.holds TO PUBLIC;
COMMENT ON VIEW zdm.holds IS 'For how long each signal of load has held each job.';
COMMENT ON COLUMN zdm.holds.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.holds.name IS 'Name of the job';
COMMENT ON COLUMN zdm.holds.signal IS 'Name of the signal, as in zdm.throttle; processor: clients wanted it; order: zdm.throttle_all()';
COMMENT ON COLUMN zdm.holds.seconds IS 'Seconds for which the job has done nothing because of it';
COMMENT ON COLUMN zdm.holds.last_at IS 'When that was last counted';
