# More jobs than workers may run, in two databases: they queue, say so, and all finish.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('many', conf => [ 'zdm.max_workers = 2' ]);
my @databases = ('postgres', 'other');

sql($node, 'CREATE DATABASE other');
use_zdm($node, 'other');

# ---- zdm.max_workers holds for all databases together ----

my %jobs;
for my $db (@databases)
{
	make_table($node, "t$_", 3000, $db) for 1 .. 3;
	push @{ $jobs{$db} }, start_job($node, "t$_", rate => 1000, db => $db) for 1 .. 3;
}
ok(poll($node, q{SELECT count(*) = 2 FROM zdm.workers WHERE role = 'worker' AND job_id IS NOT NULL}), 'two workers run');
for my $db (@databases)
{
	ok(poll($node, q{
		SELECT count(*) FILTER (WHERE waiting_for = 'a free worker (zdm.max_workers = 2 are busy)') > 0
		  FROM zdm.jobs WHERE state = 'queued'}, db => $db), "$db: a queued job says what it waits for");
}
my $most = 0;
for (1 .. 20)
{
	my $now = sql($node, q{SELECT count(*) FROM zdm.workers WHERE role = 'worker'});
	$most = $now if $now > $most;
}
cmp_ok($most, '<=', 2, 'never are there more workers than zdm.max_workers');
for my $db (@databases)
{
	my @ids = @{ $jobs{$db} };
	for my $i (0 .. 2)
	{
		wait_done($node, $ids[$i], "$db, job $i", db => $db);
		is(wrong_rows($node, 't' . ($i + 1), $db), 0, "$db, job $i: every row is right");
	}
}

# ---- the jobs of a database run in the order of their ids ----

is(sql($node, q{SELECT string_agg(job_id::text, ' ' ORDER BY started_at, job_id) FROM zdm.jobs}),
	join(' ', @{ $jobs{postgres} }), 'jobs start in the order in which they were submitted');

# ---- a larger limit takes effect at a reload ----

make_table($node, "u$_", 3000) for 1 .. 4;
my @ids = map { start_job($node, "u$_", rate => 500) } 1 .. 4;
ok(poll($node, q{SELECT count(*) = 2 FROM zdm.jobs WHERE pid IS NOT NULL}), 'reload: two workers run');
$node->append_conf('postgresql.conf', 'zdm.max_workers = 4');
$node->reload;
ok(poll($node, q{SELECT count(*) = 4 FROM zdm.jobs WHERE pid IS NOT NULL}, seconds => 15), 'reload: four workers run');
is(sql($node, q{SELECT count(*) FROM zdm.jobs WHERE waiting_for IS NOT NULL}), 0, 'reload: nothing is waited for any more');

# ---- pause and cancel make room ----

$node->append_conf('postgresql.conf', 'zdm.max_workers = 1');
$node->restart;
ok(poll($node, q{SELECT count(*) = 1 FROM zdm.jobs WHERE pid IS NOT NULL}), 'one worker runs after the restart');
my $first = sql($node, 'SELECT job_id FROM zdm.jobs WHERE pid IS NOT NULL');
sql($node, "SELECT zdm.pause_job($first)");
ok(poll($node, "SELECT count(*) = 1 FROM zdm.jobs WHERE pid IS NOT NULL AND job_id <> $first", seconds => 10),
	'pause: another job gets the place');
my $second = sql($node, 'SELECT job_id FROM zdm.jobs WHERE pid IS NOT NULL');
sql($node, "SELECT zdm.cancel_job($second)");
ok(poll($node, "SELECT count(*) = 1 FROM zdm.jobs WHERE pid IS NOT NULL AND job_id NOT IN ($first, $second)", seconds => 10),
	'cancel: another job gets the place');

# a job that is cancelled or paused while it is queued
sql($node, "SELECT zdm.resume_job($first)");
is(job($node, $first, 'state'), 'queued', 'resume: the job queues again');
sql($node, "SELECT zdm.pause_job($first)");
is(job($node, $first, 'state'), 'paused', 'pause of a queued job');
sql($node, "SELECT zdm.cancel_job($first)");
is(job($node, $first, 'state'), 'cancelled', 'cancel of a paused job');
sql($node, q{SELECT zdm.cancel_job(job_id) FROM zdm.jobs WHERE state NOT IN ('done', 'cancelled')});
ok(poll($node, q{SELECT count(*) = 0 FROM zdm.workers WHERE role = 'worker'}), 'cancel of all: no worker is left');

# ---- no background worker slot: launcher, dispatcher and one worker fit ----

$node->append_conf('postgresql.conf', join("\n",
	'zdm.max_workers = 4', 'max_worker_processes = 3', 'max_logical_replication_workers = 0', 'max_parallel_workers = 0'));
# the launcher of logical replication takes a slot unless its workers are turned off
$node->restart;
make_table($node, "v$_", 3000) for 1 .. 3;
@ids = map { start_job($node, "v$_", rate => 1500) } 1 .. 3;
ok(poll($node, q{SELECT count(*) > 0 FROM zdm.jobs WHERE state = 'queued'
	AND waiting_for = 'a background worker slot (max_worker_processes = 3 are in use)'}),
	'no slot: a queued job says what it waits for');
for my $i (0 .. 2)
{
	wait_done($node, $ids[$i], "no slot, job $i");
	is(wrong_rows($node, 'v' . ($i + 1)), 0, "no slot, job $i: every row is right");
}
is(sql($node, 'SELECT sum(fruitless_starts) FROM zdm.job'), 0, 'no slot: starts that could not be tried do not count');

# ---- no slot even for a dispatcher: the launcher says so once, and goes on when there is one ----

$node->append_conf('postgresql.conf', 'max_worker_processes = 1');
my $from = log_position($node);
$node->restart;
make_table($node, 'w', 1000);
my $job = start_job($node, 'w');
ok(poll($node, 'SELECT true'), 'no slot at all: the server answers');
ok($node->wait_for_log(qr/no background worker slot for database/, $from), 'no slot at all: the log says so');
is(job($node, $job, 'state'), 'queued', 'no slot at all: the job stays queued');
isnt(job($node, $job, "coalesce(waiting_for, '')"), '', 'no slot at all: the job waits for something');
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
wait_done($node, $job, 'slots again');
is(wrong_rows($node, 'w'), 0, 'slots again: every row is right');

$node->stop;
done_testing();
