-- Backfills: definition, cursor, quarantine; the function that starts one.

CREATE TABLE zdm.backfill (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    set_clause      text NOT NULL,
    filter          text,
    fire_triggers   boolean NOT NULL,
    analyze_after   boolean NOT NULL,
    max_quarantine  int NOT NULL CHECK (max_quarantine >= 0),
    max_sweeps      int NOT NULL CHECK (max_sweeps > 0),
    settings        text[] NOT NULL,
    columns_of      oid,
    column_names    text[],
    column_numbers  int[],
    mapping_id      bigint,
    target          oid,
    target_schema   text,
    target_name     text
);

-- Updated by every batch and only by the job's worker, by ctid: no index, so
-- that every update is HOT and its cost does not grow while an old snapshot
-- keeps dead versions from being removed.
CREATE TABLE zdm.backfill_cursor (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    phase           text NOT NULL DEFAULT 'sweep' CHECK (phase IN ('sweep', 'proof')),
    sweep           int NOT NULL DEFAULT 1,
    leaf            oid NOT NULL DEFAULT 0,
    leaf_filenode   oid NOT NULL DEFAULT 0,
    leaf_blocks     bigint NOT NULL DEFAULT 0,
    window_start    bigint NOT NULL DEFAULT 0,
    window_end      bigint NOT NULL DEFAULT 0,
    next_block      bigint NOT NULL DEFAULT 0,
    stripes         int NOT NULL DEFAULT 1,
    stripe          int NOT NULL DEFAULT 0,
    blocks_total    bigint NOT NULL DEFAULT 0,
    blocks_done     bigint NOT NULL DEFAULT 0,
    sweep_rows      bigint NOT NULL DEFAULT 0,
    sweep_skipped   bigint NOT NULL DEFAULT 0,
    rows_done       bigint NOT NULL DEFAULT 0,
    rows_estimated  bigint NOT NULL DEFAULT 0,
    rows_hot        bigint NOT NULL DEFAULT 0,
    batches         bigint NOT NULL DEFAULT 0,
    retries         bigint NOT NULL DEFAULT 0,
    wal_bytes       bigint NOT NULL DEFAULT 0,
    work_ms         float8 NOT NULL DEFAULT 0,
    rows_per_second float8 NOT NULL DEFAULT 0,
    seconds_left    float8,
    note            text,
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 1000);

CREATE TABLE zdm.quarantined_row (
    job_id          bigint NOT NULL REFERENCES zdm.job ON DELETE CASCADE,
    leaf            oid NOT NULL,
    leaf_filenode   oid NOT NULL,
    leaf_schema     text NOT NULL,
    leaf_name       text NOT NULL,
    row_ctid        tid NOT NULL,
    row_xmin        xid NOT NULL,
    row_key         jsonb,
    sqlstate        text NOT NULL,
    message         text NOT NULL,
    found_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX quarantined_row_job ON zdm.quarantined_row (job_id);

-- no primary key, and yet rows can be changed under a publication FOR ALL TABLES
ALTER TABLE zdm.backfill_cursor REPLICA IDENTITY FULL;
ALTER TABLE zdm.quarantined_row REPLICA IDENTITY FULL;

SELECT pg_catalog.pg_extension_config_dump('zdm.backfill', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.backfill_cursor', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.quarantined_row', '');

-- Added to the statements of a backfill, never called by people.
-- Their costs put them before anything that the user wrote.
CREATE FUNCTION zdm.in_stripe(row_ctid tid) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE COST 0.0001
    AS 'MODULE_PATHNAME', 'zdm_in_stripe';
CREATE FUNCTION zdm.batch_takes(row_ctid tid, row_xmin xid) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE COST 0.0002
    AS 'MODULE_PATHNAME', 'zdm_batch_takes';
CREATE FUNCTION zdm.differs(a anyelement, b anyelement) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'zdm_differs';

-- The owner of any table runs them, whatever default privileges say.
GRANT EXECUTE ON FUNCTION zdm.batch_takes(tid, xid) TO PUBLIC;
GRANT EXECUTE ON FUNCTION zdm.in_stripe(tid) TO PUBLIC;
GRANT EXECUTE ON FUNCTION zdm.differs(anyelement, anyelement) TO PUBLIC;

CREATE FUNCTION zdm.start_backfill(
        target regclass,
        set_clause text,
        filter text DEFAULT NULL,
        name text DEFAULT NULL,
        fire_triggers boolean DEFAULT true,
        analyze_after boolean DEFAULT true,
        max_quarantine int DEFAULT 100,
        max_sweeps int DEFAULT 3)
    RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_start_backfill';

CREATE FUNCTION zdm.repair(
        target regclass,
        mapping bigint,
        name text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_repair';

CREATE FUNCTION zdm.estimate_backfill(
        target regclass,
        set_clause text,
        filter text DEFAULT NULL,
        OUT rows bigint,
        OUT pages bigint,
        OUT batches bigint,
        OUT expected_time interval,
        OUT wal_bytes bigint,
        OUT disk_bytes bigint,
        OUT basis text)
    RETURNS record
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_estimate_backfill';

COMMENT ON FUNCTION zdm.in_stripe(tid) IS
    'Internal: whether a batch of a backfill takes this place of a page. Added to statements by zdm itself.';
COMMENT ON FUNCTION zdm.batch_takes(tid, xid) IS
    'Internal: whether a batch of a backfill takes this row version. Added to statements by zdm itself.';
COMMENT ON FUNCTION zdm.differs(anyelement, anyelement) IS
    'Internal: whether two values would be stored differently, byte by byte, NULLs included.';
COMMENT ON FUNCTION zdm.start_backfill(regclass, text, text, text, boolean, boolean, int, int) IS
    'Starts, at commit, a job that sets columns of every row (or of those that match filter) in small transactions. Returns the id of the job; the same name and definition give the same job. Inverse: zdm.cancel_job stops it; changed rows stay changed.';
COMMENT ON FUNCTION zdm.repair(regclass, bigint, text) IS
    'Starts, at commit, a backfill by the mapping of a sync trigger of the table: the new column of rows that are not consistent becomes what the mapping computes from the old ones; consistent rows are left alone. Returns the id of the job. It has no inverse; zdm.cancel_job stops it.';
COMMENT ON FUNCTION zdm.estimate_backfill(regclass, text, text) IS
    'What a backfill would cost: rows (at most), pages, batches, time, WAL, disk space, and what the figures rest on. Changes nothing.';

COMMENT ON TABLE zdm.backfill IS 'Definitions of backfills. Read zdm.backfills instead.';
COMMENT ON COLUMN zdm.backfill.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.backfill.set_clause IS 'Assignments';
COMMENT ON COLUMN zdm.backfill.filter IS 'Which rows';
COMMENT ON COLUMN zdm.backfill.fire_triggers IS 'Whether triggers fire';
COMMENT ON COLUMN zdm.backfill.analyze_after IS 'Whether ANALYZE runs at the end';
COMMENT ON COLUMN zdm.backfill.max_quarantine IS 'Limit of rows in quarantine';
COMMENT ON COLUMN zdm.backfill.max_sweeps IS 'Sweeps before they become rare';
COMMENT ON COLUMN zdm.backfill.settings IS 'Settings at submit';
COMMENT ON COLUMN zdm.backfill.columns_of IS 'OID of the table whose columns the next two are; another one after a restore, where they do not hold';
COMMENT ON COLUMN zdm.backfill.column_names IS 'Columns that the clauses are about, by their names at submit';
COMMENT ON COLUMN zdm.backfill.column_numbers IS 'The same by their numbers, which a rename does not change';
COMMENT ON COLUMN zdm.backfill.mapping_id IS 'Mapping that says what is assigned, NULL: set_clause and filter say it';
COMMENT ON COLUMN zdm.backfill.target IS 'OID of the table, where it is not the one of the job';
COMMENT ON COLUMN zdm.backfill.target_schema IS 'Its schema';
COMMENT ON COLUMN zdm.backfill.target_name IS 'Its name';

COMMENT ON TABLE zdm.backfill_cursor IS 'How far backfills are. Read zdm.jobs and zdm.backfills instead.';
COMMENT ON COLUMN zdm.backfill_cursor.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.backfill_cursor.phase IS 'sweep or proof';
COMMENT ON COLUMN zdm.backfill_cursor.sweep IS 'Number of the pass';
COMMENT ON COLUMN zdm.backfill_cursor.leaf IS 'OID of the relation being swept';
COMMENT ON COLUMN zdm.backfill_cursor.leaf_filenode IS 'Its storage when the sweep entered it';
COMMENT ON COLUMN zdm.backfill_cursor.leaf_blocks IS 'Its size then, in blocks';
COMMENT ON COLUMN zdm.backfill_cursor.window_start IS 'First block of the window';
COMMENT ON COLUMN zdm.backfill_cursor.window_end IS 'Block after the window';
COMMENT ON COLUMN zdm.backfill_cursor.next_block IS 'Where the next batch starts';
COMMENT ON COLUMN zdm.backfill_cursor.stripes IS 'Stripes of the window';
COMMENT ON COLUMN zdm.backfill_cursor.stripe IS 'Current stripe';
COMMENT ON COLUMN zdm.backfill_cursor.blocks_total IS 'Size of the target when the sweep began';
COMMENT ON COLUMN zdm.backfill_cursor.blocks_done IS 'Blocks of relations left behind';
COMMENT ON COLUMN zdm.backfill_cursor.sweep_rows IS 'Rows changed in this sweep';
COMMENT ON COLUMN zdm.backfill_cursor.sweep_skipped IS 'Rows left out in this sweep';
COMMENT ON COLUMN zdm.backfill_cursor.rows_done IS 'Rows changed';
COMMENT ON COLUMN zdm.backfill_cursor.rows_estimated IS 'Rows to change, at most';
COMMENT ON COLUMN zdm.backfill_cursor.rows_hot IS 'Rows changed by HOT updates';
COMMENT ON COLUMN zdm.backfill_cursor.batches IS 'Batches committed';
COMMENT ON COLUMN zdm.backfill_cursor.retries IS 'Batches rolled back';
COMMENT ON COLUMN zdm.backfill_cursor.wal_bytes IS 'WAL written';
COMMENT ON COLUMN zdm.backfill_cursor.work_ms IS 'Milliseconds at work';
COMMENT ON COLUMN zdm.backfill_cursor.rows_per_second IS 'Pace';
COMMENT ON COLUMN zdm.backfill_cursor.seconds_left IS 'Estimate of the time left';
COMMENT ON COLUMN zdm.backfill_cursor.note IS 'What is out of the ordinary';
COMMENT ON COLUMN zdm.backfill_cursor.updated_at IS 'When this row was written';

COMMENT ON TABLE zdm.quarantined_row IS 'Rows that could not be converted. Read zdm.quarantine instead.';
COMMENT ON COLUMN zdm.quarantined_row.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.quarantined_row.leaf IS 'OID of the relation';
COMMENT ON COLUMN zdm.quarantined_row.leaf_filenode IS 'Its storage, in which row_ctid is a place';
COMMENT ON COLUMN zdm.quarantined_row.leaf_schema IS 'Its schema';
COMMENT ON COLUMN zdm.quarantined_row.leaf_name IS 'Its name';
COMMENT ON COLUMN zdm.quarantined_row.row_ctid IS 'Place of the row version';
COMMENT ON COLUMN zdm.quarantined_row.row_xmin IS 'Transaction that made the row version';
COMMENT ON COLUMN zdm.quarantined_row.row_key IS 'Primary key';
COMMENT ON COLUMN zdm.quarantined_row.sqlstate IS 'SQLSTATE of the error';
COMMENT ON COLUMN zdm.quarantined_row.message IS 'Message of the error';
COMMENT ON COLUMN zdm.quarantined_row.found_at IS 'When it failed last';
