-- No backfill: one core busy with computing and with writing as much WAL as the backfill before, evenly.
CREATE PROCEDURE write_wal(bytes bigint, seconds float8)
LANGUAGE plpgsql AS $$
DECLARE
    message text := repeat('w', 4000);
    start timestamptz := clock_timestamp();
    written bigint := 0;
    passed float8;
BEGIN
    SET synchronous_commit = off;
    LOOP
        passed := extract(epoch FROM clock_timestamp() - start);
        EXIT WHEN passed >= seconds;
        CONTINUE WHEN written > bytes * passed / seconds;
        PERFORM pg_logical_emit_message(true, 'bench', message);
        written := written + length(message);
        COMMIT;
    END LOOP;
END $$;
