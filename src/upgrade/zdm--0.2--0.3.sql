\echo Use "ALTER EXTENSION zdm UPDATE TO '0.3'" to load this file. \quit

-- What 0.2 had and is other now

ALTER TABLE zdm.job ADD COLUMN not_before timestamptz;
ALTER TABLE zdm.job ADD COLUMN waiting_since timestamptz;
ALTER TABLE zdm.job ADD COLUMN migration_id bigint;
ALTER TABLE zdm.job ADD COLUMN restart_ends_rest boolean NOT NULL DEFAULT false;

ALTER TABLE zdm.event ADD COLUMN migration_id bigint;

ALTER TABLE zdm.backfill ADD COLUMN columns_of oid;
ALTER TABLE zdm.backfill ADD COLUMN column_names text[];
ALTER TABLE zdm.backfill ADD COLUMN column_numbers int[];
ALTER TABLE zdm.backfill ADD COLUMN mapping_id bigint;
ALTER TABLE zdm.backfill ADD COLUMN target oid;
ALTER TABLE zdm.backfill ADD COLUMN target_schema text;
ALTER TABLE zdm.backfill ADD COLUMN target_name text;

ALTER TABLE zdm.backfill_cursor REPLICA IDENTITY FULL;
ALTER TABLE zdm.quarantined_row REPLICA IDENTITY FULL;
ALTER TABLE zdm.validation_cursor REPLICA IDENTITY FULL;
ALTER TABLE zdm.moved_block REPLICA IDENTITY FULL;

ALTER TABLE zdm.validation ADD COLUMN target oid;
ALTER TABLE zdm.validation ADD COLUMN target_schema text;
ALTER TABLE zdm.validation ADD COLUMN target_name text;

ALTER TABLE zdm.recipe ADD COLUMN target_schema text;
ALTER TABLE zdm.recipe ADD COLUMN target_name text;

ALTER TABLE zdm.recipe_step DROP CONSTRAINT recipe_step_kind_check;
ALTER TABLE zdm.recipe_step ADD CONSTRAINT recipe_step_kind_check
    CHECK (kind IN ('ddl', 'index', 'validate', 'backfill', 'verify', 'sql', 'wait'));
ALTER TABLE zdm.recipe_step ADD COLUMN phase text CHECK (phase IN ('expand', 'migrate', 'contract'));
ALTER TABLE zdm.recipe_step ADD COLUMN mapping_id bigint;
ALTER TABLE zdm.recipe_step ADD COLUMN set_clause text;
ALTER TABLE zdm.recipe_step ADD COLUMN filter text;
ALTER TABLE zdm.recipe_step ADD COLUMN wait_ms float8;
ALTER TABLE zdm.recipe_step ADD COLUMN began_at timestamptz;
ALTER TABLE zdm.recipe_step ADD COLUMN target oid;
ALTER TABLE zdm.recipe_step ADD COLUMN target_schema text;
ALTER TABLE zdm.recipe_step ADD COLUMN target_name text;
ALTER TABLE zdm.recipe_step ADD COLUMN target_in text;
ALTER TABLE zdm.recipe_step ADD COLUMN is_below boolean;

DROP FUNCTION zdm.add_check(regclass, text, name, text);
DROP FUNCTION zdm.add_foreign_key(regclass, name[], regclass, name[], text, text, boolean, text, name, text);
DROP FUNCTION zdm.set_not_null(regclass, name, text);
DROP FUNCTION zdm.add_unique(regclass, name[], name, text);
DROP FUNCTION zdm.add_primary_key(regclass, name[], name, text);
DROP FUNCTION zdm.drop_constraint(regclass, name, text);
DROP FUNCTION zdm.drop_not_null(regclass, name, text);
DROP FUNCTION zdm.plan_steps(text);

-- What is new, and views and comments as they are now

CREATE INDEX job_migration ON zdm.job (migration_id) WHERE migration_id IS NOT NULL;

CREATE INDEX event_migration ON zdm.event (migration_id, event_id) WHERE migration_id IS NOT NULL;

COMMENT ON COLUMN zdm.job.restart_ends_rest IS 'Whether a start of the server makes it due, whatever not_before says';
COMMENT ON COLUMN zdm.job.not_before IS 'When it may run at the earliest, while it is queued';

COMMENT ON COLUMN zdm.job.waiting_since IS 'Since when something holds it back';

COMMENT ON COLUMN zdm.job.migration_id IS 'Id of the migration that it works for, NULL for none';

COMMENT ON COLUMN zdm.job.cleanup IS 'Whether it leaves something behind that a worker removes once the job is cancelled; of a done job, whether it can be undone';

COMMENT ON TABLE zdm.event IS 'Events of jobs and migrations. Read zdm.events instead.';

COMMENT ON COLUMN zdm.event.migration_id IS 'Id of the migration, NULL for none';

CREATE FUNCTION zdm.running_since() RETURNS timestamptz
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_running_since';
COMMENT ON FUNCTION zdm.running_since() IS
    'Internal: since when the server runs as a primary, with the shared memory that it has; NULL without preload.';
CREATE FUNCTION zdm.repair(
        target regclass,
        mapping bigint,
        name text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_repair';

COMMENT ON FUNCTION zdm.repair(regclass, bigint, text) IS
    'Starts, at commit, a backfill by the mapping of a sync trigger of the table: the new column of rows that are not consistent becomes what the mapping computes from the old ones; consistent rows are left alone. Returns the id of the job. It has no inverse; zdm.cancel_job stops it.';

COMMENT ON COLUMN zdm.backfill.columns_of IS 'OID of the table whose columns the next two are; another one after a restore, where they do not hold';

COMMENT ON COLUMN zdm.backfill.column_names IS 'Columns that the clauses are about, by their names at submit';

COMMENT ON COLUMN zdm.backfill.column_numbers IS 'The same by their numbers, which a rename does not change';

COMMENT ON COLUMN zdm.backfill.mapping_id IS 'Mapping that says what is assigned, NULL: set_clause and filter say it';

COMMENT ON COLUMN zdm.backfill.target IS 'OID of the table, where it is not the one of the job';

COMMENT ON COLUMN zdm.backfill.target_schema IS 'Its schema';

COMMENT ON COLUMN zdm.backfill.target_name IS 'Its name';

-- Verifications: definition and result, cursor, rows found; the function that starts one.

CREATE TABLE zdm.verification (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    mapping_id      bigint NOT NULL,
    target          oid NOT NULL,
    target_schema   text NOT NULL,
    target_name     text NOT NULL,
    definition      text,
    result          text CHECK (result IN ('clean', 'inconsistent')),
    promise         text CHECK (promise IN ('snapshot', 'passes')),
    rows            bigint,
    inconsistent    bigint,
    chunks          bigint,
    started_at      timestamptz,
    finished_at     timestamptz
);

CREATE INDEX verification_mapping ON zdm.verification (mapping_id);

-- Written as zdm.backfill_cursor is: by ctid, without an index.
CREATE TABLE zdm.verification_cursor (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    made_in         text,
    phase           text NOT NULL DEFAULT 'scan' CHECK (phase IN ('scan', 'proof', 'ended')),
    pass            int NOT NULL DEFAULT 0,
    leaf            oid NOT NULL DEFAULT 0,
    leaf_filenode   oid NOT NULL DEFAULT 0,
    leaf_premises   text,
    mark_lsn        pg_lsn NOT NULL DEFAULT '0/0',
    mark_xid        xid8 NOT NULL DEFAULT '0',
    seen_lsn        pg_lsn NOT NULL DEFAULT '0/0',
    seen_xid        xid8 NOT NULL DEFAULT '0',
    leaf_blocks     bigint NOT NULL DEFAULT 0,
    next_block      bigint NOT NULL DEFAULT 0,
    leaf_rows       bigint NOT NULL DEFAULT 0,
    leaf_inconsistent bigint NOT NULL DEFAULT 0,
    total           bigint NOT NULL DEFAULT 0,
    done            bigint NOT NULL DEFAULT 0,
    rows_done       bigint NOT NULL DEFAULT 0,
    rows_again      bigint NOT NULL DEFAULT 0,
    rows_estimated  bigint NOT NULL DEFAULT 0,
    inconsistent    bigint NOT NULL DEFAULT 0,
    chunks          bigint NOT NULL DEFAULT 0,
    restarts        bigint NOT NULL DEFAULT 0,
    retries         bigint NOT NULL DEFAULT 0,
    work_ms         float8 NOT NULL DEFAULT 0,
    longest_ms      float8 NOT NULL DEFAULT 0,
    rows_per_second float8 NOT NULL DEFAULT 0,
    seconds_left    float8,
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 1000);

CREATE TABLE zdm.verified_leaf (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    leaf            oid NOT NULL,
    leaf_filenode   oid NOT NULL,
    premises        text NOT NULL,
    pass            int NOT NULL,
    mark_lsn        pg_lsn NOT NULL,
    mark_xid        xid8 NOT NULL,
    PRIMARY KEY (job_id, leaf)
);

CREATE TABLE zdm.inconsistent_row (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    leaf            oid NOT NULL,
    leaf_schema     text NOT NULL,
    leaf_name       text NOT NULL,
    row_ctid        tid NOT NULL,
    row_key         jsonb,
    old_value       text,
    new_value       text,
    expected_value  text,
    sqlstate        text,
    message         text,
    found_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX inconsistent_row_job ON zdm.inconsistent_row (job_id);

ALTER TABLE zdm.verification_cursor REPLICA IDENTITY FULL;
ALTER TABLE zdm.inconsistent_row REPLICA IDENTITY FULL;

SELECT pg_catalog.pg_extension_config_dump('zdm.verification', '');

SELECT pg_catalog.pg_extension_config_dump('zdm.verification_cursor', '');

SELECT pg_catalog.pg_extension_config_dump('zdm.verified_leaf', '');

SELECT pg_catalog.pg_extension_config_dump('zdm.inconsistent_row', '');

CREATE FUNCTION zdm.verify(
        target regclass,
        mapping bigint,
        name text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_verify';

COMMENT ON FUNCTION zdm.verify(regclass, bigint, text) IS
    'Starts, at commit, a job that looks at all rows of a table and counts those that are not consistent with the mapping of its sync trigger; done when there are none. Reads only. Returns the id of the job. It has no inverse; zdm.cancel_job stops it.';

COMMENT ON TABLE zdm.verification IS 'Verifications and their results. Read zdm.verifications instead.';

COMMENT ON COLUMN zdm.verification.job_id IS 'Id of the job';

COMMENT ON COLUMN zdm.verification.mapping_id IS 'Id of the mapping, as in the name of the trigger';

COMMENT ON COLUMN zdm.verification.target IS 'OID of the table';

COMMENT ON COLUMN zdm.verification.target_schema IS 'Its schema';

COMMENT ON COLUMN zdm.verification.target_name IS 'Its name';

COMMENT ON COLUMN zdm.verification.definition IS 'What was compared';

COMMENT ON COLUMN zdm.verification.result IS 'clean or inconsistent, NULL before its end';

COMMENT ON COLUMN zdm.verification.promise IS 'What clean means: snapshot or passes';

COMMENT ON COLUMN zdm.verification.rows IS 'Rows looked at';

COMMENT ON COLUMN zdm.verification.inconsistent IS 'Rows that were not consistent';

COMMENT ON COLUMN zdm.verification.chunks IS 'Chunks committed';

COMMENT ON COLUMN zdm.verification.started_at IS 'When it began, the last time';

COMMENT ON COLUMN zdm.verification.finished_at IS 'When it came to its result';

COMMENT ON TABLE zdm.verification_cursor IS 'How far verifications are. Read zdm.jobs and zdm.verifications instead.';

COMMENT ON COLUMN zdm.verification_cursor.job_id IS 'Id of the job';

COMMENT ON COLUMN zdm.verification_cursor.made_in IS 'Cluster and database in which the place has a meaning';

COMMENT ON COLUMN zdm.verification_cursor.phase IS 'scan, proof, or ended: the next start begins anew';

COMMENT ON COLUMN zdm.verification_cursor.pass IS 'Number of the pass, 0 before it begins';

COMMENT ON COLUMN zdm.verification_cursor.leaf IS 'OID of the relation being scanned';

COMMENT ON COLUMN zdm.verification_cursor.leaf_filenode IS 'Its storage when the scan began';

COMMENT ON COLUMN zdm.verification_cursor.leaf_premises IS 'Hash of what decides which of its rows are consistent';

COMMENT ON COLUMN zdm.verification_cursor.mark_lsn IS 'End of the WAL when its scan began';

COMMENT ON COLUMN zdm.verification_cursor.mark_xid IS 'Oldest transaction at work then';

COMMENT ON COLUMN zdm.verification_cursor.seen_lsn IS 'mark_lsn of its scan in the pass before';

COMMENT ON COLUMN zdm.verification_cursor.seen_xid IS 'mark_xid of its scan in the pass before';

COMMENT ON COLUMN zdm.verification_cursor.leaf_blocks IS 'Where its scan ends';

COMMENT ON COLUMN zdm.verification_cursor.next_block IS 'Where the next chunk starts';

COMMENT ON COLUMN zdm.verification_cursor.leaf_rows IS 'Rows looked at in it';

COMMENT ON COLUMN zdm.verification_cursor.leaf_inconsistent IS 'Rows in it that were not consistent';

COMMENT ON COLUMN zdm.verification_cursor.total IS 'Size of all relations when the pass began, in blocks';

COMMENT ON COLUMN zdm.verification_cursor.done IS 'Size of the relations left behind in it';

COMMENT ON COLUMN zdm.verification_cursor.rows_done IS 'Rows looked at in the first pass';

COMMENT ON COLUMN zdm.verification_cursor.rows_again IS 'Rows looked at after it';

COMMENT ON COLUMN zdm.verification_cursor.rows_estimated IS 'Rows to look at';

COMMENT ON COLUMN zdm.verification_cursor.inconsistent IS 'Rows that were not consistent';

COMMENT ON COLUMN zdm.verification_cursor.chunks IS 'Chunks committed';

COMMENT ON COLUMN zdm.verification_cursor.restarts IS 'Scans of a relation started over';

COMMENT ON COLUMN zdm.verification_cursor.retries IS 'Steps tried again';

COMMENT ON COLUMN zdm.verification_cursor.work_ms IS 'Milliseconds at work';

COMMENT ON COLUMN zdm.verification_cursor.longest_ms IS 'Milliseconds of the longest chunk';

COMMENT ON COLUMN zdm.verification_cursor.rows_per_second IS 'Pace';

COMMENT ON COLUMN zdm.verification_cursor.seconds_left IS 'Estimate of the time left';

COMMENT ON COLUMN zdm.verification_cursor.updated_at IS 'When this row was written';

COMMENT ON TABLE zdm.verified_leaf IS 'Relations that a pass of a verification has gone through.';

COMMENT ON COLUMN zdm.verified_leaf.job_id IS 'Id of the job';

COMMENT ON COLUMN zdm.verified_leaf.leaf IS 'OID of the relation';

COMMENT ON COLUMN zdm.verified_leaf.leaf_filenode IS 'Its storage then';

COMMENT ON COLUMN zdm.verified_leaf.premises IS 'Hash of what decided which of its rows are consistent';

COMMENT ON COLUMN zdm.verified_leaf.pass IS 'Number of the pass';

COMMENT ON COLUMN zdm.verified_leaf.mark_lsn IS 'End of the WAL when the pass began with it';

COMMENT ON COLUMN zdm.verified_leaf.mark_xid IS 'Oldest transaction at work then';

COMMENT ON TABLE zdm.inconsistent_row IS 'Rows that are not consistent with a mapping. Read zdm.inconsistent_rows instead.';

COMMENT ON COLUMN zdm.inconsistent_row.job_id IS 'Id of the job';

COMMENT ON COLUMN zdm.inconsistent_row.leaf IS 'OID of the relation';

COMMENT ON COLUMN zdm.inconsistent_row.leaf_schema IS 'Its schema';

COMMENT ON COLUMN zdm.inconsistent_row.leaf_name IS 'Its name';

COMMENT ON COLUMN zdm.inconsistent_row.row_ctid IS 'Place of the row version';

COMMENT ON COLUMN zdm.inconsistent_row.row_key IS 'Primary key';

COMMENT ON COLUMN zdm.inconsistent_row.old_value IS 'Value of the old side';

COMMENT ON COLUMN zdm.inconsistent_row.new_value IS 'Value of the new column';

COMMENT ON COLUMN zdm.inconsistent_row.expected_value IS 'What the mapping computes for the new column';

COMMENT ON COLUMN zdm.inconsistent_row.sqlstate IS 'SQLSTATE of the error, where the mapping fails for the row';

COMMENT ON COLUMN zdm.inconsistent_row.message IS 'Message of that error';

COMMENT ON COLUMN zdm.inconsistent_row.found_at IS 'When it was found';

COMMENT ON FUNCTION zdm.plan_constraint(regclass, name, text) IS
    'What zdm.validate_constraint would do with a constraint: the statement (by chunks, what they amount to), the method and why, the locks, pages and rows to look at, and the time that takes, by reading a sample of the pages now. Changes nothing.';

COMMENT ON COLUMN zdm.validation.target IS 'OID of the table, when a step of a recipe is about another one than its job';

COMMENT ON COLUMN zdm.validation.target_schema IS 'Its schema';

COMMENT ON COLUMN zdm.validation.target_name IS 'Its name';

COMMENT ON COLUMN zdm.recipe.target_schema IS 'Schema of the table as the statements call it, NULL: as the job does';

COMMENT ON COLUMN zdm.recipe.target_name IS 'Name of the table as the statements call it, NULL: as the job does';

COMMENT ON COLUMN zdm.recipe_step.kind IS 'ddl: short statements in one transaction; index: a concurrent build; validate: in chunks; backfill: rows are filled; verify: rows are compared; sql: statements of the user in one transaction; wait: for a time or a query';

COMMENT ON COLUMN zdm.recipe_step.phase IS 'Phase of the migration that it belongs to, NULL when it belongs to none';

COMMENT ON COLUMN zdm.recipe_step.mapping_id IS 'Mapping by which rows are filled or compared, NULL for none';

COMMENT ON COLUMN zdm.recipe_step.set_clause IS 'Assignments of a backfill without a mapping, as after SET';

COMMENT ON COLUMN zdm.recipe_step.filter IS 'Which rows a backfill is about, as after WHERE; of a wait, the query that has to return true';

COMMENT ON COLUMN zdm.recipe_step.wait_ms IS 'How long it waits at least, in ms';

COMMENT ON COLUMN zdm.recipe_step.began_at IS 'When it began, NULL before, and where that does not matter';

COMMENT ON COLUMN zdm.recipe_step.target IS 'OID of the relation that it is about, when that is not the one of the job; 0 when it is gone';

COMMENT ON COLUMN zdm.recipe_step.target_schema IS 'Its schema';

COMMENT ON COLUMN zdm.recipe_step.target_name IS 'Its name when the step was made';

COMMENT ON COLUMN zdm.recipe_step.target_in IS 'Cluster and database in which the OID has a meaning';

COMMENT ON COLUMN zdm.recipe_step.is_below IS 'Whether it is a partition or child of the table of the job';

-- Migrations: what is tracked of each, and its plan.

CREATE TABLE zdm.migration (
    migration_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL UNIQUE,
    kind            text NOT NULL,
    definition      text NOT NULL,
    target          oid NOT NULL,
    target_schema   text,
    target_name     text,
    column_name     text,
    new_column_name text,
    runs_as_id      oid NOT NULL,
    runs_as         text NOT NULL,
    owner           text NOT NULL CHECK (owner <> ''),
    contract_by     date,
    phase           text NOT NULL DEFAULT 'planned'
                    CHECK (phase IN ('planned', 'expand', 'migrate', 'contract', 'done', 'aborting', 'aborted', 'reverting')),
    stage           text CHECK (stage IN ('ready', 'retiring', 'retired', 'purging')),
    phase_since     timestamptz NOT NULL DEFAULT clock_timestamp(),
    current_job     bigint REFERENCES zdm.job,
    main_job        bigint REFERENCES zdm.job,
    retire_job      bigint REFERENCES zdm.job,
    purge_job       bigint REFERENCES zdm.job,
    verify_job      bigint REFERENCES zdm.job,
    verified_from   timestamptz,
    verified_at     timestamptz,
    verified_trigger text,
    verify_error    text,
    last_error      text,
    removes         boolean NOT NULL,
    hold            interval NOT NULL DEFAULT '7 days',
    soak            interval NOT NULL DEFAULT '1 hour',
    minimum_age     interval NOT NULL DEFAULT '0',
    needs_approval  boolean NOT NULL DEFAULT false,
    approved_by_other boolean NOT NULL DEFAULT false,
    approved_by     text,
    approved_at     timestamptz,
    manual          text[] NOT NULL DEFAULT '{}',
    manual_expand   text[] NOT NULL DEFAULT '{}',
    adds_column     text,
    carries         jsonb,
    warnings        text[] NOT NULL DEFAULT '{}',
    settings        text[] NOT NULL,
    created_by      text NOT NULL,
    created_by_id   oid NOT NULL,
    created_session_id oid NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at      timestamptz,
    retired_at      timestamptz,
    finished_at     timestamptz,
    cluster_id      text NOT NULL,
    database_id     oid NOT NULL,
    CHECK ((phase = 'contract') = (stage IS NOT NULL))
);

CREATE INDEX migration_open ON zdm.migration (target) WHERE phase NOT IN ('done', 'aborted');

CREATE TABLE zdm.migration_step (
    migration_id    bigint NOT NULL REFERENCES zdm.migration ON DELETE CASCADE,
    step            int NOT NULL,
    stage           text NOT NULL CHECK (stage IN ('main', 'retire', 'purge')),
    phase           text NOT NULL CHECK (phase IN ('expand', 'migrate', 'contract')),
    kind            text NOT NULL CHECK (kind IN ('ddl', 'index', 'validate', 'backfill', 'verify', 'sql', 'wait')),
    target          oid,
    target_schema   text,
    target_name     text,
    statement       text NOT NULL,
    undo            text,
    object          text NOT NULL,
    lock            text NOT NULL,
    mapping_id      bigint,
    set_clause      text,
    filter          text,
    wait_ms         float8,
    expected_ms     float8,
    PRIMARY KEY (migration_id, step) DEFERRABLE
);
ALTER TABLE zdm.migration_step REPLICA IDENTITY FULL;

CREATE TABLE zdm.mapping (
    mapping_id      bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    migration_id    bigint NOT NULL REFERENCES zdm.migration ON DELETE CASCADE,
    mode            text NOT NULL CHECK (mode IN ('sync', 'fill')),
    old_column      text,
    new_column      text NOT NULL,
    forward         text NOT NULL,
    reverse         text,
    winner          text NOT NULL CHECK (winner IN ('old', 'new')),
    on_error        text NOT NULL CHECK (on_error IN ('fail', 'null')),
    trigger_made    text,
    column_types    text[]
);

CREATE INDEX mapping_migration ON zdm.mapping (migration_id);

CREATE TABLE zdm.invariant (
    invariant_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration_id    bigint NOT NULL REFERENCES zdm.migration ON DELETE CASCADE,
    name            text NOT NULL,
    query           text NOT NULL,
    job_id          bigint REFERENCES zdm.job,
    runs_every      interval NOT NULL DEFAULT '5 minutes',
    time_limit      interval NOT NULL DEFAULT '30 seconds',
    settings        text[] NOT NULL,
    role_id         oid NOT NULL,
    role            text NOT NULL,
    runs            bigint NOT NULL DEFAULT 0,
    last_run_at     timestamptz,
    last_rows       bigint,
    last_error      text,
    clean_since     timestamptz,
    samples         text[] NOT NULL DEFAULT '{}',
    UNIQUE (migration_id, name)
);

CREATE INDEX invariant_job ON zdm.invariant (job_id);

CREATE TABLE zdm.freeze_window (
    freeze_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    starts_at       timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL,
    reason          text NOT NULL,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (starts_at < ends_at)
);

CREATE TABLE zdm.stop_order (
    stop_id         int PRIMARY KEY DEFAULT 1 CHECK (stop_id = 1),
    reason          text NOT NULL,
    stopped_by      text NOT NULL,
    stopped_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    jobs            bigint[] NOT NULL
);

ALTER TABLE zdm.event ADD FOREIGN KEY (migration_id) REFERENCES zdm.migration ON DELETE CASCADE;

SELECT pg_catalog.pg_extension_config_dump('zdm.migration', '');

SELECT pg_catalog.pg_extension_config_dump('zdm.migration_migration_id_seq', '');

SELECT pg_catalog.pg_extension_config_dump('zdm.migration_step', '');

SELECT pg_catalog.pg_extension_config_dump('zdm.mapping', '');

SELECT pg_catalog.pg_extension_config_dump('zdm.mapping_mapping_id_seq', '');

SELECT pg_catalog.pg_extension_config_dump('zdm.invariant', '');

SELECT pg_catalog.pg_extension_config_dump('zdm.invariant_invariant_id_seq', '');

SELECT pg_catalog.pg_extension_config_dump('zdm.freeze_window', '');

SELECT pg_catalog.pg_extension_config_dump('zdm.freeze_window_freeze_id_seq', '');

SELECT pg_catalog.pg_extension_config_dump('zdm.stop_order', '');

-- A plan of one's own.

CREATE FUNCTION zdm.create_migration(
        name text, owner text, contract_by date DEFAULT NULL, target regclass DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_create_migration';

CREATE FUNCTION zdm.add_step(
        migration text, phase text, kind text, statement text DEFAULT NULL, undo text DEFAULT NULL,
        target regclass DEFAULT NULL, set_clause text DEFAULT NULL, filter text DEFAULT NULL,
        constraint_name name DEFAULT NULL, wait_time interval DEFAULT NULL, stage text DEFAULT NULL) RETURNS int
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_step';

CREATE FUNCTION zdm.plan(
        name text, OUT phase text, OUT stage text, OUT step int, OUT kind text, OUT statement text, OUT lock text,
        OUT undo text, OUT expected_time interval, OUT state text, OUT job_id bigint)
    RETURNS SETOF record
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_plan';

COMMENT ON FUNCTION zdm.create_migration(text, text, date, regclass) IS
    'Record a migration with a plan of your own, to which zdm.add_step adds steps and which zdm.start starts. owner is a team or a person; contract_by, the date by which the old shape is to be gone, is needed before a step of phase contract. It runs as the owner of target, without one as its caller. Returns its name. Inverse: zdm.abort.';

COMMENT ON FUNCTION zdm.add_step(text, text, text, text, text, regclass, text, text, name, interval, text) IS
    'Add a step to a migration of zdm.create_migration, at the end of its phase: expand, migrate or contract. Kinds: ddl (statements in one transaction, under the lock policy), backfill (set_clause and filter), index (CREATE INDEX, built concurrently), constraint (constraint_name, and as statement its definition or NULL where it exists and is NOT VALID), verify (a query as statement that must return no rows), sql (statements in one transaction), wait (for wait_time, or until the query given as statement returns true). A step of phase contract belongs to stage retire, which can be reverted, when it has an undo, and otherwise to stage purge, which runs after the hold; stage says it in so many words. The same step again is not added twice. Returns its number.';

COMMENT ON FUNCTION zdm.plan(text) IS
    'The plan of a migration: every step of its three phases with its statement, its lock, what undoes it, the time that it is expected to take and how far it is; then warnings, and what is left to a person.';

-- Orders.

CREATE FUNCTION zdm.start(name text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_start';

CREATE FUNCTION zdm.contract(name text, hold interval DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_contract';

CREATE FUNCTION zdm.revert(name text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_revert';

CREATE FUNCTION zdm.abort(name text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_abort';

CREATE FUNCTION zdm.retry(name text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_retry';

CREATE FUNCTION zdm.pause_migration(name text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_pause_migration';

CREATE FUNCTION zdm.resume_migration(name text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_resume_migration';

CREATE FUNCTION zdm.approve(name text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_approve';

CREATE FUNCTION zdm.set_migration(
        name text, hold interval DEFAULT NULL, soak interval DEFAULT NULL, minimum_age interval DEFAULT NULL,
        needs_approval boolean DEFAULT NULL, approved_by_other boolean DEFAULT NULL, owner text DEFAULT NULL,
        contract_by date DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_set_migration';

CREATE FUNCTION zdm.set_mapping_on_error(name text, on_error text) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_set_mapping_on_error';

CREATE FUNCTION zdm.assert_migration(name text, phase text DEFAULT 'done') RETURNS void
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'zdm_assert_migration';

CREATE PROCEDURE zdm.wait_for_migration(name text, phase text DEFAULT NULL, timeout interval DEFAULT NULL)
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_wait_for_migration';

COMMENT ON FUNCTION zdm.start(text) IS
    'Start a planned migration at commit. An error while something is left to a person that comes before phase expand and is not approved. Inverse: zdm.abort.';

COMMENT ON FUNCTION zdm.contract(text, interval) IS
    'Begin phase contract at commit: the old shape is retired at once and purged after the hold, which may be given here; where there is nothing to purge, it is done then. An error that lists the gates that are closed when there are any. Inverse, until it is purged or done: zdm.revert.';

COMMENT ON FUNCTION zdm.revert(text) IS
    'Bring the old shape of a retired migration back at commit, in one short transaction, with nothing lost. Inverse: zdm.contract.';

COMMENT ON FUNCTION zdm.abort(text) IS
    'End a migration from anywhere before it is purged: what it has done is undone in reverse order. A planned one just ends. Inverse: zdm.retry does it all again.';

COMMENT ON FUNCTION zdm.retry(text) IS
    'Let a migration that has failed go on where it stopped, or one that was aborted begin anew. Of one that waits to be contracted or purged, verify the rows at once.';

COMMENT ON FUNCTION zdm.pause_migration(text) IS
    'Stop a migration at work, keeping its progress. Inverse: zdm.resume_migration.';

COMMENT ON FUNCTION zdm.resume_migration(text) IS
    'Let a paused migration, or one that came with a restore, go on where it stopped. Inverse: zdm.pause_migration.';

COMMENT ON FUNCTION zdm.approve(text) IS
    'Approve that a migration be contracted, or started when its plan leaves something to a person before phase expand, that being done. By another role than its creator, when it says so. There is no inverse: an approval lasts until that start, or until the migration is reverted or aborted.';

COMMENT ON FUNCTION zdm.set_migration(text, interval, interval, interval, boolean, boolean, text, date) IS
    'Set what a migration is tracked by: hold (between retire and purge), soak (how long invariants must have held), minimum_age (between its start and contract), whether it needs an approval, and by another role than its creator, owner, contract_by. NULL keeps a value.';

COMMENT ON FUNCTION zdm.set_mapping_on_error(text, text) IS
    'Say what becomes of a row that the mapping of a migration cannot convert: fail (the statement fails that writes it) or null (the new column becomes NULL, which is counted and closes the gate). The trigger is made anew by a job, whose id is returned; NULL when there is nothing to do. It is its own inverse.';

COMMENT ON FUNCTION zdm.assert_migration(text, text) IS
    'Raises an error unless the migration has reached the phase: expand, migrate, contract, done; or aborted. Never waits.';

COMMENT ON PROCEDURE zdm.wait_for_migration(text, text, interval) IS
    'Waits until a migration has reached the phase, or without one until it has nothing to do by itself; an error when it fails, is aborted, or the timeout passes. Not inside a transaction block.';

-- Gates.

CREATE FUNCTION zdm.gates(name text, OUT gate text, OUT open boolean, OUT reason text)
    RETURNS SETOF record
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_gates';

CREATE FUNCTION zdm.add_invariant(
        migration text, name text, query text, runs_every interval DEFAULT '5 minutes',
        time_limit interval DEFAULT '30 seconds') RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_invariant';

CREATE FUNCTION zdm.remove_invariant(migration text, name text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_remove_invariant';

CREATE FUNCTION zdm.freeze(starts_at timestamptz, ends_at timestamptz, reason text) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_freeze';

CREATE FUNCTION zdm.unfreeze(freeze_id bigint) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_unfreeze';

CREATE FUNCTION zdm.stop_all(reason text) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_stop_all';

CREATE FUNCTION zdm.resume_all() RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_resume_all';

COMMENT ON FUNCTION zdm.gates(text) IS
    'The conditions for zdm.contract: each, whether it holds, and why not.';

COMMENT ON FUNCTION zdm.add_invariant(text, text, text, interval, interval) IS
    'Add a query that must return no rows while the migration is open. It is run again and again, read only, as the role that adds it. Inverse: zdm.remove_invariant.';

COMMENT ON FUNCTION zdm.remove_invariant(text, text) IS
    'Remove an invariant. Inverse: zdm.add_invariant.';

COMMENT ON FUNCTION zdm.freeze(timestamptz, timestamptz, text) IS
    'Let no migration enter another phase between two times. For the owner of the database. Returns an id. Inverse: zdm.unfreeze.';

COMMENT ON FUNCTION zdm.unfreeze(bigint) IS
    'End a freeze. Inverse: zdm.freeze.';

COMMENT ON FUNCTION zdm.stop_all(text) IS
    'Stop all jobs of this database, and let none begin until zdm.resume_all. For the owner of the database. Returns how many were stopped.';

COMMENT ON FUNCTION zdm.resume_all() IS
    'Let the jobs go on that zdm.stop_all has stopped. Returns how many.';

COMMENT ON TABLE zdm.migration IS 'Migrations. Read zdm.migrations instead.';

COMMENT ON COLUMN zdm.migration.migration_id IS 'Id';

COMMENT ON COLUMN zdm.migration.name IS 'Unique name';

COMMENT ON COLUMN zdm.migration.kind IS 'The function that was called; custom: a plan of its own';

COMMENT ON COLUMN zdm.migration.definition IS 'What it was called with';

COMMENT ON COLUMN zdm.migration.target IS 'OID of the table, 0 for none';

COMMENT ON COLUMN zdm.migration.target_schema IS 'Schema of the table';

COMMENT ON COLUMN zdm.migration.target_name IS 'Name of the table';

COMMENT ON COLUMN zdm.migration.column_name IS 'The old column';

COMMENT ON COLUMN zdm.migration.new_column_name IS 'The new column';

COMMENT ON COLUMN zdm.migration.runs_as_id IS 'OID of the role as which it runs';

COMMENT ON COLUMN zdm.migration.runs_as IS 'Name of that role when it was last looked at';

COMMENT ON COLUMN zdm.migration.owner IS 'Team or person that answers for it';

COMMENT ON COLUMN zdm.migration.contract_by IS 'Date by which it is to be contracted';

COMMENT ON COLUMN zdm.migration.phase IS 'Phase';

COMMENT ON COLUMN zdm.migration.stage IS 'Within phase contract';

COMMENT ON COLUMN zdm.migration.phase_since IS 'When it entered phase and stage';

COMMENT ON COLUMN zdm.migration.current_job IS 'The job that is at work for it, or will be';

COMMENT ON COLUMN zdm.migration.main_job IS 'Job of phases expand and migrate';

COMMENT ON COLUMN zdm.migration.retire_job IS 'Job that retires the old shape';

COMMENT ON COLUMN zdm.migration.purge_job IS 'Job that drops it';

COMMENT ON COLUMN zdm.migration.verify_job IS 'Job that compares both shapes again and again';

COMMENT ON COLUMN zdm.migration.verified_from IS 'When the last repeated verification began that was clean';

COMMENT ON COLUMN zdm.migration.verified_at IS 'When it ended';
COMMENT ON COLUMN zdm.migration.verified_trigger IS 'Versions of the trigger, of the table and of its partitions, when it began';

COMMENT ON COLUMN zdm.migration.verify_error IS 'What the last repeated verification has found, NULL for nothing';

COMMENT ON COLUMN zdm.migration.last_error IS 'Why undoing has failed, NULL when it has not';

COMMENT ON COLUMN zdm.migration.removes IS 'Whether something will be removed';

COMMENT ON COLUMN zdm.migration.hold IS 'Time between retire and purge';

COMMENT ON COLUMN zdm.migration.soak IS 'How long invariants must have held';

COMMENT ON COLUMN zdm.migration.minimum_age IS 'Time between its start and contract, at least';

COMMENT ON COLUMN zdm.migration.needs_approval IS 'Whether it must be approved before contract';

COMMENT ON COLUMN zdm.migration.approved_by_other IS 'Whether by another role than its creator';

COMMENT ON COLUMN zdm.migration.approved_by IS 'Who has approved it';

COMMENT ON COLUMN zdm.migration.approved_at IS 'When';

COMMENT ON COLUMN zdm.migration.manual IS 'What a person has to do or to approve before contract';
COMMENT ON COLUMN zdm.migration.manual_expand IS 'What a person has to do and to approve before expand';
COMMENT ON COLUMN zdm.migration.adds_column IS 'The clause of ALTER TABLE that adds the new column, as subscribers need it, NULL for none';
COMMENT ON COLUMN zdm.migration.carries IS 'What the old column had when the plan was made, and how it was defined: what is put on it later is not in the plan; NULL where there is no old column';

COMMENT ON COLUMN zdm.migration.warnings IS 'What a person should know';

COMMENT ON COLUMN zdm.migration.settings IS 'Settings at submit: name, value, name, value...';

COMMENT ON COLUMN zdm.migration.created_by IS 'Role that created it';

COMMENT ON COLUMN zdm.migration.created_by_id IS 'OID of that role';

COMMENT ON COLUMN zdm.migration.created_session_id IS 'OID of the role that had logged in';

COMMENT ON COLUMN zdm.migration.created_at IS 'When it was created';

COMMENT ON COLUMN zdm.migration.started_at IS 'When it was first started';

COMMENT ON COLUMN zdm.migration.retired_at IS 'When the old shape was retired';

COMMENT ON COLUMN zdm.migration.finished_at IS 'When it was done or aborted';

COMMENT ON COLUMN zdm.migration.cluster_id IS 'System identifier of the cluster it was made in';

COMMENT ON COLUMN zdm.migration.database_id IS 'OID of the database it was made in';

COMMENT ON TABLE zdm.migration_step IS 'Plans of migrations. Read zdm.plan() instead.';

COMMENT ON COLUMN zdm.migration_step.migration_id IS 'Id of the migration';

COMMENT ON COLUMN zdm.migration_step.step IS 'Order, from 1';

COMMENT ON COLUMN zdm.migration_step.stage IS 'Which job does it: main, retire or purge';

COMMENT ON COLUMN zdm.migration_step.phase IS 'expand, migrate or contract';

COMMENT ON COLUMN zdm.migration_step.kind IS 'As in zdm.recipe_step';

COMMENT ON COLUMN zdm.migration_step.target IS 'OID of the table that it is about, when that is not the one of the migration';

COMMENT ON COLUMN zdm.migration_step.target_schema IS 'Its schema';

COMMENT ON COLUMN zdm.migration_step.target_name IS 'Its name when the step was made';

COMMENT ON COLUMN zdm.migration_step.statement IS 'What it does, as a statement';

COMMENT ON COLUMN zdm.migration_step.undo IS 'What undoes it';

COMMENT ON COLUMN zdm.migration_step.object IS 'The constraint, column or index that it is about';

COMMENT ON COLUMN zdm.migration_step.lock IS 'The strongest lock that it takes';

COMMENT ON COLUMN zdm.migration_step.mapping_id IS 'Mapping by which rows are filled or compared, NULL for none';

COMMENT ON COLUMN zdm.migration_step.set_clause IS 'Assignments of a backfill without a mapping, as after SET';

COMMENT ON COLUMN zdm.migration_step.filter IS 'Which rows a backfill is about, as after WHERE; of a wait, the query that has to return true';

COMMENT ON COLUMN zdm.migration_step.wait_ms IS 'How long it waits at least, in ms';

COMMENT ON COLUMN zdm.migration_step.expected_ms IS 'How long it was expected to take, in ms, NULL when that was not known';

COMMENT ON TABLE zdm.mapping IS 'How the new shape of a row is computed from the old one. Read zdm.mappings instead.';

COMMENT ON COLUMN zdm.mapping.mapping_id IS 'Id';

COMMENT ON COLUMN zdm.mapping.migration_id IS 'Id of the migration';

COMMENT ON COLUMN zdm.mapping.mode IS 'sync: both ways, by value; fill: the new column where it is NULL';

COMMENT ON COLUMN zdm.mapping.old_column IS 'The old column, NULL for none';

COMMENT ON COLUMN zdm.mapping.new_column IS 'The new column';

COMMENT ON COLUMN zdm.mapping.forward IS 'Expression for the new column';

COMMENT ON COLUMN zdm.mapping.reverse IS 'Expression for the old column, NULL for none';

COMMENT ON COLUMN zdm.mapping.winner IS 'Which side wins when a statement changes both';

COMMENT ON COLUMN zdm.mapping.on_error IS 'What becomes of a row that cannot be converted, as planned';
COMMENT ON COLUMN zdm.mapping.trigger_made IS 'Versions of the trigger, of the table and of its partitions, as zdm has made it';
COMMENT ON COLUMN zdm.mapping.column_types IS 'Types of the old and the new column as zdm has found or made them';

COMMENT ON TABLE zdm.invariant IS 'Queries that must return no rows. Read zdm.invariants instead.';

COMMENT ON COLUMN zdm.invariant.invariant_id IS 'Id';

COMMENT ON COLUMN zdm.invariant.migration_id IS 'Id of the migration';

COMMENT ON COLUMN zdm.invariant.name IS 'Name, unique within the migration';

COMMENT ON COLUMN zdm.invariant.query IS 'The query';

COMMENT ON COLUMN zdm.invariant.job_id IS 'Id of the job that runs it, NULL before the migration is started';

COMMENT ON COLUMN zdm.invariant.runs_every IS 'How often it is run';

COMMENT ON COLUMN zdm.invariant.time_limit IS 'How long it may take';

COMMENT ON COLUMN zdm.invariant.settings IS 'Settings under which it is run: name, value, name, value...';

COMMENT ON COLUMN zdm.invariant.role_id IS 'OID of the role as which it is run';

COMMENT ON COLUMN zdm.invariant.role IS 'Name of that role when it was added';

COMMENT ON COLUMN zdm.invariant.runs IS 'How often it was run';

COMMENT ON COLUMN zdm.invariant.last_run_at IS 'When it was last run';

COMMENT ON COLUMN zdm.invariant.last_rows IS 'How many rows it returned then';

COMMENT ON COLUMN zdm.invariant.last_error IS 'Why it could not be run then';

COMMENT ON COLUMN zdm.invariant.clean_since IS 'Since when it has returned none, NULL when the last run did';

COMMENT ON COLUMN zdm.invariant.samples IS 'First rows of the first run that returned any';

COMMENT ON TABLE zdm.freeze_window IS 'Times in which no migration enters another phase. Read zdm.freezes instead.';

COMMENT ON COLUMN zdm.freeze_window.freeze_id IS 'Id';

COMMENT ON COLUMN zdm.freeze_window.starts_at IS 'When it begins';

COMMENT ON COLUMN zdm.freeze_window.ends_at IS 'When it ends';

COMMENT ON COLUMN zdm.freeze_window.reason IS 'Why';

COMMENT ON COLUMN zdm.freeze_window.created_by IS 'Who has ordered it';

COMMENT ON COLUMN zdm.freeze_window.created_at IS 'When it was ordered';

COMMENT ON TABLE zdm.stop_order IS 'The order of zdm.stop_all, while it stands.';

COMMENT ON COLUMN zdm.stop_order.stop_id IS 'Always 1: there is one order at a time';

COMMENT ON COLUMN zdm.stop_order.reason IS 'Why';

COMMENT ON COLUMN zdm.stop_order.stopped_by IS 'Who has given it';

COMMENT ON COLUMN zdm.stop_order.stopped_at IS 'When';

COMMENT ON COLUMN zdm.stop_order.jobs IS 'Ids of the jobs that were stopped';

-- Recipes that change constraints.

CREATE FUNCTION zdm.add_check(
        target regclass, expression text, constraint_name name DEFAULT NULL, name text DEFAULT NULL,
        owner text DEFAULT NULL, contract_by date DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_check';

CREATE FUNCTION zdm.add_foreign_key(
        target regclass, columns name[], referenced regclass, referenced_columns name[] DEFAULT NULL,
        on_delete text DEFAULT 'NO ACTION', on_update text DEFAULT 'NO ACTION', match_full boolean DEFAULT false,
        deferral text DEFAULT 'NOT DEFERRABLE', constraint_name name DEFAULT NULL, name text DEFAULT NULL,
        owner text DEFAULT NULL, contract_by date DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_foreign_key';

CREATE FUNCTION zdm.set_not_null(
        target regclass, column_name name, name text DEFAULT NULL,
        owner text DEFAULT NULL, contract_by date DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_set_not_null';

CREATE FUNCTION zdm.add_unique(
        target regclass, columns name[], constraint_name name DEFAULT NULL, name text DEFAULT NULL,
        nulls_not_distinct boolean DEFAULT false, deferral text DEFAULT 'NOT DEFERRABLE',
        owner text DEFAULT NULL, contract_by date DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_unique';

CREATE FUNCTION zdm.add_primary_key(
        target regclass, columns name[], constraint_name name DEFAULT NULL, name text DEFAULT NULL,
        deferral text DEFAULT 'NOT DEFERRABLE',
        owner text DEFAULT NULL, contract_by date DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_primary_key';

CREATE FUNCTION zdm.drop_constraint(
        target regclass, constraint_name name, name text DEFAULT NULL,
        owner text DEFAULT NULL, contract_by date DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_drop_constraint';

CREATE FUNCTION zdm.drop_not_null(
        target regclass, column_name name, name text DEFAULT NULL,
        owner text DEFAULT NULL, contract_by date DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_drop_not_null';

CREATE FUNCTION zdm.plan_steps(
        call text, OUT step int, OUT kind text, OUT statement text, OUT lock text, OUT undo text,
        OUT expected_time interval, OUT basis text, OUT phase text, OUT stage text)
    RETURNS SETOF record
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_plan_steps';

COMMENT ON FUNCTION zdm.add_check(regclass, text, name, text, text, date, boolean) IS
    'Add a CHECK constraint at commit: NOT VALID, then validated in chunks. Returns the name of the migration, which is that of its job. Inverse: zdm.drop_constraint.';

COMMENT ON FUNCTION zdm.add_foreign_key(regclass, name[], regclass, name[], text, text, boolean, text, name, text, text, date, boolean) IS
    'Add a foreign key at commit: NOT VALID, then validated in chunks. Returns the name of the migration, which is that of its job. Inverse: zdm.drop_constraint.';

COMMENT ON FUNCTION zdm.set_not_null(regclass, name, text, text, date, boolean) IS
    'Make a column NOT NULL at commit: a CHECK, validated in chunks, is the proof, so nothing is scanned under a lock. Returns the name of the migration, which is that of its job. Inverse: zdm.drop_not_null.';

COMMENT ON FUNCTION zdm.add_unique(regclass, name[], name, text, boolean, text, text, date, boolean) IS
    'Add a UNIQUE constraint at commit: its index is built concurrently. Returns the name of the migration, which is that of its job. Inverse: zdm.drop_constraint.';

COMMENT ON FUNCTION zdm.add_primary_key(regclass, name[], name, text, text, text, date, boolean) IS
    'Add a primary key at commit: its columns are made NOT NULL by proof, its index is built concurrently. Returns the name of the migration, which is that of its job. Inverse: zdm.drop_constraint.';

COMMENT ON FUNCTION zdm.drop_constraint(regclass, name, text, text, date, boolean) IS
    'Drop a constraint at commit, without stalling anyone. Returns the name of the migration, which is that of its job.';

COMMENT ON FUNCTION zdm.drop_not_null(regclass, name, text, text, date, boolean) IS
    'Take NOT NULL from a column at commit, without stalling anyone. Returns the name of the migration, which is that of its job.';

COMMENT ON FUNCTION zdm.plan_steps(text) IS
    'The steps of a call of zdm.add_check, zdm.rename_column and their likes, given as you would run it: statement, lock, what undoes it, phase, and the time that it takes, by reading a sample of the pages now. Starts nothing and changes nothing.';

-- The trigger that keeps the old and the new side of a row in step, and what it
-- has met.

CREATE FUNCTION zdm.sync() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_sync';

COMMENT ON FUNCTION zdm.sync() IS
    'Internal: trigger function that keeps the two sides of a mapping in step. Its arguments are the mapping; zdm makes its triggers itself.';

CREATE FUNCTION zdm.create_sync(target regclass, mapping_id bigint, new_column text, forward text,
                                old_column text DEFAULT NULL, reverse text DEFAULT NULL, mode text DEFAULT 'sync',
                                authority text DEFAULT 'old', winner text DEFAULT 'old', on_error text DEFAULT 'fail') RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_create_sync';

COMMENT ON FUNCTION zdm.create_sync(regclass, bigint, text, text, text, text, text, text, text, text) IS
    'Internal: checks a mapping on a table that has both columns and makes its sync trigger; returns the statement.';

CREATE FUNCTION zdm.sync_missing_rights(target regclass, mapping_id bigint, OUT role oid, OUT function oid) RETURNS SETOF record
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_sync_missing_rights';

COMMENT ON FUNCTION zdm.sync_missing_rights(regclass, bigint) IS
    'Internal: roles that may write the table, and functions of its mapping that they may not execute.';

CREATE FUNCTION zdm.sync_later_triggers(target regclass, mapping_id bigint) RETURNS SETOF text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_sync_later_triggers_of';

COMMENT ON FUNCTION zdm.sync_later_triggers(regclass, bigint) IS
    'Internal: BEFORE row triggers of the table, its partitions and children that fire after the sync trigger of that mapping.';

CREATE FUNCTION zdm.sync_counts(mapping_id bigint, OUT conflicts bigint, OUT drift bigint, OUT errors bigint, OUT last_at timestamptz, OUT last_fault_at timestamptz)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_sync_counts';

COMMENT ON FUNCTION zdm.sync_counts(bigint) IS
    'Internal: what the sync triggers of a mapping have met. Use zdm.sync_activity.';

CREATE FUNCTION zdm.list_sync_samples(OUT mapping_id bigint, OUT relation oid, OUT at timestamptz, OUT kind text,
                                      OUT row_key text, OUT role oid, OUT pid int, OUT message text) RETURNS SETOF record
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_list_sync_samples';

COMMENT ON FUNCTION zdm.list_sync_samples() IS
    'Internal: rows that the sync triggers have counted. Use zdm.sync_samples.';

-- A partition has a copy of its parent's trigger; a child has one of its own
-- for the same mapping.
CREATE VIEW zdm.sync_activity WITH (security_barrier) AS
SELECT m.mapping_id,
       m."table",
       c.conflicts,
       c.drift,
       c.errors,
       c.last_at
  FROM (SELECT DISTINCT ON (substring(t.tgname::text FROM '^~zdm_sync_([0-9]{1,18})$'))
               substring(t.tgname::text FROM '^~zdm_sync_([0-9]{1,18})$')::bigint AS mapping_id,
               pg_catalog.format('%I.%I', n.nspname, r.relname) AS "table"
          FROM pg_catalog.pg_trigger t
          JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid AND f.proname = 'sync'
          JOIN pg_catalog.pg_namespace z ON z.oid = f.pronamespace AND z.nspname = 'zdm'
          JOIN pg_catalog.pg_class r ON r.oid = t.tgrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
         WHERE t.tgparentid = 0 AND t.tgname::text ~ '^~zdm_sync_[0-9]{1,18}$'
           AND (pg_catalog.pg_has_role(r.relowner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'))
         ORDER BY substring(t.tgname::text FROM '^~zdm_sync_([0-9]{1,18})$'),
                  EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = r.oid), r.oid) m
 CROSS JOIN LATERAL zdm.sync_counts(m.mapping_id) c;

CREATE VIEW zdm.sync_samples WITH (security_barrier) AS
SELECT s.mapping_id,
       pg_catalog.format('%I.%I', n.nspname, r.relname) AS "table",
       s.at,
       s.kind,
       s.row_key,
       pg_catalog.pg_get_userbyid(s.role) AS role,
       s.pid,
       s.message
  FROM zdm.list_sync_samples() s
  LEFT JOIN pg_catalog.pg_class r ON r.oid = s.relation
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace;

GRANT SELECT ON zdm.sync_activity, zdm.sync_samples TO PUBLIC;

COMMENT ON VIEW zdm.sync_activity IS
    'The mappings that sync triggers keep in step, and what these have met since the server was started, in transactions that were rolled back, too. Counts are NULL when zdm is not preloaded.';

COMMENT ON COLUMN zdm.sync_activity.mapping_id IS 'Id of the mapping';

COMMENT ON COLUMN zdm.sync_activity."table" IS 'Its table';

COMMENT ON COLUMN zdm.sync_activity.conflicts IS 'Updates that changed both sides and left them inconsistent: the winner was kept';

COMMENT ON COLUMN zdm.sync_activity.drift IS 'Rows whose new side was changed and could not be carried back, since there is no reverse expression, and rows written while a trigger was there that fires after the one of the mapping';

COMMENT ON COLUMN zdm.sync_activity.errors IS 'Rows that the mapping could not convert and that were let through';

COMMENT ON COLUMN zdm.sync_activity.last_at IS 'When the last of these was met';

COMMENT ON VIEW zdm.sync_samples IS
    'Rows that zdm.sync_activity counts, the last 16 of each mapping.';

COMMENT ON COLUMN zdm.sync_samples.mapping_id IS 'Id of the mapping';

COMMENT ON COLUMN zdm.sync_samples."table" IS 'Table or partition of the row';

COMMENT ON COLUMN zdm.sync_samples.at IS 'When';

COMMENT ON COLUMN zdm.sync_samples.kind IS 'conflict, drift or error';

COMMENT ON COLUMN zdm.sync_samples.row_key IS 'Primary key of the row, cut after 200 bytes; NULL when there is none or you have not the rights of the owner';

COMMENT ON COLUMN zdm.sync_samples.role IS 'Role that wrote the row';

COMMENT ON COLUMN zdm.sync_samples.pid IS 'Its process';

COMMENT ON COLUMN zdm.sync_samples.message IS 'What was the matter, cut after 200 bytes; NULL when you have not the rights of the owner';

-- First: what the others say a job waits for is who is in its way here.
CREATE OR REPLACE VIEW zdm.blockers WITH (security_barrier) AS
WITH locks AS MATERIALIZED (
       SELECT * FROM pg_catalog.pg_locks),
     holders AS (
       -- of the relation that a job would lock
       SELECT w.job_id, w.relation, w.mode AS wanted_mode, h.pid, h.virtualtransaction
         FROM zdm.lock_wait w
         JOIN zdm.workers k ON k.job_id = w.job_id AND k.database = pg_catalog.current_database()
         JOIN zdm.job j ON j.job_id = w.job_id
         JOIN locks h ON h.locktype = 'relation' AND h.relation = w.relation AND h.granted
              AND h.database = j.database_id AND h.mode = ANY (w.conflicts_with) AND h.pid IS DISTINCT FROM k.pid
       UNION
       -- the transaction whose end a job waits for, with what is being done concurrently on one table
       SELECT k.job_id,
              (SELECT min(o.relation::bigint)::oid FROM locks o JOIN pg_catalog.pg_class t ON t.oid = o.relation
                WHERE o.pid = k.pid AND o.mode = 'ShareUpdateExclusiveLock' AND t.relkind IN ('r', 'm', 'p')),
              NULL, h.pid, h.virtualtransaction
         FROM zdm.workers k
         JOIN locks w ON w.pid = k.pid AND NOT w.granted AND w.locktype IN ('transactionid', 'virtualxid')
         JOIN locks h ON h.granted AND h.locktype = w.locktype
              AND (h.transactionid = w.transactionid OR h.virtualxid = w.virtualxid)
        WHERE k.database = pg_catalog.current_database())
SELECT j.job_id,
       j.name AS job_name,
       CASE WHEN c.oid IS NOT NULL THEN pg_catalog.format('%I.%I', n.nspname, c.relname) END AS relation,
       h.wanted_mode,
       h.pid,
       coalesce(a.usename, p.owner) AS role,
       a.application_name,
       CASE WHEN h.pid IS NULL THEN pg_catalog.concat_ws(' ', 'prepared transaction', p.gid) ELSE a.state END AS state,
       m.mode AS held_mode,
       pg_catalog.clock_timestamp() - coalesce(a.xact_start, p.prepared) AS transaction_age,
       a.wait_event_type,
       a.wait_event,
       pg_catalog.left(a.query, 200) AS query
  FROM holders h
  JOIN zdm.job j USING (job_id)
  LEFT JOIN pg_catalog.pg_class c ON c.oid = h.relation
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = h.pid
  LEFT JOIN LATERAL (SELECT x.gid, x.owner, x.prepared
                       FROM locks t
                       JOIN pg_catalog.pg_prepared_xacts x ON x.transaction = t.transactionid
                      WHERE h.pid IS NULL AND t.pid IS NULL AND t.locktype = 'transactionid'
                        AND t.virtualtransaction = h.virtualtransaction
                      LIMIT 1) p ON true
  LEFT JOIN LATERAL (SELECT l.mode
                       FROM locks l
                      WHERE l.locktype = 'relation' AND l.relation = h.relation AND l.database = j.database_id AND l.granted
                        AND l.pid IS NOT DISTINCT FROM h.pid AND l.virtualtransaction = h.virtualtransaction
                      ORDER BY pg_catalog.array_position(
                            ARRAY['AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock',
                                  'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'], l.mode) DESC
                      LIMIT 1) m ON true
 WHERE j.state = 'running'
   AND zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

GRANT SELECT ON zdm.blockers TO PUBLIC;

-- Its body is parsed here: whoever reads a view needs no right on the schema for it.
CREATE FUNCTION zdm.blocker_of(job bigint) RETURNS text
    LANGUAGE sql STABLE
    RETURN (SELECT CASE WHEN b.pid IS NULL THEN b.state
                        ELSE pg_catalog.format('process %s%s', b.pid, ' (' || nullif(b.application_name, '') || ')') END
              FROM zdm.blockers b WHERE b.job_id = job ORDER BY b.transaction_age DESC NULLS LAST LIMIT 1);

GRANT EXECUTE ON FUNCTION zdm.blocker_of(bigint) TO PUBLIC;

COMMENT ON FUNCTION zdm.blocker_of(bigint) IS
    'Internal: who is in the way of a job, by zdm.blockers, in words; NULL when nobody is.';

-- What a concurrent statement waits for inside; it says so itself, but for a drop.
CREATE FUNCTION zdm.awaits(job bigint, build text, at_work boolean) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE WHEN build IS NOT NULL THEN pg_catalog.concat_ws(': ', build, zdm.blocker_of(job))
                WHEN at_work THEN 'the end of a transaction: ' || zdm.blocker_of(job) END;

GRANT EXECUTE ON FUNCTION zdm.awaits(bigint, text, boolean) TO PUBLIC;

COMMENT ON FUNCTION zdm.awaits(bigint, text, boolean) IS
    'Internal: what a job waits for while it executes a statement concurrently; build: as its progress has it.';

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
       (SELECT m.name FROM zdm.migration m WHERE m.migration_id = j.migration_id) AS migration
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

CREATE OR REPLACE VIEW zdm.backfills WITH (security_barrier) AS
SELECT j.job_id,
       j.name,
       pg_catalog.format('%I.%I', coalesce(b.target_schema, j.target_schema), coalesce(b.target_name, j.target_name)) AS target,
       j.state,
       b.set_clause,
       b.filter,
       b.fire_triggers,
       b.analyze_after,
       b.max_quarantine,
       b.max_sweeps,
       c.phase,
       c.sweep,
       c.sweep_rows,
       c.sweep_skipped,
       c.stripes,
       c.rows_done,
       CASE WHEN c.rows_done > 0 THEN c.rows_hot::float8 / c.rows_done END AS hot_share,
       (SELECT count(*) FROM zdm.quarantined_row q WHERE q.job_id = j.job_id) AS quarantined,
       c.batches,
       c.retries,
       c.wal_bytes,
       pg_catalog.make_interval(secs => c.work_ms / 1000.0) AS work_time,
       c.note AS striping,
       b.settings,
       b.mapping_id
  FROM zdm.job j
  JOIN zdm.backfill b USING (job_id)
  JOIN zdm.backfill_cursor c USING (job_id)
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

CREATE OR REPLACE VIEW zdm.validations WITH (security_barrier) AS
SELECT j.job_id,
       j.name,
       pg_catalog.format('%I.%I', coalesce(d.target_schema, j.target_schema), coalesce(d.target_name, j.target_name)) AS target,
       d.constraint_name,
       d.constraint_type,
       d.definition,
       j.state,
       coalesce(c.method, d.method) AS method,
       c.method_reason,
       c.phase,
       c.done + c.leaf_done AS units_done,
       greatest(c.total, c.done + c.leaf_total) AS units_total,
       c.rows_done,
       c.violations,
       c.chunks,
       c.restarts,
       c.retries,
       pg_catalog.make_interval(secs => c.work_ms / 1000.0) AS work_time,
       pg_catalog.make_interval(secs => c.longest_ms / 1000.0) AS longest_chunk,
       j.started_at,
       j.finished_at
  FROM zdm.job j
  JOIN zdm.validation d USING (job_id)
  JOIN zdm.validation_cursor c USING (job_id)
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

CREATE OR REPLACE VIEW zdm.steps WITH (security_barrier) AS
SELECT s.job_id,
       j.name,
       r.recipe,
       s.step,
       s.kind,
       CASE WHEN s.state <> 'pending' THEN s.state
            WHEN j.state IN ('running', 'failed', 'paused', 'cancelled')
                 AND NOT EXISTS (SELECT FROM zdm.recipe_step e
                                  WHERE e.job_id = s.job_id AND e.step < s.step AND e.state <> 'done') THEN j.state
            ELSE s.state END AS state,
       s.statement,
       s.lock,
       s.undo,
       s.finished_at,
       pg_catalog.make_interval(secs => s.expected_ms / 1000.0) AS expected_time,
       m.name AS migration,
       s.phase,
       CASE s.job_id WHEN m.main_job THEN 'main' WHEN m.retire_job THEN 'retire' WHEN m.purge_job THEN 'purge' END AS stage,
       pg_catalog.format('%I.%I', coalesce(s.target_schema, j.target_schema), coalesce(s.target_name, j.target_name)) AS target
  FROM zdm.recipe_step s
  JOIN zdm.recipe r USING (job_id)
  JOIN zdm.job j USING (job_id)
  LEFT JOIN zdm.migration m ON m.migration_id = j.migration_id
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner)
UNION ALL
SELECT NULL, m.name, m.kind, p.step, p.kind, 'pending', p.statement, p.lock, p.undo, NULL,
       pg_catalog.make_interval(secs => p.expected_ms / 1000.0), m.name, p.phase, p.stage,
       pg_catalog.format('%I.%I', coalesce(p.target_schema, m.target_schema), coalesce(p.target_name, m.target_name))
  FROM zdm.migration m
  JOIN zdm.migration_step p USING (migration_id)
 WHERE CASE p.stage WHEN 'main' THEN m.main_job WHEN 'retire' THEN m.retire_job ELSE m.purge_job END IS NULL
   AND m.phase NOT IN ('done', 'aborted')
   AND zdm.may_see(zdm.is_local(m.cluster_id, m.database_id), m.runs_as_id, m.runs_as);

CREATE OR REPLACE VIEW zdm.indexes WITH (security_barrier) AS
SELECT j.job_id,
       j.name,
       x.action,
       pg_catalog.format('%I.%I', j.target_schema, x.index_name) AS index,
       pg_catalog.format('%I.%I', j.target_schema, j.target_name) AS "table",
       j.state,
       x.definition,
       CASE WHEN x.phase IN ('building', 'rebuilding') THEN coalesce(b.phase, x.phase) ELSE x.phase END AS phase,
       x.leaf AS current_table,
       x.leaves_done AS tables_done,
       x.leaves_total AS tables_total,
       b.blocks_done,
       b.blocks_total,
       b.tuples_done,
       b.tuples_total,
       CASE WHEN j.state = 'done' THEN 100
            ELSE least(99, pg_catalog.round((100 * (x.leaves_done + coalesce(b.progress, 0))
                                             / greatest(x.leaves_total, 1))::numeric, 1)) END::float8 AS percent,
       CASE WHEN b.waiting_for IS NULL AND j.waiting_for IS NOT NULL THEN j.waiting_for
            ELSE zdm.awaits(j.job_id, b.waiting_for, b.pid IS NULL AND x.phase IS NOT NULL) END AS waiting_for,
       w.pid
  FROM zdm.job j
  JOIN zdm.index_job x USING (job_id)
  LEFT JOIN zdm.workers w ON w.job_id = j.job_id AND w.database = pg_catalog.current_database()
  LEFT JOIN zdm.list_index_builds() b ON b.pid = w.pid
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

CREATE OR REPLACE VIEW zdm.events WITH (security_barrier) AS
SELECT e.event_id,
       e.at,
       e.job_id,
       j.name AS job_name,
       e.event,
       e.actor,
       e.message,
       m.name AS migration
  FROM zdm.event e
  LEFT JOIN zdm.job j USING (job_id)
  LEFT JOIN zdm.migration m ON m.migration_id = e.migration_id
 -- What orders and limits this view does not reach below a security barrier.  So that the newest come from an index, the
 -- order is here; names may be looked up row by row, once each, as no join has a condition; nearly all rows are expected.
 CROSS JOIN LATERAL (
       SELECT CASE WHEN CASE WHEN j.job_id IS NOT NULL THEN zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner)
                             ELSE zdm.may_see(zdm.is_local(m.cluster_id, m.database_id), m.runs_as_id, m.runs_as) END
                   THEN true END AS it LIMIT 1) seen
 WHERE seen.it IS NOT NULL
 ORDER BY e.event_id DESC;

GRANT SELECT ON zdm.jobs, zdm.backfills, zdm.validations, zdm.statements, zdm.indexes, zdm.steps, zdm.quarantine,
    zdm.events, zdm.workers TO PUBLIC;

COMMENT ON COLUMN zdm.jobs.kind IS 'What the job does: backfill, verify, validation, index, ddl, recipe, invariant, reverify';

COMMENT ON COLUMN zdm.jobs.rows_done IS 'Rows changed so far; of a verification or validation, rows looked at';

COMMENT ON COLUMN zdm.jobs.waiting_since IS 'Since when something holds it back';

COMMENT ON COLUMN zdm.jobs.migration IS 'Name of the migration that it works for, NULL for none';

COMMENT ON COLUMN zdm.backfills.mapping_id IS 'Mapping of the tables sync trigger that says what is assigned; NULL: set_clause and filter say it';

COMMENT ON VIEW zdm.steps IS 'The steps of migrations: what was run, what will be, under which lock.';

COMMENT ON COLUMN zdm.steps.job_id IS 'Id of the job, NULL when there is none yet';

COMMENT ON COLUMN zdm.steps.name IS 'Name of the job, which before there is one is that of the migration';

COMMENT ON COLUMN zdm.steps.kind IS 'ddl: short statements in one transaction; index: a concurrent build; validate: in chunks; backfill: rows are filled; verify: rows are compared; sql: statements of the user in one transaction; wait: for a time or a query';

COMMENT ON COLUMN zdm.steps.migration IS 'Name of the migration, NULL for none';

COMMENT ON COLUMN zdm.steps.phase IS 'Phase of the migration: expand, migrate or contract';

COMMENT ON COLUMN zdm.steps.stage IS 'Which of its jobs does it: main, retire or purge';

COMMENT ON COLUMN zdm.steps.target IS 'Table that it is about';

COMMENT ON VIEW zdm.blockers IS 'Who is in the way of running jobs, now, one row per process and relation: who holds a lock that a job wants, or is in the transaction whose end it waits for. Columns on other sessions are empty for those who may not see them in pg_stat_activity.';

COMMENT ON COLUMN zdm.blockers.relation IS 'Relation that it wants to lock, or on which it executes a statement concurrently';

COMMENT ON COLUMN zdm.blockers.wanted_mode IS 'Mode in which it wants to lock it; NULL when it waits for the end of the transaction, as the build of an index does';

COMMENT ON COLUMN zdm.blockers.state IS 'Its state, as in pg_stat_activity; of a prepared transaction, these words and its gid';

COMMENT ON COLUMN zdm.blockers.held_mode IS 'Strongest mode in which it has locked the relation; NULL when it has not, as one with an old snapshot';

COMMENT ON VIEW zdm.events IS 'What happened to each job and migration, when, and by whom; the newest, by event_id, first.';

COMMENT ON COLUMN zdm.events.job_id IS 'Id of the job, NULL when it is about the migration itself';

COMMENT ON COLUMN zdm.events.event IS 'The state or phase entered, or what happened';

COMMENT ON COLUMN zdm.events.migration IS 'Name of the migration, NULL for none';

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

-- What people read of verifications.

CREATE VIEW zdm.verifications WITH (security_barrier) AS
SELECT j.job_id,
       j.name,
       pg_catalog.format('%I.%I', d.target_schema, d.target_name) AS target,
       d.mapping_id,
       d.definition,
       j.state,
       CASE WHEN c.pass > 0 THEN c.phase END AS phase,
       c.pass,
       c.done + c.leaf_blocks AS pages_entered,
       greatest(c.total, c.done + c.leaf_blocks) AS pages_total,
       c.rows_done,
       c.rows_again,
       c.inconsistent,
       d.result,
       d.promise,
       c.chunks,
       c.restarts,
       c.retries,
       pg_catalog.make_interval(secs => c.work_ms / 1000.0) AS work_time,
       pg_catalog.make_interval(secs => c.longest_ms / 1000.0) AS longest_chunk,
       d.started_at,
       d.finished_at
  FROM zdm.job j
  JOIN zdm.verification d USING (job_id)
  JOIN zdm.verification_cursor c USING (job_id)
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

-- The rows' contents are data of the table: for those who have the rights of
-- the job's owner.  Members of pg_monitor see that there are some, and where.
CREATE VIEW zdm.inconsistent_rows WITH (security_barrier) AS
SELECT r.job_id,
       j.name AS job_name,
       d.mapping_id,
       pg_catalog.format('%I.%I', r.leaf_schema, r.leaf_name) AS "table",
       r.row_ctid,
       CASE WHEN o.is_mine THEN r.row_key END AS row_key,
       CASE WHEN o.is_mine THEN r.old_value END AS old_value,
       CASE WHEN o.is_mine THEN r.new_value END AS new_value,
       CASE WHEN o.is_mine THEN r.expected_value END AS expected_value,
       r.sqlstate,
       CASE WHEN o.is_mine THEN r.message END AS message,
       c.inconsistent AS total,
       r.found_at
  FROM zdm.inconsistent_row r
  JOIN zdm.job j USING (job_id)
  JOIN zdm.verification d USING (job_id)
  JOIN zdm.verification_cursor c USING (job_id)
 CROSS JOIN LATERAL (
       SELECT EXISTS (SELECT FROM pg_catalog.pg_roles p
                       WHERE p.rolname = zdm.owner_name(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner)
                         AND pg_catalog.pg_has_role(p.oid, 'USAGE')) AS is_mine) o
 WHERE zdm.may_see(zdm.is_local(j.cluster_id, j.database_id), j.owner_id, j.owner);

GRANT SELECT ON zdm.verifications, zdm.inconsistent_rows TO PUBLIC;

COMMENT ON VIEW zdm.verifications IS 'One row per verification of a mapping: what, how far, and what it has come to.';

COMMENT ON COLUMN zdm.verifications.job_id IS 'Id of the job';

COMMENT ON COLUMN zdm.verifications.name IS 'Name of the job';

COMMENT ON COLUMN zdm.verifications.target IS 'Table whose rows are compared';

COMMENT ON COLUMN zdm.verifications.mapping_id IS 'Id of the mapping, as in the name of the tables sync trigger';

COMMENT ON COLUMN zdm.verifications.definition IS 'What is compared: new column = what is computed for it';

COMMENT ON COLUMN zdm.verifications.state IS 'State of the job';

COMMENT ON COLUMN zdm.verifications.phase IS 'scan: in chunks; proof: under one snapshot; ended';

COMMENT ON COLUMN zdm.verifications.pass IS 'Number of the pass; a second one only where a proof would take longer than zdm.max_snapshot_age';

COMMENT ON COLUMN zdm.verifications.pages_entered IS 'Pages of the tables and partitions that this pass has gone through or is at';

COMMENT ON COLUMN zdm.verifications.pages_total IS 'Pages in all';

COMMENT ON COLUMN zdm.verifications.rows_done IS 'Rows looked at in the first pass';

COMMENT ON COLUMN zdm.verifications.rows_again IS 'Rows looked at after it, because they were written meanwhile';

COMMENT ON COLUMN zdm.verifications.inconsistent IS 'Rows that are not consistent, found so far; zdm.inconsistent_rows lists them';

COMMENT ON COLUMN zdm.verifications.result IS 'clean or inconsistent, NULL before its end';

COMMENT ON COLUMN zdm.verifications.promise IS 'What clean means. snapshot: at one instant no row was inconsistent; passes: no row was that was there when the second pass began and was not written since';

COMMENT ON COLUMN zdm.verifications.chunks IS 'Chunks committed';

COMMENT ON COLUMN zdm.verifications.restarts IS 'Scans of a table or partition started over';

COMMENT ON COLUMN zdm.verifications.retries IS 'Steps tried again';

COMMENT ON COLUMN zdm.verifications.work_time IS 'Time at work, without pauses';

COMMENT ON COLUMN zdm.verifications.longest_chunk IS 'Duration of the longest chunk';

COMMENT ON COLUMN zdm.verifications.started_at IS 'When it began, the last time';

COMMENT ON COLUMN zdm.verifications.finished_at IS 'When it came to its result';

COMMENT ON VIEW zdm.inconsistent_rows IS
    'Rows that are not consistent with a mapping, up to 100 for each verification.';

COMMENT ON COLUMN zdm.inconsistent_rows.job_id IS 'Id of the job that found them';

COMMENT ON COLUMN zdm.inconsistent_rows.job_name IS 'Name of the job';

COMMENT ON COLUMN zdm.inconsistent_rows.mapping_id IS 'Id of the mapping';

COMMENT ON COLUMN zdm.inconsistent_rows."table" IS 'Table or partition of the row';

COMMENT ON COLUMN zdm.inconsistent_rows.row_ctid IS 'Place of the row when it was found';

COMMENT ON COLUMN zdm.inconsistent_rows.row_key IS 'Primary key of the row, NULL when there is none or you have not the rights of the owner';

COMMENT ON COLUMN zdm.inconsistent_rows.old_value IS 'Value of the old column; of several, a JSON object of them; cut after 200 bytes; NULL when you have not the rights of the owner';

COMMENT ON COLUMN zdm.inconsistent_rows.new_value IS 'Value of the new column, likewise';

COMMENT ON COLUMN zdm.inconsistent_rows.expected_value IS 'What the mapping computes for the new column, likewise; NULL when that fails, too';

COMMENT ON COLUMN zdm.inconsistent_rows.sqlstate IS 'SQLSTATE of the error, where the mapping fails for the row';

COMMENT ON COLUMN zdm.inconsistent_rows.message IS 'Message of that error; NULL when you have not the rights of the owner';

COMMENT ON COLUMN zdm.inconsistent_rows.total IS 'Rows found by the job, with those that are not listed';

COMMENT ON COLUMN zdm.inconsistent_rows.found_at IS 'When it was found';

-- The recipes about a column.

CREATE FUNCTION zdm.rename_column(
        target regclass, column_name name, new_name name, owner text, contract_by date,
        name text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_rename_column';

CREATE FUNCTION zdm.change_column_type(
        target regclass, column_name name, new_type text, forward text DEFAULT NULL, reverse text DEFAULT NULL,
        new_name name DEFAULT NULL, owner text DEFAULT NULL, contract_by date DEFAULT NULL, winner text DEFAULT 'new',
        on_error text DEFAULT 'fail', name text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_change_column_type';

CREATE FUNCTION zdm.add_column(
        target regclass, column_name name, data_type text, owner text, contract_by date, fill text DEFAULT NULL,
        column_default text DEFAULT NULL, not_null boolean DEFAULT false, name text DEFAULT NULL,
        dry_run boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_column';

CREATE FUNCTION zdm.drop_column(
        target regclass, column_name name, owner text, contract_by date, name text DEFAULT NULL,
        dry_run boolean DEFAULT false) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_drop_column';

CREATE FUNCTION zdm.dependents(
        target regclass, column_name name, OUT kind text, OUT name text, OUT how text, OUT certain boolean,
        OUT carried boolean)
    RETURNS SETOF record
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'zdm_dependents';

COMMENT ON FUNCTION zdm.rename_column(regclass, name, name, text, date, text, boolean) IS
    'Rename a column in three phases: both names are there and kept equal until nobody uses the old one. Starts at commit, returns the name of the migration. Inverse: zdm.abort, zdm.revert.';

COMMENT ON FUNCTION zdm.change_column_type(regclass, name, text, text, text, name, text, date, text, text, text, boolean) IS
    'Change the type of a column in three phases: a column of the new type is kept in step with the old one by forward and reverse, and takes its name at the end, or has new_name from the start. Starts at commit, returns the name of the migration. Inverse: zdm.abort, zdm.revert.';

COMMENT ON FUNCTION zdm.add_column(regclass, name, text, text, date, text, text, boolean, text, boolean) IS
    'Add a column without rewriting the table. fill is an expression over the row that fills it in rows that leave it NULL, those that are there and those that are written, until zdm.contract; column_default counts from then on, or from the start where there is no fill. Starts at commit, returns the name of the migration. Inverse: zdm.abort, zdm.drop_column.';

COMMENT ON FUNCTION zdm.drop_column(regclass, name, text, date, text, boolean) IS
    'Drop a column in two moves: zdm.contract hides it, and it is dropped after the hold. Starts at commit, returns the name of the migration. Inverse: zdm.abort, zdm.revert.';

COMMENT ON FUNCTION zdm.dependents(regclass, name) IS
    'What uses a column: indexes, constraints, views, functions, policies, triggers, publications. certain: recorded by PostgreSQL, and not only found in a text; carried: zdm.rename_column and zdm.change_column_type see to it.';

-- Changes of constraints that are there are migrations, too

INSERT INTO zdm.migration (name, kind, definition, target, target_schema, target_name, runs_as_id, runs_as, owner, phase,
                           phase_since, current_job, main_job, removes, settings, created_by, created_by_id,
                           created_session_id, created_at, started_at, finished_at, cluster_id, database_id)
SELECT j.name, r.recipe, r.definition, j.target, j.target_schema, j.target_name, j.owner_id, j.owner, j.created_by, p.phase,
       j.state_since, CASE WHEN p.phase NOT IN ('done', 'aborted') THEN j.job_id END, j.job_id, false, r.settings,
       j.created_by, coalesce(o.oid, 0), coalesce(o.oid, 0), j.created_at, coalesce(j.started_at, j.created_at),
       CASE WHEN p.phase IN ('done', 'aborted') THEN j.finished_at END, j.cluster_id, j.database_id
  FROM zdm.job j
  JOIN zdm.recipe r USING (job_id)
  LEFT JOIN pg_catalog.pg_roles o ON o.rolname = j.created_by
 CROSS JOIN LATERAL (
       SELECT CASE WHEN j.state = 'done' THEN 'done'
                   WHEN j.state = 'cancelled' AND j.cleanup THEN 'aborting'
                   WHEN j.state = 'cancelled' THEN 'aborted'
                   WHEN EXISTS (SELECT FROM zdm.recipe_step s WHERE s.job_id = j.job_id AND s.state = 'done') THEN 'migrate'
                   ELSE 'expand' END AS phase) p
 ORDER BY j.job_id;
UPDATE zdm.recipe_step s
   SET phase = CASE WHEN EXISTS (SELECT FROM zdm.recipe_step e
                                  WHERE e.job_id = s.job_id AND e.step <= s.step AND e.kind <> 'ddl') THEN 'migrate' ELSE 'expand' END
 WHERE phase IS NULL;
INSERT INTO zdm.migration_step (migration_id, step, stage, phase, kind, statement, undo, object, lock, expected_ms)
SELECT m.migration_id, s.step, 'main', s.phase, s.kind, s.statement, s.undo, s.object, s.lock, s.expected_ms
  FROM zdm.migration m
  JOIN zdm.recipe_step s ON s.job_id = m.main_job;
UPDATE zdm.job j SET migration_id = m.migration_id FROM zdm.migration m WHERE m.main_job = j.job_id;
UPDATE zdm.event e SET migration_id = m.migration_id FROM zdm.migration m WHERE m.main_job = e.job_id;
