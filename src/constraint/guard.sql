-- The guard of validations that scan by pages: where rows have moved to.

CREATE TABLE zdm.moved_block (
    job_id bigint NOT NULL,
    leaf oid NOT NULL,
    block bigint NOT NULL
);
ALTER TABLE zdm.moved_block REPLICA IDENTITY FULL;

-- what it says holds for pages of this very database only
SELECT pg_catalog.pg_extension_config_dump('zdm.moved_block', 'WHERE false');

COMMENT ON TABLE zdm.moved_block IS
    'Pages to which an UPDATE has moved a row while a validation scans that table by pages; they are looked at again before its constraint is marked. Recorded by a trigger of zdm on the table, which is there only during the scan.';
COMMENT ON COLUMN zdm.moved_block.job_id IS
    'Id of the validation.';
COMMENT ON COLUMN zdm.moved_block.leaf IS
    'OID of the table, or partition.';
COMMENT ON COLUMN zdm.moved_block.block IS
    'Number of the page.';

CREATE FUNCTION zdm.guard_moved_row()
    RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'zdm_guard_moved_row';

COMMENT ON FUNCTION zdm.guard_moved_row() IS
    'Trigger function of the guard of a validation by pages: records the page that a row has moved to.';
REVOKE ALL ON FUNCTION zdm.guard_moved_row() FROM PUBLIC;
