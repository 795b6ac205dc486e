-- The table that is filled, which may be partitioned, and what it takes on disk.
CREATE FUNCTION bench_tables() RETURNS SETOF oid LANGUAGE sql AS $$
    SELECT to_regclass('bench')::oid
    UNION ALL
    SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('bench')
$$;

-- bytes, with indexes and TOAST
CREATE FUNCTION bench_size() RETURNS bigint LANGUAGE sql AS $$
    SELECT sum(pg_total_relation_size(t))::bigint FROM bench_tables() AS t
$$;
