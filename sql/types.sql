-- Types: each value arrives as the same UPDATE would store it, is not written
-- again when it is right, and every job ends done.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers
CREATE DOMAIN ty_positive AS int CHECK (VALUE > 0);
CREATE DOMAIN ty_code AS varchar(3) NOT NULL;
CREATE DOMAIN ty_numeric AS numeric(6,2);
CREATE TYPE ty_mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE ty_pair AS (x int, y numeric(6,2));
CREATE TYPE ty_span AS RANGE (subtype = float8);
CREATE TABLE ty_t (
    id int PRIMARY KEY,
    d ty_positive, dc ty_code DEFAULT 'a', dn ty_numeric, e ty_mood, ea ty_mood[],
    p ty_pair, pa ty_pair[], n numeric(10,2), n0 numeric, v varchar(4), c char(5), b bit(3), vb bit varying(3),
    f4 real, f8 float8, j json, jb jsonb, x xml, bin bytea, r int4range, mr int4multirange, s ty_span,
    ts timestamp(0), tz timestamptz, dt date, i interval, a int[], a2 int[][], u uuid, ip inet, pt point,
    tv tsvector, t text, big text, o oid, nm name, ch "char", bo boolean, m money);
INSERT INTO ty_t (id) SELECT i FROM generate_series(1, 3) i;

-- twice the same under two names: the second has nothing to do
CREATE PROCEDURE ty_twice(set_clause text, INOUT first text DEFAULT NULL, INOUT changed bigint DEFAULT NULL,
                          INOUT second text DEFAULT NULL, INOUT again bigint DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    dummy bigint;
    code text;
    error text;
BEGIN
    CALL backfill('ty_t', set_clause, NULL, 'types 1: ' || set_clause, true, 100, first, changed, dummy, code, error);
    IF first <> 'done' THEN RAISE WARNING '% %', code, error; END IF;
    CALL backfill('ty_t', set_clause, NULL, 'types 2: ' || set_clause, true, 100, second, again, dummy, code, error);
END $$;

CALL ty_twice('d = id, dc = ''b'' || id, dn = id + 0.005');
SELECT id, d, dc, dn FROM ty_t ORDER BY id;
CALL ty_twice('e = ''happy'', ea = ARRAY[''sad'', ''ok'']::ty_mood[]');
CALL ty_twice('e = (ARRAY[''sad'', ''ok'', ''happy''])[id]::ty_mood');
SELECT id, e, ea FROM ty_t ORDER BY id;
CALL ty_twice('p = ROW(id, 1.005), pa = ARRAY[ROW(id, 2.345)::ty_pair]');
CALL ty_twice('p.y = 7.777, pa[2].x = 5');
SELECT id, p, pa FROM ty_t ORDER BY id;
CALL ty_twice('n = 1.005, n0 = 1.50');
SELECT id, n, n0 FROM ty_t ORDER BY id;
-- equal and yet not the same
CALL ty_twice('n0 = 1.5000');
CALL ty_twice('n0 = ''NaN'', f4 = ''NaN'', f8 = ''-0''');
CALL ty_twice('f8 = 0');
CALL ty_twice('f8 = ''NaN'', f4 = 0.1');
CALL ty_twice('f4 = 1.0 / 3, f8 = 1.0 / 3');
SELECT id, n0, f4, f8 FROM ty_t ORDER BY id;
CALL ty_twice('v = ''ab  ''::text, c = ''ab'', b = B''101'', vb = B''1''');
CALL ty_twice('v = (''abcd  '')::varchar(4)');
SELECT id, v, c, b, vb FROM ty_t ORDER BY id;
CALL ty_twice('j = ''{"b": 1,  "a": 2}'', jb = ''{"b": 1,  "a": 2, "a": 3}''');
CALL ty_twice('jb = jb || jsonb_build_object(''id'', id), j = ''{"b":1}''');
CALL ty_twice('jb[''new''] = ''5''');
SELECT id, j, jb FROM ty_t ORDER BY id;
CALL ty_twice('bin = ''\x00ff'', u = ''00000000-0000-0000-0000-000000000001'', ip = ''99.0.0.1/8'', pt = point(1, 2)');
CALL ty_twice('r = ''(1,3]'', mr = ''{[1,2),[2,3)}'', s = ''[1,2)''');
SELECT id, r, mr, s, bin, u, ip, pt FROM ty_t ORDER BY id;
CALL ty_twice('a = ARRAY[id, NULL], a2 = ''{{1,2},{3,4}}''');
CALL ty_twice('a[3] = 5');
SELECT id, a, a2 FROM ty_t ORDER BY id;
CALL ty_twice('tv = to_tsvector(''running dogs''), t = '''', o = 4294967295, nm = ''Name'', ch = ''x'', bo = ''yes'', m = 3.999::numeric');
SELECT id, tv, t, o, nm, ch, bo, m FROM ty_t ORDER BY id;

-- values out of line, compressed and not
CALL ty_twice('big = repeat(md5(id::text), 1000)');
ALTER TABLE ty_t ALTER big SET STORAGE EXTERNAL;
CALL ty_twice('big = repeat(md5((-id)::text), 1000)');
CALL ty_twice('big = upper(big)');
SELECT count(*) FROM ty_t WHERE big = upper(repeat(md5((-id)::text), 1000));

-- time: as in the session that started the job
SET TimeZone = 'Asia/Kathmandu';
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'iso_8601';
CALL ty_twice('ts = ''2026-01-02 03:04:05.678'', tz = ''2026-01-02 03:04:05'', dt = ''01/02/2026'', i = ''P1D''');
CALL ty_twice('t = tz::text || i::text || dt::text');
RESET TimeZone;
RESET DateStyle;
RESET IntervalStyle;
SELECT id, ts AT TIME ZONE 'UTC' = '2026-01-02 03:04:06Z' AS ts, tz = '2026-01-01 21:19:05Z' AS tz,
       to_char(dt, 'YYYY-MM-DD') AS dt, i = '1 day' AS i, t FROM ty_t ORDER BY id;
SET bytea_output = 'escape';
SET extra_float_digits = 0;
CALL ty_twice('t = bin::text || f8::text');
SELECT id, t FROM ty_t ORDER BY id;
RESET bytea_output;
RESET extra_float_digits;

-- the parser's settings of that session
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET backslash_quote = on;
CALL ty_twice('t = ''a\\\\b\\'''' -- '', nm = ''\\x41''');
SET standard_conforming_strings = on;
SELECT id, t, nm FROM ty_t ORDER BY id;
RESET escape_string_warning;
RESET backslash_quote;
SET transform_null_equals = on;
CALL backfill('ty_t', 'bo = false', 'x = NULL', name => 'types: null equals');
RESET transform_null_equals;
SET array_nulls = off;
CALL backfill('ty_t', 't = (''{NULL}''::text[])[1]', name => 'types: array nulls');
RESET array_nulls;
SELECT id, bo, t FROM ty_t ORDER BY id;

-- equal for the type, different in the column
CREATE FUNCTION ty_has_icu() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    CREATE COLLATION ty_ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    CREATE COLLATION ty_ci FROM "C";
    RETURN false;
END $$;
SELECT ty_has_icu() IS NOT NULL;
CREATE TABLE ty_collation (id int, s text COLLATE ty_ci);
INSERT INTO ty_collation VALUES (1, 'abc'), (2, 'ABC'), (3, 'x');
CALL backfill('ty_collation', 's = ''ABC''');
SELECT id, s::bytea = 'ABC' FROM ty_collation ORDER BY id;

-- a domain whose constraint a row breaks, and an enum that lacks a value
CALL backfill('ty_t', 'd = id - 1', name => 'types: domain');
CALL backfill('ty_t', 'e = (ARRAY[''sad'', ''angry'', ''happy''])[id]::ty_mood', name => 'types: enum');
SELECT job_name, row_key, sqlstate FROM zdm.quarantine WHERE job_name LIKE 'types: %' ORDER BY 1;

-- a value added to the enum in between is known to the worker
ALTER TYPE ty_mood ADD VALUE 'angry' BEFORE 'ok';
SELECT zdm.retry_job(zdm.job_id('types: enum'));
CALL zdm.wait_for_job(zdm.job_id('types: enum'));
SELECT id, d, e FROM ty_t ORDER BY id;

-- dropped columns, and one with a default that no row has stored
CREATE TABLE ty_drop (gone1 text, id int, gone2 int, n int);
INSERT INTO ty_drop SELECT 'x', i, i FROM generate_series(1, 100) i;
ALTER TABLE ty_drop DROP gone1, DROP gone2, ADD "late" int DEFAULT 5;
CALL backfill('ty_drop', 'n = late + id');
SELECT count(*) FROM ty_drop WHERE n = id + 5;

DROP TABLE ty_t, ty_collation, ty_drop;
DROP COLLATION ty_ci;
DROP PROCEDURE ty_twice;
DROP FUNCTION ty_has_icu;
DROP TYPE ty_mood, ty_pair, ty_span;
DROP DOMAIN ty_positive, ty_code, ty_numeric;

--
-- rows that are the same, but for where they were read from
--
CREATE TABLE ty_src (id int, t text);
INSERT INTO ty_src VALUES (1, 'x');
CREATE TABLE ty_row (id int, c ty_src, d ty_src[]);
INSERT INTO ty_row SELECT generate_series(1, 100);
CREATE FUNCTION ty_read() RETURNS ty_src STABLE LANGUAGE plpgsql AS $$
DECLARE r ty_src; BEGIN SELECT * INTO r FROM ty_src WHERE id = 1; RETURN r; END $$;
CALL backfill('ty_row', 'c = ty_read(), d = ARRAY[ty_read()]', name => 'ty: rows');
UPDATE ty_src SET t = 'x';
CALL backfill('ty_row', 'c = ty_read(), d = ARRAY[ty_read()]', name => 'ty: rows again');
UPDATE ty_src SET t = 'y';
CALL backfill('ty_row', 'c = ty_read(), d = ARRAY[ty_read()]', name => 'ty: other rows');
SELECT DISTINCT c, d FROM ty_row;
