\set ECHO none
-- For the tests of mappings: a sync trigger, and rows written behind its back.

-- The trigger of a mapping, as a migration creates it.
CREATE OR REPLACE PROCEDURE map(tab regclass, id int, new_column text, forward text, old_column text DEFAULT '',
                                reverse text DEFAULT '', mode text DEFAULT 'sync', settings text[] DEFAULT '{search_path, public}')
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION zdm.sync(%L, %L, %L, %L, %L, %L, %L, %L, %L, %L, %s)',
                   '~zdm_sync_' || id, tab, id, 1, mode, 'old', 'old', 'fail', old_column, new_column, forward, reverse,
                   (SELECT string_agg(quote_literal(s), ', ') FROM unnest(settings) s));
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', tab, '~zdm_sync_' || id);
END $$;

-- Runs a statement of which the triggers of the table know nothing.
CREATE OR REPLACE PROCEDURE behind(tab regclass, statement text) LANGUAGE plpgsql AS $$
DECLARE
    trigger name;
BEGIN
    FOR trigger IN SELECT tgname FROM pg_trigger WHERE tgrelid = tab AND tgname LIKE '~zdm%' LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER %I', tab, trigger);
    END LOOP;
    EXECUTE statement;
    FOR trigger IN SELECT tgname FROM pg_trigger WHERE tgrelid = tab AND tgname LIKE '~zdm%' LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', tab, trigger);
    END LOOP;
END $$;
\set ECHO all
