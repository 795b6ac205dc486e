-- What people and dashboards read of migrations.  Each view shows a row to
-- those who have the rights of the role as which the migration runs, and to
-- members of pg_monitor.

CREATE VIEW zdm.migrations WITH (security_barrier) AS
SELECT m.name,
       CASE WHEN m.target_name IS NOT NULL THEN pg_catalog.format('%I.%I', m.target_schema, m.target_name) END AS target,
       m.kind,
       m.phase,
       s.status,
       m.owner,
       m.contract_by,
       coalesce(m.contract_by < CURRENT_DATE AND m.phase NOT IN ('done', 'aborted'), false) AS overdue,
       CASE WHEN m.phase = 'done' THEN 1.0
            WHEN m.phase IN ('planned', 'aborted') OR w.total IS NULL THEN 0.0
            ELSE pg_catalog.round(least(0.99, (w.done + coalesce(w.current * j.progress, 0)) / w.total)::numeric, 4)
            END::float8 AS progress,
       CASE WHEN s.status = 'running' AND j.state = 'running' THEN
                 coalesce(j.eta, '0'::interval) + pg_catalog.make_interval(secs => pg_catalog.round(w.ms_left / 1000.0)) END AS eta,
       CASE WHEN m.phase IN ('done', 'aborted') THEN NULL
            WHEN NOT zdm.is_local(m.cluster_id, m.database_id) THEN
                 pg_catalog.format('zdm.resume_migration(%L): it came from another cluster or database (restore, copy or upgrade)', m.name)
            WHEN m.phase = 'planned' THEN
                 pg_catalog.format(CASE WHEN m.approved_at IS NULL AND m.manual_expand <> '{}' THEN 'zdm.approve(%1$L) and zdm.start(%1$L)' ELSE 'zdm.start(%1$L)' END, m.name)
            WHEN m.stage = 'ready' THEN pg_catalog.format('zdm.contract(%L)', m.name)
            WHEN m.stage = 'retired' AND j.state = 'queued' AND m.retired_at + m.hold > pg_catalog.clock_timestamp() THEN
                 pg_catalog.format('the end of the hold at %s', (m.retired_at + m.hold)::timestamptz(0))
            ELSE j.waiting_for END AS waiting_for,
       m.created_at,
       m.phase_since,
       coalesce(m.last_error, CASE WHEN m.phase NOT IN ('done', 'aborted') THEN j.last_error END) AS last_error,
       CASE WHEN m.phase IN ('done', 'aborted') THEN NULL
            WHEN NOT zdm.is_local(m.cluster_id, m.database_id) THEN
                 pg_catalog.format('Call zdm.resume_migration(%L) if it is to go on here.', m.name)
            WHEN m.phase = 'planned' AND m.approved_at IS NULL AND m.manual_expand <> '{}' THEN
                 pg_catalog.format('Do what zdm.plan(%1$L) leaves to a person in phase expand%2$s, and call zdm.approve(%1$L), then zdm.start(%1$L).', m.name,
                                   CASE WHEN m.approved_by_other THEN ', who is not its creator' ELSE '' END)
            WHEN m.phase = 'planned' THEN pg_catalog.format('Read zdm.plan(%L), then call zdm.start(%L).', m.name, m.name)
            WHEN s.status = 'failed' THEN
                 pg_catalog.format('Mend what last_error says, then call zdm.retry(%L)%s.', m.name,
                                   CASE WHEN m.phase IN ('expand', 'migrate') THEN pg_catalog.format(', or give up with zdm.abort(%L)', m.name)
                                        WHEN m.stage = 'retiring' THEN pg_catalog.format(', or go back with zdm.revert(%L)', m.name) ELSE '' END)
            WHEN s.status IN ('paused', 'running') AND EXISTS (SELECT FROM zdm.stop_order) THEN
                 'Call zdm.resume_all() when all jobs may go on.'
            WHEN s.status = 'paused' THEN pg_catalog.format('Call zdm.resume_migration(%L).', m.name)
            WHEN m.stage = 'ready' AND m.approved_at IS NULL AND (m.needs_approval OR pg_catalog.cardinality(m.manual) > 0) THEN
                 pg_catalog.format('Do what zdm.plan(%L) leaves to a person%s, and call zdm.approve(%L).', m.name,
                                   CASE WHEN m.approved_by_other THEN ', who is not its creator' ELSE '' END, m.name)
            WHEN m.stage = 'ready' THEN
                 pg_catalog.format('When no application uses the old shape any more, call zdm.contract(%L); zdm.gates(%L) shows what is in the way.', m.name, m.name)
            WHEN m.stage = 'retired' THEN
                 pg_catalog.format('Nothing: the old shape is dropped at the end of the hold. zdm.revert(%L) brings it back until then.', m.name)
            ELSE 'Nothing: it goes on by itself.' END AS next_step,
       m.stage,
       coalesce(m.current_job, m.main_job) AS job_id,
       m.migration_id,
       CASE WHEN m.phase IN ('done', 'aborted') THEN NULL
            WHEN m.phase = 'planned' OR m.stage = 'ready' OR j.waiting_for IS NULL THEN
                 CASE WHEN m.phase = 'planned' OR m.stage IN ('ready', 'retired') THEN m.phase_since END
            ELSE coalesce(j.waiting_since, j.state_since) END AS waiting_since,
       m.column_name,
       m.new_column_name,
       zdm.owner_name(zdm.is_local(m.cluster_id, m.database_id), m.runs_as_id, m.runs_as) AS runs_as,
       m.created_by,
       m.started_at,
       m.retired_at,
       m.finished_at,
       m.hold,
       m.soak,
       m.minimum_age,
       m.needs_approval,
       m.approved_by_other,
       m.approved_by,
       m.approved_at
  FROM zdm.migration m
  LEFT JOIN LATERAL (
       SELECT j.state, j.progress, j.eta, j.waiting_for, j.waiting_since, j.state_since, j.last_error
         FROM zdm.jobs j WHERE j.job_id = m.current_job
       -- one by one, and not all jobs there are
        LIMIT 1) j ON true
  LEFT JOIN LATERAL (
       SELECT sum(t.work) AS total,
              coalesce(sum(t.work) FILTER (WHERE t.job_id IS DISTINCT FROM m.current_job AND t.state = 'done'), 0) AS done,
              sum(t.work) FILTER (WHERE t.job_id = m.current_job) AS current,
              coalesce(sum(t.work) FILTER (WHERE t.job_id = m.current_job AND t.state = 'pending' AND t.began_at IS NULL), 0) AS ms_left
         FROM (SELECT coalesce(p.expected_ms, CASE p.kind WHEN 'ddl' THEN 0 ELSE 1000 END, 0) + 50 AS work, r.job_id, r.state, r.began_at
                 FROM zdm.migration_step p
                 LEFT JOIN zdm.recipe_step r
                   ON r.step = p.step
                  AND r.job_id = CASE p.stage WHEN 'main' THEN m.main_job WHEN 'retire' THEN m.retire_job ELSE m.purge_job END
                WHERE p.migration_id = m.migration_id) t
        WHERE m.phase NOT IN ('planned', 'done', 'aborted')) w ON true
 CROSS JOIN LATERAL (
       SELECT CASE WHEN m.phase IN ('planned', 'done', 'aborted') THEN m.phase
                   WHEN NOT zdm.is_local(m.cluster_id, m.database_id) THEN 'paused'
                   WHEN m.last_error IS NOT NULL OR j.state = 'failed' THEN 'failed'
                   WHEN j.state = 'paused' THEN 'paused'
                   WHEN m.stage IN ('ready', 'retired') THEN 'waiting'
                   ELSE 'running' END AS status) s
 WHERE zdm.may_see(zdm.is_local(m.cluster_id, m.database_id), m.runs_as_id, m.runs_as);

CREATE VIEW zdm.debt WITH (security_barrier) AS
SELECT m.name,
       m.owner,
       m.target,
       m.phase,
       m.status,
       m.contract_by,
       CASE WHEN m.overdue THEN CURRENT_DATE - m.contract_by END AS days_late,
       s.stuck_since,
       pg_catalog.concat_ws('; ',
           CASE WHEN m.overdue THEN pg_catalog.format('it was to be contracted by %s', m.contract_by) END,
           CASE WHEN s.stuck_since IS NULL THEN NULL
                WHEN m.status = 'failed' THEN 'it has failed: ' || m.last_error
                WHEN m.status = 'paused' THEN 'it is paused: ' || coalesce(m.waiting_for, 'nobody has resumed it')
                ELSE 'it waits for ' || m.waiting_for END) AS why,
       m.next_step
  FROM zdm.migrations m
 CROSS JOIN LATERAL (
       SELECT CASE WHEN m.status = 'failed' THEN coalesce(m.waiting_since, m.phase_since)
                   WHEN m.status = 'paused' AND m.waiting_since < pg_catalog.clock_timestamp() - interval '1 hour' THEN m.waiting_since
                   WHEN m.status = 'running' AND m.waiting_since < pg_catalog.clock_timestamp() - interval '1 day' THEN m.waiting_since
                   END AS stuck_since) s
 WHERE m.overdue OR s.stuck_since IS NOT NULL;

CREATE VIEW zdm.invariants WITH (security_barrier) AS
SELECT m.name AS migration,
       i.name,
       i.query,
       i.runs > 0 AND i.clean_since IS NOT NULL AND i.last_error IS NULL AS clean,
       i.clean_since,
       i.last_rows AS rows,
       i.last_error,
       i.last_run_at,
       j.not_before AS next_run_at,
       i.runs,
       i.samples,
       i.runs_every,
       i.time_limit,
       i.role AS runs_as,
       i.job_id,
       j.state
  FROM zdm.invariant i
  JOIN zdm.migration m USING (migration_id)
  LEFT JOIN zdm.job j ON j.job_id = i.job_id
 WHERE zdm.may_see(zdm.is_local(m.cluster_id, m.database_id), m.runs_as_id, m.runs_as);

CREATE VIEW zdm.mappings WITH (security_barrier) AS
SELECT p.mapping_id,
       m.name AS migration,
       pg_catalog.format('%I.%I', m.target_schema, m.target_name) AS target,
       p.mode,
       p.old_column,
       p.new_column,
       p.forward,
       p.reverse,
       p.winner,
       p.on_error
  FROM zdm.mapping p
  JOIN zdm.migration m USING (migration_id)
 WHERE zdm.may_see(zdm.is_local(m.cluster_id, m.database_id), m.runs_as_id, m.runs_as);

CREATE VIEW zdm.freezes AS
SELECT f.freeze_id,
       f.starts_at,
       f.ends_at,
       f.reason,
       f.created_by,
       f.created_at,
       pg_catalog.clock_timestamp() >= f.starts_at AND pg_catalog.clock_timestamp() < f.ends_at AS active
  FROM zdm.freeze_window f;

GRANT SELECT ON zdm.migrations, zdm.debt, zdm.invariants, zdm.mappings, zdm.freezes TO PUBLIC;

COMMENT ON VIEW zdm.migrations IS 'One row per migration: phase, status, progress, and what has to be done next.';
COMMENT ON COLUMN zdm.migrations.name IS 'Unique name, given or derived from the definition';
COMMENT ON COLUMN zdm.migrations.target IS 'Table that it changes, NULL for none';
COMMENT ON COLUMN zdm.migrations.kind IS 'The function that was called; custom: zdm.create_migration';
COMMENT ON COLUMN zdm.migrations.phase IS 'planned, expand, migrate, contract, done, aborting, aborted or reverting';
COMMENT ON COLUMN zdm.migrations.status IS 'planned, running, waiting (for a person or a time), paused, failed, done or aborted';
COMMENT ON COLUMN zdm.migrations.owner IS 'Team or person that answers for it';
COMMENT ON COLUMN zdm.migrations.contract_by IS 'Date by which the old shape is to be gone';
COMMENT ON COLUMN zdm.migrations.overdue IS 'Whether that date has passed';
COMMENT ON COLUMN zdm.migrations.progress IS 'Share of the work of all phases that is done, 0 to 1';
COMMENT ON COLUMN zdm.migrations.eta IS 'Time left of what is at work now, at the current pace';
COMMENT ON COLUMN zdm.migrations.waiting_for IS 'What holds it back, NULL when nothing does';
COMMENT ON COLUMN zdm.migrations.created_at IS 'When it was created';
COMMENT ON COLUMN zdm.migrations.phase_since IS 'When it entered its phase and stage';
COMMENT ON COLUMN zdm.migrations.last_error IS 'Error that has stopped it';
COMMENT ON COLUMN zdm.migrations.next_step IS 'What a person has to do next';
COMMENT ON COLUMN zdm.migrations.stage IS 'Within phase contract: ready (for zdm.contract), retiring, retired (the hold), purging';
COMMENT ON COLUMN zdm.migrations.job_id IS 'Id of the job that is at work for it, or was';
COMMENT ON COLUMN zdm.migrations.migration_id IS 'Id';
COMMENT ON COLUMN zdm.migrations.waiting_since IS 'Since when it waits';
COMMENT ON COLUMN zdm.migrations.column_name IS 'The old column';
COMMENT ON COLUMN zdm.migrations.new_column_name IS 'The new column';
COMMENT ON COLUMN zdm.migrations.runs_as IS 'Role as which it runs: the owner of the table; without one, its creator';
COMMENT ON COLUMN zdm.migrations.created_by IS 'Role that created it';
COMMENT ON COLUMN zdm.migrations.started_at IS 'When it was started';
COMMENT ON COLUMN zdm.migrations.retired_at IS 'When the old shape was retired';
COMMENT ON COLUMN zdm.migrations.finished_at IS 'When it was done or aborted';
COMMENT ON COLUMN zdm.migrations.hold IS 'Time between retire and purge';
COMMENT ON COLUMN zdm.migrations.soak IS 'How long invariants must have held before contract';
COMMENT ON COLUMN zdm.migrations.minimum_age IS 'Time between its start and contract, at least';
COMMENT ON COLUMN zdm.migrations.needs_approval IS 'Whether it must be approved before contract';
COMMENT ON COLUMN zdm.migrations.approved_by_other IS 'Whether by another role than its creator';
COMMENT ON COLUMN zdm.migrations.approved_by IS 'Who has approved it';
COMMENT ON COLUMN zdm.migrations.approved_at IS 'When';

COMMENT ON VIEW zdm.debt IS 'Migrations past their date, and those that are stuck: failed, paused for an hour, held back for a day.';
COMMENT ON COLUMN zdm.debt.name IS 'Name of the migration';
COMMENT ON COLUMN zdm.debt.owner IS 'Team or person that answers for it';
COMMENT ON COLUMN zdm.debt.target IS 'Table that it changes';
COMMENT ON COLUMN zdm.debt.phase IS 'Phase';
COMMENT ON COLUMN zdm.debt.status IS 'Status';
COMMENT ON COLUMN zdm.debt.contract_by IS 'Date by which the old shape was to be gone';
COMMENT ON COLUMN zdm.debt.days_late IS 'Days since then, NULL when that is to come';
COMMENT ON COLUMN zdm.debt.stuck_since IS 'Since when it is stuck, NULL when it is not';
COMMENT ON COLUMN zdm.debt.why IS 'Why it is here';
COMMENT ON COLUMN zdm.debt.next_step IS 'What a person has to do next';

COMMENT ON VIEW zdm.invariants IS 'Queries that must return no rows while a migration is open.';
COMMENT ON COLUMN zdm.invariants.migration IS 'Name of the migration';
COMMENT ON COLUMN zdm.invariants.name IS 'Name of the invariant';
COMMENT ON COLUMN zdm.invariants.query IS 'The query';
COMMENT ON COLUMN zdm.invariants.clean IS 'Whether its last run returned no rows';
COMMENT ON COLUMN zdm.invariants.clean_since IS 'Since when it has returned none';
COMMENT ON COLUMN zdm.invariants.rows IS 'Rows that its last run returned';
COMMENT ON COLUMN zdm.invariants.last_error IS 'Why it could not be run the last time, NULL when it could';
COMMENT ON COLUMN zdm.invariants.last_run_at IS 'When it was last run';
COMMENT ON COLUMN zdm.invariants.next_run_at IS 'When it will be run again';
COMMENT ON COLUMN zdm.invariants.runs IS 'How often it was run';
COMMENT ON COLUMN zdm.invariants.samples IS 'First rows of the first run that returned any';
COMMENT ON COLUMN zdm.invariants.runs_every IS 'Time between two runs';
COMMENT ON COLUMN zdm.invariants.time_limit IS 'How long a run may take';
COMMENT ON COLUMN zdm.invariants.runs_as IS 'Role as which it is run: the one that has added it';
COMMENT ON COLUMN zdm.invariants.job_id IS 'Id of its job';
COMMENT ON COLUMN zdm.invariants.state IS 'State of its job';

COMMENT ON VIEW zdm.mappings IS 'How the new shape of a row is computed from the old one, and back.';
COMMENT ON COLUMN zdm.mappings.mapping_id IS 'Id, which is in the name of the sync trigger';
COMMENT ON COLUMN zdm.mappings.migration IS 'Name of the migration';
COMMENT ON COLUMN zdm.mappings.target IS 'Table';
COMMENT ON COLUMN zdm.mappings.mode IS 'sync: both ways, by value; fill: the new column where it is NULL';
COMMENT ON COLUMN zdm.mappings.old_column IS 'The old column';
COMMENT ON COLUMN zdm.mappings.new_column IS 'The new column, under the name that it has before the old one is retired';
COMMENT ON COLUMN zdm.mappings.forward IS 'Expression for the new column';
COMMENT ON COLUMN zdm.mappings.reverse IS 'Expression for the old column, NULL for none';
COMMENT ON COLUMN zdm.mappings.winner IS 'Which side wins when a statement changes both';
COMMENT ON COLUMN zdm.mappings.on_error IS 'What becomes of a row that cannot be converted: fail (the statement fails) or null';

COMMENT ON VIEW zdm.freezes IS 'Times in which no migration enters another phase.';
COMMENT ON COLUMN zdm.freezes.freeze_id IS 'Id, as zdm.freeze returned it';
COMMENT ON COLUMN zdm.freezes.starts_at IS 'When it begins';
COMMENT ON COLUMN zdm.freezes.ends_at IS 'When it ends';
COMMENT ON COLUMN zdm.freezes.reason IS 'Why';
COMMENT ON COLUMN zdm.freezes.created_by IS 'Who has ordered it';
COMMENT ON COLUMN zdm.freezes.created_at IS 'When it was ordered';
COMMENT ON COLUMN zdm.freezes.active IS 'Whether it is on now';
