# Without zdm in shared_preload_libraries everything works but automatic resume, and the user is told so.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('plain', preload => 0);

# ---- the user is told what is missing ----

make_table($node, 't', 20_000);
my ($out, $err) = try_sql($node, q{SELECT zdm.start_backfill('t', 'new = upper(src)')});
my $job = $out;
like($err, qr/NOTICE: .*will not be resumed by itself/, 'start: a notice says what is missing');
like($err, qr/HINT: .*shared_preload_libraries/, 'start: a hint says what to do about it');
wait_done($node, $job, 'start');
is(wrong_rows($node, 't'), 0, 'start: every row is right');
is(sql($node, q{SELECT count(*) FROM zdm.workers WHERE role = 'launcher'}), 0, 'there is no launcher');

# ---- pause, resume, cancel, retry ----

make_table($node, 'p', 20_000);
$job = start_job($node, 'p', rate => 4000);
ok(wait_for_rows($node, $job, 500), 'pause: the job is at work');
sql($node, "SELECT zdm.pause_job($job)");
ok(poll($node, "SELECT state = 'paused' AND pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'pause: the worker leaves');
sql($node, "SELECT zdm.resume_job($job)");
ok(worker_pid($node, $job), 'resume: a worker comes');
sql($node, "SELECT zdm.cancel_job($job)");
ok(poll($node, "SELECT state = 'cancelled' AND pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'cancel: the worker leaves');
sql($node, "SELECT zdm.retry_job($job)");
ok(worker_pid($node, $job), 'retry: a worker comes');

# a resume that is faster than the worker's leaving must not be lost
for my $try (1 .. 5)
{
	sql($node, "SELECT zdm.pause_job($job)");
	sql($node, "SELECT zdm.resume_job($job)");
}
ok(poll($node, "SELECT state = 'running' AND pid IS NOT NULL FROM zdm.jobs WHERE job_id = $job"),
	'quick pauses and resumes: a worker comes in the end');

# ---- a worker that is ended hands the job over ----

my $pid = worker_pid($node, $job);
sql($node, "SELECT pg_terminate_backend($pid)");
ok(worker_pid($node, $job, other => $pid), 'pg_terminate_backend: another worker comes');

# ---- a restart ----

my $before = job($node, $job, 'rows_done');
$node->restart;
is(sql($node, "SELECT state, pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'running|t', 'restart: the job is not resumed');
is(job($node, $job, 'waiting_for'),
	"a worker: there is no launcher (shared_preload_libraries), so zdm.resume_job($job) has to ask for one",
	'restart: the job says that nobody brings a worker, and what to do');
sql($node, "UPDATE zdm.job SET waiting_for = 'what its worker waited for', waiting_since = '2000-01-01' WHERE job_id = $job");
like(job($node, $job, 'waiting_for'), qr/zdm\.resume_job\($job\)/, 'restart: what its worker waited for before counts no more');
cmp_ok(job($node, $job, 'rows_done'), '>=', $before, 'restart: no progress is lost');
(undef, $err) = try_sql($node, "SELECT zdm.resume_job($job)");
unlike($err, qr/ERROR/, 'restart: it can be resumed');
ok(worker_pid($node, $job), 'restart: zdm.resume_job() continues it');

# ---- a crash; any call that starts a job looks after the others, too ----

$node->stop('immediate');
$node->start;
make_table($node, 'c', 1000);
my $second = start_job($node, 'c');
wait_done($node, $second, 'crash, another job');
ok(worker_pid($node, $job), 'crash: the start of another job resumes this one');
unthrottle($node, $job);
wait_done($node, $job, 'crash');
is(wrong_rows($node, 'p'), 0, 'crash: every row is right');

# ---- rolled back, and prepared ----

make_table($node, 'r', 100);
($out, $err) = try_sql($node, q{BEGIN; SELECT zdm.start_backfill('r', 'new = upper(src)'); ROLLBACK});
is(sql($node, q{SELECT count(*) FROM zdm.jobs WHERE target = 'public.r'}), 0, 'rolled back start: no job');
($out, $err) = try_sql($node, q{
	BEGIN; SAVEPOINT s; SELECT zdm.start_backfill('r', 'new = upper(src)', name => 'a'); ROLLBACK TO s;
	SAVEPOINT s; SELECT zdm.start_backfill('r', 'new = upper(src)', name => 'b'); RELEASE s; COMMIT});
wait_done($node, sql($node, q{SELECT zdm.job_id('b')}), 'start in a released savepoint');
is(sql($node, q{SELECT count(*) FROM zdm.jobs WHERE name = 'a'}), 0, 'start in a rolled back savepoint: no job');
is(wrong_rows($node, 'r'), 0, 'start in a released savepoint: every row is right');

# ---- databases ----

sql($node, 'CREATE DATABASE d');
use_zdm($node, 'd');
make_table($node, 't', 5000, 'd');
$job = start_job($node, 't', rate => 1000, db => 'd');
ok(wait_for_rows($node, $job, 100, db => 'd'), 'DROP DATABASE: the job is at work');
is(sqlstate($node, 'DROP DATABASE d'), '00000', 'DROP DATABASE: succeeds while a job is at work');

# ---- what the launcher would do is said to be off, too ----

is(sql($node, 'SELECT count(*) FROM zdm.workers'), 0, 'no process is left when nothing is to be done');

$node->stop;
done_testing();
