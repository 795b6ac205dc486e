# Crashes and cancellations of a validation: it goes on from where it was, looks at every row once, never
# marks what is wrong, and what it has marked stays marked.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use ZdmTest;

my $node = new_node('validate', conf => ['autovacuum_naptime = 1s']);
my $rows = 4000;

# A check that takes about a millisecond a row, so that a validation lasts some seconds.
sql($node, q{
	CREATE FUNCTION slow(n int) RETURNS boolean LANGUAGE plpgsql AS
		'BEGIN PERFORM pg_sleep(0.0005); RETURN n > 0; END';
});

sub make_checked
{
	my ($table, $wrong) = @_;

	sql($node, qq{
		CREATE TABLE $table (id int PRIMARY KEY, n int, pad text DEFAULT repeat('x', 500));
		INSERT INTO $table SELECT i, CASE WHEN i = $wrong THEN -1 ELSE i END FROM generate_series(1, $rows) i;
		ALTER TABLE $table ADD CONSTRAINT c CHECK (slow(n)) NOT VALID;
	});
	return;
}

sub validate
{
	my ($table, $method) = @_;

	return sql($node, "SELECT zdm.validate_constraint('$table', 'c', '$method')");
}

sub is_valid
{
	my ($table) = @_;

	return sql($node, "SELECT convalidated FROM pg_constraint WHERE conrelid = '$table'::regclass AND conname = 'c'");
}

sub wait_ended
{
	my ($job, $state) = @_;

	return poll($node, "SELECT state = '$state' AND pid IS NULL FROM zdm.jobs WHERE job_id = $job");
}

# ---- immediate stops ----

for my $case (['sound', 0, 'done', 't', 0], ['broken', $rows, 'failed', 'f', 1])
{
	my ($table, $wrong, $state, $valid, $violations) = @$case;
	my $goal = 0;

	make_checked($table, $wrong);
	my $job = validate($table, 'chunked');
	for my $crash (1 .. 3)
	{
		ok(poll($node, "SELECT rows_done > $goal AND state = 'running' FROM zdm.jobs WHERE job_id = $job"),
			"$table, crash $crash: the job has made progress");
		my $before = job($node, $job, 'rows_done');
		sql($node, 'CREATE TABLE flush(); DROP TABLE flush');
		usleep(rand(100_000));
		is(is_valid($table), 'f', "$table, crash $crash: not marked before its end");
		$node->stop('immediate');
		$node->start;
		$goal = job($node, $job, 'rows_done');
		cmp_ok($goal, '>=', $before, "$table, crash $crash: no progress is lost");
	}
	ok(wait_ended($job, $state), "$table: ends as $state");
	is(is_valid($table), $valid, "$table: marked only if it is sound");
	is(sql($node, "SELECT rows_done, violations, restarts, longest_chunk < '1 s' FROM zdm.validations WHERE job_id = $job"),
		"$rows|$violations|0|t", "$table: every row looked at once, in chunks under a second");
	is(sql($node, "SELECT count(*) FROM zdm.violations WHERE job_id = $job AND row_key ->> 'id' = '$rows'"),
		$violations, "$table: the wrong row is listed once");
	$node->stop('immediate');
	$node->start;
	is(is_valid($table), $valid, "$table: the mark survives a crash");
}

# ---- what a dump has, and what comes of it ----

my $dump = '';
IPC::Run::run([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-s', '-t', 'sound', '-t', 'broken', 'postgres' ], '>', \$dump);
like($dump, qr/CREATE TABLE public\.sound [^;]*CONSTRAINT c CHECK \(public\.slow\(n\)\)[^;]*;/s, 'a dump has the marked constraint as valid');
like($dump, qr/ALTER TABLE public\.broken\s+ADD CONSTRAINT c CHECK \(public\.slow\(n\)\) NOT VALID;/, 'and the other as NOT VALID');

# ---- native, cancelled by whom it may be ----

make_checked('whole', 0);
my $job = validate('whole', 'native');
ok(poll($node, "SELECT wait_event = 'PgSleep' FROM pg_stat_activity JOIN zdm.jobs USING (pid) WHERE job_id = $job"),
	'native: at work');
sql($node, "SELECT pg_cancel_backend(pid) FROM zdm.jobs WHERE job_id = $job");
ok(wait_ended($job, 'paused'), 'native: pg_cancel_backend() pauses it');
is(is_valid('whole'), 'f', 'native: nothing is marked');
is(sql($node, "SELECT count(*) FROM pg_locks WHERE relation = 'whole'::regclass"), 0, 'native: no lock is left');
sql($node, "SELECT zdm.resume_job($job)");
ok(wait_ended($job, 'done'), 'native: done when it is resumed');
is(is_valid('whole'), 't', 'native: marked');

# ---- paused and cancelled by orders, which a worker inside of a statement does not read ----

sub no_locks
{
	my ($table, $what) = @_;

	# a cancel is valid before the worker has heard of it
	ok(poll($node, "SELECT count(*) = 0 FROM pg_locks WHERE relation = '$table'::regclass"), "$what: no lock is left");
	is(is_valid($table), 'f', "$what: nothing is marked");
	return;
}

sub at_work
{
	my ($id, $what) = @_;

	return ok(poll($node, "SELECT wait_event = 'PgSleep' FROM pg_stat_activity JOIN zdm.jobs USING (pid) WHERE job_id = $id"),
		"$what: at work");
}

for my $method ('native', 'chunked')
{
	my $table = "ordered_$method";

	make_checked($table, 0);
	$job = validate($table, $method);
	at_work($job, "$method, to be paused");
	sql($node, "BEGIN; SELECT zdm.pause_job($job); ROLLBACK");
	is(job($node, $job, 'state'), 'running', "$method: a pause that is rolled back is none");
	sql($node, "SELECT zdm.pause_job($job)");
	ok(wait_ended($job, 'paused'), "$method: paused");
	no_locks($table, "$method, paused");
	sql($node, "SELECT zdm.resume_job($job)");
	at_work($job, "$method, resumed");
	sql($node, "SELECT zdm.cancel_job($job)");
	ok(wait_ended($job, 'cancelled'), "$method: cancelled");
	no_locks($table, "$method, cancelled");
	is(job($node, $job, 'last_error'), '', "$method: an order is no error");
	sql($node, "SELECT zdm.retry_job($job)");
	ok(wait_ended($job, 'done'), "$method: done when it is tried again");
	is(is_valid($table), 't', "$method: marked");
}

# ---- the throttle ----

make_checked('slowly', 0);
sql($node, "INSERT INTO slowly SELECT i, i FROM generate_series($rows + 1, 3 * $rows) i");
$job = validate('slowly', 'chunked');
sql($node, "SELECT zdm.set_throttle($job, duty => 0.05)");
ok(poll($node, "SELECT chunks >= 3 FROM zdm.validations WHERE job_id = $job"), 'throttled: at work');
ok(sql($node, "SELECT clock_timestamp() - started_at > 5 * work_time FROM zdm.validations WHERE job_id = $job") eq 't',
	'throttled: most of the time at rest');
sql($node, "SELECT zdm.cancel_job($job)");
ok(wait_ended($job, 'cancelled'), 'throttled: a cancel ends the pause');
is(is_valid('slowly'), 'f', 'throttled: nothing is marked');

# ---- an autovacuum that would take minutes gives way to the mark ----

sql($node, q{
	CREATE TABLE vacuumed (id int, n int, pad text DEFAULT repeat('x', 500)) WITH (autovacuum_vacuum_threshold = 1,
		autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
	INSERT INTO vacuumed SELECT i, i FROM generate_series(1, 20000) i;
	ALTER TABLE vacuumed ADD CONSTRAINT c CHECK (n > 0) NOT VALID;
	DELETE FROM vacuumed WHERE id % 2 = 0;
});
ok(poll($node, "SELECT EXISTS (SELECT FROM pg_stat_progress_vacuum WHERE relid = 'vacuumed'::regclass)"), 'autovacuum is at work');
$job = validate('vacuumed', 'chunked');
ok(wait_ended($job, 'done'), 'an autovacuum does not hold up the mark');
is(is_valid('vacuumed'), 't', 'marked in spite of an autovacuum');
sql($node, 'DROP TABLE vacuumed');

done_testing();
