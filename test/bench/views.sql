-- Many migrations and events, and how long a query takes. Variables: migrations, events.
SET client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS views;

-- Milliseconds that it takes to read all rows of a query, all columns; the median of five.
CREATE OR REPLACE FUNCTION views.time_of(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz;
    times float8[] := '{}';
    r record;
BEGIN
    FOR i IN 1 .. 6 LOOP
        began := clock_timestamp();
        FOR r IN EXECUTE query LOOP
        END LOOP;
        times := times || extract(epoch FROM clock_timestamp() - began)::float8 * 1000;
    END LOOP;
    -- the first one plans, and finds what it needs in the catalogs
    RETURN (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(times[2:]) t);
END $$;

CREATE OR REPLACE PROCEDURE views.fill(migrations int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. migrations LOOP
        EXECUTE format('CREATE TABLE views.t_%s (id int PRIMARY KEY, a text, b int)', i);
        EXECUTE format('INSERT INTO views.t_%s VALUES (1, ''a'', 1)', i);
        COMMIT;
        CASE i % 4
            -- one that ends by itself
            WHEN 0 THEN PERFORM zdm.set_not_null(format('views.t_%s', i), 'b', name => 'not null ' || i);
            -- one that waits to be contracted, its rows verified again and again
            WHEN 1 THEN PERFORM zdm.rename_column(format('views.t_%s', i), 'a', 'c', 'bench', CURRENT_DATE + 30, 'rename ' || i);
            -- planned
            WHEN 2 THEN PERFORM zdm.change_column_type(format('views.t_%s', i), 'b', 'bigint', owner => 'bench', contract_by => CURRENT_DATE,
                                                      name => 'type ' || i, dry_run => true);
            ELSE
                PERFORM zdm.create_migration('own ' || i, 'bench', CURRENT_DATE + 30, format('views.t_%s', i));
                PERFORM zdm.add_step('own ' || i, 'expand', 'ddl', format('ALTER TABLE views.t_%s ADD COLUMN d int', i), format('ALTER TABLE views.t_%s DROP COLUMN d', i));
                PERFORM zdm.add_step('own ' || i, 'migrate', 'backfill', set_clause => 'd = b');
                PERFORM zdm.add_step('own ' || i, 'contract', 'ddl', format('ALTER TABLE views.t_%s DROP COLUMN b', i));
                PERFORM zdm.add_invariant('own ' || i, 'all there', format('SELECT id FROM views.t_%s WHERE b IS NULL', i));
                IF i % 8 = 3 THEN
                    PERFORM zdm.start('own ' || i);
                END IF;
        END CASE;
        COMMIT;
        -- not more at once than workers can take
        WHILE i % 10 = 0 AND EXISTS (SELECT FROM zdm.migrations WHERE phase IN ('expand', 'migrate')) LOOP
            COMMIT;
            PERFORM pg_sleep(0.05);
        END LOOP;
    END LOOP;
END $$;

CALL views.fill(:migrations);

-- those of months
INSERT INTO zdm.event (at, migration_id, job_id, actor, event, message)
SELECT clock_timestamp() - (:events - i) * interval '1 minute', m.migration_id, CASE WHEN i % 3 > 0 THEN m.main_job END, 'bench', 'continued', 'of earlier'
  FROM generate_series(1, :events) AS i
  JOIN (SELECT row_number() OVER (ORDER BY migration_id) AS n, count(*) OVER () AS of_all, migration_id, main_job FROM zdm.migration) m ON m.n = 1 + i % m.of_all;
VACUUM (ANALYZE);
