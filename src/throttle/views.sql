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
