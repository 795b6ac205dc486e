-- Indexes: jobs that create, rebuild and drop one.

CREATE TABLE zdm.index_job (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    action          text NOT NULL CHECK (action IN ('create', 'reindex', 'drop')),
    definition      text CHECK ((definition IS NOT NULL) = (action = 'create')),
    index_name      text NOT NULL,
    index_oid       oid NOT NULL DEFAULT 0,
    is_unique       boolean NOT NULL,
    settings        text[] NOT NULL,
    phase           text,
    leaf            text,
    leaves_done     int NOT NULL DEFAULT 0,
    leaves_total    int NOT NULL DEFAULT 1
);

-- Every index that a job has made, written in the transaction that makes it:
-- whether an unfinished index is the job's own is never a guess.
CREATE TABLE zdm.index_part (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    index_oid       oid NOT NULL,
    table_oid       oid NOT NULL,
    replaces        oid NOT NULL,
    made_for        text NOT NULL,
    PRIMARY KEY (job_id, index_oid)
);

SELECT pg_catalog.pg_extension_config_dump('zdm.index_job', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.index_part', '');

CREATE FUNCTION zdm.create_index(definition text, name text DEFAULT NULL) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_create_index';
CREATE FUNCTION zdm.reindex(index regclass, name text DEFAULT NULL) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_reindex';
CREATE FUNCTION zdm.drop_index(index regclass, name text DEFAULT NULL) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_drop_index';
CREATE FUNCTION zdm.list_index_builds(OUT pid int, OUT phase text, OUT blocks_done bigint,
        OUT blocks_total bigint, OUT tuples_done bigint, OUT tuples_total bigint,
        OUT progress float8, OUT waiting_for text)
    RETURNS SETOF record
    LANGUAGE c STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'zdm_list_index_builds';
GRANT EXECUTE ON FUNCTION zdm.list_index_builds() TO PUBLIC;

COMMENT ON FUNCTION zdm.create_index(text, text) IS
    'Starts, at commit, a job that executes a CREATE INDEX statement, concurrently whatever it says. Returns the id of the job; the same name and definition give the same job. Inverse: zdm.drop_index.';
COMMENT ON FUNCTION zdm.reindex(regclass, text) IS
    'Starts, at commit, a job that rebuilds an index concurrently, and returns its id. It has no inverse: the new index is equal to the old one.';
COMMENT ON FUNCTION zdm.drop_index(regclass, text) IS
    'Starts, at commit, a job that drops an index concurrently, and returns its id. Inverse: zdm.create_index.';
COMMENT ON FUNCTION zdm.list_index_builds() IS
    'Internal: how far the processes of this database that build an index are.';

COMMENT ON TABLE zdm.index_job IS 'Definitions and progress of jobs on indexes. Read zdm.indexes instead.';
COMMENT ON COLUMN zdm.index_job.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.index_job.action IS 'create, reindex or drop';
COMMENT ON COLUMN zdm.index_job.definition IS 'Statement that creates the index';
COMMENT ON COLUMN zdm.index_job.index_name IS 'Name of the index';
COMMENT ON COLUMN zdm.index_job.index_oid IS 'OID of the index that is rebuilt or dropped; 0 for one that is created';
COMMENT ON COLUMN zdm.index_job.is_unique IS 'Whether it is unique';
COMMENT ON COLUMN zdm.index_job.settings IS 'Settings at submit';
COMMENT ON COLUMN zdm.index_job.phase IS 'What the job is doing';
COMMENT ON COLUMN zdm.index_job.leaf IS 'Table or partition it is doing that on';
COMMENT ON COLUMN zdm.index_job.leaves_done IS 'Tables or partitions that are done';
COMMENT ON COLUMN zdm.index_job.leaves_total IS 'How many there are';

COMMENT ON TABLE zdm.index_part IS 'Indexes made by jobs. Internal.';
COMMENT ON COLUMN zdm.index_part.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.index_part.index_oid IS 'OID of the index';
COMMENT ON COLUMN zdm.index_part.table_oid IS 'OID of its table';
COMMENT ON COLUMN zdm.index_part.replaces IS 'OID of the index that it is to replace, 0 when it is new';
COMMENT ON COLUMN zdm.index_part.made_for IS 'Name of the index that the job was asked for; a part of it when the table is partitioned';
