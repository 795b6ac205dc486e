-- The loop that people write by hand: batches by primary key, a commit after each.
CREATE PROCEDURE keyset_loop(batch int)
LANGUAGE plpgsql AS $$
DECLARE
    last_id bigint := 0;
    next_id bigint;
BEGIN
    LOOP
        SELECT max(id) INTO next_id
          FROM (SELECT id FROM bench WHERE id > last_id ORDER BY id LIMIT batch) AS ids;
        EXIT WHEN next_id IS NULL;
        UPDATE bench SET channel = upper(source)
         WHERE id > last_id AND id <= next_id AND channel IS NULL;
        COMMIT;
        last_id := next_id;
    END LOOP;
END $$;
