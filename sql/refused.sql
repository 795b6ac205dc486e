-- What zdm does to constraints and indexes, and its DDL: where it refuses (foreign and temporary tables, read-only
-- transactions), and that what only tells something does not.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 9300001;
CREATE TABLE refused_t (id int PRIMARY KEY, n int, CONSTRAINT refused_n CHECK (n > 0));
ALTER TABLE refused_t ADD CONSTRAINT refused_new CHECK (n > 1) NOT VALID;
CREATE INDEX refused_index ON refused_t (n);
CREATE FOREIGN DATA WRAPPER refused_fdw;
CREATE SERVER refused_server FOREIGN DATA WRAPPER refused_fdw;
CREATE FOREIGN TABLE refused_foreign (id int NOT NULL, n int, CONSTRAINT refused_n CHECK (n > 0)) SERVER refused_server;
ALTER FOREIGN TABLE refused_foreign ADD CONSTRAINT refused_new CHECK (n > 1) NOT VALID;
CREATE TEMP TABLE refused_temp (id int PRIMARY KEY, n int, CONSTRAINT refused_n CHECK (n > 0));
ALTER TABLE refused_temp ADD CONSTRAINT refused_new CHECK (n > 1) NOT VALID;
CREATE INDEX refused_temp_index ON refused_temp (n);

--
-- a foreign table
--
-- verify (error)
SELECT zdm.add_check('refused_foreign', 'n > 2'); \echo :SQLSTATE
SELECT zdm.add_foreign_key('refused_foreign', '{n}', 'refused_t'); \echo :SQLSTATE
SELECT zdm.add_foreign_key('refused_t', '{n}', 'refused_foreign'); \echo :SQLSTATE
SELECT zdm.set_not_null('refused_foreign', 'n'); \echo :SQLSTATE
SELECT zdm.add_unique('refused_foreign', '{n}'); \echo :SQLSTATE
SELECT zdm.add_primary_key('refused_foreign', '{n}'); \echo :SQLSTATE
SELECT zdm.drop_constraint('refused_foreign', 'refused_n'); \echo :SQLSTATE
SELECT zdm.drop_not_null('refused_foreign', 'id'); \echo :SQLSTATE
SELECT zdm.plan_steps($$ SELECT zdm.set_not_null('refused_foreign', 'n') $$); \echo :SQLSTATE
SELECT zdm.validate_constraint('refused_foreign', 'refused_new'); \echo :SQLSTATE
SELECT zdm.validate_constraint('refused_foreign', 'refused_new', 'native'); \echo :SQLSTATE
SELECT zdm.plan_constraint('refused_foreign', 'refused_new'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON refused_foreign (n)'); \echo :SQLSTATE
-- what PostgreSQL refuses fails the job, with PostgreSQL's own error
SELECT zdm.execute_ddl('CREATE INDEX CONCURRENTLY refused_new_index ON refused_foreign (n)', 'refused: index') AS job \gset
CALL settle(:job);
SELECT state, last_sqlstate, last_error FROM zdm.jobs WHERE job_id = :job;
-- what it can do to one is done
SELECT zdm.execute_ddl('ALTER FOREIGN TABLE refused_foreign ADD COLUMN m int', 'refused: foreign') AS job \gset
CALL settle(:job);
SELECT state FROM zdm.jobs WHERE job_id = :job;
SELECT count(*) FROM pg_attribute WHERE attrelid = 'refused_foreign'::regclass AND attname = 'm';

--
-- a temporary table, which a worker cannot see
--
-- verify (error)
SELECT zdm.add_check('refused_temp', 'n > 2'); \echo :SQLSTATE
SELECT zdm.add_foreign_key('refused_temp', '{n}', 'refused_t'); \echo :SQLSTATE
SELECT zdm.add_foreign_key('refused_t', '{n}', 'refused_temp'); \echo :SQLSTATE
SELECT zdm.set_not_null('refused_temp', 'n'); \echo :SQLSTATE
SELECT zdm.add_unique('refused_temp', '{n}'); \echo :SQLSTATE
SELECT zdm.add_primary_key('refused_temp', '{n}'); \echo :SQLSTATE
SELECT zdm.drop_constraint('refused_temp', 'refused_n'); \echo :SQLSTATE
SELECT zdm.drop_not_null('refused_temp', 'id'); \echo :SQLSTATE
SELECT zdm.plan_steps($$ SELECT zdm.set_not_null('refused_temp', 'n') $$); \echo :SQLSTATE
SELECT zdm.validate_constraint('refused_temp', 'refused_new'); \echo :SQLSTATE
SELECT zdm.validate_constraint('refused_temp', 'refused_new', 'native'); \echo :SQLSTATE
SELECT zdm.plan_constraint('refused_temp', 'refused_new'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON refused_temp (n)'); \echo :SQLSTATE
SELECT zdm.reindex('refused_temp_index'); \echo :SQLSTATE
SELECT zdm.drop_index('refused_temp_index'); \echo :SQLSTATE
SELECT * FROM refused($$ SELECT zdm.execute_ddl('ALTER TABLE refused_temp ADD COLUMN m int') $$);
SELECT * FROM refused($$ SELECT zdm.execute_ddl('CREATE INDEX CONCURRENTLY refused_new_index ON refused_temp (n)') $$);
SELECT * FROM refused($$ SELECT zdm.execute_ddl('DROP INDEX refused_temp_index') $$);

--
-- a read-only transaction
--
SET default_transaction_read_only = on;
-- verify (error)
SELECT zdm.add_check('refused_t', 'n > 2'); \echo :SQLSTATE
SELECT zdm.add_foreign_key('refused_t', '{n}', 'refused_t'); \echo :SQLSTATE
SELECT zdm.set_not_null('refused_t', 'n'); \echo :SQLSTATE
SELECT zdm.add_unique('refused_t', '{n}'); \echo :SQLSTATE
SELECT zdm.add_primary_key('refused_t', '{n}'); \echo :SQLSTATE
SELECT zdm.drop_constraint('refused_t', 'refused_n'); \echo :SQLSTATE
SELECT zdm.drop_not_null('refused_t', 'id'); \echo :SQLSTATE
SELECT zdm.validate_constraint('refused_t', 'refused_new'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON refused_t (n)'); \echo :SQLSTATE
SELECT zdm.reindex('refused_index'); \echo :SQLSTATE
SELECT zdm.drop_index('refused_index'); \echo :SQLSTATE
SELECT zdm.execute_ddl('ALTER TABLE refused_t ADD COLUMN m int'); \echo :SQLSTATE
-- whatever else is wrong
SELECT zdm.add_check('refused_t', 'nowhere > 2'); \echo :SQLSTATE
SELECT zdm.validate_constraint('refused_foreign', 'refused_new'); \echo :SQLSTATE
-- reading is fine
SELECT step, kind FROM zdm.plan_steps($$ SELECT zdm.set_not_null('refused_t', 'n') $$);
SELECT used_method FROM zdm.plan_constraint('refused_t', 'refused_new');
SELECT relation, lock_mode FROM zdm.explain_ddl('ALTER TABLE refused_t ADD COLUMN m int');
RESET default_transaction_read_only;

-- nothing that was refused has started anything
SELECT name FROM zdm.jobs WHERE target LIKE 'public.refused%' ORDER BY job_id;

SET client_min_messages = error;
DROP TABLE refused_t, refused_temp;
DROP FOREIGN DATA WRAPPER refused_fdw CASCADE;
