-- What is known to fail is refused when it is submitted, in PostgreSQL's words and with a hint; nothing is started.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
CREATE SCHEMA submit_checks;
SET search_path = submit_checks, public;
\set SHOW_CONTEXT never
-- SQLSTATE, message, DETAIL and HINT of a statement that fails
CREATE FUNCTION refusal(statement text, OUT code text, OUT message text, OUT detail text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    message := 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END $$;
-- what zdm says beside what the server says of the statement itself
CREATE FUNCTION compare(call text, statement text, OUT code text, OUT message text, OUT hint text,
                        OUT same_code boolean, OUT same_message boolean, OUT same_detail boolean) LANGUAGE sql AS $$
    SELECT z.code, z.message, z.hint, z.code = p.code, z.message = p.message, z.detail = p.detail
      FROM refusal(call) z, refusal(statement) p
$$;

-- definitions of indexes
CREATE TABLE t (id int PRIMARY KEY, a int, b text, j json, g int GENERATED ALWAYS AS (a + 1) STORED);
\x on
SELECT definition, c.* FROM (VALUES
    ('CREATE INDEX ON t (a'), ('CREATE INDEX ON t ((nothing + 1))'), ('CREATE INDEX ON t USING nothing (a)'),
    ('CREATE INDEX ON t (a nothing_ops)'), ('CREATE INDEX ON t (a text_pattern_ops)'), ('CREATE INDEX ON t (j)'),
    ('CREATE INDEX ON t (a) TABLESPACE nowhere'), ('CREATE INDEX ON t (a) TABLESPACE pg_global'),
    ('CREATE INDEX ON t (b COLLATE nowhere)'), ('CREATE INDEX ON t (a COLLATE "C")'),
    ('CREATE INDEX ON t (a) WITH (nothing = 1)'), ('CREATE INDEX ON t (a) WITH (fillfactor = 1)'),
    ('CREATE UNIQUE INDEX ON t USING hash (a)'), ('CREATE INDEX ON t USING hash (a, b)'), ('CREATE INDEX ON t USING hash (a DESC)'),
    ('CREATE INDEX ON t USING hash (a NULLS FIRST)'), ('CREATE INDEX ON t USING brin (a) INCLUDE (b)'),
    ('CREATE INDEX ON t (ctid)'), ('CREATE INDEX ON t (a) WHERE xmin IS NULL'), ('CREATE INDEX ON t (a) INCLUDE (b COLLATE "C")'),
    ('CREATE INDEX ON t (a) INCLUDE (b text_ops)'), ('CREATE INDEX ON t (a) INCLUDE ((a + 1))'), ('CREATE INDEX ON t ((random()))')
) AS v (definition), compare(format('SELECT zdm.create_index(%L)', definition), definition) c;
\x off
-- with its place
SELECT zdm.create_index('CREATE INDEX ON t ((nothing + 1))');
-- the definition again is the same job, whatever has been lost since
CREATE ROLE regress_zdm_checks;
GRANT USAGE ON SCHEMA zdm TO regress_zdm_checks;
GRANT USAGE, CREATE ON SCHEMA submit_checks TO regress_zdm_checks;
CREATE TABLE owned (id int NOT NULL, b int);
ALTER TABLE owned OWNER TO regress_zdm_checks;
SELECT zdm.create_index('CREATE INDEX owned_b ON owned (b)') AS job \gset
CALL settle(:job);
REVOKE CREATE ON SCHEMA submit_checks FROM regress_zdm_checks;
SELECT zdm.create_index('CREATE INDEX owned_b ON owned (b)') = :job AS same;
-- no right to create in the schema: of the owner, as whom it runs
\x on
SELECT call, r.* FROM (VALUES
    ('SELECT zdm.create_index(''CREATE INDEX owned_b2 ON owned (b)'')'),
    ('SELECT zdm.add_unique(''owned'', ''{b}'')'),
    ('SELECT zdm.add_primary_key(''owned'', ''{id}'')'),
    ('SELECT * FROM zdm.plan_steps(''SELECT zdm.add_unique(''''owned'''', ''''{b}'''')'')')
) AS v (call), refusal(call) r;
\x off

-- nor in that of a partition
CREATE SCHEMA submit_checks_2;
GRANT CREATE ON SCHEMA submit_checks TO regress_zdm_checks;
CREATE TABLE spread (k int) PARTITION BY RANGE (k);
CREATE TABLE submit_checks_2.spread_1 PARTITION OF spread FOR VALUES FROM (0) TO (10);
ALTER TABLE spread OWNER TO regress_zdm_checks;
ALTER TABLE submit_checks_2.spread_1 OWNER TO regress_zdm_checks;
SELECT code, message FROM refusal('SELECT zdm.create_index(''CREATE INDEX ON spread (k)'')');
REVOKE CREATE ON SCHEMA submit_checks FROM regress_zdm_checks;

-- keys
CREATE TABLE parent (id int PRIMARY KEY, code text UNIQUE);
CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY);
CREATE TABLE keyless (j json);
CREATE DOMAIN number AS int;
CREATE TABLE child (n numeric, c text, d number, v varchar, l bigint, g int GENERATED ALWAYS AS (1) STORED);
\x on
SELECT call, c.* FROM (VALUES
    ('{n}', 'parent', '{id}', ''), ('{c}', 'parent', '{id}', ''), ('{n}', 'parent', '{code}', ''),
    ('{g}', 'parent', '{id}', 'SET NULL'), ('{g}', 'parent', '{id}', 'SET DEFAULT'), ('{l}', 'unlogged', '{id}', '')
) AS v (columns, referenced, keys, action),
LATERAL (SELECT format('SELECT zdm.add_foreign_key(''child'', %L, %L, %L, constraint_name => ''fk'' %s)', columns, referenced, keys,
                       ', on_delete => ' || quote_literal(nullif(action, ''))) AS call,
                format('ALTER TABLE child ADD CONSTRAINT fk FOREIGN KEY (%s) REFERENCES %s (%s) %s', translate(columns, '{}', ''), referenced,
                       translate(keys, '{}', ''), 'ON DELETE ' || nullif(action, '')) AS statement) s, compare(call, statement) c;
\x off
SELECT detail ~ '^Key columns "c" .*"id" .*text and integer\.$' AS detail FROM refusal('SELECT zdm.add_foreign_key(''child'', ''{c}'', ''parent'')');
SELECT message FROM refusal('SELECT zdm.add_foreign_key(''child'', ''{g}'', ''parent'', on_update => ''CASCADE'')');
-- types that are compared, or cast
SELECT columns, message FROM (VALUES ('{d}', '{id}'), ('{l}', '{id}'), ('{v}', '{code}'), ('{g}', '{id}')) AS v (columns, keys),
    refusal(format('SELECT zdm.add_foreign_key(''child'', %L, ''parent'', %L)', columns, keys));
\x on
SELECT call, c.* FROM (VALUES
    ('SELECT zdm.add_unique(''t'', ''{j}'')', 'ALTER TABLE t ADD UNIQUE (j)'),
    ('SELECT zdm.add_primary_key(''keyless'', ''{j}'')', 'ALTER TABLE keyless ADD PRIMARY KEY (j)')
) AS v (call, statement), compare(call, statement) c;

-- NOT NULL that something else needs
CREATE TABLE needed (id int PRIMARY KEY, i int GENERATED ALWAYS AS IDENTITY, r int NOT NULL UNIQUE, n int NOT NULL);
ALTER TABLE needed REPLICA IDENTITY USING INDEX needed_r_key;
CREATE TABLE parts (k int NOT NULL) PARTITION BY RANGE (k);
CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10);
SELECT "column", c.* FROM (VALUES ('needed', 'id'), ('needed', 'i'), ('needed', 'r'), ('needed', 'n'), ('part', 'k')) AS v ("table", "column"),
    compare(format('SELECT zdm.drop_not_null(%L, %L)', "table", "column"),
            format('ALTER TABLE %I ALTER COLUMN %I DROP NOT NULL', "table", "column")) c;
ALTER TABLE part ADD PRIMARY KEY (k);
SELECT * FROM compare('SELECT zdm.drop_not_null(''parts'', ''k'')', 'ALTER TABLE parts ALTER COLUMN k DROP NOT NULL');
\x off

-- a foreign key to a table of somebody else: REFERENCES on the table, or on all of the columns
CREATE TABLE theirs (id int, part int, other int UNIQUE, PRIMARY KEY (id, part));
INSERT INTO theirs VALUES (1, 1, 1);
INSERT INTO owned VALUES (1, 1);
SET ROLE regress_zdm_checks;
\x on
SELECT * FROM compare('SELECT zdm.add_foreign_key(''owned'', ''{id,b}'', ''theirs'')', 'ALTER TABLE owned ADD FOREIGN KEY (id, b) REFERENCES theirs');
SELECT * FROM compare('SELECT zdm.execute_ddl(''ALTER TABLE owned ADD FOREIGN KEY (id, b) REFERENCES theirs'')', 'ALTER TABLE owned ADD FOREIGN KEY (id, b) REFERENCES theirs');
RESET ROLE;
GRANT REFERENCES (id, other) ON theirs TO regress_zdm_checks;
SET ROLE regress_zdm_checks;
SELECT * FROM compare('SELECT zdm.add_foreign_key(''owned'', ''{id,b}'', ''theirs'')', 'ALTER TABLE owned ADD FOREIGN KEY (id, b) REFERENCES theirs');
SELECT message FROM refusal('SELECT * FROM zdm.explain_ddl(''ALTER TABLE owned ADD FOREIGN KEY (id, b) REFERENCES theirs'')');
\x off
RESET ROLE;
-- the caller's rights do not help the owner, as whom it runs
SELECT message FROM refusal('SELECT zdm.add_foreign_key(''owned'', ''{id,b}'', ''theirs'')');
GRANT REFERENCES (part) ON theirs TO regress_zdm_checks;
SET ROLE regress_zdm_checks;
SELECT zdm.add_foreign_key('owned', '{id,b}', 'theirs', name => 'both columns');
CALL zdm.wait_for_job(zdm.job_id('both columns'), '1 min');
RESET ROLE;
REVOKE REFERENCES (id, part, other) ON theirs FROM regress_zdm_checks;
SET ROLE regress_zdm_checks;
SELECT zdm.add_foreign_key('owned', '{id,b}', 'theirs', name => 'both columns');
RESET ROLE;
SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'owned'::regclass AND contype = 'f';

SELECT count(*) FROM zdm.jobs WHERE target LIKE 'submit_checks.%' AND state NOT IN ('done');
SET client_min_messages = warning;
DROP SCHEMA submit_checks, submit_checks_2 CASCADE;
REVOKE USAGE ON SCHEMA zdm FROM regress_zdm_checks;
DROP ROLE regress_zdm_checks;
