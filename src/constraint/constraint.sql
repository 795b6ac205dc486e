-- Validation of constraints: definition, cursor; the functions that start and plan one.

CREATE TABLE zdm.validation (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    constraint_name text NOT NULL,
    constraint_type text NOT NULL,
    definition      text NOT NULL,
    method          text NOT NULL CHECK (method IN ('chunked', 'native')),
    settings        text[] NOT NULL,
    target          oid,
    target_schema   text,
    target_name     text
);

-- Written as zdm.backfill_cursor is: by ctid, without an index.
CREATE TABLE zdm.validation_cursor (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    made_in         text,
    phase           text NOT NULL DEFAULT 'scan' CHECK (phase IN ('scan', 'native', 'ended')),
    method          text,
    method_reason   text,
    leaf            oid NOT NULL DEFAULT 0,
    leaf_filenode   oid NOT NULL DEFAULT 0,
    leaf_constraint oid NOT NULL DEFAULT 0,
    premises        text,
    next_block      bigint NOT NULL DEFAULT 0,
    place           bytea,
    scanned         boolean NOT NULL DEFAULT false,
    fresh           boolean NOT NULL DEFAULT true,
    leaf_total      bigint NOT NULL DEFAULT 0,
    leaf_done       bigint NOT NULL DEFAULT 0,
    leaf_violations bigint NOT NULL DEFAULT 0,
    left_behind     text,
    total           bigint NOT NULL DEFAULT 0,
    done            bigint NOT NULL DEFAULT 0,
    rows_done       bigint NOT NULL DEFAULT 0,
    rows_estimated  bigint NOT NULL DEFAULT 0,
    violations      bigint NOT NULL DEFAULT 0,
    chunks          bigint NOT NULL DEFAULT 0,
    restarts        bigint NOT NULL DEFAULT 0,
    retries         bigint NOT NULL DEFAULT 0,
    work_ms         float8 NOT NULL DEFAULT 0,
    longest_ms      float8 NOT NULL DEFAULT 0,
    rows_per_second float8 NOT NULL DEFAULT 0,
    seconds_left    float8,
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 1000);

ALTER TABLE zdm.validation_cursor REPLICA IDENTITY FULL;

SELECT pg_catalog.pg_extension_config_dump('zdm.validation', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.validation_cursor', '');

CREATE FUNCTION zdm.validate_constraint(
        target regclass,
        constraint_name name,
        method text DEFAULT 'chunked',
        name text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_validate_constraint';

CREATE FUNCTION zdm.plan_constraint(
        target regclass,
        constraint_name name,
        method text DEFAULT 'chunked',
        OUT statement text,
        OUT used_method text,
        OUT reason text,
        OUT locks text,
        OUT pages bigint,
        OUT rows bigint,
        OUT expected_time interval,
        OUT basis text)
    RETURNS record
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_plan_constraint';

COMMENT ON FUNCTION zdm.validate_constraint(regclass, name, text, text) IS
    'Starts, at commit, a job that validates a NOT VALID constraint: chunked (small transactions) or native (ALTER TABLE ... VALIDATE CONSTRAINT). Returns the id of the job; of one that is already done when the constraint is valid. It has no inverse: a valid constraint promises more than a NOT VALID one. zdm.cancel_job stops it.';
COMMENT ON FUNCTION zdm.plan_constraint(regclass, name, text) IS
    'What zdm.validate_constraint would do with a constraint: the statement (by chunks, what they amount to), the method and why, the locks, pages and rows to look at, and the time that takes, by reading a sample of the pages now. Changes nothing.';

COMMENT ON TABLE zdm.validation IS 'Definitions of validations. Read zdm.validations instead.';
COMMENT ON COLUMN zdm.validation.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.validation.constraint_name IS 'Name of the constraint';
COMMENT ON COLUMN zdm.validation.constraint_type IS 'CHECK, FOREIGN KEY or NOT NULL';
COMMENT ON COLUMN zdm.validation.definition IS 'Definition of the constraint at submit';
COMMENT ON COLUMN zdm.validation.method IS 'Method asked for';
COMMENT ON COLUMN zdm.validation.settings IS 'Settings at submit';
COMMENT ON COLUMN zdm.validation.target IS 'OID of the table, when a step of a recipe is about another one than its job';
COMMENT ON COLUMN zdm.validation.target_schema IS 'Its schema';
COMMENT ON COLUMN zdm.validation.target_name IS 'Its name';

COMMENT ON TABLE zdm.validation_cursor IS 'How far validations are. Read zdm.jobs and zdm.validations instead.';
COMMENT ON COLUMN zdm.validation_cursor.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.validation_cursor.made_in IS 'Cluster and database in which the place has a meaning';
COMMENT ON COLUMN zdm.validation_cursor.phase IS 'scan, native, or ended: the next start begins anew';
COMMENT ON COLUMN zdm.validation_cursor.method IS 'Method chosen';
COMMENT ON COLUMN zdm.validation_cursor.method_reason IS 'Why that one';
COMMENT ON COLUMN zdm.validation_cursor.leaf IS 'OID of the relation being scanned';
COMMENT ON COLUMN zdm.validation_cursor.leaf_filenode IS 'Its storage when the scan began';
COMMENT ON COLUMN zdm.validation_cursor.leaf_constraint IS 'OID of its constraint then';
COMMENT ON COLUMN zdm.validation_cursor.premises IS 'What else must stay as it was then';
COMMENT ON COLUMN zdm.validation_cursor.next_block IS 'Where the next chunk starts, by pages';
COMMENT ON COLUMN zdm.validation_cursor.place IS 'Where the next chunk starts, otherwise';
COMMENT ON COLUMN zdm.validation_cursor.scanned IS 'Whether the relation is scanned to its end';
COMMENT ON COLUMN zdm.validation_cursor.fresh IS 'Whether no chunk of it is done';
COMMENT ON COLUMN zdm.validation_cursor.leaf_total IS 'Its size, in the methods unit';
COMMENT ON COLUMN zdm.validation_cursor.leaf_done IS 'How much of it is scanned';
COMMENT ON COLUMN zdm.validation_cursor.leaf_violations IS 'Rows found in it';
COMMENT ON COLUMN zdm.validation_cursor.left_behind IS 'OIDs of relations that are scanned and cannot be marked';
COMMENT ON COLUMN zdm.validation_cursor.total IS 'Size of all relations when it began';
COMMENT ON COLUMN zdm.validation_cursor.done IS 'Size of the relations left behind';
COMMENT ON COLUMN zdm.validation_cursor.rows_done IS 'Rows looked at';
COMMENT ON COLUMN zdm.validation_cursor.rows_estimated IS 'Rows to look at';
COMMENT ON COLUMN zdm.validation_cursor.violations IS 'Rows that break the constraint';
COMMENT ON COLUMN zdm.validation_cursor.chunks IS 'Chunks committed';
COMMENT ON COLUMN zdm.validation_cursor.restarts IS 'Scans started over';
COMMENT ON COLUMN zdm.validation_cursor.retries IS 'Steps tried again';
COMMENT ON COLUMN zdm.validation_cursor.work_ms IS 'Milliseconds at work';
COMMENT ON COLUMN zdm.validation_cursor.longest_ms IS 'Milliseconds of the longest chunk';
COMMENT ON COLUMN zdm.validation_cursor.rows_per_second IS 'Pace';
COMMENT ON COLUMN zdm.validation_cursor.seconds_left IS 'Estimate of the time left';
COMMENT ON COLUMN zdm.validation_cursor.updated_at IS 'When this row was written';
