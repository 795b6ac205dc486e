# Long transactions of others: an old snapshot turns striping off but does not stop a job, a lock that is
# held long is waited for, and neither memory nor the cost of a batch grows.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('long', conf => [ 'autovacuum = off', 'max_prepared_transactions = 2' ]);
my ($job, $holder);

# ---- without anybody in the way: striped ----

make_table($node, 'free', 20_000, undef, 'VACUUM ANALYZE free;');
$job = start_job($node, 'free');
wait_done($node, $job, 'nobody in the way');
is(sql($node, "SELECT coalesce(striping, 'on') FROM zdm.backfills WHERE job_id = $job"), 'on', 'nobody in the way: striping is on');
cmp_ok(sql($node, "SELECT hot_share FROM zdm.backfills WHERE job_id = $job"), '>', 0.5, 'nobody in the way: most updates are HOT');

# ---- an old snapshot ----

make_table($node, 't', 40_000, undef, 'VACUUM ANALYZE t;');
sql($node, 'VACUUM');
$holder = session($node);
$holder->query("SET application_name = 'the holder'");
$holder->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
$holder->query('SELECT count(*) FROM t');
my $holder_pid = $holder->query('SELECT pg_backend_pid()');
$job = start_job($node, 't', rate => 20_000);
ok(poll($node, "SELECT striping IS NOT NULL FROM zdm.backfills WHERE job_id = $job"), 'old snapshot: the job says that striping is off');
like(sql($node, "SELECT striping FROM zdm.backfills WHERE job_id = $job"), qr/off: .*process $holder_pid \(the holder, idle in transaction/,
	'old snapshot: it names the holder');
is(job($node, $job, "coalesce(waiting_for, 'nothing')"), 'nothing', 'old snapshot: the job waits for nothing');
unthrottle($node, $job);
wait_done($node, $job, 'old snapshot');
is(wrong_rows($node, 't'), 0, 'old snapshot: every row is right');
is($holder->query('SELECT count(*) FROM t WHERE new IS NULL'), 40_000, 'old snapshot: it still sees what it saw');

# ---- the cost of a batch stays the same while no version of the cursor can be removed ----

# Pages read in one of zdm's tables, by processes that have ended.
sub pages_read
{
	my ($table) = @_;

	return sql($node, "SELECT heap_blks_hit + heap_blks_read FROM pg_statio_all_tables WHERE relid = 'zdm.$table'::regclass");
}

# many pages, and an expression that takes so long that a batch of a millisecond is one of them
make_table($node, 'b', 5000, undef, q{
	CREATE FUNCTION slow_upper(text) RETURNS text IMMUTABLE LANGUAGE plpgsql
		AS 'BEGIN FOR i IN 1 .. 8000 LOOP NULL; END LOOP; RETURN upper($1); END';
	ALTER TABLE b SET (fillfactor = 10);
	VACUUM (FULL, ANALYZE) b;});
my %before = map { $_ => pages_read($_) } qw(backfill_cursor job);
# a batch_time of the job's own is not made longer while no client is at work
$job = sql($node, q{
	BEGIN;
	SELECT zdm.start_backfill('b', 'new = slow_upper(src)') AS job \gset
	SELECT '' FROM zdm.set_throttle(:job, batch_time => '1 ms') \g /dev/null
	COMMIT;
	\echo :job
});
$job =~ s/\s//g;
wait_done($node, $job, 'many batches');
ok(poll($node, "SELECT pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'many batches: the worker has ended');
my $batches = sql($node, "SELECT batches FROM zdm.backfills WHERE job_id = $job");
cmp_ok($batches, '>', 200, 'many batches: there were many');
for my $table (sort keys %before)
{
	my $read = pages_read($table) - $before{$table};

	# with a scan of all versions it would be half the square of the batches, divided by the versions a page
	cmp_ok($read, '<', 10 * $batches + 200, "many batches: a batch reads few pages of zdm.$table")
	  or diag "$read pages in $batches batches";
	note "$read pages of $table in $batches batches";
}
$holder->query('COMMIT');
$holder->quit;

# ---- a prepared transaction holds the horizon, and rows ----

make_table($node, 'p', 20_000, undef, 'VACUUM ANALYZE p;');
sql($node, q{BEGIN; UPDATE p SET n = n WHERE id = 1; PREPARE TRANSACTION 'the one'; });
$job = start_job($node, 'p', more => 'max_sweeps => 1');
ok(poll($node, "SELECT state = 'running' AND waiting_for LIKE '%lock%' FROM zdm.jobs WHERE job_id = $job"),
	'prepared transaction: the job says that it waits for a lock');
like(sql($node, "SELECT striping FROM zdm.backfills WHERE job_id = $job"), qr/prepared transaction 'the one'/,
	'prepared transaction: the job names what holds the horizon');
sql($node, q{COMMIT PREPARED 'the one'});
wait_done($node, $job, 'prepared transaction, once it has ended');
is(sql($node, 'SELECT count(*) FROM p WHERE new IS DISTINCT FROM upper(src)'), 0, 'prepared transaction: every row is right');

# ---- a row is locked for long ----

make_table($node, 'r', 5000);
$holder = session($node);
$holder->query('BEGIN');
$holder->query('SELECT id FROM r WHERE id IN (1, 2500, 5000) FOR UPDATE');
$job = start_job($node, 'r', more => 'max_sweeps => 1');
ok(poll($node, "SELECT state = 'running' AND rows_done = 4997 AND waiting_for LIKE '%lock%' FROM zdm.jobs WHERE job_id = $job"),
	'locked rows: all others are done, and the job says what it waits for');
# the job rests, but a pause, a resume and a change of throttle are seen at once
sql($node, "SELECT zdm.pause_job($job)");
ok(poll($node, "SELECT state = 'paused' AND pid IS NULL FROM zdm.jobs WHERE job_id = $job", seconds => 3),
	'locked rows: a job that waits can be paused at once');
sql($node, "SELECT zdm.resume_job($job)");
ok(worker_pid($node, $job), 'locked rows: and resumed');
$holder->query('COMMIT');
wait_done($node, $job, 'locked rows, once they are free');
is(wrong_rows($node, 'r'), 0, 'locked rows: every row is right');

# ---- the job's own row is locked: a session that has paused it and does not commit ----

make_table($node, 'o', 5000);
$job = start_job($node, 'o', rate => 10_000);
ok(wait_for_rows($node, $job, 500), 'open pause: the job is at work');
$holder->query('BEGIN');
$holder->query("SELECT zdm.pause_job($job)");
my $another = start_job($node, 'free', name => 'another', set => 'new = src');
wait_done($node, $another, 'open pause of one job, another job');
is(job($node, $job, 'state'), 'running', 'open pause: the job is not paused yet');
$holder->query('COMMIT');
ok(poll($node, "SELECT state = 'paused' AND pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'open pause: then it is paused');
sql($node, "SELECT zdm.resume_job($job)");
wait_done($node, $job, 'open pause, resumed');
is(wrong_rows($node, 'o'), 0, 'open pause: every row is right');
$holder->quit;

# ---- memory ----

SKIP:
{
	skip 'no /proc/PID/status', 2 unless -r "/proc/$$/status";
	# long values, many batches, an error in some rows
	sql($node, q{
		CREATE TABLE wide (id bigint PRIMARY KEY, doc text, new text);
		ALTER TABLE wide ALTER doc SET STORAGE EXTERNAL;
		INSERT INTO wide SELECT i, repeat('abcdefgh', 1000) FROM generate_series(1, 15000) i;});
	$job = start_job($node, 'wide', set => q{new = CASE WHEN id % 1000 = 0 THEN (1 / (id - id))::text ELSE md5(doc) END}, more => 'max_quarantine => 1000');
	my $largest = 0;
	my $samples = 0;
	while (job($node, $job, 'state') =~ /queued|running/)
	{
		my $pid = job($node, $job, 'pid') or next;
		open(my $status, '<', "/proc/$pid/status") or next;
		my ($kb) = join('', <$status>) =~ /^RssAnon:\s+(\d+)/m;
		close $status;
		next unless defined $kb;
		$largest = $kb if $kb > $largest;
		$samples++;
	}
	cmp_ok($samples, '>', 0, 'memory: it was seen');
	cmp_ok($largest, '<', 32 * 1024, 'memory: the worker stays below 32 MB');
	is(job($node, $job, 'state'), 'failed', 'memory: rows that cannot be converted make the job fail in the end');
	is(sql($node, 'SELECT count(*) FROM wide WHERE new IS DISTINCT FROM md5(doc)'), 15, 'memory: all others are converted');
	is(sql($node, "SELECT count(*) FROM zdm.quarantine WHERE job_id = $job"), 15, 'memory: and listed');
}

# ---- the proof at the end is the longest transaction of a backfill: it gives way to who wants the table ----

sql($node, q{
	CREATE FUNCTION slow(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM pg_sleep(0.002); RETURN $1; END';
	CREATE TABLE proved (id int PRIMARY KEY, new text, filler text);
	ALTER TABLE proved ALTER filler SET STORAGE PLAIN;
	INSERT INTO proved (id, filler) SELECT i, repeat('x', 5000) FROM generate_series(1, 1000) i;});
$job = start_job($node, 'proved', set => 'new = slow(id)');
ok(poll($node, "SELECT count(*) > 0 FROM pg_stat_activity JOIN zdm.workers USING (pid)"
	. " WHERE job_id = $job AND xact_start < clock_timestamp() - interval '0.4 s'"), 'proof: begun');
is(sqlstate($node, "SET lock_timeout = '1s'; BEGIN; LOCK TABLE proved IN ACCESS EXCLUSIVE MODE; COMMIT"), '00000',
	'proof: it gives way to a strong lock');
is(job($node, $job, 'state'), 'running', 'proof: not at its end by then');
wait_done($node, $job, 'proof');
is(sql($node, 'SELECT count(*) FROM proved WHERE new IS DISTINCT FROM id::text'), 0, 'proof: every row is right');

$node->stop;
done_testing();
