-- Recipes: a change of a constraint as a sequence of steps, each of which is
-- short under its lock or holds none that is in the way.

CREATE TABLE zdm.recipe (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    recipe          text NOT NULL,
    definition      text NOT NULL,
    settings        text[] NOT NULL
);

CREATE TABLE zdm.recipe_step (
    job_id          bigint NOT NULL REFERENCES zdm.recipe ON DELETE CASCADE,
    step            int NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('ddl', 'index', 'validate')),
    statement       text NOT NULL,
    undo            text,
    object          text NOT NULL,
    lock            text NOT NULL,
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'undone')),
    finished_at     timestamptz,
    expected_ms     float8,
    target          oid,
    target_schema   text,
    target_name     text,
    target_in       text,
    PRIMARY KEY (job_id, step)
);

SELECT pg_catalog.pg_extension_config_dump('zdm.recipe', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.recipe_step', '');

CREATE FUNCTION zdm.add_check(
        target regclass, expression text, constraint_name name DEFAULT NULL, name text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_check';
CREATE FUNCTION zdm.add_foreign_key(
        target regclass, columns name[], referenced regclass, referenced_columns name[] DEFAULT NULL,
        on_delete text DEFAULT 'NO ACTION', on_update text DEFAULT 'NO ACTION', match_full boolean DEFAULT false,
        deferral text DEFAULT 'NOT DEFERRABLE', constraint_name name DEFAULT NULL, name text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_foreign_key';
CREATE FUNCTION zdm.set_not_null(
        target regclass, column_name name, name text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_set_not_null';
CREATE FUNCTION zdm.add_unique(
        target regclass, columns name[], constraint_name name DEFAULT NULL, name text DEFAULT NULL,
        nulls_not_distinct boolean DEFAULT false, deferral text DEFAULT 'NOT DEFERRABLE') RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_unique';
CREATE FUNCTION zdm.add_primary_key(
        target regclass, columns name[], constraint_name name DEFAULT NULL, name text DEFAULT NULL,
        deferral text DEFAULT 'NOT DEFERRABLE') RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_add_primary_key';
CREATE FUNCTION zdm.drop_constraint(
        target regclass, constraint_name name, name text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_drop_constraint';
CREATE FUNCTION zdm.drop_not_null(
        target regclass, column_name name, name text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_drop_not_null';
CREATE FUNCTION zdm.plan_steps(
        call text, OUT step int, OUT kind text, OUT statement text, OUT lock text, OUT undo text,
        OUT expected_time interval, OUT basis text)
    RETURNS SETOF record
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_plan_steps';

COMMENT ON FUNCTION zdm.add_check(regclass, text, name, text) IS
    'Add a CHECK constraint at commit: NOT VALID, then validated in chunks. Returns the name of the job. Inverse: zdm.drop_constraint.';
COMMENT ON FUNCTION zdm.add_foreign_key(regclass, name[], regclass, name[], text, text, boolean, text, name, text) IS
    'Add a foreign key at commit: NOT VALID, then validated in chunks. Returns the name of the job. Inverse: zdm.drop_constraint.';
COMMENT ON FUNCTION zdm.set_not_null(regclass, name, text) IS
    'Make a column NOT NULL at commit: a CHECK, validated in chunks, is the proof, so nothing is scanned under a lock. Returns the name of the job. Inverse: zdm.drop_not_null.';
COMMENT ON FUNCTION zdm.add_unique(regclass, name[], name, text, boolean, text) IS
    'Add a UNIQUE constraint at commit: its index is built concurrently. Returns the name of the job. Inverse: zdm.drop_constraint.';
COMMENT ON FUNCTION zdm.add_primary_key(regclass, name[], name, text, text) IS
    'Add a primary key at commit: its columns are made NOT NULL by proof, its index is built concurrently. Returns the name of the job. Inverse: zdm.drop_constraint.';
COMMENT ON FUNCTION zdm.drop_constraint(regclass, name, text) IS
    'Drop a constraint at commit, without stalling anyone. Returns the name of the job.';
COMMENT ON FUNCTION zdm.drop_not_null(regclass, name, text) IS
    'Take NOT NULL from a column at commit, without stalling anyone. Returns the name of the job.';
COMMENT ON FUNCTION zdm.plan_steps(text) IS
    'The steps of a call of zdm.add_check, zdm.set_not_null and their likes, given as you would run it: statement, lock, what undoes it, and the time that it takes, by reading a sample of the pages now. Starts nothing and changes nothing.';

COMMENT ON TABLE zdm.recipe IS 'Changes of constraints as sequences of steps. Read zdm.jobs instead.';
COMMENT ON COLUMN zdm.recipe.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.recipe.recipe IS 'The function that was called';
COMMENT ON COLUMN zdm.recipe.definition IS 'What it was called with';
COMMENT ON COLUMN zdm.recipe.settings IS 'Settings at submit, under which functions of a CHECK run: name, value, name, value...';
COMMENT ON TABLE zdm.recipe_step IS 'The steps. Read zdm.steps instead.';
COMMENT ON COLUMN zdm.recipe_step.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.recipe_step.step IS 'Order, from 1';
COMMENT ON COLUMN zdm.recipe_step.kind IS 'ddl: one short statement; index: a concurrent build; validate: in chunks';
COMMENT ON COLUMN zdm.recipe_step.statement IS 'What it does, as a statement';
COMMENT ON COLUMN zdm.recipe_step.undo IS 'What undoes it when the job is cancelled';
COMMENT ON COLUMN zdm.recipe_step.object IS 'The constraint, column or index that it is about';
COMMENT ON COLUMN zdm.recipe_step.lock IS 'The strongest lock that it takes';
COMMENT ON COLUMN zdm.recipe_step.state IS 'pending, done or undone';
COMMENT ON COLUMN zdm.recipe_step.finished_at IS 'When it was done or undone';
COMMENT ON COLUMN zdm.recipe_step.expected_ms IS 'How long it was expected to take at submit, in ms, NULL when that was not known';
COMMENT ON COLUMN zdm.recipe_step.target IS 'OID of the relation that it is about, when that is not the one of the job; 0 when it is gone';
COMMENT ON COLUMN zdm.recipe_step.target_schema IS 'Its schema';
COMMENT ON COLUMN zdm.recipe_step.target_name IS 'Its name when the step was made';
COMMENT ON COLUMN zdm.recipe_step.target_in IS 'Cluster and database in which the OID has a meaning';
