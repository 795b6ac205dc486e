# A foreign key of a partitioned table before PostgreSQL 18, killed in, failed at and cancelled after each of its steps; orphans
# that come with a partition; partitions that go while they are scanned; a dump in the middle.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('partitions');

if (sql($node, 'SHOW server_version_num') >= 180000)
{
	$node->stop;
	plan skip_all => 'a foreign key of a partitioned table can be NOT VALID';
}

my $steps = 5;    # two partitions with two steps each, then the table

sub make
{
	my ($table) = @_;

	sql($node, qq{
		CREATE TABLE $table (k int, c int) PARTITION BY RANGE (k);
		CREATE TABLE ${table}_1 PARTITION OF $table FOR VALUES FROM (0) TO (10000);
		CREATE TABLE ${table}_2 PARTITION OF $table FOR VALUES FROM (10000) TO (20000);
		INSERT INTO $table SELECT i, i % 100 + 1 FROM generate_series(0, 19999) i;
		CREATE INDEX ON $table (c);
		CREATE TABLE ${table}_3 (k int, c int);
		INSERT INTO ${table}_3 SELECT i, i % 100 + 1 FROM generate_series(20000, 29999) i});
	return;
}

sub start
{
	my ($table) = @_;

	# in one transaction: once it has committed, the server may be killed at any moment
	return sql($node, qq{
		BEGIN;
		SELECT zdm.add_foreign_key('$table', '{c}', 'parent', constraint_name => '${table}_fk') AS name \\gset
		SELECT zdm.job_id(:'name');
		COMMIT});
}

# The foreign keys of a table, its partitions, and what was one.
sub shape
{
	my ($table) = @_;

	return sql($node, qq{
		SELECT string_agg(concat_ws(' ', c.conrelid::regclass, CASE WHEN c.convalidated THEN 'valid' ELSE 'not valid' END,
		                            CASE WHEN c.conparentid <> 0 THEN 'adopted' END), ', ' ORDER BY c.conrelid::regclass::text)
		  FROM pg_constraint c WHERE c.contype = 'f' AND c.conrelid::regclass::text ~ '^${table}(_\\d)?\$'});
}

sub whole
{
	my ($table, $last) = @_;

	return join(', ', "$table valid", map { "${table}_$_ valid adopted" } 1 .. $last // 2);
}

# From now on, a recipe that has done so many steps is killed (once) or gets an error at its next statement.
sub stop_at
{
	my ($done, $how) = @_;

	sql($node, "UPDATE stop SET done = $done, how = '$how', tag = '$how $done'");
	return;
}

sub cleaned_up
{
	my ($job, $what) = @_;

	sql($node, "SELECT zdm.cancel_job($job)");
	return is_clean($job, $what);
}

sub is_clean
{
	my ($job, $what) = @_;

	ok(poll($node, "SELECT EXISTS (SELECT FROM zdm.events WHERE job_id = $job AND event = 'cleaned up')"), "$what: cleaned up")
	  or diag sql($node, "SELECT * FROM zdm.events WHERE job_id = $job ORDER BY event_id");
	return;
}

sub failed
{
	my ($job, $what) = @_;

	ok(poll($node, "SELECT state = 'failed' FROM zdm.jobs WHERE job_id = $job"), "$what: failed");
	return;
}

sql($node, q{
	CREATE TABLE parent (id int PRIMARY KEY);
	INSERT INTO parent SELECT i FROM generate_series(1, 100) i;
	CREATE TABLE stop (done int, how text, tag text);
	INSERT INTO stop VALUES (100, '', '');
	CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS $$
	DECLARE
		s public.stop;
	BEGIN
		SELECT * INTO s FROM public.stop;
		IF (SELECT count(*) FILTER (WHERE state = 'done') >= s.done FROM zdm.steps
			 WHERE job_id = (SELECT job_id FROM zdm.jobs WHERE pid = pg_backend_pid() AND state = 'running')) THEN
			IF s.how = 'fail' THEN
				RAISE EXCEPTION 'stopped by the test';
			END IF;
			EXECUTE format('COPY (SELECT 1) TO PROGRAM %L',
				format('cat >/dev/null; test -e %1$L || { touch %1$L; kill -9 %2$s; sleep 10; }', s.tag, pg_backend_pid()));
		END IF;
	END $$;
	CREATE EVENT TRIGGER stop ON ddl_command_end EXECUTE FUNCTION stop()});

# ---- killed in the middle of a statement; there are none in a validation ----

for my $done (0, 2, 4)
{
	my $table = "killed_$done";

	make($table);
	stop_at($done, 'kill');
	my $from = log_position($node);
	my $job = start($table);
	ok(poll($node, "SELECT state = 'done' FROM zdm.jobs WHERE job_id = $job"), "$table: done");
	ok(log_has($node, qr/was terminated by signal 9/, $from), "$table: it was killed");
	is(shape($table), whole($table), "$table: one foreign key");
	is(sql($node, "SELECT count(*) FROM zdm.steps WHERE job_id = $job AND state = 'done'"), $steps, "$table: no step came twice");
}

# ---- failed at a step: cancelled, and retried after all with one partition more ----

for my $done (0, 2, 4)
{
	my $table = "cancelled_$done";

	make($table);
	stop_at($done, 'fail');
	my $job = start($table);
	failed($job, $table);
	is(sql($node, "SELECT count(*) FROM zdm.steps WHERE job_id = $job AND state = 'done'"), $done, "$table: after so many steps");
	stop_at(100, '');
	cleaned_up($job, $table);
	is(shape($table), '', "$table: nothing is left");
	sql($node, "ALTER TABLE $table ATTACH PARTITION ${table}_3 FOR VALUES FROM (20000) TO (30000); SELECT zdm.retry_job($job)");
	wait_done($node, $job, "$table, retried");
	is(shape($table), whole($table, 3), "$table: retried after all");
	is(sql($node, "SELECT count(*) FROM $table WHERE c NOT IN (SELECT id FROM parent)"), 0, "$table: every row has its parent");
}

# ---- a partition that comes with orphans while the adoption waits ----

make('orphans');
my $holder = session($node);
$holder->query('BEGIN; SELECT count(*) FROM parent');
my $job = start('orphans');
ok(poll($node, "SELECT waiting_for LIKE 'a lock on public.parent%' FROM zdm.jobs WHERE job_id = $job"), 'orphans: the adoption waits');
sql($node, q{
	UPDATE orphans_3 SET c = 1000 WHERE k = 25000;
	ALTER TABLE orphans ATTACH PARTITION orphans_3 FOR VALUES FROM (20000) TO (30000)});
$holder->query('COMMIT');
failed($job, 'orphans');
is(shape('orphans'), 'orphans_1 valid, orphans_2 valid, orphans_3 not valid', 'orphans: the table has not got it');
is(sql($node, qq{SELECT "table" || ' ' || (row_values ->> 'c') FROM zdm.violations WHERE job_id = $job}), 'public.orphans_3 1000', 'orphans: listed');
# the partition goes, and with it what is in the way
sql($node, "ALTER TABLE orphans DETACH PARTITION orphans_3; SELECT zdm.retry_job($job)");
wait_done($node, $job, 'orphans, retried');
is(shape('orphans'), 'orphans valid, orphans_1 valid adopted, orphans_2 valid adopted, orphans_3 not valid', 'orphans: done without it');
is(sql($node, "SELECT count(*) FROM zdm.violations WHERE job_id = $job"), 0, 'orphans: they are no longer in the way');

# ---- cancelled while the adoption waits; somebody adds the foreign key meanwhile ----

make('waiting');
$holder->query('BEGIN; SELECT count(*) FROM parent');
$job = start('waiting');
ok(poll($node, "SELECT waiting_for LIKE 'a lock on public.parent%' FROM zdm.jobs WHERE job_id = $job"), 'waiting: the adoption waits');
sql($node, "SELECT zdm.cancel_job($job)");
$holder->query('COMMIT');
is_clean($job, 'waiting');
is(shape('waiting'), '', 'waiting: nothing is left');

make('theirs');
stop_at(4, 'fail');
$job = start('theirs');
failed($job, 'theirs');
stop_at(100, '');
sql($node, 'ALTER TABLE theirs ADD CONSTRAINT by_hand FOREIGN KEY (c) REFERENCES parent');
cleaned_up($job, 'theirs');
is(shape('theirs'), whole('theirs'), 'theirs: what they made of it stays');

# ---- a partition is dropped in the middle of its scan ----

make('scanned');
my $scanned = sql($node, q{
	BEGIN;
	SELECT zdm.add_foreign_key('scanned', '{c}', 'parent', constraint_name => 'scanned_fk', name => 'scanned') AS name \gset
	SELECT '' FROM zdm.set_throttle(zdm.job_id('scanned'), max_rows_per_second => 500);
	COMMIT;
	SELECT zdm.job_id('scanned')});
$scanned =~ s/\s//g;
ok(poll($node, "SELECT units_done > 0 AND target = 'public.scanned_1' FROM zdm.validations WHERE job_id = $scanned"), 'scanned: the scan is under way');
sql($node, 'DROP TABLE scanned_1');
unthrottle($node, $scanned);
wait_done($node, $scanned, 'scanned');
is(shape('scanned'), 'scanned valid, scanned_2 valid adopted', 'scanned: done without it');

# ---- the last partition is detached while its scan by pages is paused: no guard is left on it ----

$node->append_conf('postgresql.conf', 'zdm.guarded_scan_from = 0');
$node->reload;
sql($node, q{
	CREATE TABLE guarded (k int, c int) PARTITION BY RANGE (k);
	CREATE TABLE guarded_1 PARTITION OF guarded FOR VALUES FROM (0) TO (500000);
	INSERT INTO guarded SELECT i, i % 100 + 1 FROM generate_series(0, 499999) i});
my $guarded = sql($node, q{
	BEGIN;
	SELECT zdm.add_foreign_key('guarded', '{c}', 'parent', constraint_name => 'guarded_fk', name => 'guarded') AS name \gset
	SELECT '' FROM zdm.set_throttle(zdm.job_id('guarded'), max_rows_per_second => 10);
	COMMIT;
	SELECT zdm.job_id('guarded')});
$guarded =~ s/\s//g;
ok(poll($node, "SELECT rows_done > 0 FROM zdm.jobs WHERE job_id = $guarded"), 'guarded: the scan is under way');
sql($node, "SELECT zdm.pause_job($guarded)");
ok(poll($node, "SELECT pid IS NULL FROM zdm.jobs WHERE job_id = $guarded"), 'guarded: paused');
sql($node, 'ALTER TABLE guarded DETACH PARTITION guarded_1');
is(sql($node, q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zdm_guard%'}), 1, 'guarded: the guard is there');
sql($node, "SELECT zdm.resume_job($guarded)");
wait_done($node, $guarded, 'guarded');
is(sql($node, q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zdm_guard%'}), 0, 'guarded: the guard is gone');
is(shape('guarded'), 'guarded valid, guarded_1 not valid', 'guarded: done without it');

# ---- killed in the middle of a scan ----

make('crashed');
my $crashed = sql($node, q{
	BEGIN;
	SELECT zdm.add_foreign_key('crashed', '{c}', 'parent', constraint_name => 'crashed_fk', name => 'crashed') AS name \gset
	SELECT '' FROM zdm.set_throttle(zdm.job_id('crashed'), max_rows_per_second => 500);
	COMMIT;
	SELECT zdm.job_id('crashed')});
$crashed =~ s/\s//g;
ok(poll($node, "SELECT units_done > 0 AND target = 'public.crashed_1' FROM zdm.validations WHERE job_id = $crashed"), 'crashed: the scan is under way');
my $pid = worker_pid($node, $crashed);
kill('KILL', $pid);
ok(poll($node, "SELECT pid <> $pid FROM zdm.jobs WHERE job_id = $crashed"), 'crashed: another worker goes on');
unthrottle($node, $crashed);
wait_done($node, $crashed, 'crashed');
is(shape('crashed'), whole('crashed'), 'crashed: one foreign key');

# ---- the table is dropped: what was its partition is cleaned up ----

make('former');
sql($node, 'UPDATE former SET c = 1000 WHERE k = 15000');
$job = start('former');
failed($job, 'former');
sql($node, 'ALTER TABLE former DETACH PARTITION former_2; DROP TABLE former');
cleaned_up($job, 'former');
is(shape('former'), '', 'former: the partition has nothing of it either');

# ---- a dump in the middle: steps find their partitions by name ----

make('dumped');
sql($node, 'UPDATE dumped SET c = 1000 WHERE k = 15000');
$job = start('dumped');
failed($job, 'dumped');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'dumped: pg_dump');
sql($node, 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $dump ], 'dumped: pg_restore');
sql($node, 'UPDATE dumped SET c = 1 WHERE c = 1000', 'restored');
sql($node, "SELECT zdm.retry_job($job)", 'restored');
wait_done($node, $job, 'dumped, restored', db => 'restored');
is(sql($node, q{SELECT string_agg(conrelid::regclass || ' ' || convalidated, ', ' ORDER BY conrelid::regclass::text) FROM pg_constraint WHERE conname = 'dumped_fk'}, 'restored'),
	'dumped true, dumped_1 true, dumped_2 true', 'dumped: it goes on in the restored database');

done_testing();
