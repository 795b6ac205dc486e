-- Random writes of both shapes, one statement after another: whatever they are,
-- every row is consistent after each of them, and what a statement wrote into
-- one side alone is there.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers

-- A mapping, with the same in the words of the test: values of the old and of
-- the new side, and when a row of both is consistent.
CREATE TABLE random_kind (kind text, old_type text, new_type text, forward text, reverse text, olds text[], news text[]);
INSERT INTO random_kind VALUES
    ('widened', 'int', 'bigint', 'a', 'b', '{1,2,-3,NULL}', '{1,2,4,NULL}'),
    ('renamed', 'text', 'text', 'a', 'b', '{x,y,"",NULL}', '{x,z,NULL}'),
    ('lossy forward', 'text', 'int', 'nullif(trim(a), '''')::int', 'b::text', '{1," 1","01 ","2",""," ",NULL}', '{1,2,3,NULL}'),
    ('lossy reverse', 'date', 'timestamp', 'a', 'b', '{2026-01-01,2026-01-02,NULL}', '{2026-01-01 10:00,2026-01-01 00:00,2026-01-03 01:00,NULL}'),
    ('lossy both', 'numeric', 'numeric', 'round(a, 1)', 'round(b, 0)', '{1.25,1.2,1,2.75,NULL}', '{1.3,1.2,1.0,2.8,NULL}'),
    ('defaults', 'text', 'text', 'coalesce(a, ''none'')', 'nullif(b, ''none'')', '{x,none,NULL}', '{x,none,NULL}'),
    ('one way', 'text', 'int', 'length(a)', NULL, '{a,bb,cc,NULL}', '{1,2,NULL}');

CREATE TABLE random_found (kind text, authority text, statement text, problem text);

CREATE FUNCTION pick(choices text[]) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(quote_literal(choices[1 + floor(random() * cardinality(choices))::int]), 'NULL')
$$;

-- One statement at random, and what it wrote: o and n are NULL for a side that it did not.
CREATE FUNCTION random_statement(k random_kind, OUT statement text, OUT target int, OUT o text, OUT n text) LANGUAGE plpgsql AS $$
DECLARE
    columns text[];
    items text[];
    dice float := random();
BEGIN
    target := floor(random() * 12);
    IF random() < 0.6 THEN o := pick(k.olds); END IF;
    IF random() < 0.5 AND k.reverse IS NOT NULL OR o IS NULL AND random() < 0.8 AND k.reverse IS NOT NULL THEN n := pick(k.news); END IF;
    columns := array_remove(ARRAY['id', CASE WHEN o IS NOT NULL THEN 'a' END, CASE WHEN n IS NOT NULL THEN 'b' END], NULL);
    items := array_remove(ARRAY['x = t.x + 1', 'a = ' || o, 'b = ' || n, CASE WHEN random() < 0.1 AND o IS NULL THEN 'a = t.a' END,
                                CASE WHEN random() < 0.1 AND n IS NULL THEN 'b = t.b' END], NULL);
    statement := CASE
        WHEN dice < 0.25 THEN format('INSERT INTO random_t (%s) VALUES (%s) ON CONFLICT DO NOTHING', array_to_string(columns, ', '), concat_ws(', ', target, o, n))
        WHEN dice < 0.4 THEN format('INSERT INTO random_t AS t (%s) VALUES (%s) ON CONFLICT (id, p) DO UPDATE SET %s',
                                    array_to_string(columns, ', '), concat_ws(', ', target, o, n), array_to_string(items, ', '))
        WHEN dice < 0.5 THEN format('MERGE INTO random_t t USING (VALUES (%s), (%s)) v (i) ON t.id = v.i WHEN MATCHED AND v.i %% 2 = 0 THEN UPDATE SET %s WHEN MATCHED THEN UPDATE SET x = 0 WHEN NOT MATCHED THEN INSERT (%s) VALUES (%s)',
                                    target, target + 100, array_to_string(items, ', '), array_to_string(columns, ', '), concat_ws(', ', 'v.i', o, n))
        WHEN dice < 0.6 THEN format('UPDATE random_t t SET %s, p = 1 - p WHERE id = %s', array_to_string(items, ', '), target)
        WHEN dice < 0.65 THEN format('DELETE FROM random_t WHERE id = %s', target)
        ELSE format('UPDATE random_t t SET %s WHERE id = %s', array_to_string(items, ', '), target) END;
END $$;

CREATE PROCEDURE random_check(k random_kind, authority text, s record) LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    EXECUTE format('SELECT string_agg(random_t::text, '' '') FROM random_t WHERE NOT ((b IS NOT DISTINCT FROM (%s)::%s AND b::text IS NOT DISTINCT FROM ((%1$s)::%2$s)::text) OR %s)
                       AND NOT (unfilled AND b IS NULL)', k.forward, k.new_type,
                   CASE WHEN k.reverse IS NULL THEN 'false'
                        ELSE format('(a IS NOT DISTINCT FROM (%s)::%s AND a::text IS NOT DISTINCT FROM ((%1$s)::%2$s)::text)', k.reverse, k.old_type) END) INTO wrong;
    IF wrong IS NOT NULL THEN INSERT INTO random_found VALUES (k.kind, authority, s.statement, 'inconsistent: ' || wrong); END IF;
    -- what was written into one side alone is there
    IF s.statement LIKE 'UPDATE%' AND s.statement !~ ' = t.[ab]' AND (s.o IS NULL) <> (s.n IS NULL) THEN
        EXECUTE format('SELECT string_agg(random_t::text, '' '') FROM random_t WHERE id = %s AND %s IS DISTINCT FROM (%s)::%s', s.target,
                       CASE WHEN s.o IS NULL THEN 'b' ELSE 'a' END, coalesce(s.o, s.n), CASE WHEN s.o IS NULL THEN k.new_type ELSE k.old_type END) INTO wrong;
        IF wrong IS NOT NULL THEN INSERT INTO random_found VALUES (k.kind, authority, s.statement, 'lost: ' || wrong); END IF;
    END IF;
END $$;

CREATE PROCEDURE random_run(k random_kind, authority text, winner text, n int) LANGUAGE plpgsql AS $$
DECLARE
    s record;
BEGIN
    DROP TABLE IF EXISTS random_t;
    EXECUTE format('CREATE TABLE random_t (id int, p int DEFAULT 0, a %s, b %s, x int DEFAULT 0, unfilled boolean DEFAULT false, PRIMARY KEY (id, p)) PARTITION BY LIST (p)',
                   k.old_type, k.new_type);
    CREATE TABLE random_t0 PARTITION OF random_t FOR VALUES IN (0);
    EXECUTE format('CREATE TABLE random_t1 (unfilled boolean DEFAULT false, b %s, x int DEFAULT 0, a %s, p int NOT NULL DEFAULT 1, id int NOT NULL)', k.new_type, k.old_type);
    ALTER TABLE random_t ATTACH PARTITION random_t1 FOR VALUES IN (1);
    FOR i IN 0 .. 5 LOOP
        EXECUTE format('INSERT INTO random_t (id, a, unfilled) VALUES (%s, %s, true)', i, pick(k.olds));
    END LOOP;
    PERFORM zdm.create_sync('random_t', 8999, 'b', k.forward, 'a', k.reverse, authority => authority, winner => winner);
    FOR i IN 1 .. n LOOP
        s := random_statement(k);
        BEGIN
            EXECUTE s.statement;
            CALL random_check(k, authority, s);
        EXCEPTION WHEN unique_violation THEN
            NULL;               -- moved onto another row
        END;
    END LOOP;
END $$;

SELECT setseed(0.5);
DO $$
DECLARE
    k random_kind;
BEGIN
    FOR k IN SELECT * FROM random_kind LOOP
        CALL random_run(k, 'old', 'old', 120);
        CALL random_run(k, 'old', 'new', 120);
        CALL random_run(k, 'new', 'new', 120);
    END LOOP;
END $$;
SELECT * FROM random_found LIMIT 20;
DROP TABLE random_t, random_found;
DROP PROCEDURE random_run, random_check;
DROP FUNCTION random_statement, pick;
DROP TABLE random_kind;
