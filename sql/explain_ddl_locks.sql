-- zdm.explain_ddl() against the server: each statement is run and rolled back, and the locks that it
-- then holds, the relations that have new storage, and the tables of which it has read rows, must be those
-- that were foretold.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
CREATE SCHEMA xl;
SET search_path = xl, public;
SET timezone = 'Europe/Berlin';

CREATE DOMAIN d_plain AS int;
CREATE DOMAIN d_check AS int CHECK (VALUE > 0);
CREATE DOMAIN d_used AS int;
CREATE TYPE e AS ENUM ('a', 'b');
CREATE TYPE comp AS (x int, y text);
CREATE FUNCTION volatile_sql() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
CREATE FUNCTION volatile_plpgsql() RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN 1; END';
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION s_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';

CREATE TABLE p (id int PRIMARY KEY, u int UNIQUE, n int, name varchar(10) UNIQUE);
INSERT INTO p SELECT i, i, i, i FROM generate_series(1, 1000) i;
CREATE TABLE t (id int PRIMARY KEY, a int, b text, v varchar(10), c char(5), num numeric(6, 2), ts timestamp, tz timestamptz,
                nn int NOT NULL, proved int, p_id int, p_name varchar(10), ident int GENERATED ALWAYS AS IDENTITY, ser serial, fat text,
                CONSTRAINT t_proved CHECK (proved IS NOT NULL AND proved > 0), CONSTRAINT t_a CHECK (a > 0),
                CONSTRAINT t_p FOREIGN KEY (p_id) REFERENCES p, CONSTRAINT t_pn FOREIGN KEY (p_name) REFERENCES p (name));
INSERT INTO t (id, a, b, v, c, num, ts, tz, nn, proved, p_id, p_name, fat)
    SELECT i, i, i, i, i % 1000, i, now(), now(), i, i, i, i, repeat('x', 3000) FROM generate_series(1, 1000) i;
CREATE INDEX t_v ON t (v);
CREATE INDEX t_v_expr ON t (lower(v));
CREATE INDEX t_b ON t (b);
CREATE INDEX t_a_partial ON t (nn) WHERE a > 10;
CREATE UNIQUE INDEX t_nn ON t (nn);
CREATE UNIQUE INDEX t_b_uniq ON t (b);
CREATE INDEX t_ts ON t (ts);
ALTER TABLE t ADD CONSTRAINT t_nv CHECK (nn > 0) NOT VALID;
ALTER TABLE t ADD CONSTRAINT t_p_nv FOREIGN KEY (p_id) REFERENCES p (u) NOT VALID;
CREATE TRIGGER trg BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
CREATE TABLE domain_user (x d_used);
INSERT INTO domain_user (x) SELECT i FROM generate_series(1, 100) i;
CREATE TABLE viewed (id int, a int);
INSERT INTO viewed SELECT i, i FROM generate_series(1, 100) i;
CREATE VIEW v_viewed AS SELECT a FROM viewed;
CREATE MATERIALIZED VIEW mv AS SELECT id, a FROM viewed;
CREATE UNIQUE INDEX mv_id ON mv (id);
CREATE MATERIALIZED VIEW mv_bare AS SELECT id FROM viewed;
CREATE TABLE inh (id int, a int CONSTRAINT inh_c CHECK (a > -1));
CREATE TABLE inh_child () INHERITS (inh);
INSERT INTO inh_child SELECT i, i FROM generate_series(1, 100) i;
CREATE TABLE free_child (id int, a int CONSTRAINT inh_c CHECK (a > -1));
CREATE TABLE typed OF comp;
CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY);
INSERT INTO unlogged SELECT i FROM generate_series(1, 100) i;
CREATE SEQUENCE seq;

CREATE TABLE part (k int NOT NULL, a int, p_id int REFERENCES p, v varchar(10), PRIMARY KEY (k)) PARTITION BY RANGE (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (200);
INSERT INTO part SELECT i, i, i + 1, i FROM generate_series(0, 199) i;
CREATE INDEX part_a ON part (a);
CREATE TABLE new_bare (k int NOT NULL, a int, p_id int, v varchar(10));
INSERT INTO new_bare SELECT i, i, 1, i FROM generate_series(300, 399) i;
CREATE TABLE new_ready (k int PRIMARY KEY, a int, p_id int REFERENCES p, v varchar(10), CHECK (k >= 400 AND k < 500));
INSERT INTO new_ready SELECT i, i, 1, i FROM generate_series(400, 499) i;
CREATE INDEX ON new_ready (a);
CREATE INDEX part_v_only ON ONLY part (v);
CREATE INDEX part_1_v ON part_1 (v);

-- partitions that have a foreign key of their own
CREATE TABLE adopt (k int, a int) PARTITION BY RANGE (k);
CREATE TABLE adopt_1 (a int, k int, CONSTRAINT adopt_1_p FOREIGN KEY (a) REFERENCES p);
ALTER TABLE adopt ATTACH PARTITION adopt_1 FOR VALUES FROM (0) TO (100);
CREATE TABLE adopt_2 PARTITION OF adopt FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (k);
CREATE TABLE adopt_21 PARTITION OF adopt_2 FOR VALUES FROM (100) TO (150);
CREATE TABLE adopt_22 PARTITION OF adopt_2 FOR VALUES FROM (150) TO (200);
CREATE TABLE adopt_pk (k int PRIMARY KEY) PARTITION BY RANGE (k);
CREATE TABLE adopt_pk_1 PARTITION OF adopt_pk FOR VALUES FROM (0) TO (1000);
INSERT INTO adopt_pk SELECT i FROM generate_series(0, 999) i;
ALTER TABLE adopt_21 ADD FOREIGN KEY (a) REFERENCES p ON DELETE CASCADE, ADD FOREIGN KEY (a) REFERENCES p (id);
ALTER TABLE adopt_22 ADD FOREIGN KEY (a) REFERENCES p, ADD FOREIGN KEY (k) REFERENCES adopt_pk;
INSERT INTO adopt SELECT i, i + 1 FROM generate_series(0, 199) i;

CREATE TABLE vpart (k int, v varchar(10), w varchar(10), i int) PARTITION BY LIST (k);
CREATE TABLE vpart_1 PARTITION OF vpart FOR VALUES IN (1);
CREATE INDEX vpart_v ON vpart (v);
CREATE INDEX vpart_w ON vpart (lower(w));
CREATE INDEX vpart_i ON vpart (i);
INSERT INTO vpart SELECT 1, i, i, i FROM generate_series(1, 100) i;

CREATE TABLE sub (k int, a int, v varchar(10), PRIMARY KEY (k)) PARTITION BY RANGE (k);
CREATE TABLE sub_1 PARTITION OF sub FOR VALUES FROM (0) TO (500) PARTITION BY RANGE (k);
CREATE TABLE sub_1_1 PARTITION OF sub_1 FOR VALUES FROM (0) TO (250);
CREATE TABLE sub_1_2 PARTITION OF sub_1 FOR VALUES FROM (250) TO (500);
CREATE INDEX sub_v ON sub (v);
INSERT INTO sub SELECT i, i, i FROM generate_series(1, 499) i;
CREATE TABLE gen (a int, b int, e varchar(20) CHECK (length(e) > 0), g int GENERATED ALWAYS AS (b + 1) STORED);
INSERT INTO gen SELECT i, i, i FROM generate_series(1, 100) i;
CREATE UNIQUE INDEX viewed_id ON viewed (id);
CREATE TRIGGER part_trg BEFORE INSERT ON part FOR EACH ROW EXECUTE FUNCTION f();
CREATE FOREIGN DATA WRAPPER xl_wrapper;
CREATE SERVER xl_server FOREIGN DATA WRAPPER xl_wrapper;
CREATE TABLE self (id int PRIMARY KEY, parent int REFERENCES self);
INSERT INTO self SELECT i, i FROM generate_series(1, 100) i;
CREATE TABLE st (a int, b int);
INSERT INTO st SELECT i, i FROM generate_series(1, 100) i;
CREATE STATISTICS st_ab ON a, b FROM st;
CREATE RULE st_rule AS ON DELETE TO st DO ALSO NOTHING;
CREATE TABLE pol (a int);
ALTER TABLE pol ENABLE ROW LEVEL SECURITY;
CREATE POLICY pol_p ON pol;
CREATE SCHEMA xl2;
CREATE VIEW xl2.v AS SELECT a FROM xl.gen;
CREATE TABLE xl2.arr (x d_plain[]);
INSERT INTO xl2.arr VALUES ('{1}');
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE xl_space LOCATION '';

CREATE TABLE dpart (k int, a int) PARTITION BY LIST (k);
CREATE TABLE dpart_1 PARTITION OF dpart FOR VALUES IN (1);
CREATE TABLE dpart_default PARTITION OF dpart DEFAULT;
INSERT INTO dpart SELECT i % 20, i FROM generate_series(1, 1000) i WHERE i % 20 NOT IN (3, 4);
CREATE TABLE dpart_3 (k int, a int);

-- names that are taken, and what does not fit
SET client_min_messages = error;
CREATE PUBLICATION xl_taken;
RESET client_min_messages;
CREATE TYPE shell;
CREATE TRIGGER part_1_trg BEFORE INSERT ON part_1 FOR EACH ROW EXECUTE FUNCTION f();
CREATE TABLE xl2.p (a int);
CREATE TYPE e2 AS ENUM ('a');
CREATE TABLE enums (d d_plain, e e2, PRIMARY KEY (d, e));
CREATE TABLE swapped (a int, b text, d bigint, e e2, UNIQUE (a, b));
CREATE TABLE docs (d json);

CREATE FUNCTION strength(mode text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT array_position(ARRAY['ACCESSSHARE', 'ROWSHARE', 'ROWEXCLUSIVE', 'SHAREUPDATEEXCLUSIVE', 'SHARE',
                                'SHAREROWEXCLUSIVE', 'EXCLUSIVE', 'ACCESSEXCLUSIVE'],
                          upper(replace(regexp_replace(mode, 'Lock$', ''), ' ', '')))
$$;

-- Of each relation that is there now: its lock, whether its storage is new, whether its rows were read; as
-- foretold and as found.
CREATE FUNCTION compare(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before jsonb;
    foretold jsonb;
    found jsonb;
    result text;
BEGIN
    SELECT jsonb_object_agg(oid::regclass, jsonb_build_array(oid, relfilenode, relkind, pg_stat_get_xact_tuples_returned(oid))) INTO before
      FROM pg_class WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'xl%');
    SELECT coalesce(jsonb_object_agg(relation, jsonb_build_array(strength(lock_mode), rewrites,
                                                                      scans AND bytes > 0 AND c.relkind IN ('r', 'm'))), '{}') INTO foretold
      FROM zdm.explain_ddl(statement) JOIN pg_class c ON c.oid = to_regclass(relation) WHERE strength(lock_mode) > 1;
    BEGIN
        EXECUTE statement;
        SELECT jsonb_object_agg(name, jsonb_build_array(mode, changed, scanned)) INTO found
          FROM (SELECT b.key AS name, coalesce(max(strength(l.mode)), 1) AS mode,
                       coalesce((SELECT relfilenode::text <> b.value ->> 1 FROM pg_class
                                  WHERE oid = to_regclass(b.key)), false) AS changed,
                       b.value ->> 2 IN ('r', 'm') AND pg_stat_get_xact_tuples_returned((b.value ->> 0)::oid) > (b.value ->> 3)::bigint AS scanned
                  FROM jsonb_each(before) b
                  LEFT JOIN pg_locks l ON l.locktype = 'relation' AND l.pid = pg_backend_pid()
                            AND l.relation::text = b.value ->> 0
                 GROUP BY b.key, b.value) s
         WHERE mode > 1 OR changed;
        RAISE EXCEPTION USING ERRCODE = 'ZZ001';
    EXCEPTION
        WHEN SQLSTATE 'ZZ001' THEN NULL;
    END;
    SELECT string_agg(format('%s: foretold %s, found %s', key, f.value, g.value), '; ' ORDER BY key) INTO result
      FROM jsonb_each(foretold) f FULL JOIN jsonb_each(coalesce(found, '{}')) g USING (key)
     WHERE f.value IS DISTINCT FROM g.value;
    IF EXISTS (SELECT FROM zdm.explain_ddl(statement) WHERE advice LIKE 'Fails%' AND NOT safe) THEN
        RETURN 'ERROR foretold to fail, but did not';
    END IF;
    RETURN coalesce(result, format('same, %s relations', (SELECT count(*) FROM jsonb_object_keys(foretold))));
EXCEPTION
    WHEN OTHERS THEN
        RETURN CASE WHEN EXISTS (SELECT FROM zdm.explain_ddl(statement) WHERE advice LIKE 'Fails%' AND NOT safe)
                    THEN 'fails, as foretold' ELSE 'ERROR ' || SQLERRM END;
END $$;

CREATE TABLE statements (n int GENERATED ALWAYS AS IDENTITY, statement text);
INSERT INTO statements (statement) VALUES
    ('ALTER TABLE t ADD COLUMN x int'),
    ('ALTER TABLE t ADD COLUMN x int DEFAULT 1'),
    ('ALTER TABLE t ADD COLUMN x int NOT NULL DEFAULT 1'),
    ('ALTER TABLE t ADD COLUMN x timestamptz DEFAULT now()'),
    ('ALTER TABLE t ADD COLUMN x uuid DEFAULT gen_random_uuid()'),
    ('ALTER TABLE t ADD COLUMN x float8 DEFAULT random()'),
    ('ALTER TABLE t ADD COLUMN x float8 DEFAULT CASE WHEN false THEN random() ELSE 1 END'),
    ('ALTER TABLE t ADD COLUMN x int DEFAULT volatile_sql()'),
    ('ALTER TABLE t ADD COLUMN x int DEFAULT volatile_plpgsql()'),
    ('ALTER TABLE t ADD COLUMN x bigserial'),
    ('ALTER TABLE t ADD COLUMN x int GENERATED BY DEFAULT AS IDENTITY'),
    ('ALTER TABLE t ADD COLUMN x int GENERATED ALWAYS AS (a + 1) STORED'),
    ('ALTER TABLE t ADD COLUMN x d_plain'),
    ('ALTER TABLE t ADD COLUMN x d_check'),
    ('ALTER TABLE t ADD COLUMN x d_check DEFAULT 1'),
    ('ALTER TABLE t ADD COLUMN x int CHECK (x > 0)'),
    ('ALTER TABLE t ADD COLUMN x int UNIQUE'),
    ('ALTER TABLE t ADD COLUMN x int REFERENCES p'),
    ('ALTER TABLE t ADD COLUMN x int DEFAULT 1 REFERENCES p'),
    ('ALTER TABLE t ADD COLUMN IF NOT EXISTS a int'),
    ('ALTER TABLE t ADD COLUMN x int, ADD COLUMN y int DEFAULT 2'),
    ('ALTER TABLE t ADD COLUMN x int DEFAULT 1, ALTER COLUMN x SET NOT NULL'),
    ('ALTER TABLE part ADD COLUMN x int'),
    ('ALTER TABLE part ADD COLUMN x float8 DEFAULT random()'),
    ('ALTER TABLE inh ADD COLUMN x float8 DEFAULT random()'),
    ('ALTER TABLE t ALTER COLUMN v TYPE varchar(20)'),
    ('ALTER TABLE t ALTER COLUMN v TYPE text'),
    ('ALTER TABLE t ALTER COLUMN v TYPE varchar(5)'),
    ('ALTER TABLE t ALTER COLUMN b TYPE varchar'),
    ('ALTER TABLE t ALTER COLUMN b TYPE text COLLATE "C"'),
    ('ALTER TABLE t ALTER COLUMN a TYPE bigint'),
    ('ALTER TABLE t ALTER COLUMN a TYPE oid'),
    ('ALTER TABLE t ALTER COLUMN a TYPE d_plain'),
    ('ALTER TABLE t ALTER COLUMN a TYPE d_check'),
    ('ALTER TABLE t ALTER COLUMN a TYPE int'),
    ('ALTER TABLE t ALTER COLUMN a TYPE int USING a::int'),
    ('ALTER TABLE t ALTER COLUMN b TYPE text USING v::text'),
    ('ALTER TABLE t ALTER COLUMN num TYPE numeric(8, 2)'),
    ('ALTER TABLE t ALTER COLUMN num TYPE numeric(8, 3)'),
    ('ALTER TABLE t ALTER COLUMN num TYPE numeric'),
    ('ALTER TABLE t ALTER COLUMN c TYPE text'),
    ('ALTER TABLE t ALTER COLUMN ts TYPE timestamptz'),
    ('ALTER TABLE t ALTER COLUMN ts TYPE timestamp(3)'),
    ('ALTER TABLE t ALTER COLUMN p_id TYPE bigint'),
    ('ALTER TABLE t ALTER COLUMN p_name TYPE varchar(20)'),
    ('ALTER TABLE t ALTER COLUMN p_name TYPE text'),
    ('ALTER TABLE t ALTER COLUMN ident TYPE bigint'),
    ('ALTER TABLE p ALTER COLUMN id TYPE bigint'),
    ('ALTER TABLE p ALTER COLUMN name TYPE varchar(20)'),
    ('ALTER TABLE p ALTER COLUMN n TYPE bigint'),
    ('ALTER TABLE part ALTER COLUMN a TYPE bigint'),
    ('ALTER TABLE part ALTER COLUMN v TYPE text'),
    ('ALTER TABLE part ALTER COLUMN p_id TYPE bigint'),
    ('ALTER TABLE vpart ALTER COLUMN v TYPE text'),
    ('ALTER TABLE vpart ALTER COLUMN w TYPE text'),
    ('ALTER TABLE vpart ALTER COLUMN i TYPE bigint'),
    ('ALTER TABLE inh ALTER COLUMN a TYPE bigint'),
    ('ALTER TABLE t ALTER COLUMN a SET NOT NULL'),
    ('ALTER TABLE t ALTER COLUMN proved SET NOT NULL'),
    ('ALTER TABLE t ALTER COLUMN nn SET NOT NULL'),
    ('ALTER TABLE t ALTER COLUMN nn DROP NOT NULL'),
    ('ALTER TABLE part ALTER COLUMN a SET NOT NULL'),
    ('ALTER TABLE t ALTER COLUMN a SET DEFAULT 1'),
    ('ALTER TABLE t ALTER COLUMN a DROP DEFAULT'),
    ('ALTER TABLE part ALTER COLUMN a SET DEFAULT 1'),
    ('ALTER TABLE t ALTER COLUMN nn ADD GENERATED ALWAYS AS IDENTITY'),
    ('ALTER TABLE t ALTER COLUMN ident DROP IDENTITY'),
    ('ALTER TABLE t ALTER COLUMN ident SET GENERATED BY DEFAULT'),
    ('ALTER TABLE t ALTER COLUMN ident SET INCREMENT 2'),
    ('ALTER TABLE t ALTER COLUMN a SET STATISTICS 500'),
    ('ALTER TABLE part ALTER COLUMN a SET STATISTICS 500'),
    ('ALTER TABLE t ALTER COLUMN a SET (n_distinct = 5)'),
    ('ALTER TABLE t ALTER COLUMN b SET STORAGE external'),
    ('ALTER TABLE part ALTER COLUMN v SET STORAGE external'),
    ('ALTER TABLE t ALTER COLUMN b SET COMPRESSION pglz'),
    ('ALTER TABLE t DROP COLUMN a'),
    ('ALTER TABLE t DROP COLUMN v'),
    ('ALTER TABLE t DROP COLUMN b'),
    ('ALTER TABLE t DROP COLUMN p_id'),
    ('ALTER TABLE t DROP COLUMN ser'),
    ('ALTER TABLE t DROP COLUMN ident'),
    ('ALTER TABLE t DROP COLUMN IF EXISTS nothing'),
    ('ALTER TABLE p DROP COLUMN u CASCADE'),
    ('ALTER TABLE viewed DROP COLUMN a CASCADE'),
    ('ALTER TABLE part DROP COLUMN a'),
    ('ALTER TABLE inh DROP COLUMN a'),
    ('ALTER TABLE t ADD CHECK (a < 10000)'),
    ('ALTER TABLE t ADD CHECK (a < 10000) NOT VALID'),
    ('ALTER TABLE part ADD CHECK (a < 10000)'),
    ('ALTER TABLE inh ADD CHECK (a < 10000)'),
    ('ALTER TABLE t ADD FOREIGN KEY (nn) REFERENCES p'),
    ('ALTER TABLE t ADD FOREIGN KEY (nn) REFERENCES p NOT VALID'),
    ('ALTER TABLE t ADD FOREIGN KEY (nn) REFERENCES t'),
    ('ALTER TABLE viewed ADD FOREIGN KEY (a) REFERENCES part'),
    ('ALTER TABLE part ADD FOREIGN KEY (p_id) REFERENCES p (u)'),
    ('ALTER TABLE t ADD UNIQUE (proved)'),
    ('ALTER TABLE t ADD CONSTRAINT t_b_uniq UNIQUE USING INDEX t_b_uniq'),
    ('ALTER TABLE t ADD CONSTRAINT other_name UNIQUE USING INDEX t_nn'),
    ('ALTER TABLE viewed ADD PRIMARY KEY (id)'),
    ('ALTER TABLE part ADD UNIQUE (k, a)'),
    ('ALTER TABLE t ADD EXCLUDE (nn WITH =)'),
    ('ALTER TABLE t VALIDATE CONSTRAINT t_nv'),
    ('ALTER TABLE t VALIDATE CONSTRAINT t_p_nv'),
    ('ALTER TABLE t VALIDATE CONSTRAINT t_a'),
    ('ALTER TABLE t ADD CONSTRAINT x CHECK (a < 10000) NOT VALID, VALIDATE CONSTRAINT t_nv'),
    ('ALTER TABLE t DROP CONSTRAINT t_a'),
    ('ALTER TABLE t DROP CONSTRAINT t_p'),
    ('ALTER TABLE t DROP CONSTRAINT t_pkey'),
    ('ALTER TABLE p DROP CONSTRAINT p_pkey CASCADE'),
    ('ALTER TABLE part DROP CONSTRAINT part_pkey'),
    ('ALTER TABLE part DROP CONSTRAINT part_p_id_fkey'),
    ('ALTER TABLE t ALTER CONSTRAINT t_p DEFERRABLE'),
    ('ALTER TABLE t RENAME CONSTRAINT t_a TO t_aa'),
    ('ALTER TABLE t RENAME CONSTRAINT t_pkey TO t_key'),
    ('ALTER TABLE unlogged SET LOGGED'),
    ('ALTER TABLE viewed SET UNLOGGED'),
    ('ALTER TABLE viewed SET LOGGED'),
    ('ALTER TABLE t SET TABLESPACE pg_default'),
    ('ALTER TABLE t SET ACCESS METHOD heap'),
    ('ALTER TABLE t SET (fillfactor = 70)'),
    ('ALTER TABLE viewed SET (user_catalog_table = true)'),
    ('ALTER TABLE t OWNER TO CURRENT_USER'),
    ('ALTER TABLE t OWNER TO pg_monitor'),
    ('ALTER TABLE part OWNER TO pg_monitor'),
    ('ALTER SEQUENCE seq OWNED BY t.a'),
    ('ALTER TABLE t ALTER COLUMN tz TYPE timestamp'),
    ('ALTER TABLE t CLUSTER ON t_v'),
    ('ALTER TABLE t SET WITHOUT CLUSTER'),
    ('ALTER TABLE t ENABLE ROW LEVEL SECURITY'),
    ('ALTER TABLE t REPLICA IDENTITY FULL'),
    ('ALTER TABLE t REPLICA IDENTITY USING INDEX t_nn'),
    ('ALTER TABLE free_child INHERIT inh'),
    ('ALTER TABLE inh_child NO INHERIT inh'),
    ('ALTER TABLE t DISABLE TRIGGER ALL'),
    ('ALTER TABLE part DISABLE TRIGGER ALL'),
    ('ALTER TABLE t DISABLE TRIGGER trg'),
    ('ALTER TABLE part ATTACH PARTITION new_bare FOR VALUES FROM (300) TO (400)'),
    ('ALTER TABLE part ATTACH PARTITION new_ready FOR VALUES FROM (400) TO (500)'),
    ('ALTER TABLE part DETACH PARTITION part_1'),
    ('ALTER TABLE dpart ATTACH PARTITION dpart_3 FOR VALUES IN (3)'),
    ('ALTER TABLE dpart DETACH PARTITION dpart_1'),
    ('CREATE TABLE part_3 PARTITION OF part FOR VALUES FROM (200) TO (300)'),
    ('CREATE TABLE dpart_4 PARTITION OF dpart FOR VALUES IN (4)'),
    ('CREATE TABLE fresh (id int)'),
    ('CREATE TABLE fresh (id int REFERENCES p, t_id int, FOREIGN KEY (t_id) REFERENCES t)'),
    ('CREATE TABLE fresh () INHERITS (inh)'),
    ('CREATE TABLE fresh (LIKE t INCLUDING ALL)'),
    ('CREATE INDEX ON t (nn, a)'),
    ('CREATE UNIQUE INDEX ON part (k, a)'),
    ('CREATE INDEX IF NOT EXISTS t_v ON t (v)'),
    ('CREATE INDEX part_x ON ONLY part (a)'),
    ('DROP INDEX t_v'),
    ('DROP INDEX part_a'),
    ('REINDEX INDEX t_v'),
    ('REINDEX TABLE t'),
    ('REINDEX TABLE viewed'),
    ('ALTER INDEX t_v RENAME TO t_vv'),
    ('ALTER INDEX t_v SET (fillfactor = 70)'),
    ('ALTER INDEX t_v_expr ALTER COLUMN 1 SET STATISTICS 100'),
    ('ALTER INDEX part_v_only ATTACH PARTITION part_1_v'),
    ('ALTER TABLE t RENAME TO tt'),
    ('ALTER TABLE t RENAME COLUMN a TO aa'),
    ('ALTER TABLE part RENAME COLUMN a TO aa'),
    ('ALTER TABLE t SET SCHEMA public'),
    ('ALTER VIEW v_viewed RENAME TO vv'),
    ('DROP TABLE t'),
    ('DROP TABLE p CASCADE'),
    ('DROP TABLE viewed CASCADE'),
    ('DROP TABLE part'),
    ('DROP TABLE part_1'),
    ('DROP TABLE dpart_1'),
    ('DROP TABLE inh CASCADE'),
    ('DROP TABLE IF EXISTS nothing'),
    ('DROP VIEW v_viewed'),
    ('DROP MATERIALIZED VIEW mv'),
    ('DROP SEQUENCE seq'),
    ('DROP TYPE e'),
    ('DROP DOMAIN d_used CASCADE'),
    ('DROP FUNCTION f CASCADE'),
    ('DROP TRIGGER trg ON t'),
    ('TRUNCATE t'),
    ('TRUNCATE p CASCADE'),
    ('TRUNCATE part'),
    ('CLUSTER t USING t_v'),
    ('REFRESH MATERIALIZED VIEW mv'),
    ('REFRESH MATERIALIZED VIEW CONCURRENTLY mv'),
    ('REFRESH MATERIALIZED VIEW mv WITH NO DATA'),
    ('LOCK TABLE t IN SHARE MODE'),
    ('LOCK TABLE part'),
    ('CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION s_trigger()'),
    ('CREATE TRIGGER x BEFORE INSERT ON part FOR EACH ROW EXECUTE FUNCTION s_trigger()'),
    ('CREATE TRIGGER x AFTER INSERT ON part EXECUTE FUNCTION s_trigger()'),
    ('CREATE RULE x AS ON INSERT TO t DO ALSO NOTHING'),
    ('CREATE POLICY x ON t'),
    ('CREATE STATISTICS x ON a, nn FROM t'),
    ('CREATE OR REPLACE VIEW v_viewed AS SELECT a, id FROM viewed'),
    ('CREATE VIEW fresh AS SELECT a FROM viewed'),
    ('COMMENT ON TABLE t IS ''x'''),
    ('COMMENT ON COLUMN t.a IS ''x'''),
    ('ANALYZE t'),
    ('GRANT SELECT ON t TO PUBLIC'),
    ('ALTER SEQUENCE seq INCREMENT 2'),
    ('ALTER DOMAIN d_used ADD CHECK (VALUE > 0)'),
    ('ALTER DOMAIN d_used ADD CHECK (VALUE > 0) NOT VALID'),
    ('ALTER DOMAIN d_plain SET NOT NULL'),
    ('ALTER DOMAIN d_used SET DEFAULT 1'),
    ('ALTER TYPE e ADD VALUE ''c'''),
    ('ALTER TYPE e RENAME VALUE ''a'' TO ''z'''),
    ('ALTER TYPE comp ADD ATTRIBUTE z int CASCADE'),
    ('ALTER TABLE t ADD COLUMN x int DEFAULT 1, ADD FOREIGN KEY (x) REFERENCES p'),
    ('ALTER TABLE t ADD COLUMN x int, ADD CHECK (x > 0) NOT VALID, ALTER COLUMN a SET DEFAULT 2'),
    ('ALTER TABLE t ALTER COLUMN a TYPE bigint, ALTER COLUMN b TYPE varchar, DROP COLUMN c'),
    ('ALTER TABLE t ALTER COLUMN a SET STATISTICS 5, VALIDATE CONSTRAINT t_nv'),
    ('ALTER TABLE ONLY inh ALTER COLUMN a SET DEFAULT 3'),
    ('ALTER TABLE ONLY inh ALTER COLUMN a SET NOT NULL'),
    ('ALTER TABLE viewed ADD PRIMARY KEY USING INDEX viewed_id'),
    ('ALTER TABLE gen ALTER COLUMN g DROP EXPRESSION'),
    ('ALTER TABLE gen ALTER COLUMN a TYPE bigint'),
    ('ALTER TABLE gen ALTER COLUMN b TYPE bigint'),
    ('ALTER TABLE gen ALTER COLUMN e TYPE varchar(30)'),
    ('ALTER TABLE gen ALTER COLUMN g TYPE bigint'),
    ('ALTER TABLE t SET TABLESPACE xl_space'),
    ('ALTER INDEX t_v SET TABLESPACE xl_space'),
    ('ALTER TABLE part SET TABLESPACE xl_space'),
    ('ALTER TABLE t SET UNLOGGED'),
    ('ALTER TABLE sub DETACH PARTITION sub_1'),
    ('ALTER TABLE sub ADD COLUMN x serial'),
    ('ALTER TABLE sub ADD CHECK (a > -1)'),
    ('ALTER TABLE sub ADD UNIQUE (a, k)'),
    ('ALTER TABLE sub ALTER COLUMN v TYPE text'),
    ('ALTER TABLE sub ADD FOREIGN KEY (a) REFERENCES p'),
    ('ALTER TABLE viewed ADD FOREIGN KEY (a) REFERENCES sub'),
    ('CREATE INDEX ON sub (a)'),
    ('DROP TABLE sub_1'),
    ('ALTER TABLE gen ADD FOREIGN KEY (a) REFERENCES p, ADD CHECK (b > 0)'),
    ('ALTER TABLE adopt ADD FOREIGN KEY (a) REFERENCES p'),
    ('ALTER TABLE adopt ADD FOREIGN KEY (a) REFERENCES p (u)'),
    ('ALTER TABLE adopt ADD FOREIGN KEY (a) REFERENCES p ON DELETE CASCADE'),
    ('ALTER TABLE adopt ADD FOREIGN KEY (a) REFERENCES p DEFERRABLE'),
    ('ALTER TABLE adopt ADD FOREIGN KEY (k) REFERENCES adopt_pk'),
    ('ALTER TABLE adopt_2 ADD FOREIGN KEY (k) REFERENCES adopt_pk (k)'),
    ('ALTER TABLE t ALTER COLUMN fat TYPE varchar(10000)'),
    ('ALTER MATERIALIZED VIEW mv RENAME TO mvv'),
    ('ALTER TABLE v_viewed RENAME TO vv'),
    ('ALTER VIEW v_viewed SET (security_barrier = true)'),
    ('ALTER TABLE t RENAME COLUMN v TO vv'),
    ('ALTER TRIGGER trg ON t RENAME TO trgg'),
    ('ALTER INDEX part_a RENAME TO part_aa'),
    ('DROP TABLE t, p CASCADE'),
    ('DROP TABLE self'),
    ('ALTER TABLE self DROP CONSTRAINT self_parent_fkey'),
    ('ALTER TABLE self ALTER COLUMN id TYPE bigint'),
    ('DROP SCHEMA xl2 CASCADE'),
    ('CREATE TABLE fresh AS SELECT * FROM t'),
    ('CREATE SEQUENCE fresh OWNED BY t.a'),
    ('CREATE TABLE fresh PARTITION OF sub FOR VALUES FROM (500) TO (600)'),
    ('ALTER TABLE st ALTER COLUMN a TYPE bigint'),
    ('DROP STATISTICS st_ab'),
    ('DROP TABLE p'),
    ('DROP INDEX t_pkey'),
    ('DROP TABLE gen'),
    ('TRUNCATE p'),
    ('ALTER TABLE gen DROP COLUMN a'),
    ('ALTER TABLE part ALTER COLUMN k TYPE bigint'),
    ('ALTER TABLE t ADD COLUMN x int NOT NULL'),
    ('CREATE INDEX t_v ON t (a)'),
    ('CREATE TABLE t (id int)'),
    ('DROP TYPE d_used'),
    ('ALTER DOMAIN d_plain ADD CHECK (VALUE > 1)'),
    ('CREATE VIEW t AS SELECT 1 AS x'),
    ('COMMENT ON CONSTRAINT t_a ON t IS ''x'''),
    ('COMMENT ON TRIGGER trg ON t IS ''x'''),
    ('COMMENT ON INDEX t_v IS ''x'''),
    ('COMMENT ON VIEW v_viewed IS ''x'''),
    ('COMMENT ON TYPE e IS ''x'''),
    ('CREATE PUBLICATION xl_publication FOR TABLE t'),
    ('CREATE CONSTRAINT TRIGGER x AFTER INSERT ON t FROM p FOR EACH ROW EXECUTE FUNCTION s_trigger()'),
    ('CREATE TABLE fresh (LIKE p)'),
    ('CREATE VIEW fresh AS SELECT a FROM t'),
    ('ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p (n)'),
    ('ALTER TABLE t ADD COLUMN x int, ADD COLUMN y int, ADD UNIQUE (x, y), ADD CHECK (x > y)'),
    ('ALTER TABLE self ADD COLUMN k int, ADD UNIQUE (k), ADD FOREIGN KEY (k) REFERENCES self (k)'),
    ('ALTER TABLE t ENABLE REPLICA TRIGGER trg'),
    ('ALTER TABLE t FORCE ROW LEVEL SECURITY'),
    ('ALTER TABLE inh_child ALTER COLUMN a SET NOT NULL'),
    ('ALTER TABLE typed NOT OF'),
    ('ALTER TABLE t DROP CONSTRAINT t_a, ADD CONSTRAINT t_a CHECK (a > 1) NOT VALID'),
    ('ALTER TABLE t DROP CONSTRAINT IF EXISTS nothing'),
    ('REFRESH MATERIALIZED VIEW CONCURRENTLY mv_bare'),
    ('ALTER TABLE part DROP COLUMN p_id'),
    ('ALTER TABLE sub RENAME CONSTRAINT sub_pkey TO sub_key'),
    ('ALTER TABLE inh RENAME CONSTRAINT inh_c TO inh_cc'),
    ('DROP INDEX sub_v'),
    ('DROP TABLE sub'),
    ('TRUNCATE sub_1'),
    ('ALTER DOMAIN d_check DROP CONSTRAINT d_check_check'),
    ('ALTER TABLE p ADD COLUMN t_id int REFERENCES t, ADD UNIQUE (n)'),
    ('ALTER TABLE pol DISABLE ROW LEVEL SECURITY'),
    ('DROP POLICY pol_p ON pol'),
    ('DROP RULE st_rule ON st'),
    ('DROP TRIGGER part_trg ON part'),
    ('ALTER TRIGGER trg ON t DEPENDS ON EXTENSION plpgsql'),
    ('ALTER INDEX t_v DEPENDS ON EXTENSION plpgsql'),
    ('CREATE FOREIGN TABLE fresh PARTITION OF vpart FOR VALUES IN (2) SERVER xl_server'),
    ('DROP AGGREGATE IF EXISTS nothing (int)'),
    ('CREATE FUNCTION fresh() RETURNS int LANGUAGE sql AS ''SELECT 1'''),
    ('ALTER TABLE t ADD CONSTRAINT t_nv CHECK (a > 1) NOT VALID'),
    ('ALTER TABLE t ADD CONSTRAINT t_nv FOREIGN KEY (a) REFERENCES p NOT VALID'),
    ('ALTER TABLE t ADD CONSTRAINT t_nv UNIQUE (a)'),
    ('ALTER TABLE t ADD CONSTRAINT t_v UNIQUE (a)'),
    ('ALTER TABLE t ADD CONSTRAINT t_nv UNIQUE USING INDEX t_nn'),
    ('ALTER TABLE t RENAME CONSTRAINT t_nv TO t_p_nv'),
    ('ALTER TABLE t ADD PRIMARY KEY (a)'),
    ('ALTER TABLE viewed ADD CONSTRAINT viewed_id PRIMARY KEY USING INDEX viewed_id'),
    ('ALTER TABLE inh_child ADD CONSTRAINT inh_c CHECK (a > -1) NOT VALID'),
    ('CREATE TRIGGER trg AFTER INSERT ON t EXECUTE FUNCTION s_trigger()'),
    ('CREATE OR REPLACE TRIGGER trg BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION s_trigger()'),
    ('CREATE TRIGGER part_1_trg BEFORE INSERT ON part FOR EACH ROW EXECUTE FUNCTION s_trigger()'),
    ('CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION volatile_sql()'),
    ('CREATE POLICY pol_p ON pol'),
    ('ALTER POLICY pol_p ON pol USING (true)'),
    ('CREATE RULE st_rule AS ON UPDATE TO st DO ALSO NOTHING'),
    ('CREATE OR REPLACE RULE st_rule AS ON DELETE TO st DO INSTEAD NOTHING'),
    ('CREATE STATISTICS st_ab ON a, nn FROM t'),
    ('CREATE STATISTICS IF NOT EXISTS st_ab ON a, b FROM st'),
    ('CREATE SEQUENCE seq'),
    ('CREATE SEQUENCE e'),
    ('CREATE SEQUENCE IF NOT EXISTS seq'),
    ('CREATE SEQUENCE _t'),
    ('CREATE TYPE e AS ENUM (''x'')'),
    ('CREATE TYPE t AS ENUM (''x'')'),
    ('CREATE TYPE _e AS ENUM (''x'')'),
    ('CREATE TYPE seq AS ENUM (''x'')'),
    ('CREATE TYPE p AS (x int)'),
    ('CREATE TYPE seq AS (x int)'),
    ('CREATE TYPE e AS RANGE (SUBTYPE = int4)'),
    ('CREATE TYPE shell'),
    ('CREATE TYPE shell AS RANGE (SUBTYPE = int4)'),
    ('CREATE DOMAIN shell AS int'),
    ('CREATE DOMAIN d_plain AS int'),
    ('CREATE DOMAIN t_v AS int'),
    ('CREATE DOMAIN t AS int'),
    ('CREATE PUBLICATION xl_taken'),
    ('CREATE FUNCTION volatile_sql() RETURNS int LANGUAGE sql AS ''SELECT 2'''),
    ('CREATE FUNCTION volatile_sql(OUT x int) LANGUAGE sql AS ''SELECT 2'''),
    ('CREATE FUNCTION volatile_sql(x int) RETURNS int LANGUAGE sql AS ''SELECT 2'''),
    ('CREATE OR REPLACE FUNCTION volatile_sql() RETURNS int LANGUAGE sql AS ''SELECT 2'''),
    ('CREATE FUNCTION public.volatile_sql() RETURNS int LANGUAGE sql AS ''SELECT 2'''),
    ('CREATE MATERIALIZED VIEW mv AS SELECT 1 AS x'),
    ('CREATE MATERIALIZED VIEW IF NOT EXISTS mv AS SELECT 1 AS x'),
    ('CREATE TABLE e AS SELECT 1 AS x'),
    ('CREATE TABLE e (x int)'),
    ('CREATE TABLE public.t (x int)'),
    ('CREATE TEMP TABLE e (x int)'),
    ('CREATE TABLE shell (x int)'),
    ('CREATE TYPE shell AS ENUM (''x'')'),
    ('CREATE TABLE pg_class (x int)'),
    ('CREATE VIEW v_viewed AS SELECT 1 AS x'),
    ('CREATE VIEW public.v_viewed AS SELECT 1 AS x'),
    ('CREATE SCHEMA xl2'),
    ('CREATE SCHEMA IF NOT EXISTS xl2'),
    ('CREATE SCHEMA xl_fresh'),
    ('CREATE SERVER xl_server FOREIGN DATA WRAPPER xl_wrapper'),
    ('CREATE FOREIGN DATA WRAPPER xl_wrapper'),
    ('CREATE ROLE pg_monitor'),
    ('ALTER SCHEMA xl2 RENAME TO xl'),
    ('ALTER TABLE t RENAME TO p'),
    ('ALTER TABLE t RENAME TO e'),
    ('ALTER INDEX t_v RENAME TO t_b'),
    ('ALTER INDEX t_v RENAME TO e'),
    ('ALTER SEQUENCE seq RENAME TO t'),
    ('ALTER TABLE t RENAME COLUMN a TO b'),
    ('ALTER TABLE inh RENAME COLUMN a TO id'),
    ('ALTER TRIGGER trg ON t RENAME TO trg'),
    ('ALTER TRIGGER part_1_trg ON part_1 RENAME TO part_trg'),
    ('ALTER POLICY pol_p ON pol RENAME TO pol_p'),
    ('ALTER POLICY pol_p ON pol RENAME TO other'),
    ('ALTER RULE st_rule ON st RENAME TO st_rule'),
    ('ALTER TABLE gen SET SCHEMA xl2'),
    ('ALTER TABLE p SET SCHEMA xl2'),
    ('ALTER TYPE e ADD VALUE ''a'''),
    ('ALTER TYPE e ADD VALUE IF NOT EXISTS ''a'''),
    ('ALTER TYPE e ADD VALUE ''x'' BEFORE ''a'''),
    ('ALTER TYPE e ADD VALUE ''x'' BEFORE ''nothing'''),
    ('ALTER TYPE e RENAME VALUE ''nothing'' TO ''x'''),
    ('ALTER TYPE e RENAME VALUE ''a'' TO ''b'''),
    ('ALTER DOMAIN d_check ADD CONSTRAINT d_check_check CHECK (VALUE > 1) NOT VALID'),
    ('GRANT SELECT (a), UPDATE ON t TO pg_monitor'),
    ('GRANT USAGE ON TYPE e TO PUBLIC'),
    ('GRANT EXECUTE ON FUNCTION volatile_sql() TO CURRENT_USER'),
    ('GRANT ALL ON ALL TABLES IN SCHEMA xl TO pg_monitor'),
    ('GRANT pg_read_all_stats TO pg_monitor'),
    ('ALTER TABLE t SET (nothing = 1)'),
    ('ALTER TABLE t SET (fillfactor = 5)'),
    ('ALTER TABLE t SET (fillfactor = 70, toast.autovacuum_enabled = off)'),
    ('ALTER TABLE t SET (toast.nothing = 1)'),
    ('ALTER TABLE t SET (nothing.fillfactor = 70)'),
    ('ALTER TABLE t RESET (fillfactor)'),
    ('ALTER TABLE part SET (fillfactor = 70)'),
    ('ALTER INDEX t_v SET (nothing = 1)'),
    ('ALTER VIEW v_viewed SET (nothing = 1)'),
    ('ALTER TABLE t CLUSTER ON t_a_partial'),
    ('ALTER TABLE viewed CLUSTER ON t_v'),
    ('CLUSTER t USING t_a_partial'),
    ('ALTER TABLE viewed ADD CONSTRAINT fresh UNIQUE (id), CLUSTER ON fresh'),
    ('ALTER TABLE t REPLICA IDENTITY USING INDEX t_b'),
    ('ALTER TABLE t REPLICA IDENTITY USING INDEX t_b_uniq'),
    ('ALTER TABLE t REPLICA IDENTITY USING INDEX t_a_partial'),
    ('ALTER TABLE viewed REPLICA IDENTITY USING INDEX t_nn'),
    ('ALTER TABLE t ALTER COLUMN b SET NOT NULL, REPLICA IDENTITY USING INDEX t_b_uniq'),
    ('ALTER TABLE t ALTER COLUMN id DROP NOT NULL'),
    ('ALTER TABLE t ALTER COLUMN ident DROP NOT NULL'),
    ('ALTER TABLE part ALTER COLUMN k DROP NOT NULL'),
    ('ALTER TABLE p DROP CONSTRAINT p_pkey CASCADE, ALTER COLUMN id DROP NOT NULL'),
    ('ALTER TABLE t ADD FOREIGN KEY (b) REFERENCES p'),
    ('ALTER TABLE t ADD FOREIGN KEY (num) REFERENCES p'),
    ('ALTER TABLE t ADD FOREIGN KEY (b) REFERENCES p (name)'),
    ('ALTER TABLE t ADD FOREIGN KEY (nn, a) REFERENCES p'),
    ('ALTER TABLE t ALTER COLUMN num TYPE int, ADD FOREIGN KEY (num) REFERENCES p NOT VALID'),
    ('ALTER TABLE viewed ADD FOREIGN KEY (a, id) REFERENCES swapped (b, a)'),
    ('ALTER TABLE swapped ADD FOREIGN KEY (b, a) REFERENCES swapped (a, b)'),
    ('ALTER TABLE swapped ADD FOREIGN KEY (d, e) REFERENCES enums (d, e)'),
    ('ALTER TABLE swapped ADD FOREIGN KEY (e, d) REFERENCES enums (d, e)'),
    ('ALTER TABLE t ALTER COLUMN a SET DEFAULT ''x'''),
    ('ALTER TABLE t ALTER COLUMN a SET DEFAULT now()'),
    ('ALTER TABLE t ALTER COLUMN a SET DEFAULT b'),
    ('ALTER TABLE t ALTER COLUMN a SET DEFAULT ''5'''),
    ('ALTER TABLE t ALTER COLUMN ident SET DEFAULT 1'),
    ('ALTER TABLE gen ALTER COLUMN g SET DEFAULT 1'),
    ('ALTER TABLE gen ALTER COLUMN b DROP DEFAULT, ALTER COLUMN b TYPE text, ALTER COLUMN b SET DEFAULT ''x'''),
    ('ALTER TABLE t ALTER COLUMN b DROP DEFAULT, ALTER COLUMN b TYPE int USING b::int, ALTER COLUMN b SET DEFAULT 1'),
    ('ALTER VIEW v_viewed ALTER COLUMN a SET DEFAULT ''x'''),
    ('ALTER VIEW v_viewed ALTER COLUMN a SET DEFAULT 1'),
    ('CREATE TABLE fresh PARTITION OF part FOR VALUES FROM (50) TO (150)'),
    ('CREATE TABLE fresh PARTITION OF part FOR VALUES FROM (700) TO (600)'),
    ('CREATE TABLE fresh PARTITION OF dpart DEFAULT'),
    ('ALTER TABLE part ATTACH PARTITION new_bare FOR VALUES FROM (150) TO (400)'),
    ('ALTER TABLE dpart ATTACH PARTITION dpart_3 FOR VALUES IN (1, 3)'),
    ('CREATE INDEX ON t USING gin (b)'),
    ('CREATE INDEX ON t USING gin (to_tsvector(''simple'', b))'),
    ('CREATE INDEX ON t USING gist ((a + 1))'),
    ('CREATE INDEX ON t (b text_pattern_ops)'),
    ('CREATE INDEX ON t (a text_pattern_ops)'),
    ('CREATE INDEX ON t (b nothing_ops)'),
    ('CREATE INDEX CONCURRENTLY ON t USING gin (b)'),
    ('ALTER TABLE t ADD EXCLUDE USING gist (a WITH =)'),
    ('ALTER TABLE docs ADD UNIQUE (d)'),
    ('ALTER TABLE docs ADD COLUMN x int UNIQUE'),
    ('ALTER SEQUENCE seq OWNED BY NONE'),
    ('ALTER TABLE part RENAME CONSTRAINT part_pkey TO part_a');

-- Statements that not every version has, or that do not do the same on each; "outcome" is how the comparison begins.
CREATE TABLE newer (n int GENERATED ALWAYS AS IDENTITY, first int, last int, outcome text, statement text);
SET search_path = xl, xl_new, public;
SET client_min_messages = warning;
CREATE SCHEMA xl_new;
SELECT current_setting('server_version_num')::int >= 180000 AS is_18 \gset
\if :is_18
CREATE TABLE xl_new.q (id int PRIMARY KEY);
INSERT INTO xl_new.q SELECT i FROM generate_series(1, 1000) i;
CREATE TABLE xl_new.n (id int, a int, b int, c int, ne int CONSTRAINT n_ne REFERENCES q NOT ENFORCED,
                       virt int GENERATED ALWAYS AS (a + 1) VIRTUAL, e int REFERENCES q,
                       CONSTRAINT n_c CHECK (c IS NOT NULL));
INSERT INTO xl_new.n (id, a, b, c, ne, e) SELECT i, i, i, i, i, i FROM generate_series(1, 500) i;
ALTER TABLE xl_new.n ADD CONSTRAINT n_a NOT NULL a NOT VALID;
ALTER TABLE xl_new.n ADD CONSTRAINT n_c_nn NOT NULL c NOT VALID;
CREATE UNIQUE INDEX n_id ON xl_new.n (id);
CREATE UNIQUE INDEX n_a_key ON xl_new.n (a);
CREATE TABLE xl_new.parent (a int CONSTRAINT parent_a NOT NULL, b int CONSTRAINT parent_b NOT NULL NO INHERIT);
CREATE TABLE xl_new.child () INHERITS (xl_new.parent);
INSERT INTO xl_new.child SELECT i, i FROM generate_series(1, 100) i;
CREATE TABLE xl_new.pn (k int, a int, p_id int, v int GENERATED ALWAYS AS (a + 1)) PARTITION BY RANGE (k);
CREATE TABLE xl_new.pn_1 PARTITION OF xl_new.pn FOR VALUES FROM (0) TO (100);
CREATE TABLE xl_new.pn_2 PARTITION OF xl_new.pn FOR VALUES FROM (100) TO (200);
INSERT INTO xl_new.pn SELECT i, i, i + 1 FROM generate_series(0, 199) i;
ALTER TABLE xl_new.pn ADD CONSTRAINT pn_a NOT NULL a NOT VALID;
ALTER TABLE xl_new.pn ADD CONSTRAINT pn_fk FOREIGN KEY (p_id) REFERENCES q NOT VALID;
CREATE TABLE xl_new.pn_3 (k int NOT NULL, a int NOT NULL, p_id int, v int GENERATED ALWAYS AS (a + 1));
INSERT INTO xl_new.pn_3 SELECT i, i, 1 FROM generate_series(200, 299) i;
CREATE TABLE xl_new.pn_4 (k int NOT NULL, a int NOT NULL, p_id int REFERENCES q, v int GENERATED ALWAYS AS (a + 1));
INSERT INTO xl_new.pn_4 SELECT i, i, 1 FROM generate_series(300, 399) i;
CREATE TABLE xl_new.pv (k int, p_id int REFERENCES q) PARTITION BY RANGE (k);
CREATE TABLE xl_new.pv_1 (k int, p_id int);
INSERT INTO xl_new.pv_1 SELECT i, i FROM generate_series(1, 99) i;
ALTER TABLE xl_new.pv_1 ADD FOREIGN KEY (p_id) REFERENCES q NOT VALID;
CREATE TABLE xl_new.room (room int4range, during tsrange, PRIMARY KEY (room, during WITHOUT OVERLAPS));
INSERT INTO xl_new.room SELECT int4range(i, i + 1), tsrange('2020-01-01', '2021-01-01') FROM generate_series(1, 100) i;
CREATE TABLE xl_new.booking (room int4range, during tsrange, b int4range, FOREIGN KEY (room, PERIOD during) REFERENCES xl_new.room);
INSERT INTO xl_new.booking SELECT room, during, room FROM xl_new.room;
CREATE TABLE xl_new.w (a int, v int GENERATED ALWAYS AS (a + 1), nn int GENERATED ALWAYS AS (a + 1) NOT NULL);
INSERT INTO xl_new.w SELECT i FROM generate_series(1, 100) i;
\endif
INSERT INTO newer (first, last, outcome, statement) VALUES
    (15, 17, 'fails', 'ALTER TABLE part ADD FOREIGN KEY (a) REFERENCES p NOT VALID'),
    (15, 99, 'same', 'ALTER TABLE inh ADD CHECK (a < 10000 OR true) NO INHERIT'),
    (16, 99, 'same', 'ALTER TABLE t ALTER COLUMN b SET STORAGE DEFAULT'),
    (16, 99, 'same', 'CREATE STATISTICS ON a, nn FROM t'),
    (17, 99, 'same', 'ALTER TABLE gen ALTER COLUMN g SET EXPRESSION AS (b + 2)'),
    (17, 99, 'same', 'ALTER TABLE t SET ACCESS METHOD DEFAULT'),
    (17, 99, 'same', 'ALTER TABLE part SET ACCESS METHOD heap'),
    (17, 99, 'same', 'ALTER TABLE t ALTER COLUMN a SET STATISTICS DEFAULT'),
    (17, 99, 'same', 'ALTER DOMAIN d_used ADD NOT NULL'),
    (17, 99, 'same', 'ALTER DOMAIN d_used ADD CONSTRAINT x NOT NULL'),
    (17, 99, 'same', 'ALTER TABLE part ALTER COLUMN k ADD GENERATED ALWAYS AS IDENTITY'),
    (17, 99, 'same', 'ALTER TABLE part ADD EXCLUDE (k WITH =)'),
    (18, 99, 'same', 'ALTER TABLE t ADD CONSTRAINT x NOT NULL a'),
    (18, 99, 'same', 'ALTER TABLE t ADD CONSTRAINT x NOT NULL a NOT VALID'),
    (18, 99, 'same', 'ALTER TABLE t ADD NOT NULL proved'),
    (18, 99, 'same', 'ALTER TABLE t ADD NOT NULL nn'),
    (18, 99, 'same', 'ALTER TABLE part ADD NOT NULL a'),
    (18, 99, 'same', 'ALTER TABLE part ADD NOT NULL a NOT VALID'),
    (18, 99, 'same', 'ALTER TABLE inh ADD NOT NULL a'),
    (18, 99, 'same', 'ALTER TABLE inh ADD NOT NULL a NO INHERIT'),
    (18, 99, 'same', 'ALTER TABLE n VALIDATE CONSTRAINT n_a'),
    (18, 99, 'same', 'ALTER TABLE n VALIDATE CONSTRAINT n_c_nn'),
    (18, 99, 'same', 'ALTER TABLE n ALTER COLUMN a SET NOT NULL'),
    (18, 99, 'same', 'ALTER TABLE n ALTER COLUMN c SET NOT NULL'),
    (18, 99, 'same', 'ALTER TABLE n ALTER COLUMN a DROP NOT NULL'),
    (18, 99, 'same', 'ALTER TABLE n DROP CONSTRAINT n_a'),
    (18, 99, 'same', 'ALTER TABLE n RENAME CONSTRAINT n_a TO n_aa'),
    (18, 99, 'same', 'ALTER TABLE n ADD PRIMARY KEY (b)'),
    (18, 99, 'same', 'ALTER TABLE n ADD PRIMARY KEY USING INDEX n_id'),
    (18, 99, 'fails', 'ALTER TABLE n ADD PRIMARY KEY (a)'),
    (18, 99, 'fails', 'ALTER TABLE n ADD PRIMARY KEY USING INDEX n_a_key'),
    (18, 99, 'same', 'ALTER TABLE parent ALTER CONSTRAINT parent_a NO INHERIT'),
    (18, 99, 'same', 'ALTER TABLE parent ALTER CONSTRAINT parent_b INHERIT'),
    (18, 99, 'same', 'ALTER TABLE parent DROP CONSTRAINT parent_a'),
    (18, 99, 'same', 'ALTER TABLE pn VALIDATE CONSTRAINT pn_a'),
    (18, 99, 'same', 'ALTER TABLE pn VALIDATE CONSTRAINT pn_fk'),
    (18, 99, 'same', 'ALTER TABLE pn DROP CONSTRAINT pn_a'),
    (18, 99, 'same', 'ALTER TABLE pn DROP CONSTRAINT pn_fk'),
    (18, 99, 'same', 'ALTER TABLE pn ATTACH PARTITION pn_3 FOR VALUES FROM (200) TO (300)'),
    (18, 99, 'same', 'ALTER TABLE pn ATTACH PARTITION pn_4 FOR VALUES FROM (300) TO (400)'),
    (18, 99, 'same', 'ALTER TABLE pn DETACH PARTITION pn_1'),
    (18, 99, 'same', 'ALTER TABLE pv ATTACH PARTITION pv_1 FOR VALUES FROM (0) TO (100)'),
    (18, 99, 'same', 'ALTER TABLE part ADD FOREIGN KEY (a) REFERENCES p NOT VALID'),
    (18, 99, 'same', 'ALTER TABLE part ADD FOREIGN KEY (a) REFERENCES p NOT ENFORCED'),
    (18, 99, 'same', 'ALTER TABLE t ADD CHECK (a < 10000) NOT ENFORCED'),
    (18, 99, 'same', 'ALTER TABLE t ADD COLUMN x int CHECK (x > 0) NOT ENFORCED'),
    (18, 99, 'same', 'ALTER TABLE t ADD FOREIGN KEY (nn) REFERENCES p NOT ENFORCED'),
    (18, 99, 'same', 'ALTER TABLE t ADD COLUMN x int DEFAULT 1 REFERENCES p NOT ENFORCED'),
    (18, 99, 'same', 'ALTER TABLE n ALTER CONSTRAINT n_ne ENFORCED'),
    (18, 99, 'same', 'ALTER TABLE n ALTER CONSTRAINT n_e_fkey NOT ENFORCED'),
    (18, 99, 'fails', 'ALTER TABLE n VALIDATE CONSTRAINT n_ne'),
    (18, 99, 'same', 'ALTER TABLE t ADD COLUMN x int GENERATED ALWAYS AS (a * 2)'),
    (18, 99, 'same', 'ALTER TABLE t ADD COLUMN x int GENERATED ALWAYS AS (a * 2) VIRTUAL NOT NULL'),
    (18, 99, 'same', 'ALTER TABLE t ADD COLUMN x int GENERATED ALWAYS AS (a * 2) VIRTUAL CHECK (x > 0)'),
    (18, 99, 'fails', 'ALTER TABLE n ALTER COLUMN virt SET EXPRESSION AS (a + 3)'),
    (18, 99, 'same', 'ALTER TABLE w ALTER COLUMN v SET EXPRESSION AS (a + 3)'),
    (18, 99, 'same', 'ALTER TABLE w ALTER COLUMN nn SET EXPRESSION AS (a + 3)'),
    (18, 99, 'same', 'ALTER TABLE w ALTER COLUMN v SET NOT NULL'),
    (18, 99, 'same', 'ALTER TABLE n ALTER COLUMN virt TYPE bigint'),
    (18, 99, 'same', 'ALTER TABLE n ALTER COLUMN virt SET NOT NULL'),
    (18, 99, 'same', 'ALTER TABLE n ADD CHECK (virt > 0)'),
    (18, 99, 'same', 'ALTER TABLE n DROP COLUMN virt'),
    (18, 99, 'fails', 'ALTER TABLE n ALTER COLUMN virt DROP EXPRESSION'),
    (18, 99, 'fails', 'CREATE INDEX ON n (virt)'),
    (18, 99, 'same', 'ALTER TABLE pn ALTER COLUMN v SET EXPRESSION AS (a + 3)'),
    (18, 99, 'same', 'ALTER TABLE booking ADD PRIMARY KEY (room, during WITHOUT OVERLAPS)'),
    (18, 99, 'same', 'ALTER TABLE booking ADD UNIQUE (b, during WITHOUT OVERLAPS)'),
    (18, 99, 'same', 'ALTER TABLE booking ADD FOREIGN KEY (b, PERIOD during) REFERENCES room (room, PERIOD during) NOT VALID'),
    (18, 99, 'same', 'ALTER TABLE room DROP CONSTRAINT room_pkey CASCADE'),
    (18, 99, 'fails', 'ALTER TABLE part SET LOGGED'),
    (18, 99, 'fails', 'ALTER TABLE part SET UNLOGGED'),
    (18, 99, 'same', 'CREATE TABLE fresh (id int REFERENCES p NOT ENFORCED)');

-- verify each: the same locks, rewrites and scans
\a
\t on
\set ECHO none
SET client_min_messages = error;
-- a foreign key is checked by reading all of the other table, whatever is known of its rows
SET enable_nestloop = off;
SET enable_mergejoin = off;
SET enable_indexscan = off;
-- each in a transaction of its own: a sequence's lock outlives a savepoint)
SELECT format('SELECT %L || '': '' || compare(%L)', statement, statement) FROM statements ORDER BY n \gexec
-- of the others, those that are not as they should be
SELECT format('SELECT %L || '': '' || result FROM compare(%L) AS result WHERE result NOT LIKE %L', statement, statement, outcome || '%')
  FROM newer WHERE current_setting('server_version_num')::int / 10000 BETWEEN first AND last ORDER BY n \gexec
RESET ALL;
SET search_path = xl, xl_new, public;
SET timezone = 'Europe/Berlin';
\set ECHO all
\t off
\a

-- verify that explaining all of them executes nothing: no transaction id, no lock stronger than ACCESS SHARE
BEGIN;
SELECT count(*) > 300 AS many FROM statements, zdm.explain_ddl(statement);
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_xid, max(strength(mode)) AS strongest
  FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation';
COMMIT;

-- verify that nothing came of it
SELECT count(*) FROM t;
SET client_min_messages = warning;
DROP SCHEMA xl_new CASCADE;
RESET client_min_messages;
DROP SCHEMA xl CASCADE;
DROP FOREIGN DATA WRAPPER xl_wrapper CASCADE;
DROP SCHEMA xl2 CASCADE;
DROP PUBLICATION xl_taken;
DROP TABLESPACE xl_space;
