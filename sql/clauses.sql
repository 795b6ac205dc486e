-- set_clause and filter: each is parsed by itself, means what it means in an
-- UPDATE, and cannot reach out of its place.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
CREATE TYPE clause_pair AS (x int, y int);
CREATE TABLE clause_t (id int PRIMARY KEY, a int, b int, c text, "Odd ""one" int,
                       arr int[], pair clause_pair, d int DEFAULT 42, e int);
CREATE TABLE clause_lookup (id int PRIMARY KEY, v int, w int);
INSERT INTO clause_lookup SELECT i, i * 10, i * 100 FROM generate_series(1, 4) i;
CREATE PROCEDURE clause_reset() LANGUAGE sql AS $$
    TRUNCATE clause_t;
    INSERT INTO clause_t (id, a, c, arr, pair, d) SELECT i, i, 'c' || i, ARRAY[i, i], ROW(i, i)::clause_pair, NULL FROM generate_series(1, 4) i;
$$;
CALL clause_reset();

--
-- comments end with the clause they are in
--
CALL backfill('clause_t', 'a = 9 -- not more', 'id = 1');
CALL backfill('clause_t', '/* first */ a = 8 /* in /* nested */ the middle */', 'id = 2 -- and no more');
CALL backfill('clause_t', E'a = 7 -- one\n, b = 7 -- two', E'id = 3 -- three\n AND true --');
SELECT id, a, b FROM clause_t ORDER BY id;

-- verify an unterminated comment (error)
SELECT zdm.start_backfill('clause_t', 'a = 9 /* open', 'id = 1');
SELECT zdm.start_backfill('clause_t', 'a = 9', 'id = 1 /* open');

--
-- operators of the filter bind among themselves only
--
CALL clause_reset();
CALL backfill('clause_t', 'b = 1', 'id = 1 OR id = 2');
CALL backfill('clause_t', 'b = 2', 'NOT id < 4');
SELECT id, b FROM clause_t ORDER BY id;

-- verify unbalanced parentheses (error)
SELECT zdm.start_backfill('clause_t', 'b = 1', 'true) OR (false');
SELECT zdm.start_backfill('clause_t', 'b = 1', 'id = 1)');
SELECT zdm.start_backfill('clause_t', 'b = 1', '(id = 1');
SELECT zdm.start_backfill('clause_t', 'b = (1', 'id = 1');
SELECT zdm.start_backfill('clause_t', 'b = 1)', '(id = 1');

-- verify unterminated quotes (error)
SELECT zdm.start_backfill('clause_t', 'c = ''open', 'c = ''shut''');
SELECT zdm.start_backfill('clause_t', 'c = $$open', 'c = ''$$''');
SELECT zdm.start_backfill('clause_t', '"a = 1', 'c = ''"''');

-- verify a second statement (error)
SELECT zdm.start_backfill('clause_t', 'a = 1; DROP TABLE clause_lookup', 'id = 1');
SELECT zdm.start_backfill('clause_t', 'a = 1', 'id = 1; DROP TABLE clause_lookup');
SELECT zdm.start_backfill('clause_t', 'a = 1; COMMIT');

-- a semicolon with nothing behind it is no second statement
CALL backfill('clause_t', 'b = 3;', 'id = 3;');

-- verify other parts of a statement in set_clause (error)
SELECT zdm.start_backfill('clause_t', 'a = 1 WHERE id = 1');
SELECT zdm.start_backfill('clause_t', 'a = 1 FROM clause_lookup l');
SELECT zdm.start_backfill('clause_t', 'a = 1 RETURNING a');
SELECT zdm.start_backfill('clause_t', 'a = 1 WHERE CURRENT OF cur');
SELECT set_clause, filter, refused.* FROM (VALUES
    ('a = 1 ORDER BY id LIMIT 1', NULL),
    ('SET a = 1', NULL),
    ('WITH x AS (SELECT 1) a = 1', NULL),
    ('', NULL),
    ('   -- nothing', NULL),
    ('a', NULL),
    ('a == 1', NULL)
) AS v (set_clause, filter), refused('clause_t', set_clause, filter);

-- verify other parts of a statement in filter (error)
SELECT zdm.start_backfill('clause_t', 'a = 1', 'true ORDER BY 1');
SELECT zdm.start_backfill('clause_t', 'a = 1', 'true LIMIT 1');
SELECT zdm.start_backfill('clause_t', 'a = 1', 'true OFFSET 1');
SELECT zdm.start_backfill('clause_t', 'a = 1', 'true UNION SELECT 1');
SELECT zdm.start_backfill('clause_t', 'a = 1', 'true GROUP BY id');
SELECT zdm.start_backfill('clause_t', 'a = 1', 'true HAVING true');
SELECT zdm.start_backfill('clause_t', 'a = 1', 'true WINDOW w AS ()');
SELECT zdm.start_backfill('clause_t', 'a = 1', 'true FOR UPDATE');
SELECT set_clause, filter, refused.* FROM (VALUES
    ('a = 1', 'true RETURNING 1'),
    ('a = 1', 'WHERE true'),
    ('a = 1', 'WITH x AS (SELECT 1) true'),
    ('a = 1', ''),
    ('a = 1', '-- nothing'),
    ('a = 1', 'id')
) AS v (set_clause, filter), refused('clause_t', set_clause, filter);

-- verify sub-statements with side effects (error)
SELECT set_clause, filter, refused.* FROM (VALUES
    ('a = (WITH d AS (DELETE FROM clause_lookup RETURNING v) SELECT max(v) FROM d)', NULL),
    ('a = 1', 'id IN (WITH d AS (DELETE FROM clause_lookup RETURNING id) SELECT id FROM d)')
) AS v (set_clause, filter), refused('clause_t', set_clause, filter);

-- verify parameters, aggregates, window functions and sets (error)
SELECT set_clause, filter, refused.* FROM (VALUES
    ('a = $1', NULL),
    ('a = 1', 'id = $1'),
    ('a = 1', 'ctid >= $1'),
    ('a = max(b)', NULL),
    ('a = row_number() OVER ()', NULL),
    ('a = generate_series(1, 2)', NULL),
    ('a = 1', 'count(*) > 1')
) AS v (set_clause, filter), refused('clause_t', set_clause, filter);

-- verify wrong columns (error)
SELECT set_clause, filter, refused.* FROM (VALUES
    ('a = 1, a = 2', NULL),
    ('clause_t.a = 1', NULL),
    ('ctid = ''(0,1)''', NULL),
    ('(a, b) = (1, 2, 3)', NULL),
    ('a = t.b', NULL)
) AS v (set_clause, filter), refused('clause_t', set_clause, filter);

-- none of these has left anything
SELECT count(*) FROM clause_lookup;
SELECT count(*) FROM zdm.jobs WHERE target = 'public.clause_t' AND state <> 'done';
CALL await($$ SELECT count(*) = 0 FROM zdm.jobs WHERE state IN ('queued', 'running') $$);

--
-- what is accepted, and right
--
CALL clause_reset();
CALL backfill('clause_t', 'a = b, b = a', 'id = 1 AND b IS NULL');
CALL backfill('clause_t', '(a, b) = (21, 22)', 'id = 2');
CALL backfill('clause_t', '(a, b) = ROW(31, 32), c = $q$no $1 -- here$q$', 'id = 3');
CALL backfill('clause_t', '(a, b) = (SELECT v, w FROM clause_lookup l WHERE l.id = clause_t.id)', 'id = 4 AND b IS NULL');
SELECT id, a, b, c FROM clause_t ORDER BY id;

-- verify (a, b) = (SELECT ...) without a filter (error)
SELECT zdm.start_backfill('clause_t', '(a, b) = (SELECT v, w FROM clause_lookup l WHERE l.id = clause_t.id)');

CALL clause_reset();
CALL backfill('clause_t', 'a = (SELECT v FROM clause_lookup l WHERE l.id = clause_t.id), "Odd ""one" = 5');
CALL backfill('clause_t', 'd = DEFAULT, e = DEFAULT');
CALL backfill('clause_t', 'arr[2] = 99, pair.y = 98');
CALL backfill('clause_t', 'arr[1] = 95, arr[2] = 96, pair.x = 94, pair.y = 93', 'id = 4');
CALL backfill('clause_t', 'arr[1:1] = ''{97}''', 'id = 1');
CALL backfill('clause_t', 'c = NULL', 'clause_t.id = 1 AND public.clause_t.c IS NOT NULL');
CALL backfill('clause_t', 'b = 6', 'id IN (SELECT id FROM clause_lookup WHERE v > 20) AND EXISTS (SELECT FROM clause_lookup)');
CALL backfill('clause_t', 'c = ''; '' || ''--''', 'c LIKE ''%4''');
SELECT id, a, b, c, "Odd ""one", arr, pair, d, e FROM clause_t ORDER BY id;

-- a filter that takes no row, is null, or is true
CALL backfill('clause_t', 'a = 0', 'false');
CALL backfill('clause_t', 'a = 0', 'NULL');
CALL backfill('clause_t', 'a = -2', 'id IS NULL');
CALL backfill('clause_t', 'a = -1', 'true');
CALL backfill('clause_t', 'a = a');
SELECT id, a FROM clause_t ORDER BY id;

-- DEFAULT of an identity column and of a serial: one value for each row
CREATE TABLE clause_identity (id int, a int GENERATED BY DEFAULT AS IDENTITY (START 100), b serial);
INSERT INTO clause_identity (id) VALUES (1), (2);
CALL backfill('clause_identity', 'a = DEFAULT, b = DEFAULT', 'a = 100');
SELECT * FROM clause_identity ORDER BY id;
DROP TABLE clause_identity;

-- columns whose names are those that zdm uses inside
CREATE TABLE clause_inside (ctid_ int, unsettled int, stripe int, t int, batch_takes int, differs int);
INSERT INTO clause_inside VALUES (1, 2, 3, 4, 5, 6);
CALL backfill('clause_inside', 'unsettled = t, t = differs, differs = stripe', 'unsettled = 2');
SELECT * FROM clause_inside;

-- functions and operators of the user that look like zdm's or PostgreSQL's
CREATE SCHEMA clause_evil;
CREATE FUNCTION clause_evil.differs(anyelement, anyelement) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION clause_evil.batch_takes(tid, xid, int, int) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION clause_evil.never(tid, tid) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR clause_evil.>= (LEFTARG = tid, RIGHTARG = tid, FUNCTION = clause_evil.never);
SET search_path = clause_evil, zdm, pg_catalog, public;
CALL backfill('public.clause_t', 'e = 1');
RESET search_path;
SELECT count(*) FROM clause_t WHERE e = 1;

-- clean up
SET client_min_messages = error;
DROP SCHEMA clause_evil CASCADE;
DROP TABLE clause_t, clause_lookup, clause_inside;
DROP PROCEDURE clause_reset;
DROP TYPE clause_pair;
