# From every older release to this one: the same catalogue as a fresh install, and nothing lost.
#
# The install scripts of older releases are kept in src/upgrade and installed with the extension.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

# Every object of the extension with all that the scripts say of it, one line each, in an order of their own.
my $catalogue = <<'SQL';
SET search_path = pg_catalog;
WITH member AS (
    SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
     WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'zdm'),
relation AS (
    SELECT c.* FROM pg_class c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid)
SELECT line FROM (
    SELECT 'member ' || pg_describe_object(classid, objid, 0) AS line FROM member
    UNION ALL
    SELECT format('function %s acl %s comment %L is %s', p.oid::regprocedure, p.proacl, obj_description(p.oid, 'pg_proc'),
                  pg_get_functiondef(p.oid))
      FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
    UNION ALL
    SELECT format('relation %s kind %s options %s replica identity %s acl %s comment %L', r.oid::regclass, r.relkind, r.reloptions, r.relreplident, r.relacl,
                  obj_description(r.oid, 'pg_class'))
      FROM relation r
    UNION ALL
    SELECT format('view %s is %s', r.oid::regclass, pg_get_viewdef(r.oid)) FROM relation r WHERE r.relkind = 'v'
    UNION ALL
    SELECT format('column %s.%s %s not null %s identity %s default %L acl %s comment %L position %s', a.attrelid::regclass,
                  a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                  pg_get_expr(d.adbin, d.adrelid), a.attacl, col_description(a.attrelid, a.attnum),
                  row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum))
      FROM pg_attribute a JOIN relation r ON r.oid = a.attrelid
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT format('constraint %s on %s %s', c.conname, c.conrelid::regclass, pg_get_constraintdef(c.oid))
      FROM pg_constraint c JOIN relation r ON r.oid = c.conrelid
    UNION ALL
    SELECT format('index %s', pg_get_indexdef(i.indexrelid)) FROM pg_index i JOIN relation r ON r.oid = i.indrelid
    UNION ALL
    SELECT format('trigger %s', pg_get_triggerdef(t.oid)) FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid
     WHERE NOT t.tgisinternal
    UNION ALL
    SELECT format('dumped %s where %L', c.oid::regclass, c.condition)
      FROM pg_extension e, LATERAL unnest(e.extconfig, e.extcondition) AS c(oid, condition) WHERE e.extname = 'zdm'
) AS lines ORDER BY line COLLATE "C";
SQL

my $node = new_node('upgrade');
my $sharedir = $node->config_data('--sharedir');
my $fresh = $node->safe_psql('postgres', $catalogue);
my $version = sql($node, "SELECT extversion FROM pg_extension WHERE extname = 'zdm'");
my @older = sort grep { $_ ne $version }
  map { m{/zdm--([0-9.]+)\.sql$} ? $1 : () } glob("$sharedir/extension/zdm--*.sql");

like($fresh, qr/^function zdm\.start_backfill/m, 'the catalogue of a fresh install is read');

# A job of the older library; this one does not touch it before the update.
my $old_job = <<'SQL';
CREATE TABLE item (id int PRIMARY KEY, source text, channel text);
INSERT INTO item SELECT i, 'web' FROM generate_series(1, 1000) i;
WITH job AS (
    INSERT INTO zdm.job (name, kind, target, target_schema, target_name, owner_id, owner, created_by, cluster_id, database_id)
    SELECT 'kept', 'backfill', c.oid, 'public', 'item', c.relowner, pg_get_userbyid(c.relowner), current_user,
           (SELECT system_identifier::text FROM pg_control_system()),
           (SELECT oid FROM pg_database WHERE datname = current_database())
      FROM pg_class c WHERE c.oid = 'item'::regclass
    RETURNING job_id, target),
definition AS (
    INSERT INTO zdm.backfill (job_id, set_clause, fire_triggers, analyze_after, max_quarantine, max_sweeps, settings)
    SELECT job_id, 'channel = upper(source)', true, true, 100, 3, '{}' FROM job)
INSERT INTO zdm.backfill_cursor (job_id) SELECT job_id FROM job;
SQL

# Changes of constraints of a library that had no migrations: one that is done, one that has failed.
my $old_recipes = <<'SQL';
WITH job AS (
    INSERT INTO zdm.job (name, kind, target, target_schema, target_name, owner_id, owner, state, created_by, cluster_id, database_id)
    SELECT 'recipe ' || s.state, 'recipe', c.oid, 'public', 'item', c.relowner, pg_get_userbyid(c.relowner), s.state, current_user,
           (SELECT system_identifier::text FROM pg_control_system()),
           (SELECT oid FROM pg_database WHERE datname = current_database())
      FROM pg_class c, (VALUES ('done'), ('failed')) AS s (state) WHERE c.oid = 'item'::regclass
    RETURNING job_id, state),
recipe AS (
    INSERT INTO zdm.recipe (job_id, recipe, definition, settings)
    SELECT job_id, 'add_check', 'there: (id > 0)', '{search_path,public}' FROM job)
INSERT INTO zdm.recipe_step (job_id, step, kind, statement, undo, object, lock, state)
SELECT job_id, s.step, s.kind, s.statement, s.undo, 'there', '', CASE state WHEN 'done' THEN 'done' ELSE 'pending' END
  FROM job, (VALUES
       (1, 'ddl', 'ALTER TABLE public.item ADD CONSTRAINT there CHECK (id > 0) NOT VALID',
        'ALTER TABLE public.item DROP CONSTRAINT IF EXISTS there'),
       (2, 'validate', 'ALTER TABLE public.item VALIDATE CONSTRAINT there', NULL)) AS s (step, kind, statement, undo);
SQL

for my $from (@older)
{
	(my $db = "from_$from") =~ tr/./_/;
	sql($node, "CREATE DATABASE $db");
	sql($node, "CREATE EXTENSION zdm VERSION '$from'", $db);
	sql($node, $old_job, $db);
	my $has_recipes = sql($node, q{SELECT to_regclass('zdm.recipe_step') IS NOT NULL AND to_regclass('zdm.migration') IS NULL}, $db) eq 't';
	sql($node, $old_recipes, $db) if $has_recipes;
	is(sqlstate($node, "SELECT zdm.pause_job(zdm.job_id('kept'))", $db), '55000', "$from: not the library's version");

	sql($node, 'ALTER EXTENSION zdm UPDATE', $db);
	is(sql($node, "SELECT extversion FROM pg_extension WHERE extname = 'zdm'", $db), $version, "$from: updated to $version");
	my $updated = $node->safe_psql($db, $catalogue);
	is($updated, $fresh, "$from: the same catalogue as a fresh install of $version");
	is(sql($node, "SELECT state FROM zdm.jobs WHERE name = 'kept'", $db), 'queued', "$from: its job is still there");
	sql($node, "SELECT zdm.pause_job(zdm.job_id('kept')), zdm.resume_job(zdm.job_id('kept'))", $db);
	sql($node, "CALL zdm.wait_for_job(zdm.job_id('kept'))", $db);
	is(sql($node, "SELECT count(*) FROM item WHERE channel = 'WEB'", $db), 1000, "$from: and goes on");
	next unless $has_recipes;

	is(sql($node, q{SELECT string_agg(concat_ws(' ', name, phase, status), ', ' ORDER BY name) FROM zdm.migrations}, $db),
		'recipe done done done, recipe failed expand failed', "$from: its changes of constraints are migrations");
	sql($node, q{SELECT zdm.retry('recipe failed')}, $db);
	ok(poll($node, q{SELECT phase = 'done' FROM zdm.migrations WHERE name = 'recipe failed'}, db => $db), "$from: and go on");
	is(sql($node, q{SELECT convalidated FROM pg_constraint WHERE conname = 'there'}, $db), 't', "$from: to their end");
}

done_testing();
