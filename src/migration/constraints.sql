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
