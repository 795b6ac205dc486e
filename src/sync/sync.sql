-- The trigger that keeps the old and the new side of a row in step, and what it
-- has met.

CREATE FUNCTION zdm.sync() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_sync';
COMMENT ON FUNCTION zdm.sync() IS
    'Internal: trigger function that keeps the two sides of a mapping in step. Its arguments are the mapping; zdm makes its triggers itself.';

CREATE FUNCTION zdm.create_sync(target regclass, mapping_id bigint, new_column text, forward text,
                                old_column text DEFAULT NULL, reverse text DEFAULT NULL, mode text DEFAULT 'sync',
                                authority text DEFAULT 'old', winner text DEFAULT 'old', on_error text DEFAULT 'fail') RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_create_sync';
COMMENT ON FUNCTION zdm.create_sync(regclass, bigint, text, text, text, text, text, text, text, text) IS
    'Internal: checks a mapping on a table that has both columns and makes its sync trigger; returns the statement.';

CREATE FUNCTION zdm.sync_missing_rights(target regclass, mapping_id bigint, OUT role oid, OUT function oid) RETURNS SETOF record
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_sync_missing_rights';
COMMENT ON FUNCTION zdm.sync_missing_rights(regclass, bigint) IS
    'Internal: roles that may write the table, and functions of its mapping that they may not execute.';

CREATE FUNCTION zdm.sync_later_triggers(target regclass, mapping_id bigint) RETURNS SETOF text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_sync_later_triggers_of';
COMMENT ON FUNCTION zdm.sync_later_triggers(regclass, bigint) IS
    'Internal: BEFORE row triggers of the table, its partitions and children that fire after the sync trigger of that mapping.';

CREATE FUNCTION zdm.sync_counts(mapping_id bigint, OUT conflicts bigint, OUT drift bigint, OUT errors bigint, OUT last_at timestamptz, OUT last_fault_at timestamptz)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_sync_counts';
COMMENT ON FUNCTION zdm.sync_counts(bigint) IS
    'Internal: what the sync triggers of a mapping have met. Use zdm.sync_activity.';

CREATE FUNCTION zdm.list_sync_samples(OUT mapping_id bigint, OUT relation oid, OUT at timestamptz, OUT kind text,
                                      OUT row_key text, OUT role oid, OUT pid int, OUT message text) RETURNS SETOF record
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_list_sync_samples';
COMMENT ON FUNCTION zdm.list_sync_samples() IS
    'Internal: rows that the sync triggers have counted. Use zdm.sync_samples.';

-- A partition has a copy of its parent's trigger; a child has one of its own
-- for the same mapping.
CREATE VIEW zdm.sync_activity WITH (security_barrier) AS
SELECT m.mapping_id,
       m."table",
       c.conflicts,
       c.drift,
       c.errors,
       c.last_at
  FROM (SELECT DISTINCT ON (substring(t.tgname::text FROM '^~zdm_sync_([0-9]{1,18})$'))
               substring(t.tgname::text FROM '^~zdm_sync_([0-9]{1,18})$')::bigint AS mapping_id,
               pg_catalog.format('%I.%I', n.nspname, r.relname) AS "table"
          FROM pg_catalog.pg_trigger t
          JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid AND f.proname = 'sync'
          JOIN pg_catalog.pg_namespace z ON z.oid = f.pronamespace AND z.nspname = 'zdm'
          JOIN pg_catalog.pg_class r ON r.oid = t.tgrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
         WHERE t.tgparentid = 0 AND t.tgname::text ~ '^~zdm_sync_[0-9]{1,18}$'
           AND (pg_catalog.pg_has_role(r.relowner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'))
         ORDER BY substring(t.tgname::text FROM '^~zdm_sync_([0-9]{1,18})$'),
                  EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = r.oid), r.oid) m
 CROSS JOIN LATERAL zdm.sync_counts(m.mapping_id) c;

CREATE VIEW zdm.sync_samples WITH (security_barrier) AS
SELECT s.mapping_id,
       pg_catalog.format('%I.%I', n.nspname, r.relname) AS "table",
       s.at,
       s.kind,
       s.row_key,
       pg_catalog.pg_get_userbyid(s.role) AS role,
       s.pid,
       s.message
  FROM zdm.list_sync_samples() s
  LEFT JOIN pg_catalog.pg_class r ON r.oid = s.relation
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace;

GRANT SELECT ON zdm.sync_activity, zdm.sync_samples TO PUBLIC;

COMMENT ON VIEW zdm.sync_activity IS
    'The mappings that sync triggers keep in step, and what these have met since the server was started, in transactions that were rolled back, too. Counts are NULL when zdm is not preloaded.';
COMMENT ON COLUMN zdm.sync_activity.mapping_id IS 'Id of the mapping';
COMMENT ON COLUMN zdm.sync_activity."table" IS 'Its table';
COMMENT ON COLUMN zdm.sync_activity.conflicts IS 'Updates that changed both sides and left them inconsistent: the winner was kept';
COMMENT ON COLUMN zdm.sync_activity.drift IS 'Rows whose new side was changed and could not be carried back, since there is no reverse expression, and rows written while a trigger was there that fires after the one of the mapping';
COMMENT ON COLUMN zdm.sync_activity.errors IS 'Rows that the mapping could not convert and that were let through';
COMMENT ON COLUMN zdm.sync_activity.last_at IS 'When the last of these was met';

COMMENT ON VIEW zdm.sync_samples IS
    'Rows that zdm.sync_activity counts, the last 16 of each mapping.';
COMMENT ON COLUMN zdm.sync_samples.mapping_id IS 'Id of the mapping';
COMMENT ON COLUMN zdm.sync_samples."table" IS 'Table or partition of the row';
COMMENT ON COLUMN zdm.sync_samples.at IS 'When';
COMMENT ON COLUMN zdm.sync_samples.kind IS 'conflict, drift or error';
COMMENT ON COLUMN zdm.sync_samples.row_key IS 'Primary key of the row, cut after 200 bytes; NULL when there is none or you have not the rights of the owner';
COMMENT ON COLUMN zdm.sync_samples.role IS 'Role that wrote the row';
COMMENT ON COLUMN zdm.sync_samples.pid IS 'Its process';
COMMENT ON COLUMN zdm.sync_samples.message IS 'What was the matter, cut after 200 bytes; NULL when you have not the rights of the owner';
