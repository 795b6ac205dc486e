-- zdm.dependents(): what uses a column, and what of that a migration sees to.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
CREATE SCHEMA dependents;
SET search_path = dependents, public;
CREATE TABLE other (id int PRIMARY KEY, k int UNIQUE);
CREATE TABLE t (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    c int DEFAULT 7 REFERENCES other (k) UNIQUE,
    s serial,
    d int,
    g int GENERATED ALWAYS AS (c + 1) STORED,
    span int4range,
    CONSTRAINT c_check CHECK (c > d),
    CONSTRAINT ex EXCLUDE USING gist (span WITH &&)
);
CREATE INDEX plain ON t (d, c);
CREATE INDEX expression ON t ((c + d)) WHERE d > 0;
CREATE INDEX elsewhere ON t (d);
CREATE STATISTICS st ON c, d FROM t;
CREATE TABLE ref (c int REFERENCES t (c));
CREATE VIEW v AS SELECT c FROM t;
CREATE VIEW v_all AS SELECT * FROM t;
CREATE VIEW v_other AS SELECT d FROM t;
CREATE MATERIALIZED VIEW mv AS SELECT d FROM t WHERE c > 0;
CREATE RULE r AS ON INSERT TO ref WHERE EXISTS (SELECT FROM t WHERE t.c = NEW.c) DO ALSO NOTHING;
CREATE POLICY simple ON t USING (c > 0);
CREATE POLICY complex ON t USING (c IN (SELECT k FROM other));
CREATE POLICY elsewhere ON ref USING (c IN (SELECT t.c FROM t));
CREATE FUNCTION with_body() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT sum(c) FROM t; END;
CREATE FUNCTION with_text() RETURNS bigint LANGUAGE sql AS 'SELECT sum(C) FROM t';
CREATE FUNCTION about_another() RETURNS bigint LANGUAGE sql AS 'SELECT sum(c) FROM dependents.ref';
CREATE FUNCTION of_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.c := NEW.d; RETURN NEW; END';
CREATE TRIGGER update_of BEFORE UPDATE OF c ON t FOR EACH ROW EXECUTE FUNCTION of_trigger();
CREATE TRIGGER when_c BEFORE UPDATE ON t FOR EACH ROW WHEN (NEW.c > 0) EXECUTE FUNCTION of_trigger();
CREATE TRIGGER update_of_when BEFORE UPDATE OF c, d ON t FOR EACH ROW WHEN (NEW.c > 0) EXECUTE FUNCTION of_trigger();
CREATE TRIGGER neither BEFORE UPDATE OF d ON t FOR EACH ROW EXECUTE FUNCTION of_trigger();
-- about wal_level the versions warn in different words
SET client_min_messages = error;
CREATE PUBLICATION regress_zdm_all FOR TABLE t, ref;
CREATE PUBLICATION regress_zdm_list FOR TABLE t (id, c);
CREATE PUBLICATION regress_zdm_other FOR TABLE t (id, d);
CREATE PUBLICATION regress_zdm_filter FOR TABLE t WHERE (id > 0 AND c > 0) WITH (publish = 'insert');
RESET client_min_messages;

SELECT * FROM zdm.dependents('t', 'c');
SELECT * FROM zdm.dependents('t', 'id');
SELECT * FROM zdm.dependents('t', 's');
SELECT * FROM zdm.dependents('t', 'span');
SELECT * FROM zdm.dependents('other', 'k');
SELECT count(*) FROM zdm.dependents('other', 'id') WHERE certain;

-- names that need quotes, and mean something in a pattern
CREATE TABLE "T*" ("a.b" int, "ab" int, "a+b" int);
CREATE FUNCTION quoted() RETURNS bigint LANGUAGE sql AS 'SELECT sum("a.b") FROM dependents."T*"';
SELECT * FROM zdm.dependents('"T*"', 'a.b');
SELECT * FROM zdm.dependents('"T*"', 'a+b');
SELECT * FROM zdm.dependents('"T*"', 'ab');

-- partitions
CREATE TABLE parted (k int, v int) PARTITION BY RANGE (k);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE INDEX ON parted (v);
SET client_min_messages = error;
CREATE PUBLICATION regress_zdm_parted FOR TABLE parted;
RESET client_min_messages;
SELECT * FROM zdm.dependents('parted', 'v');

-- by anyone
CREATE ROLE regress_zdm_dependents;
GRANT USAGE ON SCHEMA zdm, dependents TO regress_zdm_dependents;
SET ROLE regress_zdm_dependents;
SELECT count(*) > 0 FROM zdm.dependents('t', 'c');
RESET ROLE;

-- bad input
SELECT * FROM zdm.dependents(NULL, 'c');
SELECT * FROM zdm.dependents('t', NULL);
SELECT * FROM zdm.dependents('t', 'nowhere');
SELECT * FROM zdm.dependents('t', 'ctid');
SELECT * FROM zdm.dependents(0::regclass, 'c');

SET client_min_messages = warning;
DROP PUBLICATION regress_zdm_all, regress_zdm_list, regress_zdm_other, regress_zdm_filter, regress_zdm_parted;
DROP SCHEMA dependents CASCADE;
REVOKE USAGE ON SCHEMA zdm FROM regress_zdm_dependents;
DROP ROLE regress_zdm_dependents;
