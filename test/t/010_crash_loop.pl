# A job whose worker crashes the server each time does not do so for ever.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('loop', conf => [ 'zdm.max_batch_time = 10min' ]);

# No batch ends while the gate is shut.
make_table($node, 't', 2000, undef, q{
	CREATE TABLE gate (shut boolean);
	INSERT INTO gate VALUES (true);
	CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			WHILE (SELECT shut FROM gate) LOOP PERFORM pg_sleep(0.05); END LOOP;
			RETURN NEW;
		END $$;
	CREATE TRIGGER hold BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION hold();
});
make_table($node, 'innocent', 20_000);
my $job = start_job($node, 't');
my $innocent = start_job($node, 'innocent', rate => 100);
ok(wait_for_rows($node, $innocent, 20), 'another job is at work');

# Kills the job's worker, and with it the whole server, while the other job is on its way.
my $goal = 0;

sub crash
{
	my $pid = worker_pid($node, $job) or return 0;

	wait_for_rows($node, $innocent, $goal + 1) or return 0;
	$goal = job($node, $innocent, 'rows_done');
	sql($node, 'SET synchronous_commit = on; UPDATE gate SET shut = true');
	kill 'KILL', $pid;
	return poll($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
}

# The pauses between two tries get longer; the test lets time pass by itself but for the first one.
sub let_time_pass
{
	sql($node, "UPDATE zdm.event SET at = at - interval '1 hour' WHERE job_id = $job; SELECT zdm.resume_job($job)");
	return;
}

ok(crash(), 'crash 1');
ok(poll($node, "SELECT waiting_for LIKE 'a pause after its worker ended early (try 1 of 5)' FROM zdm.jobs WHERE job_id = $job", seconds => 5),
	'crash 1: the job says that it waits before another try');
ok(crash(), 'crash 2, after the pause');
for my $crash (3 .. 5)
{
	ok(poll($node, "SELECT waiting_for LIKE 'a pause%' FROM zdm.jobs WHERE job_id = $job", seconds => 5), "crash $crash: after a pause");
	let_time_pass();
	ok(crash(), "crash $crash");
}
ok(poll($node, "SELECT state = 'failed' FROM zdm.jobs WHERE job_id = $job", seconds => 10), 'the job is given up');
like(job($node, $job, 'last_error'), qr/its worker ended 5 times without finishing a batch/, 'it says why');
like(job($node, $job, 'hint'), qr/server log.*zdm\.retry_job\($job\)/, 'it says what to do');
is(sql($node, "SELECT count(*) FROM zdm.events WHERE job_id = $job AND event = 'failed'"), 1, 'it is an event');
is(job($node, $job, 'rows_done'), 0, 'no row was counted');
is(sql($node, 'SELECT count(*) FROM t WHERE new IS NOT NULL'), 0, 'no row was changed');

# ---- the job that was at work all the time has made progress and is not given up ----

ok(worker_pid($node, $innocent), 'another job goes on after all the crashes');
unthrottle($node, $innocent);
wait_done($node, $innocent, 'another job');
is(wrong_rows($node, 'innocent'), 0, 'another job: every row is right');

# ---- the way out ----

sql($node, 'UPDATE gate SET shut = false');
sql($node, "SELECT zdm.retry_job($job)");
wait_done($node, $job, 'mended and retried');
is(wrong_rows($node, 't'), 0, 'mended and retried: every row is right');
is(sql($node, "SELECT fruitless_starts FROM zdm.job WHERE job_id = $job"), 0, 'mended and retried: the crashes are forgotten');

# ---- a function that terminates the worker it runs in: neither is that tried for ever ----

make_table($node, 'own', 200);
sql($node, q{
	CREATE FUNCTION leave(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
		$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN id; END $$});
$job = sql($node, q{SELECT zdm.start_backfill('own', 'new = leave(id::int)')});
for my $try (1 .. 4)
{
	ok(poll($node, "SELECT waiting_for LIKE '% (try $try of 5)' FROM zdm.jobs WHERE job_id = $job", seconds => 10), "terminated by itself: a pause, $try");
	let_time_pass();
}
ok(poll($node, "SELECT state = 'failed' FROM zdm.jobs WHERE job_id = $job", seconds => 40), 'terminated by itself: the job is given up');
like(job($node, $job, 'last_error'), qr/its worker ended 5 times without finishing a batch/, 'terminated by itself: it says why');

$node->stop;
done_testing();
