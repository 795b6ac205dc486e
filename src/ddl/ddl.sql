-- DDL without stalling the application: zdm.execute_ddl, and what a job waits for.

CREATE TABLE zdm.ddl (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    statement       text NOT NULL,
    settings        text[] NOT NULL,
    deadline_ms     bigint,
    phase           text NOT NULL DEFAULT 'waiting'
                    CHECK (phase IN ('waiting', 'started', 'executed')),
    executed_at     timestamptz,
    objects         oid[] NOT NULL DEFAULT '{}'
);

CREATE TABLE zdm.lock_wait (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    relation        oid NOT NULL,
    mode            text NOT NULL,
    conflicts_with  text[] NOT NULL
);

SELECT pg_catalog.pg_extension_config_dump('zdm.ddl', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.lock_wait', '');

CREATE FUNCTION zdm.execute_ddl(
        statement text,
        name text DEFAULT NULL,
        deadline interval DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_execute_ddl';

COMMENT ON FUNCTION zdm.execute_ddl(text, text, interval) IS
    'Starts, at commit, a job that executes one DDL statement as the caller, taking its locks without stalling anyone. Returns the id of the job; the same name and statement give the same job. Inverse: zdm.cancel_job while it waits; the inverse of the statement, which is the callers to write, when it is done.';

COMMENT ON TABLE zdm.ddl IS 'Statements of zdm.execute_ddl. Read zdm.statements instead.';
COMMENT ON COLUMN zdm.ddl.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.ddl.statement IS 'Statement';
COMMENT ON COLUMN zdm.ddl.settings IS 'Settings at submit';
COMMENT ON COLUMN zdm.ddl.deadline_ms IS 'How long it tries to get its locks, in milliseconds';
COMMENT ON COLUMN zdm.ddl.phase IS 'How far it is';
COMMENT ON COLUMN zdm.ddl.executed_at IS 'When it was executed';
COMMENT ON COLUMN zdm.ddl.objects IS 'OIDs of what a statement that commits in its middle is about, and has made';

COMMENT ON TABLE zdm.lock_wait IS 'Locks that running jobs wait for. Read zdm.blockers instead.';
COMMENT ON COLUMN zdm.lock_wait.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.lock_wait.relation IS 'OID of the relation';
COMMENT ON COLUMN zdm.lock_wait.mode IS 'Mode it wants';
COMMENT ON COLUMN zdm.lock_wait.conflicts_with IS 'Modes of others that are in the way of it';
