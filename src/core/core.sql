-- What must hold before anything is created.

-- A schema that is there already may hold objects of somebody else, which
-- would then be taken for zdm's own.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_namespace n
                WHERE n.nspname OPERATOR(pg_catalog.=) 'zdm'
                  AND (NOT EXISTS (SELECT FROM pg_catalog.pg_roles r
                                    WHERE r.oid OPERATOR(pg_catalog.=) n.nspowner
                                      AND (r.rolsuper OR r.rolname OPERATOR(pg_catalog.=) current_user))
                       OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) n.oid)
                       OR EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace OPERATOR(pg_catalog.=) n.oid)
                       OR EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oprnamespace OPERATOR(pg_catalog.=) n.oid)
                       OR EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typnamespace OPERATOR(pg_catalog.=) n.oid))) THEN
        RAISE EXCEPTION 'schema "zdm" exists and is not empty, or belongs to a role that is no superuser'
            USING ERRCODE = 'duplicate_schema',
                  HINT = 'Drop or rename it, then run CREATE EXTENSION zdm again.';
    END IF;
END
$$;

CREATE FUNCTION zdm.running_since() RETURNS timestamptz
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_running_since';
COMMENT ON FUNCTION zdm.running_since() IS
    'Internal: since when the server runs as a primary, with the shared memory that it has; NULL without preload.';
