# CREATE EXTENSION, ALTER EXTENSION UPDATE, DROP EXTENSION: who may, what is refused, what is left behind.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('install');

# ---- refused ----

sql($node, 'CREATE DATABASE d');
for my $case (
	[ 'a table', 'CREATE TABLE zdm.t (x int)' ],
	[ 'a view', 'CREATE VIEW zdm.v AS SELECT 1' ],
	[ 'a function', q{CREATE FUNCTION zdm.f() RETURNS int LANGUAGE sql AS 'SELECT 1'} ],
	[ 'an operator', 'CREATE OPERATOR zdm.=== (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int)' ],
	[ 'a type', q{CREATE TYPE zdm.e AS ENUM ('a')} ],
	[ 'a domain', 'CREATE DOMAIN zdm.d AS int' ],
	[ 'a sequence', 'CREATE SEQUENCE zdm.s' ])
{
	my ($what, $statement) = @$case;

	sql($node, "CREATE SCHEMA zdm; $statement", 'd');
	my (undef, $err) = try_sql($node, 'CREATE EXTENSION zdm', 'd');
	like($err, qr/ERROR:  42P06: .*"zdm"/, "refused: schema zdm holds $what");
	like($err, qr/HINT: /, "refused: schema zdm holds $what: there is a hint");
	sql($node, 'SET client_min_messages = warning; DROP SCHEMA zdm CASCADE', 'd');
}

sql($node, 'CREATE ROLE ordinary LOGIN; GRANT CREATE ON DATABASE d TO ordinary');
is(sqlstate($node, 'SET ROLE ordinary; CREATE EXTENSION zdm', 'd'), '42501', 'refused: an ordinary role');
sql($node, 'CREATE SCHEMA zdm AUTHORIZATION ordinary', 'd');
is(sqlstate($node, 'CREATE EXTENSION zdm', 'd'), '42P06', 'refused: schema zdm belongs to an ordinary role');
sql($node, 'DROP SCHEMA zdm', 'd');
isnt(sqlstate($node, 'CREATE SCHEMA elsewhere; CREATE EXTENSION zdm SCHEMA elsewhere', 'd'), '00000', 'refused: another schema');
is(sql($node, q{SELECT count(*) FROM pg_extension WHERE extname = 'zdm'}, 'd'), 0, 'refused: nothing is there');

# ---- installed ----

is(sqlstate($node, 'SET client_min_messages = warning; CREATE EXTENSION zdm', 'd'), '00000', 'installed');
isnt(sqlstate($node, 'ALTER EXTENSION zdm SET SCHEMA public', 'd'), '00000', 'it cannot be moved to another schema');
is(sqlstate($node, 'DROP TABLE zdm.job', 'd'), '2BP01', 'its parts cannot be dropped');

# every object and every column has a comment
is(sql($node, q{
	SELECT string_agg(pg_describe_object(d.classid, d.objid, 0), E'\n')
	  FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
	 WHERE e.extname = 'zdm' AND d.deptype = 'e'
	   AND NOT (d.classid = 'pg_class'::regclass AND (SELECT relkind FROM pg_class WHERE oid = d.objid) = 'S')
	   AND d.classid <> 'pg_type'::regclass
	   AND obj_description(d.objid, d.classid::regclass::name) IS NULL}, 'd'), '', 'every object has a comment');
is(sql($node, q{
	SELECT string_agg(format('%s.%s', a.attrelid::regclass, a.attname), ' ')
	  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
	 WHERE c.relnamespace = 'zdm'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p')
	   AND a.attnum > 0 AND NOT a.attisdropped AND col_description(a.attrelid, a.attnum) IS NULL}, 'd'), '',
	'every column has a comment');
is(sql($node, q{SELECT obj_description(oid, 'pg_extension') IS NOT NULL FROM pg_extension WHERE extname = 'zdm'}, 'd'), 't',
	'the extension has a comment');

# every table and sequence is dumped
is(sql($node, q{
	SELECT string_agg(c.oid::regclass::text, ' ')
	  FROM pg_class c, pg_extension e
	 WHERE c.relnamespace = 'zdm'::regnamespace AND c.relkind IN ('r', 'S') AND e.extname = 'zdm'
	   AND c.oid <> ALL (coalesce(e.extconfig, '{}'))}, 'd'), '', 'every table and sequence goes into a dump');

# nothing is open to everybody that writes
is(sql($node, q{
	SELECT string_agg(c.oid::regclass::text, ' ')
	  FROM pg_class c, aclexplode(c.relacl) a
	 WHERE c.relnamespace = 'zdm'::regnamespace AND a.grantee = 0 AND (c.relkind <> 'v' OR a.privilege_type <> 'SELECT')}, 'd'), '',
	'only views can be read by everybody, and nothing can be written');
is(sql($node, q{
	SELECT string_agg(p.oid::regprocedure::text, ' ') FROM pg_proc p
	 WHERE p.pronamespace = 'zdm'::regnamespace AND p.prosecdef AND p.proconfig IS NULL}, 'd'), '',
	'no function with the rights of its owner leaves search_path open');

# ---- dropped, and installed again ----

sql($node, 'DROP EXTENSION zdm', 'd');
is(sql($node, q{
	SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('zdm')}, 'd'), 0, 'dropped: no relation is left');
is(sql($node, q{
	SELECT count(*) FROM pg_proc WHERE pronamespace = to_regnamespace('zdm')}, 'd'), 0, 'dropped: no function is left');
sql($node, 'CREATE ROLE other_superuser SUPERUSER');
is(sqlstate($node, 'SET client_min_messages = warning; SET ROLE other_superuser; CREATE EXTENSION zdm', 'd'), '00000',
	'installed again by another superuser');
sql($node, 'DROP EXTENSION IF EXISTS zdm', 'd');

# a backfill whose extension belongs to another superuser than the one who runs the cluster
sql($node, 'DROP SCHEMA IF EXISTS zdm; SET ROLE other_superuser; CREATE EXTENSION zdm', 'd');
make_table($node, 't', 1000, 'd');
my $job = start_job($node, 't', db => 'd');
wait_done($node, $job, 'extension of another superuser', db => 'd');
is(wrong_rows($node, 't', 'd'), 0, 'extension of another superuser: every row is right');
sql($node, 'DROP EXTENSION zdm; DROP SCHEMA IF EXISTS zdm', 'd');

# inside of a transaction that is rolled back
sql($node, 'SET client_min_messages = warning; BEGIN; CREATE EXTENSION zdm; ROLLBACK', 'd');
is(sql($node, q{SELECT count(*) FROM pg_extension WHERE extname = 'zdm'}, 'd'), 0, 'rolled back CREATE EXTENSION: nothing is there');

# installed and used in one transaction
make_table($node, 'u', 1000, 'd');
sql($node, q{SET client_min_messages = warning; BEGIN; CREATE EXTENSION zdm; SELECT zdm.start_backfill('u', 'new = upper(src)', name => 'u'); COMMIT}, 'd');
wait_done($node, sql($node, q{SELECT zdm.job_id('u')}, 'd'), 'installed and used in one transaction', db => 'd');

# ---- a database with another encoding, a name that needs quotes ----

sql($node, q{CREATE DATABASE "Ünï ""q" TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'});
use_zdm($node, 'Ünï "q');
make_table($node, 't', 1000, 'Ünï "q');
$job = start_job($node, 't', db => 'Ünï "q');
wait_done($node, $job, 'a strange database', db => 'Ünï "q');
is(wrong_rows($node, 't', 'Ünï "q'), 0, 'a strange database: every row is right');

# ---- upgrades: from every released version to this one, with the same objects as a new installation ----

my $objects = q{
	SELECT string_agg(x, E'\n' ORDER BY x) FROM (
		SELECT pg_describe_object(d.classid, d.objid, 0) || ': ' || coalesce(obj_description(d.objid, d.classid::regclass::name), '') AS x
		  FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
		 WHERE e.extname = 'zdm' AND d.deptype = 'e'
		UNION ALL
		SELECT format('%s.%s %s %s %s', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
			col_description(a.attrelid, a.attnum))
		  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		 WHERE c.relnamespace = 'zdm'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped) AS all_objects};
my $default = sql($node, q{SELECT default_version FROM pg_available_extensions WHERE name = 'zdm'}, 'd');
my $fresh = sql($node, $objects, 'd');
my @upgrades = glob("$FindBin::RealBin/../../src/upgrade/zdm--*--*.sql");
my %sources = map { m{zdm--(.+)--.+\.sql$} ? ($1 => 1) : () } @upgrades;

for my $version (sort keys %sources)
{
	is(sql($node, qq{SELECT path IS NOT NULL FROM pg_extension_update_paths('zdm') WHERE source = '$version' AND target = '$default'}, 'd'),
		't', "upgrade from $version: there is a way to $default");
	SKIP:
	{
		skip "version $version cannot be installed", 2
		  unless sql($node, qq{SELECT count(*) FROM pg_available_extension_versions WHERE name = 'zdm' AND version = '$version'}, 'd');
		sql($node, "DROP EXTENSION zdm; CREATE EXTENSION zdm VERSION '$version'", 'd');
		is(sqlstate($node, 'ALTER EXTENSION zdm UPDATE', 'd'), '00000', "upgrade from $version: succeeds");
		is(sql($node, $objects, 'd'), $fresh, "upgrade from $version: gives the objects of a new installation");
	}
}
is(sqlstate($node, 'SET client_min_messages = error; ALTER EXTENSION zdm UPDATE', 'd'), '00000', 'an upgrade to the version that is there does nothing');

$node->stop;
done_testing();
