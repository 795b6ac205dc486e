-- The extension itself: what it creates, that all of it is described, who may
-- use it, and that it can be dropped and created again.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/helpers.sql'
\i :helpers

-- what people call and see: the surface that others rely on
\set SHOW_CONTEXT never
SELECT oid::regprocedure, CASE prokind WHEN 'p' THEN 'procedure' ELSE pg_get_function_result(oid) END AS result
  FROM pg_proc WHERE pronamespace = 'zdm'::regnamespace AND obj_description(oid, 'pg_proc') NOT LIKE 'Internal:%' ORDER BY proname COLLATE "C";
SELECT proname, pg_get_function_arguments(oid) FROM pg_proc
 WHERE pronamespace = 'zdm'::regnamespace AND pronargs > 1 AND obj_description(oid, 'pg_proc') NOT LIKE 'Internal:%' ORDER BY proname COLLATE "C";
SELECT c.relname, string_agg(format('%s %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum) AS columns
  FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0
 WHERE relnamespace = 'zdm'::regnamespace AND relkind = 'v' GROUP BY 1 ORDER BY 1;

-- everything belongs to the extension
SELECT classid::regclass, count(*) FROM (
    SELECT 'pg_class'::regclass AS classid, oid FROM pg_class WHERE relnamespace = 'zdm'::regnamespace AND relkind IN ('r', 'v', 'S', 'm', 'p')
    UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = 'zdm'::regnamespace) o (classid, objid)
 WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.classid AND d.objid = o.objid AND deptype IN ('e', 'i')) GROUP BY 1;

-- everything is described: relations, columns, functions
SELECT relname, attname FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
 WHERE relnamespace = 'zdm'::regnamespace AND relkind IN ('r', 'v') AND col_description(c.oid, attnum) IS NULL ORDER BY 1, attnum;
SELECT relname FROM pg_class WHERE relnamespace = 'zdm'::regnamespace AND relkind IN ('r', 'v') AND obj_description(oid, 'pg_class') IS NULL;
SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'zdm'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL;
SELECT obj_description(oid, 'pg_extension') IS NOT NULL AS described FROM pg_extension WHERE extname = 'zdm';
-- arguments have names
SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'zdm'::regnamespace AND pronargs > 0
   AND (proargnames IS NULL OR '' = ANY (proargnames));

-- nothing of zdm's own can be written, or read past the views, without rights of its owner
SELECT relname, privilege_type FROM pg_class, aclexplode(relacl)
 WHERE relnamespace = 'zdm'::regnamespace AND grantee <> relowner AND (grantee <> 0 OR privilege_type <> 'SELECT' OR relkind <> 'v');
-- the schema is closed until somebody grants USAGE
SELECT count(*) FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) WHERE nspname = 'zdm' AND grantee = 0;
-- no function runs with the rights of its owner, none has a setting of its own
SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'zdm'::regnamespace AND (prosecdef OR proconfig IS NOT NULL);
-- trusted to superusers only
SELECT superuser, trusted, relocatable, schema FROM pg_available_extension_versions WHERE name = 'zdm' AND installed;

-- tables and sequences are dumped with their rows
SELECT relname FROM pg_class WHERE relnamespace = 'zdm'::regnamespace AND relkind IN ('r', 'S')
   AND NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'zdm' AND pg_class.oid = ANY (extconfig)) ORDER BY 1;
-- no column's type ties a table to OIDs that an upgrade does not keep
SELECT relname, attname FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0
 WHERE relnamespace = 'zdm'::regnamespace AND relkind = 'r' AND (atttypid::regtype::text LIKE 'reg%' OR atttypid = 'pg_node_tree'::regtype);

-- views can be read by everybody who may use the schema, and show such a one nothing
CREATE ROLE regress_zdm_reader;
GRANT USAGE ON SCHEMA zdm TO regress_zdm_reader;
SET ROLE regress_zdm_reader;
SELECT (SELECT count(*) FROM zdm.jobs) + (SELECT count(*) FROM zdm.backfills) + (SELECT count(*) FROM zdm.quarantine)
     + (SELECT count(*) FROM zdm.events) AS rows;
SELECT count(*) >= 0 AS readable FROM zdm.workers;
RESET ROLE;
REVOKE ALL ON SCHEMA zdm FROM regress_zdm_reader;
DROP ROLE regress_zdm_reader;

-- the functions that zdm adds to statements do no harm when people call them
SELECT zdm.differs(1, 1), zdm.differs(1, 2), zdm.differs(NULL::int, 1), zdm.differs(NULL::text, NULL::text),
       zdm.differs('a'::text, 'a'::text), zdm.differs(1.0, 1.00), zdm.differs('{}'::json, '{ }'::json), zdm.differs('-0'::float8, '0');
SELECT zdm.batch_takes('(0,5)', '3', 16, 5), zdm.batch_takes('(0,5)', '3', 16, 4), zdm.batch_takes('(0,5)', '3', 1, 0), zdm.batch_takes(NULL, '3', 1, 0);
SELECT zdm.batch_takes('(0,5)', '3', 0, 0), zdm.batch_takes('(0,5)', '3', -1, 0), zdm.batch_takes('(0,0)', '0', 2, -1);

-- dropped while a job is running: the worker ends; what is left is the empty
-- schema, as of any extension that names one
CREATE TABLE ext_t (id int, n int);
INSERT INTO ext_t SELECT i FROM generate_series(1, 20000) i;
BEGIN;
SELECT zdm.start_backfill('ext_t', 'n = 1') AS job \gset
SELECT zdm.set_throttle(:job, max_rows_per_second => 50);
COMMIT;
CALL await(format($$ SELECT rows_done > 0 FROM zdm.jobs WHERE job_id = %s $$, :job));
SELECT pid FROM zdm.jobs WHERE job_id = :job \gset
SET client_min_messages = error;
DROP EXTENSION zdm;
RESET client_min_messages;
CALL await(format($$ SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s) $$, :pid));
SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = n.oid) AS relations, (SELECT count(*) FROM pg_proc WHERE pronamespace = n.oid) AS functions
  FROM pg_namespace n WHERE nspname = 'zdm';

-- created again it works as new
SET client_min_messages = warning;
CREATE EXTENSION zdm;
SELECT count(*) FROM zdm.jobs;
CALL backfill('ext_t', 'n = 2');

-- verify a schema of that name that is not empty, or belongs to somebody else (error)
DROP EXTENSION zdm;
CREATE TABLE zdm.job ();
CREATE EXTENSION zdm;
DROP TABLE zdm.job;
CREATE ROLE regress_zdm_squatter;
ALTER SCHEMA zdm OWNER TO regress_zdm_squatter;
CREATE EXTENSION zdm;
ALTER SCHEMA zdm OWNER TO CURRENT_USER;
DROP ROLE regress_zdm_squatter;
DROP SCHEMA zdm;
CREATE EXTENSION zdm;
-- verify another schema (error)
ALTER EXTENSION zdm SET SCHEMA public;

DROP TABLE ext_t;
