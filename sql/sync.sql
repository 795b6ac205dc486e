-- The sync trigger: what it makes of every kind of write, of both shapes.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
SET extra_float_digits = 1;
CREATE FUNCTION sync_make(target regclass, id bigint, new_column text, forward text, old_column text DEFAULT NULL,
                          reverse text DEFAULT NULL, mode text DEFAULT 'sync', authority text DEFAULT 'old',
                          winner text DEFAULT 'old', on_error text DEFAULT 'fail') RETURNS void
LANGUAGE sql AS $$
    SELECT zdm.create_sync(target, id, new_column, forward, old_column, reverse, mode, authority, winner, on_error)
$$;
-- what the triggers of a mapping have met since the last call
CREATE TABLE sync_seen (id bigint PRIMARY KEY, conflicts bigint, drift bigint, errors bigint);
CREATE FUNCTION sync_met(mapping bigint, OUT conflicts bigint, OUT drift bigint, OUT errors bigint) LANGUAGE sql AS $$
    WITH now AS (SELECT mapping_id, c.conflicts, c.drift, c.errors FROM zdm.sync_activity c WHERE mapping_id = mapping),
    seen AS (SELECT * FROM sync_seen WHERE id = mapping),
    keep AS (INSERT INTO sync_seen SELECT * FROM now ON CONFLICT (id) DO UPDATE
                 SET conflicts = excluded.conflicts, drift = excluded.drift, errors = excluded.errors)
    SELECT now.conflicts - coalesce(seen.conflicts, 0), now.drift - coalesce(seen.drift, 0), now.errors - coalesce(seen.errors, 0)
      FROM now LEFT JOIN seen ON true
$$;

--
-- both ways: the rows of the table of decisions.  a is the old side, b the new
-- one; rows 1 to 5 are there before the trigger, and not filled.
--
CREATE TABLE sync_t (id int PRIMARY KEY, a int, b bigint, x int DEFAULT 0);
INSERT INTO sync_t (id, a) SELECT i, i * 10 FROM generate_series(1, 5) i;
SELECT sync_make('sync_t', 9001, 'b', 'a', 'a', 'b');

-- INSERT, authority old
INSERT INTO sync_t (id, a) VALUES (11, 110);
INSERT INTO sync_t (id, b) VALUES (12, 120);
INSERT INTO sync_t (id, a, b) VALUES (13, 130, 130), (14, 140, 999), (15, NULL, NULL), (16, 160, NULL), (17, NULL, 170);
INSERT INTO sync_t (id) VALUES (18);
SELECT id, a, b FROM sync_t WHERE id > 10 ORDER BY id;
-- UPDATE: old, new, both consistent, both not, neither
UPDATE sync_t SET a = 1100 WHERE id = 11;
UPDATE sync_t SET b = 1200 WHERE id = 12;
UPDATE sync_t SET a = 1300, b = 1300 WHERE id = 13;
UPDATE sync_t SET a = 1400, b = 1401 WHERE id = 14;
UPDATE sync_t SET x = 1 WHERE id = 15;
UPDATE sync_t SET a = NULL WHERE id = 16;
UPDATE sync_t SET b = NULL WHERE id = 17;
SELECT id, a, b FROM sync_t WHERE id > 10 ORDER BY id;
SELECT * FROM sync_met(9001);
-- a row that is not filled: neither side is written; old, new, an explicit NULL
UPDATE sync_t SET x = 1 WHERE id = 1;
UPDATE sync_t SET a = 21 WHERE id = 2;
UPDATE sync_t SET b = 31 WHERE id = 3;
UPDATE sync_t SET b = NULL WHERE id = 4;
UPDATE sync_t SET b = NULL, a = a WHERE id = 5;
SELECT id, a, b FROM sync_t WHERE id < 10 ORDER BY id;

-- a row that is inconsistent, made behind the trigger's back: who is named wins
ALTER TABLE sync_t DISABLE TRIGGER "~zdm_sync_9001";
UPDATE sync_t SET b = 7 WHERE id BETWEEN 11 AND 15;
ALTER TABLE sync_t ENABLE ALWAYS TRIGGER "~zdm_sync_9001";
UPDATE sync_t SET a = a WHERE id = 11;
UPDATE sync_t SET b = b WHERE id = 12;
UPDATE sync_t SET a = a, b = b WHERE id = 13;
UPDATE sync_t SET x = 2 WHERE id = 14;
SELECT id, a, b FROM sync_t WHERE id BETWEEN 11 AND 14 ORDER BY id;
-- a consistent row that is named is left alone
UPDATE sync_t SET a = a WHERE id = 16;
SELECT id, a, b FROM sync_t WHERE id = 16;

-- COPY, ON CONFLICT, MERGE, a data-modifying WITH, replica role
COPY sync_t (id, a) FROM STDIN;
21	210
\.
COPY sync_t (id, b) FROM STDIN;
22	220
\.
COPY sync_t (id, a, b) FROM STDIN;
23	230	\N
24	\N	240
25	250	250
\.
INSERT INTO sync_t (id, a) VALUES (21, 211) ON CONFLICT (id) DO UPDATE SET a = excluded.a;
INSERT INTO sync_t (id, b) VALUES (22, 221) ON CONFLICT (id) DO UPDATE SET b = excluded.b;
INSERT INTO sync_t (id, a) VALUES (23, 231) ON CONFLICT (id) DO UPDATE SET x = 5;
INSERT INTO sync_t (id, a) VALUES (24, 241) ON CONFLICT (id) DO UPDATE SET b = excluded.b + 1;
SELECT id, a, b, x FROM sync_t WHERE id > 20 ORDER BY id;
MERGE INTO sync_t t USING (VALUES (21, 212), (31, 310)) v (id, n) ON t.id = v.id
 WHEN MATCHED THEN UPDATE SET a = v.n WHEN NOT MATCHED THEN INSERT (id, b) VALUES (v.id, v.n);
SELECT id, a, b FROM sync_t WHERE id IN (21, 31) ORDER BY id;
-- two actions: the columns of one are no news of the row of the other
ALTER TABLE sync_t DISABLE TRIGGER "~zdm_sync_9001";
UPDATE sync_t SET b = NULL WHERE id IN (21, 22, 23);
ALTER TABLE sync_t ENABLE ALWAYS TRIGGER "~zdm_sync_9001";
MERGE INTO sync_t t USING (VALUES (21), (22)) v (id) ON t.id = v.id
 WHEN MATCHED AND v.id = 21 THEN UPDATE SET b = 21 WHEN MATCHED THEN UPDATE SET x = 6;
SELECT id, a, b, x FROM sync_t WHERE id IN (21, 22) ORDER BY id;
-- where all that update assign to the same columns, an explicit NULL is known
ALTER TABLE sync_t DISABLE TRIGGER "~zdm_sync_9001";
UPDATE sync_t SET b = NULL WHERE id IN (21, 22);
ALTER TABLE sync_t ENABLE ALWAYS TRIGGER "~zdm_sync_9001";
MERGE INTO sync_t t USING (VALUES (21), (22), (32)) v (id) ON t.id = v.id
 WHEN MATCHED AND v.id = 21 THEN UPDATE SET b = NULL WHEN MATCHED THEN UPDATE SET b = nullif(a, a)
 WHEN NOT MATCHED THEN INSERT (id, a) VALUES (v.id, 320);
SELECT id, a, b, x FROM sync_t WHERE id IN (21, 22, 32) ORDER BY id;
WITH u AS (UPDATE sync_t SET b = NULL WHERE id = 23 RETURNING id) SELECT count(*) FROM u;
SELECT id, a, b FROM sync_t WHERE id = 23;
SET session_replication_role = replica;
INSERT INTO sync_t (id, a) VALUES (41, 410);
UPDATE sync_t SET b = 411 WHERE id = 41;
RESET session_replication_role;
SELECT id, a, b FROM sync_t WHERE id = 41;

-- a value that cannot go back: the statement fails, and says how to let it through
INSERT INTO sync_t (id, b) VALUES (51, 10000000000);
UPDATE sync_t SET b = 10000000000 WHERE id = 41;
-- ... but one that was let through before is no hindrance to the other shape
ALTER TABLE sync_t DISABLE TRIGGER "~zdm_sync_9001";
UPDATE sync_t SET b = 10000000000 WHERE id = 41;
ALTER TABLE sync_t ENABLE ALWAYS TRIGGER "~zdm_sync_9001";
UPDATE sync_t SET a = 412 WHERE id = 41;
SELECT id, a, b FROM sync_t WHERE id = 41;

-- the winner is declared; conflicts are counted and listed
SELECT * FROM sync_met(9001);
SELECT sync_make('sync_t', 9001, 'b', 'a', 'a', 'b', winner => 'new');
UPDATE sync_t SET a = 1, b = 2 WHERE id = 11;
SELECT id, a, b FROM sync_t WHERE id = 11;
SELECT * FROM sync_met(9001);
SELECT "table", kind, row_key, role = current_user AS me, pid = pg_backend_pid() AS here, message
  FROM zdm.sync_samples WHERE mapping_id = 9001 ORDER BY at;

-- authority new: after the switch the default is the new column's
SELECT sync_make('sync_t', 9001, 'b', 'a', 'a', 'b', authority => 'new');
ALTER TABLE sync_t ALTER b SET DEFAULT 77;
INSERT INTO sync_t (id) VALUES (61);
INSERT INTO sync_t (id, b) VALUES (62, 620), (63, NULL);
INSERT INTO sync_t (id, a, b) VALUES (64, 640, NULL), (65, 650, 651);
INSERT INTO sync_t (id, a) VALUES (66, 660);
SELECT id, a, b FROM sync_t WHERE id > 60 ORDER BY id;
DROP TABLE sync_t;

--
-- one way: a new side that was written is left, and counted as drift
--
CREATE TABLE sync_t (id int PRIMARY KEY, first text, last text, b text);
SELECT sync_make('sync_t', 9002, 'b', $$first || ' ' || last$$);
INSERT INTO sync_t VALUES (1, 'Ada', 'Byron', NULL), (2, 'Alan', 'Turing', 'Alan Turing'), (3, 'Grace', 'Murray', 'Grace Hopper'), (4, 'Kurt', NULL, NULL);
UPDATE sync_t SET last = 'Lovelace' WHERE id = 1;
UPDATE sync_t SET b = 'A. Turing' WHERE id = 2;
UPDATE sync_t SET last = 'Hopper' WHERE id = 3;
UPDATE sync_t SET last = 'Goedel', b = 'Kurt G.' WHERE id = 4;
SELECT * FROM sync_t ORDER BY id;
SELECT * FROM sync_met(9002);
SELECT kind, row_key, message FROM zdm.sync_samples WHERE mapping_id = 9002 ORDER BY at;
DROP TABLE sync_t;

--
-- fill: the new column is filled where it is NULL, and nothing else
--
CREATE TABLE sync_t (id int PRIMARY KEY, a text, b int, x int);
INSERT INTO sync_t VALUES (1, 'one'), (2, 'n/a'), (3, NULL);
SELECT sync_make('sync_t', 9003, 'b', 'length(a)', mode => 'fill');
INSERT INTO sync_t VALUES (4, 'four', NULL), (5, 'five', 55), (6, NULL, NULL);
UPDATE sync_t SET a = 'hundred' WHERE id = 4;
UPDATE sync_t SET b = NULL WHERE id = 5;
UPDATE sync_t SET x = 1 WHERE id IN (1, 2, 3);
SELECT * FROM sync_t ORDER BY id;
DROP TABLE sync_t;

--
-- a lossy forward expression: a precise old value is never overwritten
--
CREATE TABLE sync_t (id int PRIMARY KEY, a text, b int, x int DEFAULT 0);
INSERT INTO sync_t (id, a) VALUES (1, ' 01 '), (2, 'n/a');
SELECT sync_make('sync_t', 9004, 'b', 'trim(a)::int', 'a', 'b::text');
INSERT INTO sync_t (id, a) VALUES (3, ' 3'), (4, '04');
INSERT INTO sync_t (id, a, b) VALUES (5, '+5', 5);
UPDATE sync_t SET b = 1 WHERE id = 1;
UPDATE sync_t SET b = 4, a = '004' WHERE id = 4;
UPDATE sync_t SET x = 1;
SELECT * FROM sync_t ORDER BY id;
UPDATE sync_t SET b = 33 WHERE id = 3;
-- a row that cannot be converted: others may write it, who writes it may not
UPDATE sync_t SET x = 2, a = 'n/a' WHERE id = 2;
UPDATE sync_t SET a = 'none' WHERE id = 2;
INSERT INTO sync_t (id, a) VALUES (6, 'six');
COPY sync_t (id, a) FROM STDIN;
7	seven
\.
SELECT * FROM sync_met(9004);
-- ... and the new shape mends it
UPDATE sync_t SET b = 2 WHERE id = 2;
SELECT * FROM sync_t ORDER BY id;

-- on_error 'null': let through, with NULL on the other side, and counted
SELECT sync_make('sync_t', 9004, 'b', 'trim(a)::int', 'a', 'b::text', on_error => 'null');
INSERT INTO sync_t (id, a) VALUES (6, 'six');
UPDATE sync_t SET a = 'three' WHERE id = 3;
INSERT INTO sync_t (id, a) SELECT i, CASE WHEN i % 2 = 0 THEN i::text ELSE 'odd' END FROM generate_series(11, 16) i;
SELECT * FROM sync_t WHERE id IN (3, 6) OR id > 10 ORDER BY id;
SELECT * FROM sync_met(9004);
SELECT kind, row_key, message FROM zdm.sync_samples WHERE mapping_id = 9004 AND row_key LIKE '%"6"%';
-- what is no matter of the value is an error all the same
CREATE FUNCTION sync_broken(text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN nonsense($1); END';
SELECT sync_make('sync_t', 9004, 'b', 'sync_broken(a)', 'a', 'b::text', on_error => 'null');
INSERT INTO sync_t (id, a) VALUES (7, '7');
DROP TABLE sync_t;
DROP FUNCTION sync_broken;

--
-- a lossy reverse expression: a precise new value is never overwritten
--
CREATE TABLE sync_t (id int PRIMARY KEY, d date, t timestamp);
SELECT sync_make('sync_t', 9005, 't', 'd', 'd', 't');
INSERT INTO sync_t (id, d) VALUES (1, '2026-01-01');
INSERT INTO sync_t (id, t) VALUES (2, '2026-01-02 12:00'), (3, '2026-01-03 12:00'), (4, '2026-01-04 12:00');
UPDATE sync_t SET t = '2026-01-01 13:00' WHERE id = 1;
UPDATE sync_t SET d = '2026-01-02' WHERE id = 2;
UPDATE sync_t SET d = '2026-02-03' WHERE id = 3;
UPDATE sync_t SET d = '2026-02-04', t = '2026-02-04 14:00' WHERE id = 4;
SELECT * FROM sync_t ORDER BY id;
SELECT * FROM sync_met(9005);
DROP TABLE sync_t;

-- ... also where the row was not consistent before, and reverse may fail for some
CREATE TABLE sync_t (id int PRIMARY KEY, a int, b bigint);
INSERT INTO sync_t VALUES (1, 99, 17), (2, 99, 10000000000);
SELECT sync_make('sync_t', 9008, 'b', 'a', 'a', 'b - b % 10');
UPDATE sync_t SET a = 10 WHERE id = 1;
UPDATE sync_t SET a = 10 WHERE id = 2;
SELECT * FROM sync_t ORDER BY id;
DROP TABLE sync_t;

--
-- defaults, identity, generated columns, NULLs
--
CREATE TABLE sync_t (id int GENERATED ALWAYS AS IDENTITY, new_id bigint, a text DEFAULT 'dflt', b text, g text GENERATED ALWAYS AS (a || '!') STORED);
SELECT sync_make('sync_t', 9006, 'new_id', 'id', 'id', 'new_id');
SELECT sync_make('sync_t', 9007, 'b', 'a', 'a', 'b');
INSERT INTO sync_t DEFAULT VALUES;
INSERT INTO sync_t (b) VALUES ('new');
INSERT INTO sync_t (a) VALUES (NULL);
-- a known limit: the trigger cannot tell this from the first one
INSERT INTO sync_t (b) VALUES (NULL);
INSERT INTO sync_t (new_id) VALUES (10);
UPDATE sync_t SET b = 'two' WHERE id = 2;
SELECT * FROM sync_t ORDER BY id;
DROP TABLE sync_t;

--
-- values are compared as they are stored: text, numeric, json, arrays, out of line
--
CREATE TABLE sync_t (id int PRIMARY KEY, a text, b text, n numeric, m numeric, j json, k json,
                     r int[], s int[], big text, big2 text, x int);
ALTER TABLE sync_t ALTER big SET STORAGE EXTERNAL, ALTER big2 SET STORAGE EXTERNAL;
SELECT sync_make('sync_t', 9010, 'b', 'a', 'a', 'b'), sync_make('sync_t', 9011, 'm', 'n', 'n', 'm'), sync_make('sync_t', 9012, 'k', 'j', 'j', 'k'),
       sync_make('sync_t', 9013, 's', 'r', 'r', 's'), sync_make('sync_t', 9014, 'big2', 'big', 'big', 'big2');
INSERT INTO sync_t (id, a, n, j, r, big) VALUES (1, 'a', 1.0, '{}', '{1}', repeat('x', 10000));
UPDATE sync_t SET a = 'A', n = 1.00, j = '{ }', r = '{1,NULL}', big = repeat('y', 10000);
SELECT a, b, n, m, j, k, r, s, big2 = repeat('y', 10000) AS big FROM sync_t;
UPDATE sync_t SET b = 'b', m = 1.000, k = '[]', s = NULL, big2 = repeat('z', 10000);
SELECT a, b, n, m, j, k, r, s, big = repeat('z', 10000) AS big FROM sync_t;
UPDATE sync_t SET x = 1, big = big2;
SELECT a, b, n, m, j, k, r, s, big = big2 AS big FROM sync_t;
DROP TABLE sync_t;

--
-- the type of the column as an assignment has it: length, domains, composite
--
CREATE DOMAIN sync_small AS int CHECK (value < 100);
CREATE TYPE sync_pair AS (p int, q text);
CREATE TABLE sync_t (id int PRIMARY KEY, a text, v varchar(5), n int, d sync_small, c sync_pair, p int);
SELECT sync_make('sync_t', 9020, 'v', 'a'), sync_make('sync_t', 9021, 'd', 'n', 'n', 'd'), sync_make('sync_t', 9022, 'p', '(c).p', 'c', $$(p, 'q')::sync_pair$$);
INSERT INTO sync_t (id, a, n, c) VALUES (1, 'abcde  ', 99, '(1,a)');
INSERT INTO sync_t (id, a) VALUES (2, 'abcdef');
INSERT INTO sync_t (id, n) VALUES (2, 100);
UPDATE sync_t SET p = 5;
SELECT id, v || '|' AS v, n, d, c, p FROM sync_t;
-- a domain that changes is noticed
ALTER DOMAIN sync_small ADD CHECK (value <> 50);
UPDATE sync_t SET n = 50;
DROP TABLE sync_t;
DROP DOMAIN sync_small;
DROP TYPE sync_pair;

--
-- partitions: other orders of columns, dropped columns, rows that move, partitions that come and go
--
CREATE TABLE sync_p (k int, a text, b text, x int) PARTITION BY LIST (k);
CREATE TABLE sync_p1 PARTITION OF sync_p FOR VALUES IN (1);
CREATE TABLE sync_p2 (gone int, b text, x int, k int, gone2 int, a text);
ALTER TABLE sync_p2 DROP gone, DROP gone2;
ALTER TABLE sync_p ATTACH PARTITION sync_p2 FOR VALUES IN (2);
SELECT sync_make('sync_p', 9030, 'b', $$coalesce(a, 'none')$$, 'a', 'b');
CREATE TABLE sync_p3 (x int, b text, a text, k int);
ALTER TABLE sync_p ATTACH PARTITION sync_p3 FOR VALUES IN (3);
SELECT tgrelid::regclass, tgenabled FROM pg_trigger WHERE tgname = '~zdm_sync_9030' ORDER BY 1;
INSERT INTO sync_p (k, a) VALUES (1, 'one'), (2, 'two'), (3, 'three');
INSERT INTO sync_p (k, b) VALUES (1, 'eins'), (2, 'zwei'), (3, 'drei');
INSERT INTO sync_p3 (k, a) VALUES (3, 'direct');
SELECT k, a, b FROM sync_p ORDER BY k, a;
UPDATE sync_p SET k = 2, a = 'moved' WHERE a = 'one';
UPDATE sync_p SET k = 1, b = 'bewegt' WHERE a = 'two';
UPDATE sync_p SET k = 3 WHERE a = 'eins';
-- an explicit NULL moves with its row, though forward would make something of it
UPDATE sync_p SET k = 1, b = NULL WHERE a = 'three';
WITH u AS (UPDATE sync_p SET k = 1, b = NULL WHERE a = 'direct' RETURNING k) SELECT count(*) FROM u;
MERGE INTO sync_p t USING (VALUES ('drei')) v (a) ON t.a = v.a WHEN MATCHED THEN UPDATE SET k = 1, b = NULL;
INSERT INTO sync_p (k) VALUES (1);
SELECT k, a, b FROM sync_p ORDER BY k, a, b;
ALTER TABLE sync_p DETACH PARTITION sync_p1;
SELECT count(*) FROM pg_trigger WHERE tgname = '~zdm_sync_9030' AND tgrelid = 'sync_p1'::regclass;
DROP TABLE sync_p, sync_p1;

-- a row that cannot be converted moves like any other, unless the statement has written the value
CREATE TABLE sync_p (k int, a text, b int) PARTITION BY LIST (k);
CREATE TABLE sync_p1 PARTITION OF sync_p FOR VALUES IN (1);
CREATE TABLE sync_p2 PARTITION OF sync_p FOR VALUES IN (2);
INSERT INTO sync_p VALUES (1, 'n/a'), (1, 'none');
SELECT sync_make('sync_p', 9032, 'b', 'a::int', 'a', 'b::text');
UPDATE sync_p SET k = 2 WHERE k = 1 AND a = 'n/a';
UPDATE sync_p SET k = 2, a = 'nil' WHERE a = 'none';
INSERT INTO sync_p VALUES (2, 'nil');
SELECT k, a, b FROM sync_p ORDER BY k;
SELECT kind, message FROM zdm.sync_samples WHERE mapping_id = 9032 AND "table" = 'public.sync_p2';
DROP TABLE sync_p;

-- inheritance: a child has a trigger of its own
CREATE TABLE sync_t (id int, a int, b int);
CREATE TABLE sync_child (y int) INHERITS (sync_t);
SELECT sync_make('sync_t', 9031, 'b', 'a', 'a', 'b'), sync_make('sync_child', 9031, 'b', 'a', 'a', 'b');
INSERT INTO sync_t VALUES (1, 1);
INSERT INTO sync_child VALUES (2, 2);
UPDATE sync_t SET a = a + 10;
SELECT tableoid::regclass, id, a, b FROM sync_t ORDER BY id;
SELECT mapping_id, "table" FROM zdm.sync_activity WHERE mapping_id = 9031;
DROP TABLE sync_t CASCADE;

--
-- what happens to the table
--
CREATE TABLE sync_t (id int PRIMARY KEY, gone int, a int, b text);
SELECT sync_make('sync_t', 9040, 'b', 'a::text', 'a', 'b::int');
INSERT INTO sync_t (id, a) VALUES (1, 1);
ALTER TABLE sync_t DROP gone;
INSERT INTO sync_t (id, a) VALUES (2, 2);
ALTER TABLE sync_t ADD y int DEFAULT 5;
UPDATE sync_t SET a = 11 WHERE id = 1;
ALTER TABLE sync_t ALTER a TYPE bigint;
INSERT INTO sync_t (id, a) VALUES (3, 30000000000);
VACUUM FULL sync_t;
UPDATE sync_t SET a = 13 WHERE id = 3;
SELECT * FROM sync_t ORDER BY id;
-- a column that was renamed by hand (error)
ALTER TABLE sync_t RENAME a TO aa;
INSERT INTO sync_t (id, aa) VALUES (4, 4);
ALTER TABLE sync_t RENAME aa TO a;
ALTER TABLE sync_t RENAME b TO bb;
UPDATE sync_t SET y = 6;
ALTER TABLE sync_t RENAME bb TO b;
ALTER TABLE sync_t RENAME TO sync_u;
INSERT INTO sync_u (id, b) VALUES (4, '4');
SELECT * FROM sync_u WHERE id = 4;
DROP TABLE sync_u;

--
-- functions that change, are missing, write the same table, fail in the middle
--
CREATE TABLE sync_t (id int PRIMARY KEY, a int, b int);
CREATE FUNCTION sync_f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
SELECT sync_make('sync_t', 9050, 'b', 'sync_f(a)', on_error => 'null');
INSERT INTO sync_t VALUES (1, 1);
CREATE OR REPLACE FUNCTION sync_f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 2';
INSERT INTO sync_t VALUES (2, 1);
SELECT * FROM sync_t ORDER BY id;
DROP FUNCTION sync_f;
INSERT INTO sync_t VALUES (3, 1);
-- the same trigger again, from within
CREATE FUNCTION sync_write(int) RETURNS void LANGUAGE sql AS $$ INSERT INTO sync_t VALUES ($1 + 1000, $1 - 1) ON CONFLICT DO NOTHING $$;
CREATE FUNCTION sync_f(n int) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF n > 5 THEN PERFORM sync_write(n); END IF;
    IF n = 4 THEN RAISE EXCEPTION 'four'; END IF;
    RETURN n;
END $$;
INSERT INTO sync_t VALUES (8, 8), (9, 9), (10, 4), (7, 3);
SELECT * FROM sync_t WHERE id > 3 ORDER BY id;
-- errors caught by the application, at several depths
DO $$
BEGIN
    FOR i IN 1 .. 20 LOOP
        BEGIN
            INSERT INTO sync_t VALUES (20 + i, 6 + i % 3);
            PERFORM 1 / (i % 2);
        EXCEPTION WHEN division_by_zero OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END $$;
SELECT count(*), count(*) FILTER (WHERE b IS DISTINCT FROM a AND a <> 4) AS wrong FROM sync_t WHERE id > 20;
DROP TABLE sync_t;
DROP FUNCTION sync_f, sync_write;

--
-- settings: those recorded with the mapping, where they can matter
--
CREATE SCHEMA sync_s1;
CREATE SCHEMA sync_s2;
CREATE FUNCTION sync_s1.name() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 's1' $$;
CREATE FUNCTION sync_s2.name() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 's2' $$;
CREATE FUNCTION sync_label(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1 || ' ' || name(); END $$;
CREATE TABLE sync_t (id int PRIMARY KEY, a timestamptz, b text, c text, d text);
SET TimeZone = 'UTC';
SET search_path = sync_s1, public;
SELECT sync_make('sync_t', 9060, 'b', 'a::text', 'a', 'b::timestamptz'), sync_make('sync_t', 9061, 'd', 'sync_label(c)');
SET search_path = sync_s2, public;
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'German';
INSERT INTO sync_t (id, a, c) VALUES (1, '2026-01-01 12:00+00', 'one');
INSERT INTO sync_t (id, b) VALUES (2, '2026-01-02 12:00');
SHOW TimeZone;
SHOW search_path;
RESET TimeZone;
RESET DateStyle;
RESET search_path;
SELECT a AT TIME ZONE 'UTC' AS a, b, d FROM sync_t ORDER BY id;
DROP TABLE sync_t;
DROP FUNCTION sync_label;
DROP SCHEMA sync_s1, sync_s2 CASCADE;

--
-- roles
--
CREATE ROLE regress_zdm_owner;
CREATE ROLE regress_zdm_writer;
CREATE ROLE regress_zdm_other;
GRANT CREATE ON SCHEMA public TO regress_zdm_owner;
SET ROLE regress_zdm_owner;
CREATE TABLE sync_t (id int PRIMARY KEY, a int, b int);
CREATE FUNCTION sync_f(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 + 1; END';
REVOKE ALL ON FUNCTION sync_f FROM PUBLIC;
GRANT INSERT, SELECT ON sync_t TO regress_zdm_writer;
GRANT UPDATE (a) ON sync_t TO regress_zdm_other;
RESET ROLE;
SELECT sync_make('sync_t', 9070, 'b', 'sync_f(a)');
SELECT role::regrole, function::regprocedure FROM zdm.sync_missing_rights('sync_t', 9070) ORDER BY 1::text;
SET ROLE regress_zdm_owner;
INSERT INTO sync_t VALUES (1, 1);
SET ROLE regress_zdm_writer;
INSERT INTO sync_t VALUES (2, 2);
RESET ROLE;
GRANT EXECUTE ON FUNCTION sync_f TO regress_zdm_writer;
SET ROLE regress_zdm_writer;
INSERT INTO sync_t VALUES (2, 2);
SET ROLE regress_zdm_owner;
INSERT INTO sync_t VALUES (3, 3);
RESET ROLE;
REVOKE EXECUTE ON FUNCTION sync_f FROM regress_zdm_writer;
SET ROLE regress_zdm_writer;
INSERT INTO sync_t VALUES (4, 4);
RESET ROLE;
SELECT * FROM sync_t ORDER BY id;
SELECT role::regrole, function::regprocedure FROM zdm.sync_missing_rights('sync_t', 9070) ORDER BY 1::text;
-- the views: to the owner, and without contents to pg_monitor
GRANT USAGE ON SCHEMA zdm TO regress_zdm_owner, regress_zdm_writer, pg_monitor;
UPDATE sync_t SET a = 5, b = 7 WHERE id = 1;
UPDATE sync_t SET b = 8 WHERE id = 2;
SET ROLE regress_zdm_owner;
SELECT mapping_id, "table", conflicts, drift, errors FROM zdm.sync_activity WHERE mapping_id = 9070;
SELECT kind, row_key, message FROM zdm.sync_samples WHERE mapping_id = 9070 ORDER BY at;
SET ROLE regress_zdm_writer;
SELECT (SELECT count(*) FROM zdm.sync_activity WHERE mapping_id = 9070) + (SELECT count(*) FROM zdm.sync_samples WHERE mapping_id = 9070) AS rows;
SET ROLE pg_monitor;
SELECT mapping_id, "table", conflicts, drift, errors FROM zdm.sync_activity WHERE mapping_id = 9070;
SELECT kind, row_key, message FROM zdm.sync_samples WHERE mapping_id = 9070 ORDER BY at;
-- who does not own the table makes no such trigger
SET ROLE regress_zdm_writer;
SELECT code, hint FROM refused($$ SELECT zdm.create_sync('sync_t', 1, 'b', 'a') $$);
RESET ROLE;
REVOKE USAGE ON SCHEMA zdm FROM regress_zdm_owner, regress_zdm_writer, pg_monitor;
DROP TABLE sync_t;
DROP FUNCTION sync_f;
REVOKE CREATE ON SCHEMA public FROM regress_zdm_owner;
DROP ROLE regress_zdm_owner, regress_zdm_writer, regress_zdm_other;

--
-- other triggers
--
CREATE TABLE sync_t (id int PRIMARY KEY, a int, b int);
CREATE FUNCTION sync_before() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.a := NEW.a + 1; RETURN NEW; END';
CREATE TRIGGER early BEFORE INSERT OR UPDATE ON sync_t FOR EACH ROW EXECUTE FUNCTION sync_before();
CREATE TRIGGER "~~late" BEFORE UPDATE OF a ON sync_t FOR EACH ROW WHEN (NEW.a = 0) EXECUTE FUNCTION sync_before();
CREATE TRIGGER "~~after" AFTER UPDATE ON sync_t FOR EACH ROW WHEN (false) EXECUTE FUNCTION sync_before();
SELECT sync_make('sync_t', 9080, 'b', 'a', 'a', 'b');
INSERT INTO sync_t VALUES (1, 1);
UPDATE sync_t SET id = 2;
SELECT * FROM sync_t;
SELECT * FROM zdm.sync_later_triggers('sync_t', 9080);
-- what was written while it was there has to be looked at
UPDATE sync_t SET a = -1;
SELECT * FROM sync_t;
SELECT * FROM sync_met(9080);
ALTER TABLE sync_t DISABLE TRIGGER "~~late";
UPDATE sync_t SET a = 5;
SELECT * FROM sync_met(9080);
DROP TABLE sync_t;
DROP FUNCTION sync_before;

--
-- a trigger that zdm has not made (error)
--
CREATE TABLE sync_t (id int PRIMARY KEY, a int, b int);
CREATE PROCEDURE sync_try(args text, timing text DEFAULT 'BEFORE INSERT OR UPDATE', level text DEFAULT 'ROW') LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER "~zdm_sync_1" %s ON sync_t FOR EACH %s EXECUTE FUNCTION zdm.sync(%s)', timing, level, args);
    BEGIN
        INSERT INTO sync_t VALUES (1, 1);
        UPDATE sync_t SET a = 2;
        DELETE FROM sync_t;
        RAISE WARNING 'nothing failed';
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING '% %', SQLSTATE, SQLERRM;
    END;
    DROP TRIGGER "~zdm_sync_1" ON sync_t;
END $$;
CALL sync_try('');
CALL sync_try($$'1'$$);
CALL sync_try($$'1', '1', 'sync', 'old', 'old', 'fail', 'a', 'b', 'a', 'b'$$);
CALL sync_try($$'1', '1', 'sync', 'old', 'old', 'fail', 'a', 'b', 'a', 'b', 'search_path'$$);
CALL sync_try($$'1', '2', 'sync', 'old', 'old', 'fail', 'a', 'b', 'a', 'b', 'search_path', 'public'$$);
CALL sync_try($$'x', '1', 'sync', 'old', 'old', 'fail', 'a', 'b', 'a', 'b', 'search_path', 'public'$$);
CALL sync_try($$'99999999999999999999', '1', 'sync', 'old', 'old', 'fail', 'a', 'b', 'a', 'b', 'search_path', 'public'$$);
CALL sync_try($$'1', '1', 'both', 'old', 'old', 'fail', 'a', 'b', 'a', 'b', 'search_path', 'public'$$);
CALL sync_try($$'1', '1', 'sync', 'old', 'old', 'fail', '', 'b', 'a', 'b', 'search_path', 'public'$$);
CALL sync_try($$'1', '1', 'sync', 'old', 'old', 'fail', 'a', '', 'a', 'b', 'search_path', 'public'$$);
CALL sync_try($$'1', '1', 'sync', 'old', 'old', 'fail', 'a', 'b', 'a', 'b', 'search_path', 'public', 'role', 'postgres'$$);
CALL sync_try($$'1', '1', 'sync', 'old', 'old', 'fail', 'a', 'b', 'a', 'b', 'search_path', 'public', 'DateStyle', 'nonsense'$$);
CALL sync_try($$'1', '1', 'sync', 'old', 'old', 'fail', 'a', 'b', 'a +', 'b', 'search_path', 'public'$$);
CALL sync_try($$'1', '1', 'sync', 'old', 'old', 'fail', 'a', 'b', 'a', 'b', 'search_path', 'public'$$);
CALL sync_try('', 'AFTER UPDATE');
CALL sync_try('', 'BEFORE DELETE');
CALL sync_try('', 'BEFORE INSERT', 'STATEMENT');
SELECT code, hint FROM refused('SELECT zdm.sync()');
DROP PROCEDURE sync_try;

--
-- expressions that are refused (error)
--
ALTER TABLE sync_t ADD s int GENERATED ALWAYS AS (a + 1) STORED, ADD t text;
CREATE FUNCTION sync_volatile(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION sync_default(int, float8 DEFAULT random()) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
CREATE FUNCTION sync_why(forward text, reverse text DEFAULT NULL, new_column text DEFAULT 'b', old_column text DEFAULT 'a', OUT code text, OUT error text, OUT hint boolean)
LANGUAGE plpgsql AS $$
DECLARE
    hint_text text;
BEGIN
    PERFORM zdm.create_sync('sync_t', 1, new_column, forward, old_column, reverse);
    code := 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, error = MESSAGE_TEXT, hint_text = PG_EXCEPTION_HINT;
    hint := hint_text <> '';
END $$;
SELECT f, w.* FROM unnest(ARRAY['', 'a +', 'a, id', 'a AS x', 'a FROM pg_class', 'a; DROP TABLE sync_t', 'a) --', '*', 'nope', 'nope(a)', 'a || 1',
        'sync_volatile(a)', 'sync_default(a)', 'random()::int', 'extract(year FROM now())::int', 'extract(year FROM ''now''::timestamptz)::int', 'pg_backend_pid()',
        'sum(a)', 'row_number() OVER ()', 'generate_series(1, a)', '(SELECT 1)', 'EXISTS (SELECT)', 'a IN (SELECT 1)',
        'b', 'a + b', 's', 'ctid::text::int', 'tableoid::int', 'sync_t.a', '(sync_t).a', 'sync_t::text::int', 'other.a', 'pg_class.oid', 't', '''x''', '$1', 'DEFAULT']) f,
    sync_why(f) w;
SELECT f, r, w.* FROM (VALUES ('a', 'a'), ('a', 'a + b'), ('a', '1'), ('id', 'b'), ('a', 'b > 1'), ('a', 'sum(b)'), ('a', 'sync_volatile(b)')) v (f, r), sync_why(f, r) w;
SELECT w.* FROM sync_why('a', 'b', 'a', 'a') w;
SELECT w.* FROM sync_why('a', 'b', 'nope', 'a') w;
SELECT w.* FROM sync_why('a', 'b', 'b', 'nope') w;
SELECT w.* FROM sync_why('a', 'b', 's', 'a') w;
SELECT w.* FROM sync_why('a', 'b', 'b', NULL) w;
SELECT zdm.create_sync('sync_t', 1, 'b', 'a +* 2');
-- a partition key
CREATE TABLE sync_p (k int, j int) PARTITION BY LIST (k);
CREATE TABLE sync_p1 PARTITION OF sync_p FOR VALUES IN (1);
SELECT code, hint FROM refused($$ SELECT zdm.create_sync('sync_p', 1, 'j', 'k', 'k', 'j') $$);
SELECT code, hint FROM refused($$ SELECT zdm.create_sync('sync_p1', 1, 'j', 'k', 'k', 'j') $$);
SELECT code, hint FROM refused($$ SELECT zdm.create_sync('sync_p', 1, 'j', 'k') $$);
DROP TABLE sync_p, sync_t;
DROP FUNCTION sync_volatile, sync_default, sync_why;
