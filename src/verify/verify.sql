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
