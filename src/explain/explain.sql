-- What a statement of DDL would lock, read and write.

CREATE FUNCTION zdm.explain_ddl(
        statement text,
        OUT relation text,
        OUT lock_mode text,
        OUT rewrites boolean,
        OUT scans boolean,
        OUT blocks_reads boolean,
        OUT blocks_writes boolean,
        OUT bytes bigint,
        OUT safe boolean,
        OUT advice text)
    RETURNS SETOF record
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_explain_ddl';

COMMENT ON FUNCTION zdm.explain_ddl(text) IS
    'What a statement of DDL would do, without doing it: a row per relation that it locks, with the lock, whether the relation is rewritten or read from end to end and how many bytes that are, whether it is safe on a live system, and what to use instead. A row without a relation: no table is locked.';
