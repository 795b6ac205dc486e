-- What "dual_write" needs. Variable: rows.
SET client_min_messages = warning;
DROP TABLE IF EXISTS dual, dual_source;

CREATE UNLOGGED TABLE dual_source AS
SELECT i::bigint AS id, i::int AS a, i::bigint AS b, 0 AS x, 'some text of this row' AS note
  FROM generate_series(1, :rows) AS i;
VACUUM (ANALYZE) dual_source;
CREATE UNLOGGED TABLE dual (LIKE dual_source);

-- as zdm does it: a new column that is NULL is filled
CREATE OR REPLACE FUNCTION dual_fill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.b IS NULL THEN
        NEW.b := NEW.a;
    END IF;
    RETURN NEW;
END $$;

-- as zdm does it: the side that was written wins, unless the row is consistent
CREATE OR REPLACE FUNCTION dual_sync() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.b IS NULL THEN
            NEW.b := NEW.a;
        ELSIF NEW.b IS DISTINCT FROM NEW.a::bigint AND NEW.a IS DISTINCT FROM NEW.b::int THEN
            NEW.a := NEW.b;
        END IF;
    ELSIF NEW.a IS DISTINCT FROM OLD.a THEN
        IF NEW.b IS DISTINCT FROM NEW.a::bigint AND NEW.a IS DISTINCT FROM NEW.b::int THEN
            NEW.b := NEW.a;
        END IF;
    ELSIF NEW.b IS DISTINCT FROM OLD.b THEN
        IF NEW.b IS DISTINCT FROM NEW.a::bigint AND NEW.a IS DISTINCT FROM NEW.b::int THEN
            NEW.a := NEW.b;
        END IF;
    ELSIF NEW.b IS NULL THEN
        NEW.b := NEW.a;
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE PROCEDURE dual_trigger(kind text, method text) LANGUAGE plpgsql SET client_min_messages = warning AS $$
BEGIN
    DROP TRIGGER IF EXISTS dual_plpgsql ON dual;
    DROP TRIGGER IF EXISTS "~zdm_sync_1" ON dual;
    IF method = 'plpgsql' THEN
        EXECUTE format('CREATE TRIGGER dual_plpgsql BEFORE INSERT OR UPDATE ON dual FOR EACH ROW EXECUTE FUNCTION %I()',
                       CASE WHEN kind = 'frame' THEN 'dual_fill' ELSE 'dual_sync' END);
    ELSIF method = 'zdm' AND kind = 'frame' THEN
        PERFORM zdm.create_sync('dual', 1, 'b', 'a', 'a', mode => 'fill');
    ELSIF method = 'zdm' THEN
        PERFORM zdm.create_sync('dual', 1, 'b', 'a', 'a', 'b');
    END IF;
END $$;

-- One statement on the table, loaded before or not: how long it takes, in ms.
CREATE OR REPLACE PROCEDURE dual_run(kind text, method text, statement text, loaded boolean, INOUT ms float8 DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    begun timestamptz;
BEGIN
    CALL dual_trigger(kind, 'none');
    TRUNCATE dual;
    IF loaded THEN
        INSERT INTO dual SELECT * FROM dual_source;
    END IF;
    CALL dual_trigger(kind, method);
    COMMIT;
    begun := clock_timestamp();
    EXECUTE statement;
    ms := extract(epoch FROM clock_timestamp() - begun) * 1000;
END $$;
