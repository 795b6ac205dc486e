# When the server lacks something (disk, memory, ...) a job holds, says what is missing, and goes on when
# it is there again.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('resources');

sql($node, q{
	CREATE TABLE lacking (sqlstate text, message text);
	CREATE FUNCTION lack() RETURNS trigger LANGUAGE plpgsql AS $$
		DECLARE what record;
		BEGIN
			FOR what IN SELECT * FROM lacking LOOP
				RAISE '%', what.message USING ERRCODE = what.sqlstate;
			END LOOP;
			RETURN NEW;
		END $$;
});

for my $case (
	[ '53100', 'could not extend file: No space left on device' ],
	[ '53200', 'out of memory' ],
	[ '53400', 'temporary file size exceeds temp_file_limit' ])
{
	my ($sqlstate, $message) = @$case;
	my $table = "t$sqlstate";

	make_table($node, $table, 5000, undef,
		"CREATE TRIGGER lack BEFORE UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION lack();");
	my $job = start_job($node, $table, rate => 3000);
	ok(wait_for_rows($node, $job, 300), "$sqlstate: the job is at work");
	sql($node, "INSERT INTO lacking VALUES ('$sqlstate', '$message')");
	ok(poll($node, "SELECT state = 'running' AND waiting_for LIKE '%$message%' FROM zdm.jobs WHERE job_id = $job"),
		"$sqlstate: the job holds and says what is missing");
	is(sql($node, "SELECT count(*) FROM zdm.quarantine WHERE job_id = $job"), 0, "$sqlstate: no row is blamed");
	sql($node, 'DELETE FROM lacking');
	unthrottle($node, $job);
	wait_done($node, $job, "$sqlstate, once it is there again");
	is(wrong_rows($node, $table), 0, "$sqlstate: every row is right");
	is(job($node, $job, "coalesce(waiting_for, 'nothing')"), 'nothing', "$sqlstate: nothing is waited for any more");
}

# ---- a job that holds can be paused, cancelled, and leaves when the server stops ----

make_table($node, 'h', 2000, undef, 'CREATE TRIGGER lack BEFORE UPDATE ON h FOR EACH ROW EXECUTE FUNCTION lack();');
sql($node, q{INSERT INTO lacking VALUES ('53100', 'disk full')});
my $job = start_job($node, 'h');
ok(poll($node, "SELECT waiting_for LIKE '%disk full%' FROM zdm.jobs WHERE job_id = $job"), 'holding: the job holds');
sql($node, "SELECT zdm.pause_job($job)");
ok(poll($node, "SELECT pid IS NULL FROM zdm.jobs WHERE job_id = $job", seconds => 3), 'holding: pause is seen at once');
sql($node, "SELECT zdm.resume_job($job)");
ok(poll($node, "SELECT waiting_for LIKE '%disk full%' FROM zdm.jobs WHERE job_id = $job"), 'holding: the job holds again');
$node->restart;
ok(poll($node, "SELECT waiting_for LIKE '%disk full%' AND pid IS NOT NULL FROM zdm.jobs WHERE job_id = $job"),
	'holding: after a restart it holds again');
sql($node, 'DELETE FROM lacking');
wait_done($node, $job, 'holding');
is(wrong_rows($node, 'h'), 0, 'holding: every row is right');

# ---- a real limit: no transaction may be larger than the temporary files allow ----

make_table($node, 'limited', 2000);
sql($node, q{ALTER SYSTEM SET temp_file_limit = 0; SELECT pg_reload_conf()});
sql($node, q{ALTER SYSTEM SET work_mem = '64kB'; SELECT pg_reload_conf()});
$job = start_job($node, 'limited',
	set => q{new = upper(src) || left((SELECT string_agg(x, '' ORDER BY x) FROM (SELECT md5(i::text || src) AS x FROM generate_series(1, 3000) i) AS g), 0)});
ok(poll($node, "SELECT state = 'running' AND waiting_for LIKE '%temp_file_limit%' FROM zdm.jobs WHERE job_id = $job"),
	'temp_file_limit: the job holds and says what is missing');
sql($node, q{ALTER SYSTEM RESET ALL});
$node->reload;
sql($node, "SELECT zdm.cancel_job($job)");
ok(poll($node, "SELECT state = 'cancelled' AND pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'temp_file_limit: the job can be cancelled');

$node->stop;
done_testing();
