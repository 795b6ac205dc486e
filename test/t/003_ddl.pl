# DDL while a backfill is at work: each statement gets through at once, and the job has a defined end.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use ZdmTest;

my $rows = 6000;
my $node = new_node('ddl');

# Runs statements, which must succeed, in less time than a person notices.
sub is_quick
{
	my ($what, $sql, %option) = @_;
	my $start = time();
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my (undef, $err) = try_sql($node, $sql, $option{db});

	$err =~ s/^.*(?:NOTICE|DETAIL|LOCATION):.*\n?//mg;
	is($err, '', "$what: succeeds") or return 0;
	return cmp_ok(time() - $start, '<', $option{seconds} // 5, "$what: is not held up");
}

# A table and a job on it that is about a tenth through.
sub job_at_work
{
	my ($what, $table, %option) = @_;

	make_table($node, $table, $rows, $option{db}, $option{table});
	my $job = start_job($node, $table, rate => 3000, %option);
	ok(wait_for_rows($node, $job, $rows / 20, db => $option{db}), "$what: the job is at work");
	return $job;
}

# The job ends in a state, with the SQLSTATE and a message.
sub ends
{
	my ($what, $job, $state, $sqlstate, $message, $db) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok(poll($node, "SELECT state = '$state' FROM zdm.jobs WHERE job_id = $job", db => $db), "$what: $state")
	  or diag sql($node, "SELECT state, last_error, waiting_for FROM zdm.jobs WHERE job_id = $job", $db);
	is(job($node, $job, 'last_sqlstate', $db), $sqlstate, "$what: its SQLSTATE");
	like(job($node, $job, 'last_error', $db), $message, "$what: its error");
	# errors of PostgreSQL about the clauses need not have one
	isnt(job($node, $job, "coalesce(hint, '')", $db), '', "$what: it has a hint")
	  unless grep { $_ eq $sqlstate } qw(42703 42804 42883);
	ok(poll($node, "SELECT pid IS NULL FROM zdm.jobs WHERE job_id = $job", db => $db), "$what: its worker leaves");
	return;
}

my $job;

# ---- the storage is replaced: the pass begins again, no row is changed twice ----

for my $case (
	[ 'VACUUM FULL', 'VACUUM FULL %s' ],
	[ 'CLUSTER', 'CLUSTER %s USING %s_pkey' ],
	[ 'rewriting ALTER TABLE', 'ALTER TABLE %s ALTER COLUMN n TYPE numeric, ALTER COLUMN n TYPE bigint USING n; ALTER TABLE %s ALTER COLUMN n TYPE bigint' ],
	[ 'SET UNLOGGED', 'ALTER TABLE %s SET UNLOGGED' ])
{
	my ($what, $statement) = @$case;
	my $table = lc $what =~ s/\W/_/gr;

	$statement =~ s/, ALTER COLUMN n TYPE bigint USING n//;
	$statement =~ s/%s/$table/g;
	$job = job_at_work($what, $table);
	is_quick($what, $statement);
	unthrottle($node, $job);
	wait_done($node, $job, $what);
	is(wrong_rows($node, $table), 0, "$what: every row is right");
	is(job($node, $job, 'rows_done'), $rows, "$what: every row is counted once");
}
cmp_ok(sql($node, q{SELECT count(*) FROM zdm.events WHERE event = 'rewritten'}), '>=', 4,
	'new storage: the pass begins again, and says so');

$job = job_at_work('VACUUM FULL of the catalogs', 'vacuum_catalogs');
is_quick('VACUUM FULL of the catalogs', 'VACUUM FULL', seconds => 20);
unthrottle($node, $job);
wait_done($node, $job, 'VACUUM FULL of the catalogs and of zdm');
is(wrong_rows($node, 'vacuum_catalogs'), 0, 'VACUUM FULL of the catalogs and of zdm: every row is right');

$job = job_at_work('TRUNCATE', 'truncated');
is_quick('TRUNCATE', q{BEGIN; TRUNCATE truncated; INSERT INTO truncated (id, src) VALUES (1, 'one'); COMMIT});
unthrottle($node, $job);
wait_done($node, $job, 'TRUNCATE');
is(sql($node, 'SELECT id, new FROM truncated'), '1|ONE', 'TRUNCATE: the row that came after it is filled');

$job = job_at_work('DELETE of all rows and VACUUM', 'emptied');
is_quick('DELETE of all rows and VACUUM', 'DELETE FROM emptied; VACUUM emptied', seconds => 10);
unthrottle($node, $job);
wait_done($node, $job, 'DELETE of all rows and VACUUM');

# ---- other columns, constraints, indexes, triggers ----

$job = job_at_work('other columns', 'altered');
is_quick('ADD COLUMN', q{ALTER TABLE altered ADD COLUMN more int DEFAULT 7, ADD COLUMN volatile_more float DEFAULT random()});
ok(wait_for_rows($node, $job, $rows / 10), 'ADD COLUMN: the job goes on');
is_quick('DROP COLUMN', 'ALTER TABLE altered DROP COLUMN more');
is_quick('ADD CHECK', q{ALTER TABLE altered ADD CHECK (new IS NULL OR new <> '') NOT VALID});
is_quick('CREATE INDEX', 'CREATE INDEX ON altered (n); CREATE INDEX ON altered (new)');
is_quick('CREATE INDEX CONCURRENTLY', 'CREATE INDEX CONCURRENTLY altered_c ON altered (src)');
is_quick('REINDEX CONCURRENTLY', 'REINDEX TABLE CONCURRENTLY altered');
is_quick('ENABLE ROW LEVEL SECURITY', 'ALTER TABLE altered ENABLE ROW LEVEL SECURITY');
is_quick('DISABLE TRIGGER', 'BEGIN; ALTER TABLE altered DISABLE TRIGGER touch; ALTER TABLE altered ENABLE TRIGGER touch; COMMIT');
unthrottle($node, $job);
wait_done($node, $job, 'other columns, constraints, indexes');
is(wrong_rows($node, 'altered'), 0, 'other columns, constraints, indexes: every row is right');

# ---- the columns of the expression ----

$job = job_at_work('compatible ALTER TYPE', 'compatible');
is_quick('compatible ALTER TYPE', 'ALTER TABLE compatible ALTER COLUMN new TYPE varchar(50), ALTER COLUMN src TYPE varchar(60)');
unthrottle($node, $job);
wait_done($node, $job, 'compatible ALTER TYPE');
is(wrong_rows($node, 'compatible'), 0, 'compatible ALTER TYPE: every row is right');

$job = job_at_work('incompatible ALTER TYPE', 'incompatible');
is_quick('incompatible ALTER TYPE', 'ALTER TABLE incompatible ALTER COLUMN new TYPE int USING NULL');
ends('incompatible ALTER TYPE', $job, 'failed', '42804', qr/"new".*integer/);
is_quick('incompatible ALTER TYPE, back', 'ALTER TABLE incompatible ALTER COLUMN new TYPE text USING NULL; UPDATE incompatible SET touched = -1');
sql($node, "SELECT zdm.retry_job($job)");
unthrottle($node, $job);
wait_done($node, $job, 'incompatible ALTER TYPE, back and retried');
is(sql($node, 'SELECT count(*) FROM incompatible WHERE new IS DISTINCT FROM upper(src)'), 0,
	'incompatible ALTER TYPE, back and retried: every row is right');

$job = job_at_work('DROP COLUMN of the target', 'column_dropped');
is_quick('DROP COLUMN of the target', 'ALTER TABLE column_dropped DROP COLUMN new');
ends('DROP COLUMN of the target', $job, 'failed', '42703', qr/"new"/);

$job = job_at_work('DROP COLUMN of the source', 'source_dropped');
is_quick('DROP COLUMN of the source', 'ALTER TABLE source_dropped DROP COLUMN src');
ends('DROP COLUMN of the source', $job, 'failed', '42703', qr/"?src"?/);

$job = job_at_work('RENAME COLUMN', 'column_renamed');
is_quick('RENAME COLUMN', 'ALTER TABLE column_renamed RENAME new TO newer');
ends('RENAME COLUMN', $job, 'failed', '42703', qr/"new"/);
is_quick('RENAME COLUMN, back', 'ALTER TABLE column_renamed RENAME newer TO new');
sql($node, "SELECT zdm.retry_job($job)");
unthrottle($node, $job);
wait_done($node, $job, 'RENAME COLUMN, back and retried');
is(wrong_rows($node, 'column_renamed'), 0, 'RENAME COLUMN, back and retried: every row is right');

sql($node, q{CREATE FUNCTION shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)'});
$job = job_at_work('DROP FUNCTION', 'function_dropped', set => 'new = shout(src)');
is_quick('DROP FUNCTION', 'DROP FUNCTION shout(text)');
ends('DROP FUNCTION', $job, 'failed', '42883', qr/shout/);

# ---- names ----

$job = job_at_work('RENAME TABLE', 'old_name', set => 'new = upper(old_name.src)');
is_quick('RENAME TABLE', q{
	BEGIN; ALTER TABLE old_name RENAME TO new_name; ALTER TABLE old_name_before RENAME TO new_name_before;
	CREATE TABLE old_name (id int); COMMIT});
unthrottle($node, $job);
wait_done($node, $job, 'RENAME TABLE');
is(wrong_rows($node, 'new_name'), 0, 'RENAME TABLE: every row is right');

sql($node, 'CREATE SCHEMA here');
$job = job_at_work('RENAME SCHEMA and SET SCHEMA', 'here.moved');
is_quick('RENAME SCHEMA', 'ALTER SCHEMA here RENAME TO there');
is_quick('SET SCHEMA', 'ALTER TABLE there.moved SET SCHEMA public; ALTER TABLE there.moved_before SET SCHEMA public; DROP SCHEMA there');
sql($node, "SELECT pg_terminate_backend(pid) FROM zdm.jobs WHERE job_id = $job");
unthrottle($node, $job);
wait_done($node, $job, 'RENAME SCHEMA and SET SCHEMA, with a new worker');
is(wrong_rows($node, 'moved'), 0, 'RENAME SCHEMA and SET SCHEMA: every row is right');

# ---- partitions ----

sql($node, qq{
	CREATE TABLE parts (id bigint, src text, new text) PARTITION BY RANGE (id);
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (2000);
	CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (2000) TO (4000);
	CREATE TABLE parts_3 PARTITION OF parts FOR VALUES FROM (4000) TO (6000);
	INSERT INTO parts SELECT i, 'src' || i FROM generate_series(0, 5999) i;
	CREATE TABLE parts_4 (id bigint, src text, new text);
	INSERT INTO parts_4 SELECT i, 'src' || i FROM generate_series(6000, 7999) i;
	CREATE TABLE parts_0 (x int, new text, id bigint, src text);
	ALTER TABLE parts_0 DROP COLUMN x;
	INSERT INTO parts_0 (id, src) SELECT i, 'src' || i FROM generate_series(-2000, -1) i;
});
$job = start_job($node, 'parts', rate => 2000);
ok(wait_for_rows($node, $job, 500), 'partitions: the job is at work');
is_quick('ATTACH PARTITION', q{
	ALTER TABLE parts ATTACH PARTITION parts_4 FOR VALUES FROM (6000) TO (8000);
	ALTER TABLE parts ATTACH PARTITION parts_0 FOR VALUES FROM (-2000) TO (0)});
is_quick('DETACH PARTITION', 'ALTER TABLE parts DETACH PARTITION parts_2');
is_quick('DROP of a partition', 'DROP TABLE parts_3');
unthrottle($node, $job);
wait_done($node, $job, 'partitions');
is(sql($node, 'SELECT count(*) FROM parts WHERE new IS DISTINCT FROM upper(src)'), 0, 'partitions: every row is right');
is(sql($node, 'SELECT count(*) FROM parts'), 6000, 'partitions: no row is lost');

# ---- the table goes away ----

$job = job_at_work('DROP TABLE', 'dropped');
is_quick('DROP TABLE', 'DROP TABLE dropped');
ends('DROP TABLE', $job, 'failed', '42P01', qr/dropped/);
sql($node, 'CREATE TABLE dropped (id int, src text, new text)');
is(sqlstate($node, "SELECT zdm.retry_job($job)"), '42P01', 'DROP TABLE: another table of that name is not its target');
is(sqlstate($node, "SELECT zdm.cancel_job($job)"), '00000', 'DROP TABLE: the job can be ended');

$job = job_at_work('rolled back DROP TABLE', 'not_dropped');
is_quick('rolled back DROP TABLE', 'BEGIN; DROP TABLE not_dropped; ROLLBACK');
unthrottle($node, $job);
wait_done($node, $job, 'rolled back DROP TABLE');
is(wrong_rows($node, 'not_dropped'), 0, 'rolled back DROP TABLE: every row is right');

# ---- a lock on the table: the job waits and says whose ----

$job = job_at_work('LOCK TABLE', 'locked');
my $holder = session($node);
$holder->query("SET application_name = 'the holder'");
$holder->query('BEGIN');
is($holder->query('LOCK TABLE locked'), '', 'LOCK TABLE: is not held up');
ok(poll($node, qq{SELECT state = 'running' AND waiting_for LIKE 'a lock on table %locked: process % (the holder) holds%'
	FROM zdm.jobs WHERE job_id = $job}), 'LOCK TABLE: the job says who has the lock');
$holder->query('COMMIT');
$holder->quit;
unthrottle($node, $job);
wait_done($node, $job, 'LOCK TABLE, once it is gone');
is(wrong_rows($node, 'locked'), 0, 'LOCK TABLE: every row is right');

# ---- owners ----

sql($node, 'CREATE ROLE one; CREATE ROLE two; GRANT CREATE ON SCHEMA public TO one, two');

$job = job_at_work('ALTER OWNER', 'owned', table => 'ALTER TABLE owned OWNER TO one;');
is(job($node, $job, 'owner'), 'one', 'ALTER OWNER: the job runs as the owner');
is_quick('ALTER OWNER', 'ALTER TABLE owned OWNER TO two');
ends('ALTER OWNER', $job, 'paused', '42501', qr/no longer belongs to role "one"/);
is(sqlstate($node, "SET ROLE one; SELECT zdm.resume_job($job)"), '42501', 'ALTER OWNER: the old owner may not resume it');
sql($node, "SELECT zdm.resume_job($job)");
unthrottle($node, $job);
wait_done($node, $job, 'ALTER OWNER, resumed');
is(job($node, $job, 'owner'), 'two', 'ALTER OWNER, resumed: the job ran as the new owner');
is(wrong_rows($node, 'owned'), 0, 'ALTER OWNER, resumed: every row is right');

$job = job_at_work('REASSIGN OWNED, DROP ROLE', 'reassigned', table => 'ALTER TABLE reassigned OWNER TO one;');
is_quick('REASSIGN OWNED, DROP ROLE', 'REASSIGN OWNED BY one TO two; DROP OWNED BY one; DROP ROLE one');
ends('REASSIGN OWNED, DROP ROLE', $job, 'paused', '42501', qr/no longer belongs/);
sql($node, "SELECT zdm.resume_job($job)");
unthrottle($node, $job);
wait_done($node, $job, 'REASSIGN OWNED, DROP ROLE, resumed');
is(wrong_rows($node, 'reassigned'), 0, 'REASSIGN OWNED, DROP ROLE, resumed: every row is right');

$job = job_at_work('DROP OWNED', 'drop_owned', table => 'ALTER TABLE drop_owned OWNER TO two;');
is_quick('DROP OWNED', 'DROP OWNED BY two');
ends('DROP OWNED', $job, 'failed', '42P01', qr/drop_owned/);

sql($node, 'GRANT CREATE ON SCHEMA public TO two');
$job = job_at_work('renamed role', 'of_renamed_role', table => 'ALTER TABLE of_renamed_role OWNER TO two;');
is_quick('ALTER ROLE RENAME', 'ALTER ROLE two RENAME TO three');
my $pid = worker_pid($node, $job);
sql($node, "SELECT pg_terminate_backend($pid)");
unthrottle($node, $job);
wait_done($node, $job, 'renamed role, with a new worker');
is(wrong_rows($node, 'of_renamed_role'), 0, 'renamed role: every row is right');

# ---- the extension ----

$job = job_at_work('rolled back DROP EXTENSION', 'not_alone');
my $session = session($node);
$session->query('BEGIN');
$session->query('DROP EXTENSION zdm CASCADE');
# the worker waits for the lock now, or will at its next batch
ok(poll($node, q{SELECT count(*) > 0 FROM pg_locks WHERE relation = 'pg_catalog.pg_extension'::regclass OR mode = 'AccessExclusiveLock'}),
	'rolled back DROP EXTENSION: is not held up');
$session->query('ROLLBACK');
unthrottle($node, $job);
wait_done($node, $job, 'rolled back DROP EXTENSION');
is(wrong_rows($node, 'not_alone'), 0, 'rolled back DROP EXTENSION: every row is right');

sql($node, 'CREATE DATABASE ext');
use_zdm($node, 'ext');
$job = job_at_work('DROP EXTENSION', 'alone', db => 'ext');
$pid = worker_pid($node, $job, db => 'ext');
is_quick('DROP EXTENSION', 'DROP EXTENSION zdm', db => 'ext');
ok(poll($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"), 'DROP EXTENSION: the worker leaves');
is(sql($node, q{SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('zdm')}, 'ext'), 0, 'DROP EXTENSION: nothing is left of it');
is(sql($node, 'SELECT count(*) FROM alone WHERE new IS NOT NULL AND new <> upper(src)', 'ext'), 0,
	'DROP EXTENSION: no row is wrong');
use_zdm($node, 'ext');
is(sql($node, 'SELECT count(*) FROM zdm.jobs', 'ext'), 0, 'CREATE EXTENSION again: no job is there');
$job = start_job($node, 'alone', db => 'ext');
wait_done($node, $job, 'CREATE EXTENSION again', db => 'ext');
is(sql($node, 'SELECT count(*) FROM alone WHERE new IS DISTINCT FROM upper(src) OR touched <> 1', 'ext'), 0,
	'CREATE EXTENSION again: every row is right');

$job = job_at_work('DROP and CREATE EXTENSION in one transaction', 'anew', db => 'ext');
$pid = worker_pid($node, $job, db => 'ext');
is_quick('DROP and CREATE EXTENSION in one transaction', 'BEGIN; DROP EXTENSION zdm; CREATE EXTENSION zdm; COMMIT', db => 'ext');
ok(poll($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"),
	'DROP and CREATE EXTENSION in one transaction: the old worker leaves');
$job = start_job($node, 'anew', db => 'ext');
wait_done($node, $job, 'DROP and CREATE EXTENSION in one transaction', db => 'ext');
is(sql($node, 'SELECT count(*) FROM anew WHERE new IS DISTINCT FROM upper(src) OR touched <> 1', 'ext'), 0,
	'DROP and CREATE EXTENSION in one transaction: every row is right');

# ---- the database ----

sql($node, 'CREATE DATABASE d1');
use_zdm($node, 'd1');
$job = job_at_work('CREATE DATABASE TEMPLATE', 't', db => 'd1');
is_quick('CREATE DATABASE TEMPLATE', 'CREATE DATABASE d2 TEMPLATE d1', seconds => 5);
ok(worker_pid($node, $job, db => 'd1'), 'CREATE DATABASE TEMPLATE: the job goes on in the original');
is_quick('ALTER DATABASE RENAME', 'ALTER DATABASE d1 RENAME TO d3', seconds => 5);
ok(worker_pid($node, $job, db => 'd3'), 'ALTER DATABASE RENAME: the job goes on');
sql($node, 'CREATE ROLE four');
is_quick('ALTER DATABASE OWNER', 'ALTER DATABASE d3 OWNER TO four', seconds => 5);
is_quick('DROP DATABASE', 'DROP DATABASE d3', seconds => 5);
is_quick('DROP DATABASE of the copy', 'DROP DATABASE d2', seconds => 5);
ok(poll($node, q{SELECT count(*) = 0 FROM zdm.workers WHERE role = 'worker'}), 'DROP DATABASE: no worker is left');

sql($node, 'CREATE DATABASE d4');
use_zdm($node, 'd4');
$job = job_at_work('ALLOW_CONNECTIONS false', 't', db => 'd4');
sql($node, 'ALTER DATABASE d4 ALLOW_CONNECTIONS false');
sql($node, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'd4'});
ok(poll($node, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'd4'}), 'ALLOW_CONNECTIONS false: nobody is left');
sql($node, 'ALTER DATABASE d4 ALLOW_CONNECTIONS true');
$node->append_conf('postgresql.conf', 'zdm.launcher_interval = 1s');
$node->reload;
ok(worker_pid($node, $job, db => 'd4'), 'ALLOW_CONNECTIONS true again: the launcher resumes the job');
unthrottle($node, $job, 'd4');
wait_done($node, $job, 'ALLOW_CONNECTIONS false and true', db => 'd4');
is(wrong_rows($node, 't', 'd4'), 0, 'ALLOW_CONNECTIONS false and true: every row is right');
is_quick('DROP DATABASE WITH (FORCE)', 'DROP DATABASE d4 WITH (FORCE)', seconds => 5);

$node->stop;
done_testing();
