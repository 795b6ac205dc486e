# Jobs on indexes that are interrupted: by a crash, by pause and cancel, by an administrator.  None leaves
# an unfinished index behind, and none touches an index of somebody else.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('index');

sql($node, q{
	CREATE TABLE other (n int);
	INSERT INTO other VALUES (1);
	CREATE TABLE t (id int PRIMARY KEY, n int, pad text DEFAULT repeat('x', 50));
	INSERT INTO t SELECT i, i % 1000 FROM generate_series(1, 20000) i;
});

# Indexes of a table as one text; "!" marks one that is not valid.
sub indexes
{
	my ($table) = @_;

	return sql($node, qq{
		SELECT string_agg(indexrelid::regclass || CASE WHEN indisvalid AND indisready AND indislive THEN '' ELSE '!' END, ' '
			ORDER BY indexrelid::regclass::text COLLATE "C")
		  FROM pg_index WHERE indrelid = '$table'::regclass});
}

sub create_index
{
	my ($definition) = @_;

	return sql($node, "SET client_min_messages = warning; SELECT zdm.create_index('$definition')");
}

# A session with an old snapshot, for which every concurrent build has to wait.
sub old_snapshot
{
	my $session = session($node);

	$session->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM other;');
	return $session;
}

# Waits until the build of a job waits for the old snapshot.
sub wait_for_wait
{
	my ($job) = @_;

	return poll($node, "SELECT phase LIKE 'waiting for old snapshots' AND waiting_for LIKE '%older snapshot%' FROM zdm.indexes WHERE job_id = $job");
}

# ---- pause, resume, cancel, retry ----

my $old = old_snapshot();
my $job = create_index('CREATE INDEX t_n ON t (n)');
ok(wait_for_wait($job), 'a build says that it waits for an old snapshot');
is(indexes('t'), 't_n! t_pkey', 'the index is there and not valid');
cmp_ok(job($node, $job, 'progress'), '>', 0.9, 'progress is read from the build');
like(job($node, $job, 'waiting_for'), qr/older snapshot .*: process \d+/, 'zdm.jobs says for whom it waits');

sql($node, "SELECT zdm.pause_job($job)");
ok(poll($node, "SELECT pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'pause: the worker ends');
is(job($node, $job, 'state'), 'paused', 'pause: the job is paused');
is(indexes('t'), 't_pkey', 'pause: no unfinished index is left');

sql($node, "SELECT zdm.resume_job($job)");
ok(wait_for_wait($job), 'resume: it builds again');
sql($node, "SELECT zdm.cancel_job($job)");
ok(poll($node, "SELECT EXISTS (SELECT FROM zdm.events WHERE job_id = $job AND event = 'cleaned up')"), 'cancel: cleaned up');
ok(poll($node, "SELECT pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'cancel: the worker ends');
is(job($node, $job, 'state'), 'cancelled', 'cancel: the job is cancelled');
is(indexes('t'), 't_pkey', 'cancel: nothing is left');
is(sql($node, "SELECT phase FROM zdm.indexes WHERE job_id = $job"), '', 'cancel: it does nothing more');

# a cancellation that is rolled back is none
sql($node, "SELECT zdm.retry_job($job)");
ok(wait_for_wait($job), 'retry: it builds again');
sql($node, "BEGIN; SELECT zdm.cancel_job($job); ROLLBACK; BEGIN; SAVEPOINT s; SELECT zdm.pause_job($job); ROLLBACK TO s; COMMIT");
$old->quit;
wait_done($node, $job, 'a cancellation rolled back');
is(indexes('t'), 't_n t_pkey', 'a cancellation rolled back: the index is valid');
is(sql($node, "SELECT count(*) FROM zdm.events WHERE job_id = $job AND event = 'paused'"), 1,
	'a cancellation rolled back: it was not interrupted');

# ---- an administrator ----

$old = old_snapshot();
$job = create_index('CREATE INDEX t_admin ON t (n, id)');
ok(wait_for_wait($job), 'pg_cancel_backend: it builds');
sql($node, "SELECT pg_cancel_backend(pid) FROM zdm.jobs WHERE job_id = $job");
ok(poll($node, "SELECT state = 'paused' AND pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'pg_cancel_backend: paused');
is(indexes('t'), 't_n t_pkey', 'pg_cancel_backend: no unfinished index is left');
sql($node, "SELECT zdm.resume_job($job)");
ok(wait_for_wait($job), 'pg_terminate_backend: it builds');
my $pid = worker_pid($node, $job);
sql($node, "SELECT pg_terminate_backend($pid)");
ok(worker_pid($node, $job, $pid), 'pg_terminate_backend: another worker goes on');
ok(wait_for_wait($job), 'pg_terminate_backend: it builds again');
$old->quit;
wait_done($node, $job, 'pg_terminate_backend');
is(indexes('t'), 't_admin t_n t_pkey', 'pg_terminate_backend: one index, valid');

# ---- crashes ----

for my $crash ('SIGKILL', 'immediate stop')
{
	my $name = $crash eq 'SIGKILL' ? 't_kill' : 't_stop';

	sql($node, "DROP INDEX IF EXISTS t_admin");
	$old = old_snapshot();
	# an unfinished index of somebody else, which must survive
	sql($node, "CREATE TABLE theirs_$name (a int); INSERT INTO theirs_$name VALUES (1), (1)");
	sqlstate($node, "CREATE UNIQUE INDEX CONCURRENTLY their_$name ON theirs_$name (a)");
	$job = create_index("CREATE UNIQUE INDEX $name ON t (n, id) INCLUDE (pad)");
	ok(wait_for_wait($job), "$crash: it builds");
	$pid = worker_pid($node, $job);
	if ($crash eq 'SIGKILL')
	{
		kill 'KILL', $pid;
	}
	else
	{
		$node->stop('immediate');
		$node->start;
	}
	$old->quit;
	ok(poll($node, "SELECT state = 'done' FROM zdm.jobs WHERE job_id = $job"), "$crash: the job gets done");
	is(indexes('t'), join(' ', sort('t_n', 't_pkey', $name)), "$crash: one index, valid");
	is(sql($node, "SELECT count(*) FROM zdm.events WHERE job_id = $job AND event = 'continued'"), 1, "$crash: it was continued");
	is(indexes("theirs_$name"), "their_$name!", "$crash: an unfinished index of somebody else is left alone");
	sql($node, "DROP INDEX $name; DROP TABLE theirs_$name");
}

# a cancelled job whose clean-up is cut short by a crash: a reader keeps the index from being dropped
my $reader = session($node);
$old = old_snapshot();
$job = create_index('CREATE INDEX t_cancelled ON t (pad)');
ok(wait_for_wait($job), 'cancel and crash: it builds');
$reader->query('BEGIN; SELECT count(*) FROM t;');
sql($node, "SELECT zdm.cancel_job($job)");
ok(poll($node, "SELECT phase = 'dropping an unfinished index' FROM zdm.indexes WHERE job_id = $job"), 'cancel and crash: it is being cleaned up');
like(indexes('t'), qr/t_cancelled!/, 'cancel and crash: the reader holds that up');
$node->stop('immediate');
$node->start;
$reader->quit;
$old->quit;
ok(poll($node, "SELECT EXISTS (SELECT FROM zdm.events WHERE job_id = $job AND event = 'cleaned up')"), 'cancel and crash: cleaned up after the crash');
is(indexes('t'), 't_n t_pkey', 'cancel and crash: nothing is left');
is(job($node, $job, 'state'), 'cancelled', 'cancel and crash: still cancelled');

# ---- partitioned: cancelled when some leaves are done ----

sql($node, q{
	CREATE TABLE p (a int) PARTITION BY RANGE (a);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
	CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
	INSERT INTO p SELECT i FROM generate_series(0, 19) i;
});
my $writer = session($node);
$writer->query('BEGIN; INSERT INTO p2 VALUES (15);');
$job = create_index('CREATE INDEX p_a ON p (a)');
ok(poll($node, "SELECT tables_done = 1 AND phase = 'waiting for writers before build' FROM zdm.indexes WHERE job_id = $job"), 'partitions: the second one waits for a writer');
is(indexes('p1') . ' ' . indexes('p'), 'p1_a_idx p_a!', 'partitions: one is done');
sql($node, "SELECT zdm.pause_job($job)");
$writer->query('COMMIT;');
ok(poll($node, "SELECT pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'partitions: paused');
is(sql($node, "SELECT string_agg(relname, ' ' ORDER BY 1) FROM pg_class WHERE relname LIKE 'p%_a_idx'"), 'p1_a_idx', 'partitions: what is done stays');
$writer->query('BEGIN; INSERT INTO p2 VALUES (15);');
sql($node, "SELECT zdm.resume_job($job)");
ok(poll($node, "SELECT tables_done = 1 AND phase = 'waiting for writers before build' FROM zdm.indexes WHERE job_id = $job"), 'partitions: it goes on');
sql($node, "SELECT zdm.cancel_job($job)");
$writer->query('COMMIT;');
ok(poll($node, "SELECT EXISTS (SELECT FROM zdm.events WHERE job_id = $job AND event = 'cleaned up')"), 'partitions: cleaned up');
is(sql($node, "SELECT count(*) FROM pg_class WHERE relname ~ '^p[12]?_a'"), 0, 'partitions: nothing is left');

# a partition that comes and a crash meanwhile
$writer->query('BEGIN; INSERT INTO p2 VALUES (15);');
sql($node, "SELECT zdm.retry_job($job)");
ok(poll($node, "SELECT tables_done = 1 AND phase = 'waiting for writers before build' FROM zdm.indexes WHERE job_id = $job"), 'partitions: retried');
sql($node, 'CREATE TABLE p3 (a int); INSERT INTO p3 VALUES (25); ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (20) TO (30)');
$node->stop('immediate');
$node->start;
$writer->quit;
ok(poll($node, "SELECT state = 'done' FROM zdm.jobs WHERE job_id = $job"), 'partitions: done after a crash');
is(join(' ', map { indexes($_) } 'p', 'p1', 'p2', 'p3'), 'p_a p1_a_idx p2_a_idx p3_a_idx', 'partitions: each has its index, all valid');
is(sql($node, "SELECT count(*) FROM pg_partition_tree('p_a')"), 4, 'partitions: all are attached');

# behind an old writer nobody is stalled by the locks on the partitioned table
$writer = session($node);
$writer->query('BEGIN; INSERT INTO p VALUES (1);');
$job = create_index('CREATE INDEX p_late ON p (a DESC)');
ok(poll($node, "SELECT waiting_for IS NOT NULL FROM zdm.jobs WHERE job_id = $job"), 'an old writer: the job says that it waits');
is(sqlstate($node, "SET lock_timeout = '150ms';" . 'INSERT INTO p VALUES (2); ' x 20), '00000', 'an old writer: others go on');
$writer->quit;
wait_done($node, $job, 'an old writer');
$job = sql($node, "SELECT zdm.drop_index('p_late')");
wait_done($node, $job, 'drop on a partitioned table');

# ---- rebuild and drop ----

my $oid = sql($node, "SELECT 't_n'::regclass::oid");
$old = old_snapshot();
$job = sql($node, "SELECT zdm.reindex('t_n')");
ok(wait_for_wait($job), 'reindex: it builds');
is(indexes('t'), 't_n t_n_ccnew! t_pkey', 'reindex: the new index is beside the old one');
sql($node, "SELECT zdm.pause_job($job)");
ok(poll($node, "SELECT pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'reindex: paused');
is(indexes('t'), 't_n t_pkey', 'reindex: no unfinished index is left');
sql($node, "SELECT zdm.resume_job($job)");
ok(wait_for_wait($job), 'reindex: it builds again');
$node->stop('immediate');
$node->start;
$old->quit;
ok(poll($node, "SELECT state = 'done' FROM zdm.jobs WHERE job_id = $job"), 'reindex: done after a crash');
is(indexes('t'), 't_n t_pkey', 'reindex: one index, valid');
isnt(sql($node, "SELECT 't_n'::regclass::oid"), $oid, 'reindex: it is a new one');

# stopped after the swap: a reader of the table keeps the old index from being dropped
$reader = session($node);
$reader->query('BEGIN; SELECT count(*) FROM t WHERE n = 1;');
$oid = sql($node, "SELECT 't_n'::regclass::oid");
$job = sql($node, "SELECT zdm.reindex('t_n')");
ok(poll($node, "SELECT phase LIKE 'waiting for readers%' FROM zdm.indexes WHERE job_id = $job"), 'reindex: swapped');
is(indexes('t'), 't_n t_n_ccold! t_pkey', 'reindex: the old index is still there');
$node->stop('immediate');
$node->start;
$reader->quit;
ok(poll($node, "SELECT state = 'done' FROM zdm.jobs WHERE job_id = $job"), 'reindex: done after a crash behind the swap');
is(indexes('t'), 't_n t_pkey', 'reindex: the old index is gone');
is(sql($node, "SELECT count(*) FROM zdm.index_part p JOIN pg_index i ON i.indexrelid = p.index_oid WHERE job_id = $job"), 1,
	'reindex: it was not built twice');

$reader = session($node);
$reader->query('BEGIN; SELECT count(*) FROM t WHERE n = 1;');
$job = sql($node, "SELECT zdm.drop_index('t_n')");
ok(poll($node, "SELECT indisvalid = false FROM pg_index WHERE indexrelid = 't_n'::regclass"), 'drop: it waits for a reader');
$node->stop('immediate');
$node->start;
$reader->quit;
ok(poll($node, "SELECT state = 'done' FROM zdm.jobs WHERE job_id = $job"), 'drop: done after a crash');
is(indexes('t'), 't_pkey', 'drop: the index is gone');

# ---- a table that is locked, then dropped ----

sql($node, 'CREATE TABLE d (a int)');
my $locker = session($node);
$locker->query('BEGIN; LOCK TABLE d IN SHARE MODE;');
$job = create_index('CREATE INDEX d_a ON d (a)');
ok(poll($node, "SELECT waiting_for LIKE '%ShareLock on table public.d: process % holds it' FROM zdm.jobs WHERE job_id = $job"),
	'a lock: zdm.jobs says who holds it');
is(sqlstate($node, "SET lock_timeout = '2s'; INSERT INTO other VALUES (2)"), '00000', 'a lock: others go on');
$locker->query('DROP TABLE d; COMMIT;');
ok(poll($node, "SELECT state = 'failed' AND last_sqlstate = '42P01' FROM zdm.jobs WHERE job_id = $job"), 'a table dropped: the job fails');
$locker->quit;

# ---- roles: an owner that may not log in, settings that would get in the way ----

sql($node, q{
	CREATE ROLE idle NOLOGIN;
	GRANT CREATE ON SCHEMA public TO idle;
	CREATE ROLE impatient LOGIN;
	GRANT CREATE ON SCHEMA public TO impatient;
	ALTER ROLE impatient SET lock_timeout = '100ms';
	ALTER ROLE impatient SET statement_timeout = '100ms';
	ALTER ROLE impatient SET default_transaction_read_only = on;
	ALTER ROLE impatient SET default_transaction_isolation = 'serializable';
	ALTER ROLE impatient SET search_path = nowhere;
	CREATE FUNCTION who(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN current_user; END';
});
for my $role ('idle', 'impatient')
{
	sql($node, "CREATE TABLE of_$role (a int); INSERT INTO of_$role VALUES (1); ALTER TABLE of_$role OWNER TO $role");
	$old = old_snapshot();
	$job = create_index("CREATE INDEX of_${role}_who ON of_$role (who(a))");
	ok(wait_for_wait($job), "owner $role: it builds");
	poll($node, "SELECT clock_timestamp() > state_since + interval '300 ms' FROM zdm.jobs WHERE job_id = $job");
	$old->quit;
	wait_done($node, $job, "owner $role");
	is(sql($node, "SET enable_seqscan = off; SELECT count(*) FROM of_$role WHERE who(a) = '$role'"), 1,
		"owner $role: functions ran as the owner") if $role ne 'postgres';
}

$node->stop;
done_testing();
