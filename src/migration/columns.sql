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
