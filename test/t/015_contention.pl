# A job works less while clients want its processor, and says so.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

plan skip_all => 'the kernel does not tell how long a process waits for a processor'
  unless -r '/proc/self/schedstat' && (split ' ', slurp_file('/proc/self/schedstat'))[0] =~ /^\d+$/;

my $node = new_node('contention', conf => ['zdm.contended_duty = 0.5', 'log_min_messages = debug1']);
my $said = q{coalesce(waiting_for LIKE 'the processor%zdm.contended_duty%', false)};

sql($node, q{
	CREATE TABLE slow (id int PRIMARY KEY, new bigint);
	INSERT INTO slow SELECT g FROM generate_series(1, 1000000) g});
my $job = start_job($node, 'slow', set => 'new = (SELECT count(*) + slow.id FROM generate_series(1, 500))');
ok(wait_for_rows($node, $job, 100), 'the job is at work');

# two for each processor, so that none is left
my $processors = () = slurp_file('/proc/cpuinfo') =~ /^processor\s*:/mg;
$processors = 2 * ($processors || 1);

# while another job takes, whose end is in the log: what asked for it would be a client at work
sql($node, 'CREATE TABLE short (id int PRIMARY KEY, new bigint); INSERT INTO short SELECT g FROM generate_series(1, 30000) g');
my $pid = worker_pid($node, start_job($node, 'short', set => 'new = (SELECT count(*) + short.id FROM generate_series(1, 500))'));
my @programs = map {
	my $program = fork() // die "fork: $!";
	if ($program == 0) { alarm 120; 1 while 1; }
	$program;
} 1 .. $processors;
ok($node->wait_for_log(qr/\(PID $pid\) exited with exit code/), 'programs beside the server want it');
kill 'KILL', @programs;
waitpid($_, 0) for @programs;
is(sql($node, "SELECT $said FROM zdm.jobs WHERE job_id = $job"), 'f', 'which held no job back');

my @clients = map { session($node) } 1 .. $processors;
$_->send(q{SET statement_timeout = '120 s'; SELECT count(*) FROM generate_series(1, 10000000000)}) for @clients;
ok(poll($node, "SELECT $said FROM zdm.jobs WHERE job_id = $job"), 'clients want the processor: the job says so');
sql($node, 'ALTER SYSTEM SET zdm.contended_duty = 1');
sql($node, 'SELECT pg_reload_conf()');
ok(poll($node, "SELECT NOT $said FROM zdm.jobs WHERE job_id = $job"), 'a setting of the server lets it work all the same');
sql($node, 'ALTER SYSTEM RESET zdm.contended_duty');
sql($node, 'SELECT pg_reload_conf()');
ok(poll($node, "SELECT $said FROM zdm.jobs WHERE job_id = $job"), 'taken back');
sql($node, "SELECT zdm.set_throttle($job, duty => 1)");
ok(poll($node, "SELECT NOT $said FROM zdm.jobs WHERE job_id = $job"), 'a duty of its own comes before it');
is(job($node, $job, 'state'), 'running', 'all that while it was running');

sql($node, q{
	SELECT pg_terminate_backend(pid) FROM pg_stat_activity
	WHERE query LIKE '%10000000000%' AND pid <> pg_backend_pid()});
sql($node, "SELECT zdm.cancel_job($job)");
$node->stop;
done_testing();
