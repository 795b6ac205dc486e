# Crashes of a verification and of a repair, and what a verification owes to others while it proves its end: it goes on
# from where it was, looks at every row once, and says no more than it has seen.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use ZdmTest;

my $node = new_node('verify', conf => ['zdm.max_snapshot_age = 60s']);
my $rows = 4000;

# A mapping that takes about half a millisecond a row in a worker, so that a verification lasts some seconds.
sql($node, q{
	CREATE FUNCTION slow(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
	BEGIN
		IF EXISTS (SELECT FROM zdm.workers WHERE pid = pg_backend_pid()) THEN PERFORM pg_sleep(0.0004); END IF;
		RETURN n * 2;
	END $$;
});

# A table with its sync trigger; the rows listed have another value.
sub make_mapped
{
	my ($table, $wrong, $kind) = @_;

	$kind //= '';
	sql($node, qq{
		CREATE $kind TABLE $table (id int PRIMARY KEY, a int, b int, pad text DEFAULT repeat('x', 500));
		INSERT INTO $table SELECT i, i, CASE WHEN i IN ($wrong) THEN -1 ELSE i * 2 END FROM generate_series(1, $rows) i;
		CREATE TRIGGER "~zdm_sync_1" BEFORE INSERT OR UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION
			zdm.sync('1', '1', 'sync', 'old', 'old', 'fail', 'a', 'b', 'slow(a)', '', 'search_path', 'public');
		ALTER TABLE $table ENABLE ALWAYS TRIGGER "~zdm_sync_1";
	});
	return;
}

sub wait_ended
{
	my ($job, $state) = @_;

	return poll($node, "SELECT state = '$state' AND pid IS NULL FROM zdm.jobs WHERE job_id = $job");
}

sub crash
{
	# what was committed asynchronously is on disk
	sql($node, 'CREATE TABLE flush(); DROP TABLE flush');
	usleep(rand(100_000));
	$node->stop('immediate');
	$node->start;
	return;
}

# ---- immediate stops of a verification ----

for my $case ([ 'sound', '0', 'done', 'clean', 0 ], [ 'broken', "1, $rows", 'failed', 'inconsistent', 2 ])
{
	my ($table, $wrong, $state, $result, $inconsistent) = @$case;
	my $goal = 0;

	make_mapped($table, $wrong);
	my $job = sql($node, "SELECT zdm.verify('$table', 1)");
	for my $crash (1 .. 3)
	{
		ok(poll($node, "SELECT rows_done > $goal AND state = 'running' FROM zdm.jobs WHERE job_id = $job"),
			"$table, crash $crash: the job has made progress");
		my $before = job($node, $job, 'rows_done');
		crash();
		$goal = job($node, $job, 'rows_done');
		cmp_ok($goal, '>=', $before, "$table, crash $crash: no progress is lost");
		is(sql($node, "SELECT result FROM zdm.verifications WHERE job_id = $job"), '', "$table, crash $crash: no result before its end");
	}
	ok(wait_ended($job, $state), "$table: ends as $state");
	is(sql($node, "SELECT result, rows_done, inconsistent, restarts, pass, longest_chunk < '1 s' FROM zdm.verifications WHERE job_id = $job"),
		"$result|$rows|$inconsistent|0|1|t", "$table: every row looked at once, in chunks under a second");
	is(sql($node, "SELECT string_agg(row_key ->> 'id', ', ' ORDER BY (row_key ->> 'id')::int) FROM zdm.inconsistent_rows WHERE job_id = $job"),
		$inconsistent ? $wrong : '', "$table: what was found is listed once");
}

# ---- immediate stops of a repair ----

sql($node, "ALTER TABLE broken DISABLE TRIGGER USER; UPDATE broken SET b = NULL; ALTER TABLE broken ENABLE ALWAYS TRIGGER \"~zdm_sync_1\"");
my $repair = sql($node, "SELECT zdm.repair('broken', 1)");
my $done = 0;
for my $crash (1 .. 2)
{
	ok(poll($node, "SELECT rows_done > $done AND state = 'running' FROM zdm.jobs WHERE job_id = $repair"), "repair, crash $crash: at work");
	crash();
	$done = job($node, $repair, 'rows_done');
}
ok(wait_ended($repair, 'done'), 'repair: done');
is(job($node, $repair, 'rows_done'), $rows, 'repair: every row once');
my $verification = sql($node, "SELECT job_id FROM zdm.verifications WHERE target = 'public.broken'");
sql($node, "SELECT zdm.retry_job($verification)");
ok(wait_ended($verification, 'done'), 'repaired: the verification is done');
is(sql($node, "SELECT result, promise, rows_done, inconsistent FROM zdm.verifications WHERE job_id = $verification"),
	"clean|snapshot|$rows|0", 'repaired: clean');

# ---- the proof reads an unlogged table as a whole, and gives way to who wants the table ----

make_mapped('unlogged', '0', 'UNLOGGED');
my $proof = sql($node, "SELECT zdm.verify('unlogged', 1)");
ok(poll($node, "SELECT phase = 'proof' FROM zdm.verifications WHERE job_id = $proof"), 'proof: begun');
is(sqlstate($node, "SET lock_timeout = '1s'; BEGIN; LOCK TABLE unlogged IN ACCESS EXCLUSIVE MODE; COMMIT"), '00000',
	'proof: it gives way to a strong lock');
is(job($node, $proof, 'state'), 'running', 'proof: not at its end by then');
ok(wait_ended($proof, 'done'), 'proof: done');
is(sql($node, "SELECT result, promise, rows_again FROM zdm.verifications WHERE job_id = $proof"),
	"clean|snapshot|$rows", 'proof: all rows under one snapshot');

# ---- too large for one snapshot: two passes, and less is promised ----

$node->append_conf('postgresql.conf', 'zdm.max_snapshot_age = 100ms');
$node->restart;
my $passes = sql($node, "SELECT zdm.verify('unlogged', 1, 'passes')");
ok(wait_ended($passes, 'done'), 'two passes: done');
is(sql($node, "SELECT result, promise, pass, rows_done, rows_again FROM zdm.verifications WHERE job_id = $passes"),
	"clean|passes|2|$rows|$rows", 'two passes: the second one looks at what may have been written');
my $got;
for my $try (1 .. 20)    # until the pages are read in 100 ms, on whatever machine
{
	$passes = sql($node, "SELECT zdm.verify('sound', 1, 'passes, little written $try')");
	ok(wait_ended($passes, 'done'), "little written, $try: done");
	$got = sql($node, "SELECT result, promise, pass, rows_done, rows_again FROM zdm.verifications WHERE job_id = $passes");
	last if $got =~ /\|1\|\d+\|0$/;
}
is($got, "clean|snapshot|1|$rows|0", 'little written: the pages fit into one snapshot, though the rows would not');

done_testing();
