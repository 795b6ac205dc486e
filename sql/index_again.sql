-- Jobs on indexes: repeated after they were undone, names that collide, what is refused at submit, what a rebuild keeps.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 9150001;
CREATE SCHEMA index_again;
SET search_path = index_again, public;
-- starts a job on an index, waits for it, and says what became of it
CREATE PROCEDURE index_call(call text, INOUT state text DEFAULT NULL, INOUT code text DEFAULT NULL, INOUT error text DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    job bigint;
BEGIN
    EXECUTE 'SELECT ' || call INTO job;
    COMMIT;
    CALL settle(job);
    SELECT j.state, j.last_sqlstate, j.last_error INTO state, code, error FROM zdm.jobs j WHERE job_id = job;
END $$;
CREATE FUNCTION indexes(relation regclass, OUT name name, OUT valid boolean, OUT definition text) RETURNS SETOF record
LANGUAGE sql AS $$
    SELECT relname, indisvalid AND indisready AND indislive, pg_get_indexdef(indexrelid)
      FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = relation ORDER BY relname COLLATE "C"
$$;
\set SHOW_CONTEXT never
CREATE TABLE t (a int, b text, c int[]);
INSERT INTO t SELECT i, 'b' || i, ARRAY[i] FROM generate_series(1, 1000) i;

-- drop, make anew, drop: with a name, the call says that it will not
CALL index_call($$zdm.create_index('CREATE INDEX t_a ON t (a)')$$);
CALL index_call($$zdm.drop_index('t_a', name => 'again drop')$$);
CALL index_call($$zdm.create_index('CREATE INDEX t_a ON t (a)')$$);
SELECT name FROM indexes('t');
SELECT zdm.drop_index('t_a', name => 'again drop'); \echo :SQLSTATE
CALL index_call($$zdm.drop_index('t_a')$$);
SELECT name FROM indexes('t');
-- an index of another table that has got the name does not count
CREATE TABLE elsewhere (a int);
CREATE INDEX t_a ON elsewhere (a);
SELECT zdm.create_index('CREATE INDEX t_a ON t (a)'); \echo :SQLSTATE
DROP TABLE elsewhere;

-- names that are chosen: two calls in one transaction
BEGIN;
SELECT zdm.create_index('CREATE INDEX ON t (a)', name => 'again 1') > 0 AS started;
SELECT zdm.create_index('CREATE INDEX ON t (a) WHERE a > 10', name => 'again 2') > 0 AS started;
COMMIT;
CALL settle(zdm.job_id('again 1'));
CALL settle(zdm.job_id('again 2'));
SELECT * FROM indexes('t');

-- refused at submit: what depends on more than the row
CREATE FUNCTION stable_one(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION opaque(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
SELECT zdm.create_index('CREATE INDEX ON t ((a + random()))'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON t ((opaque(a)))'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON t ((now()))'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON t (a) WHERE a > extract(year FROM now())'); \echo :SQLSTATE
SELECT zdm.create_index('CREATE INDEX ON t (a) WHERE b = current_user'); \echo :SQLSTATE
-- but not a function that is as good as its body
CALL index_call($$zdm.create_index('CREATE INDEX t_stable ON t ((stable_one(a)))')$$);
-- the index that updates of a published table need
CREATE UNIQUE INDEX t_identity ON t (a);
ALTER TABLE t ALTER a SET NOT NULL, REPLICA IDENTITY USING INDEX t_identity;
SELECT zdm.drop_index('t_identity'); \echo :SQLSTATE
-- of toast tables and materialized views
SELECT refused(format('SELECT zdm.reindex(%s)', indexrelid)) FROM pg_index WHERE indrelid = (SELECT reltoastrelid FROM pg_class WHERE oid = 't'::regclass);
CREATE MATERIALIZED VIEW m AS SELECT a FROM t;
CREATE INDEX m_a ON m (a);
CALL index_call($$zdm.reindex('m_a')$$);
CALL index_call($$zdm.drop_index('m_a')$$);
SELECT count(*) FROM indexes('m');

-- a rebuild keeps what belongs to the index: name of 63 bytes, constraint, comment, statistics, options, clustering, identity
CREATE TABLE kept (id int NOT NULL, b text, p point, CONSTRAINT "kept_ßßßßßßßßßßßßßßßßßßßßßßßßßßßßß" UNIQUE (id) WITH (fillfactor = 60));
CREATE INDEX kept_expr ON kept ((id + 1)) INCLUDE (b) WHERE id > 0;
CREATE INDEX kept_gist ON kept USING gist (p) WITH (buffering = off);
CREATE INDEX kept_opclass ON kept USING gist (to_tsvector('simple', b) tsvector_ops (siglen = 100));
CREATE UNIQUE INDEX kept_nulls ON kept (b) NULLS NOT DISTINCT;
CREATE UNLOGGED TABLE kept_unlogged (id int);
CREATE INDEX kept_unlogged_id ON kept_unlogged USING hash (id);
-- names that PostgreSQL would choose for the new indexes
CREATE INDEX kept_expr_ccnew ON kept (b);
CREATE INDEX kept_expr_ccold ON kept (b);
INSERT INTO kept SELECT i, 'b' || i, point(i, i) FROM generate_series(1, 100) i;
ALTER INDEX kept_expr ALTER COLUMN 1 SET STATISTICS 500;
COMMENT ON INDEX kept_expr IS 'a comment';
ALTER TABLE kept REPLICA IDENTITY USING INDEX "kept_ßßßßßßßßßßßßßßßßßßßßßßßßßßßßß";
ALTER TABLE kept CLUSTER ON kept_gist;
CREATE TEMP VIEW what_is_kept AS
SELECT c.relname, pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered, i.indisreplident, c.reloptions, c.relpersistence,
       obj_description(c.oid) AS comment, (SELECT string_agg(format('%s %s', attstattarget, attoptions), ' ') FROM pg_attribute WHERE attrelid = c.oid) AS columns,
       (SELECT conname FROM pg_constraint WHERE conindid = c.oid) AS constraint
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid IN ('kept'::regclass, 'kept_unlogged'::regclass);
CREATE TEMP TABLE kept_before AS SELECT * FROM what_is_kept;
CREATE TEMP TABLE oids_before AS SELECT indexrelid FROM pg_index WHERE indrelid IN ('kept'::regclass, 'kept_unlogged'::regclass);
DO $$
DECLARE
    index oid;
BEGIN
    FOR index IN SELECT indexrelid FROM oids_before LOOP
        PERFORM zdm.reindex(index, name => 'again keep ' || index);
    END LOOP;
END $$;
CALL await($$ SELECT bool_and(state = 'done') FROM zdm.jobs WHERE name LIKE 'again keep %' $$);
SELECT count(*) FROM (TABLE kept_before EXCEPT TABLE what_is_kept) d;
SELECT count(*) FROM (TABLE what_is_kept EXCEPT TABLE kept_before) d;
SELECT count(*) FROM kept_before;
SELECT count(*) FROM oids_before JOIN pg_index USING (indexrelid);

SET client_min_messages = warning;
DROP SCHEMA index_again CASCADE;
