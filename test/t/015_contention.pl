# A job works less while others want its processor, and says so.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

plan skip_all => 'the kernel does not tell how long a process waits for a processor'
  unless -r '/proc/self/schedstat' && (split ' ', slurp_file('/proc/self/schedstat'))[0] =~ /^\d+$/;

my $node = new_node('contention', conf => ['zdm.contended_duty = 0.5']);
my $said = q{coalesce(waiting_for LIKE 'the processor%zdm.contended_duty%', false)};

sql($node, q{
	CREATE TABLE slow (id int PRIMARY KEY, new bigint);
	INSERT INTO slow SELECT g FROM generate_series(1, 1000000) g});
my $job = start_job($node, 'slow', set => 'new = (SELECT count(*) + slow.id FROM generate_series(1, 500))');
ok(wait_for_rows($node, $job, 100), 'the job is at work');

# two for each processor, so that none is left
my $processors = () = slurp_file('/proc/cpuinfo') =~ /^processor\s*:/mg;
my @busy = map {
	my $pid = fork() // die "fork: $!";
	if ($pid == 0) { alarm 120; 1 while 1; }
	$pid;
} 1 .. 2 * ($processors || 1);

ok(poll($node, "SELECT $said FROM zdm.jobs WHERE job_id = $job"), 'others want the processor: the job says so');
sql($node, 'ALTER SYSTEM SET zdm.contended_duty = 1');
sql($node, 'SELECT pg_reload_conf()');
ok(poll($node, "SELECT NOT $said FROM zdm.jobs WHERE job_id = $job"), 'a setting of the server lets it work all the same');
sql($node, 'ALTER SYSTEM RESET zdm.contended_duty');
sql($node, 'SELECT pg_reload_conf()');
ok(poll($node, "SELECT $said FROM zdm.jobs WHERE job_id = $job"), 'taken back');
sql($node, "SELECT zdm.set_throttle($job, duty => 1)");
ok(poll($node, "SELECT NOT $said FROM zdm.jobs WHERE job_id = $job"), 'a duty of its own comes before it');
is(job($node, $job, 'state'), 'running', 'all that while it was running');

kill 'KILL', @busy;
waitpid($_, 0) for @busy;
sql($node, "SELECT zdm.cancel_job($job)");
$node->stop;
done_testing();
