\echo Use "ALTER EXTENSION zdm UPDATE" to load this file. \quit

-- A backfill knows its columns by their numbers, too

ALTER TABLE zdm.backfill ADD COLUMN columns_of oid;
ALTER TABLE zdm.backfill ADD COLUMN column_names text[];
ALTER TABLE zdm.backfill ADD COLUMN column_numbers int[];
COMMENT ON COLUMN zdm.backfill.columns_of IS 'OID of the table whose columns the next two are; another one after a restore, where they do not hold';
COMMENT ON COLUMN zdm.backfill.column_names IS 'Columns that the clauses are about, by their names at submit';
COMMENT ON COLUMN zdm.backfill.column_numbers IS 'The same by their numbers, which a rename does not change';
