# Crashes at random points of a backfill: the job goes on by itself, from where it was, and every row is
# changed exactly once.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use ZdmTest;

my $node = new_node('crash', conf => ['zdm.max_batch_time = 1min', 'wal_level = replica']);

# Data and cursor commit together: at any instant they agree.
sub cursor_agrees
{
	my ($job, $table) = @_;

	return sql($node, qq{
		SELECT rows_done = (SELECT count(*) FROM $table WHERE new IS NOT NULL)
		  FROM zdm.jobs WHERE job_id = $job});
}

# What is flushed now must survive.
sub flushed_rows
{
	my ($job) = @_;
	my $rows = job($node, $job, 'rows_done');

	sql($node, 'SET synchronous_commit = on; INSERT INTO flushes VALUES (1)');
	return $rows;
}

sql($node, 'CREATE TABLE flushes (n int)');

# ---- immediate stop, more often than fruitless starts are allowed ----

my $rows = 120_000;
my $crashes = 7;
make_table($node, 't', $rows);
my $job = start_job($node, 't', rate => 4000);
my $goal = 0;

for my $crash (1 .. $crashes)
{
	ok(wait_for_rows($node, $job, $goal + 500), "crash $crash: the job has made progress");
	usleep(rand(200_000));
	my $before = flushed_rows($job);
	$node->stop('immediate');
	$node->start;
	my $after = job($node, $job, 'rows_done');
	cmp_ok($after, '>=', $before, "crash $crash: no progress is lost");
	is(cursor_agrees($job, 't'), 't', "crash $crash: the cursor agrees with the data");
	ok(worker_pid($node, $job), "crash $crash: the launcher resumes the job") or last;
	$goal = $after;
}
is(cursor_agrees($job, 't'), 't', 'the cursor agrees with the data while the job runs');
unthrottle($node, $job);
wait_done($node, $job, 'immediate stops');
is(wrong_rows($node, 't'), 0, 'immediate stops: every row is right');
is(job($node, $job, 'rows_done'), $rows, 'immediate stops: every row is counted once');
is(sql($node, "SELECT count(*) FROM zdm.events WHERE job_id = $job AND event = 'continued'"),
	$crashes, 'immediate stops: each resumption is an event');
is(sql($node, "SELECT string_agg(DISTINCT sweep::text, ',') FROM zdm.backfills WHERE job_id = $job"),
	1, 'immediate stops: one sweep was enough');

# ---- SIGKILL of the worker in the middle of a batch ----

make_table($node, 'k', 20_000, undef, q{
	CREATE TABLE gate (shut boolean);
	INSERT INTO gate VALUES (false);
	CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			WHILE OLD.id % 100 = 7 AND (SELECT shut FROM gate) LOOP PERFORM pg_sleep(0.02); END LOOP;
			RETURN NEW;
		END $$;
	CREATE TRIGGER hold BEFORE UPDATE ON k FOR EACH ROW EXECUTE FUNCTION hold();
});
$job = start_job($node, 'k', rate => 4000);
for my $kill (1 .. 2)
{
	ok(wait_for_rows($node, $job, 1000 * $kill), "kill $kill: the job has made progress");
	my $before = flushed_rows($job);
	sql($node, 'UPDATE gate SET shut = true');
	ok(poll($node, q{SELECT count(*) = 1 FROM zdm.workers WHERE role = 'worker' AND wait_event = 'PgSleep'}),
		"kill $kill: the worker is inside of a batch");
	my $pid = worker_pid($node, $job);
	kill 'KILL', $pid;
	ok(poll($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"), "kill $kill: the server restarts");
	my $after = job($node, $job, 'rows_done');
	cmp_ok($after, '>=', $before, "kill $kill: no progress is lost");
	is(cursor_agrees($job, 'k'), 't', "kill $kill: the cursor agrees with the data");
	sql($node, 'UPDATE gate SET shut = false');
	ok(worker_pid($node, $job), "kill $kill: the launcher resumes the job");
}
unthrottle($node, $job);
wait_done($node, $job, 'killed worker');
is(wrong_rows($node, 'k'), 0, 'killed worker: every row is right');
is(job($node, $job, 'rows_done'), 20_000, 'killed worker: every row is counted once');

# ---- SIGKILL of the launcher, and of the postmaster ----

make_table($node, 'l', 20_000);
$job = start_job($node, 'l', rate => 5000);
ok(wait_for_rows($node, $job, 1000), 'killed launcher: the job has made progress');
my $before = flushed_rows($job);
my $launcher = sql($node, q{SELECT pid FROM zdm.workers WHERE role = 'launcher'});
kill 'KILL', $launcher;
ok(poll($node, "SELECT count(*) = 1 FROM zdm.workers WHERE role = 'launcher' AND pid <> $launcher"),
	'killed launcher: another one comes');
cmp_ok(job($node, $job, 'rows_done'), '>=', $before, 'killed launcher: no progress is lost');
ok(wait_for_rows($node, $job, $before + 1000), 'killed launcher: the job goes on');

$before = flushed_rows($job);
my $worker = worker_pid($node, $job);
$node->kill9;
for (1 .. 300)
{
	last unless kill 0, $worker;
	usleep(100_000);
}
ok(!kill(0, $worker), 'killed postmaster: the worker leaves');
# every process must have detached before the next start may use the shared memory
for (1 .. 100)
{
	last if $node->start(fail_ok => 1);
	usleep(100_000);
}
cmp_ok(job($node, $job, 'rows_done'), '>=', $before, 'killed postmaster: no progress is lost');
ok(worker_pid($node, $job), 'killed postmaster: the launcher resumes the job');
unthrottle($node, $job);
wait_done($node, $job, 'killed launcher');
is(wrong_rows($node, 'l'), 0, 'killed launcher: every row is right');

# ---- an orderly stop in the middle ----

make_table($node, 'o', 20_000);
$job = start_job($node, 'o', rate => 5000);
ok(wait_for_rows($node, $job, 1000), 'fast stop: the job has made progress');
$node->restart;
ok(worker_pid($node, $job), 'fast stop: the launcher resumes the job');
is(cursor_agrees($job, 'o'), 't', 'fast stop: the cursor agrees with the data');
unthrottle($node, $job);
wait_done($node, $job, 'fast stop');
is(wrong_rows($node, 'o'), 0, 'fast stop: every row is right');
is(sql($node, "SELECT sum(fruitless_starts) FROM zdm.job"), 0, 'a job that made progress has no fruitless starts');

# ---- a launcher that ends orderly comes back ----

$launcher = sql($node, q{SELECT pid FROM zdm.workers WHERE role = 'launcher'});
sql($node, "SELECT pg_terminate_backend($launcher)");
make_table($node, 'p', 1000);
$job = start_job($node, 'p');
wait_done($node, $job, 'terminated launcher');
is(wrong_rows($node, 'p'), 0, 'terminated launcher: every row is right');

$node->stop;
done_testing();
