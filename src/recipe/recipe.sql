-- Recipes: a change of a constraint as a sequence of steps, each of which is
-- short under its lock or holds none that is in the way.

CREATE TABLE zdm.recipe (
    job_id          bigint PRIMARY KEY REFERENCES zdm.job ON DELETE CASCADE,
    recipe          text NOT NULL,
    definition      text NOT NULL,
    settings        text[] NOT NULL,
    target_schema   text,
    target_name     text
);

CREATE TABLE zdm.recipe_step (
    job_id          bigint NOT NULL REFERENCES zdm.recipe ON DELETE CASCADE,
    step            int NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('ddl', 'index', 'validate', 'backfill', 'verify', 'sql', 'wait')),
    statement       text NOT NULL,
    undo            text,
    object          text NOT NULL,
    lock            text NOT NULL,
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'undone')),
    finished_at     timestamptz,
    expected_ms     float8,
    phase           text CHECK (phase IN ('expand', 'migrate', 'contract')),
    mapping_id      bigint,
    set_clause      text,
    filter          text,
    wait_ms         float8,
    began_at        timestamptz,
    target          oid,
    target_schema   text,
    target_name     text,
    target_in       text,
    is_below        boolean,
    PRIMARY KEY (job_id, step)
);

SELECT pg_catalog.pg_extension_config_dump('zdm.recipe', '');
SELECT pg_catalog.pg_extension_config_dump('zdm.recipe_step', '');

COMMENT ON TABLE zdm.recipe IS 'Changes of constraints as sequences of steps. Read zdm.jobs instead.';
COMMENT ON COLUMN zdm.recipe.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.recipe.recipe IS 'The function that was called';
COMMENT ON COLUMN zdm.recipe.definition IS 'What it was called with';
COMMENT ON COLUMN zdm.recipe.settings IS 'Settings at submit, under which functions of a CHECK run: name, value, name, value...';
COMMENT ON COLUMN zdm.recipe.target_schema IS 'Schema of the table as the statements call it, NULL: as the job does';
COMMENT ON COLUMN zdm.recipe.target_name IS 'Name of the table as the statements call it, NULL: as the job does';
COMMENT ON TABLE zdm.recipe_step IS 'The steps. Read zdm.steps instead.';
COMMENT ON COLUMN zdm.recipe_step.job_id IS 'Id of the job';
COMMENT ON COLUMN zdm.recipe_step.step IS 'Order, from 1';
COMMENT ON COLUMN zdm.recipe_step.kind IS 'ddl: short statements in one transaction; index: a concurrent build; validate: in chunks; backfill: rows are filled; verify: rows are compared; sql: statements of the user in one transaction; wait: for a time or a query';
COMMENT ON COLUMN zdm.recipe_step.statement IS 'What it does, as a statement';
COMMENT ON COLUMN zdm.recipe_step.undo IS 'What undoes it when the job is cancelled';
COMMENT ON COLUMN zdm.recipe_step.object IS 'The constraint, column or index that it is about';
COMMENT ON COLUMN zdm.recipe_step.lock IS 'The strongest lock that it takes';
COMMENT ON COLUMN zdm.recipe_step.state IS 'pending, done or undone';
COMMENT ON COLUMN zdm.recipe_step.finished_at IS 'When it was done or undone';
COMMENT ON COLUMN zdm.recipe_step.expected_ms IS 'How long it was expected to take at submit, in ms, NULL when that was not known';
COMMENT ON COLUMN zdm.recipe_step.phase IS 'Phase of the migration that it belongs to, NULL when it belongs to none';
COMMENT ON COLUMN zdm.recipe_step.mapping_id IS 'Mapping by which rows are filled or compared, NULL for none';
COMMENT ON COLUMN zdm.recipe_step.set_clause IS 'Assignments of a backfill without a mapping, as after SET';
COMMENT ON COLUMN zdm.recipe_step.filter IS 'Which rows a backfill is about, as after WHERE; of a wait, the query that has to return true';
COMMENT ON COLUMN zdm.recipe_step.wait_ms IS 'How long it waits at least, in ms';
COMMENT ON COLUMN zdm.recipe_step.began_at IS 'When it began, NULL before, and where that does not matter';
COMMENT ON COLUMN zdm.recipe_step.target IS 'OID of the relation that it is about, when that is not the one of the job; 0 when it is gone';
COMMENT ON COLUMN zdm.recipe_step.target_schema IS 'Its schema';
COMMENT ON COLUMN zdm.recipe_step.target_name IS 'Its name when the step was made';
COMMENT ON COLUMN zdm.recipe_step.target_in IS 'Cluster and database in which the OID has a meaning';
COMMENT ON COLUMN zdm.recipe_step.is_below IS 'Whether it is a partition or child of the table of the job';
