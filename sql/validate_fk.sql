-- zdm.validate_constraint() on FOREIGN KEY: the merge of two indexes, guarded pages, native.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
ALTER SEQUENCE zdm.job_job_id_seq RESTART 8900001;

-- Starts a validation, waits for it, and says what became of it.
CREATE PROCEDURE validate_fk(target regclass, con name, job_name text, method text DEFAULT 'chunked',
                             INOUT state text DEFAULT NULL, INOUT used text DEFAULT NULL,
                             INOUT violations bigint DEFAULT NULL, INOUT code text DEFAULT NULL,
                             INOUT valid boolean DEFAULT NULL, INOUT reason text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    job bigint;
BEGIN
    job := zdm.validate_constraint(target, con, method, name => job_name);
    COMMIT;
    CALL settle(job);
    SELECT v.state, v.method, v.violations, j.last_sqlstate, v.method_reason
      INTO validate_fk.state, used, validate_fk.violations, code, reason
      FROM zdm.validations v JOIN zdm.jobs j USING (job_id) WHERE job_id = job;
    valid := (SELECT convalidated FROM pg_constraint WHERE conrelid = target AND conname = con);
END $$;

-- Guards that are left on any table, and what they have recorded.
CREATE FUNCTION guards() RETURNS bigint LANGUAGE sql AS $$
    SELECT (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zdm_guard%') + (SELECT count(*) FROM zdm.moved_block)
$$;

CREATE TABLE f_parent (id int PRIMARY KEY, a int, b text, UNIQUE (a, b));
INSERT INTO f_parent SELECT i, i % 10, 'key ' || i / 10 FROM generate_series(1, 2000) i;
CREATE TABLE f_child (id int PRIMARY KEY, parent_id int, a int, b text, filler text DEFAULT repeat('x', 100));
INSERT INTO f_child SELECT i, NULLIF(i % 2000, 0), i % 10, 'key ' || (i % 2000) / 10 FROM generate_series(1, 20000) i;
UPDATE f_child SET a = NULL, b = NULL WHERE a = 0 AND b = 'key 0';

--
-- no index on the referencing column: a small table is validated natively
--
ALTER TABLE f_child ADD CONSTRAINT f_fk FOREIGN KEY (parent_id) REFERENCES f_parent NOT VALID;
CALL validate_fk('f_child', 'f_fk', 'f native');

--
-- merge: rows that hold, then orphans with many rows of one key, the first and the last key
--
CREATE INDEX f_child_parent ON f_child (parent_id);
ALTER TABLE f_child DROP CONSTRAINT f_fk;
ALTER TABLE f_child ADD CONSTRAINT f_fk FOREIGN KEY (parent_id) REFERENCES f_parent NOT VALID;
CALL validate_fk('f_child', 'f_fk', 'f merge');
SELECT phase, chunks > 0 AS chunks, restarts FROM zdm.validations WHERE name = 'f merge';
ALTER TABLE f_child DROP CONSTRAINT f_fk;
INSERT INTO f_child (id, parent_id) VALUES (-1, -7), (-2, 99999), (-3, 99999);
INSERT INTO f_child (id, parent_id) SELECT -i, 5000 FROM generate_series(100, 299) i;
DELETE FROM f_parent WHERE id = 1000;
ALTER TABLE f_child ADD CONSTRAINT f_fk FOREIGN KEY (parent_id) REFERENCES f_parent NOT VALID;
CALL validate_fk('f_child', 'f_fk', 'f orphans');
SELECT last_error, hint FROM zdm.jobs WHERE name = 'f orphans';
SELECT row_values ->> 'parent_id' AS parent_id, count(*), bool_and(row_ctid = c.ctid) AS place
  FROM zdm.violations v JOIN f_child c ON c.id = (row_key ->> 'id')::int
 WHERE job_name = 'f orphans' GROUP BY 1 ORDER BY 1;
DELETE FROM f_child WHERE id < 0;
INSERT INTO f_parent VALUES (1000, 0, 'key 100');
SELECT zdm.retry_job(zdm.job_id('f orphans'));
CALL settle(zdm.job_id('f orphans'));
SELECT state, violations FROM zdm.validations WHERE name = 'f orphans';

--
-- merge: composite keys, another order of columns, NULLs, text
--
CREATE INDEX f_child_ab ON f_child (a, b);
ALTER TABLE f_child ADD CONSTRAINT f_ab FOREIGN KEY (b, a) REFERENCES f_parent (b, a) NOT VALID;
CALL validate_fk('f_child', 'f_ab', 'f composite');
ALTER TABLE f_child DROP CONSTRAINT f_ab;
INSERT INTO f_child (id, a, b) VALUES (-1, NULL, 'key 5'), (-2, 5, NULL), (-3, 5, 'key 5'), (-4, 5, 'zzz'), (-5, 11, 'key 5');
INSERT INTO f_child (id, a, b) SELECT -100 - i, 3, NULL FROM generate_series(1, 100) i;
ALTER TABLE f_child ADD CONSTRAINT f_ab FOREIGN KEY (b, a) REFERENCES f_parent (b, a) NOT VALID;
CALL validate_fk('f_child', 'f_ab', 'f composite orphans');
SELECT row_key, row_values FROM zdm.violations WHERE job_name = 'f composite orphans' ORDER BY row_key::text;

--
-- MATCH FULL: columns that may be NULL are not for the merge
--
ALTER TABLE f_child ADD CONSTRAINT f_full FOREIGN KEY (a, b) REFERENCES f_parent (a, b) MATCH FULL NOT VALID;
CALL validate_fk('f_child', 'f_full', 'f full');
-- what the native command has found one of is listed
SELECT row_values, count(*), bool_and(row_key IS NOT NULL AND row_ctid IS NOT NULL) AS placed
  FROM zdm.violations WHERE job_name = 'f full' GROUP BY 1 ORDER BY min(row_values::text);
SELECT hint FROM zdm.jobs WHERE name = 'f full';

--
-- types: bigint to int, uuid, numeric, nondeterministic order of an enum
--
CREATE TYPE f_enum AS ENUM ('b', 'a');
ALTER TYPE f_enum ADD VALUE 'c' BEFORE 'a';
CREATE TABLE f_types (i int UNIQUE, u uuid UNIQUE, n numeric UNIQUE, e f_enum UNIQUE, v varchar UNIQUE);
INSERT INTO f_types SELECT i, md5(i::text)::uuid, i / 7.0, CASE i WHEN 1 THEN 'a' WHEN 2 THEN 'b' WHEN 3 THEN 'c' END::f_enum, 'v' || i
  FROM generate_series(1, 100) i;
CREATE TABLE f_types_child (id int PRIMARY KEY, i bigint, u uuid, n numeric, e f_enum, v text);
INSERT INTO f_types_child SELECT x, i, u, n, e, v FROM f_types, generate_series(1, 3) x WHERE false;
INSERT INTO f_types_child SELECT row_number() OVER (), i, u, n, e, v FROM f_types, generate_series(1, 3);
CREATE INDEX ON f_types_child (i);
CREATE INDEX ON f_types_child (u);
CREATE INDEX ON f_types_child (n);
CREATE INDEX ON f_types_child (e);
CREATE INDEX ON f_types_child (v);
ALTER TABLE f_types_child
    ADD CONSTRAINT f_i FOREIGN KEY (i) REFERENCES f_types (i) NOT VALID,
    ADD CONSTRAINT f_u FOREIGN KEY (u) REFERENCES f_types (u) NOT VALID,
    ADD CONSTRAINT f_n FOREIGN KEY (n) REFERENCES f_types (n) NOT VALID,
    ADD CONSTRAINT f_e FOREIGN KEY (e) REFERENCES f_types (e) NOT VALID,
    ADD CONSTRAINT f_v FOREIGN KEY (v) REFERENCES f_types (v) NOT VALID;
CALL validate_fk('f_types_child', 'f_i', 'f i');
CALL validate_fk('f_types_child', 'f_u', 'f u');
CALL validate_fk('f_types_child', 'f_n', 'f n');
CALL validate_fk('f_types_child', 'f_e', 'f e');
CALL validate_fk('f_types_child', 'f_v', 'f v');
ALTER TABLE f_types_child DROP CONSTRAINT f_i, DROP CONSTRAINT f_u, DROP CONSTRAINT f_n, DROP CONSTRAINT f_e, DROP CONSTRAINT f_v;
INSERT INTO f_types_child VALUES (1001, 4294967297, md5('x')::uuid, 1.5, 'a', 'V1');
ALTER TABLE f_types_child
    ADD CONSTRAINT f_i FOREIGN KEY (i) REFERENCES f_types (i) NOT VALID,
    ADD CONSTRAINT f_u FOREIGN KEY (u) REFERENCES f_types (u) NOT VALID,
    ADD CONSTRAINT f_n FOREIGN KEY (n) REFERENCES f_types (n) NOT VALID,
    ADD CONSTRAINT f_v FOREIGN KEY (v) REFERENCES f_types (v) NOT VALID;
CALL validate_fk('f_types_child', 'f_i', 'f i orphan');
CALL validate_fk('f_types_child', 'f_u', 'f u orphan');
CALL validate_fk('f_types_child', 'f_n', 'f n orphan');
CALL validate_fk('f_types_child', 'f_v', 'f v orphan');

--
-- what the merge does not take: a partial index, another order, DESC, an index that is not a btree
--
CREATE TABLE f_no (id int PRIMARY KEY, parent_id int);
INSERT INTO f_no SELECT i, i FROM generate_series(1, 100) i;
CREATE INDEX ON f_no (parent_id) WHERE parent_id > 5;
CREATE INDEX ON f_no (parent_id DESC);
CREATE INDEX ON f_no USING hash (parent_id);
CREATE INDEX ON f_no (id, parent_id);
ALTER TABLE f_no ADD CONSTRAINT f_no FOREIGN KEY (parent_id) REFERENCES f_parent NOT VALID;
CALL validate_fk('f_no', 'f_no', 'f no index');

--
-- self-referencing
--
CREATE TABLE f_self (id int PRIMARY KEY, up int);
INSERT INTO f_self SELECT i, NULLIF(i / 2, 0) FROM generate_series(1, 1000) i;
CREATE INDEX ON f_self (up);
ALTER TABLE f_self ADD CONSTRAINT f_self FOREIGN KEY (up) REFERENCES f_self NOT VALID;
CALL validate_fk('f_self', 'f_self', 'f self');
ALTER TABLE f_self DROP CONSTRAINT f_self;
UPDATE f_self SET up = 5000 WHERE id = 700;
ALTER TABLE f_self ADD CONSTRAINT f_self FOREIGN KEY (up) REFERENCES f_self NOT VALID;
CALL validate_fk('f_self', 'f_self', 'f self orphan');

--
-- triggers that are disabled: refused
--
CREATE TABLE f_off (parent_id int);
CREATE INDEX ON f_off (parent_id);
ALTER TABLE f_off ADD CONSTRAINT f_off FOREIGN KEY (parent_id) REFERENCES f_parent NOT VALID;
ALTER TABLE f_off DISABLE TRIGGER ALL;
CALL validate_fk('f_off', 'f_off', 'f off');
SELECT last_error, hint FROM zdm.jobs WHERE name = 'f off';
ALTER TABLE f_off ENABLE TRIGGER ALL;
SELECT zdm.retry_job(zdm.job_id('f off'));
CALL settle(zdm.job_id('f off'));
SELECT state, method FROM zdm.validations WHERE name = 'f off';

--
-- what the owner may not read, and a partitioned parent: native
--
CREATE ROLE regress_zdm_fk;
CREATE TABLE f_secret (id int PRIMARY KEY);
CREATE TABLE f_reader (id int REFERENCES f_secret);
CREATE INDEX ON f_reader (id);
ALTER TABLE f_reader DROP CONSTRAINT f_reader_id_fkey;
ALTER TABLE f_reader ADD CONSTRAINT f_reader FOREIGN KEY (id) REFERENCES f_secret NOT VALID;
ALTER TABLE f_reader OWNER TO regress_zdm_fk;
CALL validate_fk('f_reader', 'f_reader', 'f secret');
CREATE TABLE f_parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE f_parts1 PARTITION OF f_parts FOR VALUES FROM (0) TO (100);
CREATE TABLE f_of_parts (id int);
CREATE INDEX ON f_of_parts (id);
ALTER TABLE f_of_parts ADD CONSTRAINT f_of_parts FOREIGN KEY (id) REFERENCES f_parts NOT VALID;
CALL validate_fk('f_of_parts', 'f_of_parts', 'f of parts');
ALTER TABLE f_of_parts DROP CONSTRAINT f_of_parts;
INSERT INTO f_of_parts VALUES (500);
ALTER TABLE f_of_parts ADD CONSTRAINT f_of_parts FOREIGN KEY (id) REFERENCES f_parts NOT VALID;
CALL validate_fk('f_of_parts', 'f_of_parts', 'f of parts orphan');
SELECT row_values FROM zdm.violations WHERE job_name = 'f of parts orphan';
DELETE FROM f_of_parts;
SELECT zdm.retry_job(zdm.job_id('f of parts orphan'));
CALL settle(zdm.job_id('f of parts orphan'));
SELECT state FROM zdm.jobs WHERE name = 'f of parts orphan';
SELECT count(*) FROM zdm.violations WHERE job_name = 'f of parts orphan';

--
-- guarded pages
--
SELECT current_database() AS db \gset
ALTER DATABASE :"db" SET zdm.guarded_scan_from = 0;
DROP INDEX f_child_parent, f_child_ab;
ALTER TABLE f_child DROP CONSTRAINT f_fk, DROP CONSTRAINT f_ab, DROP CONSTRAINT f_full;
ALTER TABLE f_child ADD CONSTRAINT f_fk FOREIGN KEY (parent_id) REFERENCES f_parent NOT VALID,
                    ADD CONSTRAINT f_ab FOREIGN KEY (a, b) REFERENCES f_parent (a, b) NOT VALID,
                    ADD CONSTRAINT f_full FOREIGN KEY (a, b) REFERENCES f_parent (a, b) MATCH FULL NOT VALID;
CALL validate_fk('f_child', 'f_fk', 'p fk');
CALL validate_fk('f_child', 'f_ab', 'p ab');
SELECT row_key, row_values FROM zdm.violations WHERE job_name = 'p ab' ORDER BY row_key::text;
CALL validate_fk('f_child', 'f_full', 'p full');
-- 100 of them are listed; which, depends on where a chunk has ended
SELECT count(*), bool_and((row_key ->> 'id')::int < 0) AS all_break_it FROM zdm.violations WHERE job_name = 'p full';
SELECT guards();
DELETE FROM f_child WHERE id < 0;
SELECT zdm.retry_job(zdm.job_id('p ab')), zdm.retry_job(zdm.job_id('p full'));
CALL settle(zdm.job_id('p ab'));
CALL settle(zdm.job_id('p full'));
SELECT name, state, violations FROM zdm.validations WHERE name IN ('p ab', 'p full') ORDER BY name;
DROP INDEX f_types_child_i_idx, f_types_child_u_idx, f_types_child_n_idx, f_types_child_v_idx;
ALTER TABLE f_types_child DROP CONSTRAINT f_i, DROP CONSTRAINT f_u, DROP CONSTRAINT f_n, DROP CONSTRAINT f_v;
ALTER TABLE f_types_child
    ADD CONSTRAINT f_i FOREIGN KEY (i) REFERENCES f_types (i) NOT VALID,
    ADD CONSTRAINT f_u FOREIGN KEY (u) REFERENCES f_types (u) NOT VALID,
    ADD CONSTRAINT f_n FOREIGN KEY (n) REFERENCES f_types (n) NOT VALID,
    ADD CONSTRAINT f_v FOREIGN KEY (v) REFERENCES f_types (v) NOT VALID;
CALL validate_fk('f_types_child', 'f_i', 'p i orphan');
CALL validate_fk('f_types_child', 'f_u', 'p u orphan');
CALL validate_fk('f_types_child', 'f_n', 'p n orphan');
CALL validate_fk('f_types_child', 'f_v', 'p v orphan');
DELETE FROM f_types_child WHERE id = 1001;
SELECT zdm.retry_job(zdm.job_id('p ' || c || ' orphan')) FROM unnest('{i,u,n,v}'::text[]) c;
CALL settle(zdm.job_id('p i orphan'));
CALL settle(zdm.job_id('p u orphan'));
CALL settle(zdm.job_id('p n orphan'));
CALL settle(zdm.job_id('p v orphan'));
SELECT name, state, method, violations FROM zdm.validations WHERE name LIKE 'p % orphan' ORDER BY name;
-- several foreign keys at once; the trigger function does nothing for others
SELECT guards();
ALTER DATABASE :"db" RESET zdm.guarded_scan_from;
CREATE TRIGGER f_misuse BEFORE INSERT ON f_self FOR EACH ROW EXECUTE FUNCTION zdm.guard_moved_row();
INSERT INTO f_self VALUES (20000); \echo :SQLSTATE

DROP TABLE f_child, f_types_child, f_types, f_no, f_self, f_off, f_reader, f_secret, f_of_parts, f_parts, f_parent CASCADE;
DROP TYPE f_enum;
DROP ROLE regress_zdm_fk;
