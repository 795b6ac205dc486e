# DDL by zdm.execute_ddl() and the locks of others: whoever is in the way, the application does not stand still.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use ZdmTest;

my $node = new_node('ddl', streaming => 1, conf => [ 'max_prepared_transactions = 5', 'autovacuum = off', 'log_autovacuum_min_duration = 0' ]);

sql($node, q{
	CREATE TABLE t (id int PRIMARY KEY, n int);
	INSERT INTO t SELECT i, i FROM generate_series(1, 1000) i;
	-- how often, of so many looks, a process waited in a lock queue
	CREATE FUNCTION seen_in_queue(process int, looks int) RETURNS int LANGUAGE plpgsql AS $$
	DECLARE seen int := 0;
	BEGIN
		FOR i IN 1 .. looks LOOP
			seen := seen + (SELECT count(*) FROM pg_locks WHERE pid = process AND NOT granted);
			PERFORM pg_sleep(0.002);
		END LOOP;
		RETURN seen;
	END $$;
	-- the longest of so many statements of the application, in milliseconds
	CREATE PROCEDURE longest_statement(tries int, INOUT longest float8 DEFAULT 0) LANGUAGE plpgsql AS $$
	DECLARE since timestamptz;
	BEGIN
		FOR i IN 1 .. tries LOOP
			since := clock_timestamp();
			UPDATE t SET n = n + 1 WHERE id = 1 + i % 1000;
			COMMIT;
			longest := greatest(longest, extract(epoch FROM clock_timestamp() - since) * 1000);
			PERFORM pg_sleep(0.002);
			COMMIT;
		END LOOP;
	END $$;
});

sub ddl
{
	my ($statement, %option) = @_;
	my $more = $option{deadline} ? ", deadline => '$option{deadline}'" : '';

	return sql($node, "SELECT zdm.execute_ddl(\$s\$$statement\$s\$, name => '$option{name}'$more)");
}

sub has_column
{
	my ($table, $column) = @_;

	return sql($node, "SELECT count(*) FROM pg_attribute WHERE attrelid = '$table'::regclass AND attname = '$column'");
}

# ---- behind an old reader ----

my $reader = session($node);
$reader->query("SET application_name = 'the reader'; BEGIN; SELECT count(*) FROM t");
# older than what the policy takes for young: 10 x the last budget
ok(poll($node, "SELECT clock_timestamp() - xact_start > interval '1200 ms' FROM pg_stat_activity WHERE application_name = 'the reader'"),
	'there is an old reader');
my $job = ddl('ALTER TABLE t ADD COLUMN a int', name => 'behind a reader');
my $worker = worker_pid($node, $job);
is(sql($node, "SELECT seen_in_queue($worker, 500)"), '0', 'behind an old reader it never waits in the queue');
cmp_ok(sql($node, 'CALL longest_statement(300)'), '<', 250, 'no statement of the application stands still');
ok(poll($node, "SELECT waiting_for ~ '^a lock on public.t: process [0-9]+ \\(the reader, role .*\\) holds AccessShareLock in a transaction open since 20' FROM zdm.jobs WHERE job_id = $job"),
	'zdm.jobs names the reader');
is(sql($node, "SELECT job_name, relation, wanted_mode, application_name, state, held_mode, transaction_age > interval '1 s', left(query, 22) FROM zdm.blockers"),
	'behind a reader|public.t|AccessExclusiveLock|the reader|idle in transaction|AccessShareLock|t|SELECT count(*) FROM t',
	'zdm.blockers shows it');
is(has_column('t', 'a'), '0', 'it has not run');
is(sql($node, "SELECT fruitless_starts FROM zdm.job WHERE job_id = $job"), '0', 'a worker that waits has not started in vain');
is(sql($node, "SELECT state FROM zdm.jobs WHERE job_id = $job"), 'running', 'it goes on trying');
$reader->query('COMMIT');
wait_done($node, $job, 'when the reader has ended');
is(has_column('t', 'a'), '1', 'it has run');
is(sql($node, 'SELECT count(*) FROM zdm.blockers'), '0', 'nobody is in the way any more');
is(sql($node, 'SELECT count(*) FROM zdm.lock_wait'), '0', 'and nothing is left of the wait');

# ---- pause, resume, cancel while it waits ----

$reader->query('BEGIN; SELECT count(*) FROM t');
$job = ddl('ALTER TABLE t ADD COLUMN b int', name => 'paused');
worker_pid($node, $job);
sql($node, "SELECT zdm.pause_job($job)");
ok(poll($node, "SELECT pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'paused while it waits: the worker leaves');
$reader->query('COMMIT');
is(has_column('t', 'b'), '0', 'and nothing runs');
sql($node, "SELECT zdm.resume_job($job)");
wait_done($node, $job, 'resumed');
$reader->query('BEGIN; SELECT count(*) FROM t');
$job = ddl('ALTER TABLE t ADD COLUMN c int', name => 'cancelled');
worker_pid($node, $job);
sql($node, "SELECT zdm.cancel_job($job)");
ok(poll($node, "SELECT pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'cancelled while it waits: the worker leaves');

# ---- the deadline ----

$job = ddl('ALTER TABLE t ADD COLUMN c int', name => 'deadline', deadline => '1 s');
ok(poll($node, "SELECT state = 'failed' FROM zdm.jobs WHERE job_id = $job"), 'the deadline passes: failed');
like(sql($node, "SELECT last_sqlstate || ' ' || last_error FROM zdm.jobs WHERE job_id = $job"),
	qr/^55P03 could not get its locks within 1 s, waiting for a lock on public\.t: process \d+ \(the reader, /, 'with who was in the way');
is(has_column('t', 'c'), '0', 'nothing was done');
$reader->query('COMMIT');
sql($node, "SELECT zdm.retry_job($job)");
wait_done($node, $job, 'retried');

# ---- the deadline counts from the start of the job, not of a worker ----

$reader->query('BEGIN; SELECT count(*) FROM t');
$job = ddl('ALTER TABLE t ADD COLUMN restarted int', name => 'restarted', deadline => '2 s');
for my $start (1 .. 100)
{
	my $is_over = "EXISTS (SELECT FROM zdm.jobs WHERE job_id = $job AND state = 'failed')";

	# each worker gets less than the deadline
	last if poll($node, "SELECT $is_over OR EXISTS (SELECT FROM zdm.jobs WHERE job_id = $job AND pid IS NOT NULL)")
		&& poll($node, "SELECT $is_over OR EXISTS (SELECT FROM zdm.blockers WHERE job_id = $job)")
		&& sql($node, "SELECT $is_over") eq 't';
	sql($node, "SELECT pg_terminate_backend(pid, 5000) FROM zdm.jobs WHERE job_id = $job AND pid IS NOT NULL");
}
is(sql($node, "SELECT state || ' ' || last_sqlstate FROM zdm.jobs WHERE job_id = $job"), 'failed 55P03', 'the deadline counts from the start of the job');
$reader->query('COMMIT');

# ---- somebody else waits in the queue ----

my $impatient = session($node);
$reader->query('BEGIN; SELECT count(*) FROM t');
$impatient->send("SET application_name = 'impatient'; ALTER TABLE t ADD COLUMN impatient int");
ok(poll($node, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE application_name = 'impatient'"), 'a plain ALTER TABLE queues');
$job = ddl('ALTER TABLE t ADD COLUMN behind_a_queue int', name => 'behind a queue');
ok(poll($node, "SELECT waiting_for = 'a lock that others wait for, too' FROM zdm.jobs WHERE job_id = $job"), 'zdm.jobs says so');
$reader->query('COMMIT');
$impatient->receive;
wait_done($node, $job, 'after somebody who queued');
$impatient->quit;

# ---- a prepared transaction ----

sql($node, "BEGIN; UPDATE t SET n = 0 WHERE id = 1; PREPARE TRANSACTION 'forgotten'");
$job = ddl('ALTER TABLE t ADD COLUMN d int', name => 'prepared');
$worker = worker_pid($node, $job);
is(sql($node, "SELECT seen_in_queue($worker, 250)"), '0', 'behind a prepared transaction it never waits in the queue');
ok(poll($node, "SELECT state = 'prepared transaction forgotten' AND pid IS NULL FROM zdm.blockers WHERE job_id = $job"),
	'zdm.blockers names the prepared transaction');
sql($node, "COMMIT PREPARED 'forgotten'");
wait_done($node, $job, 'after a prepared transaction');

# ---- transactions that always overlap ----

append_to_file($node->basedir . '/overlap.pgbench', <<'END');
\set pause random(2000, 18000)
BEGIN;
SELECT n FROM t WHERE id = 1;
\sleep :pause us
COMMIT;
END
my ($in, $out) = ('', '');
my $load = IPC::Run::start(
	[ $node->installed_command('pgbench'), '-n', '-c', '8', '-j', '2', '-T', '20', '-f', $node->basedir . '/overlap.pgbench', $node->connstr('postgres') . ' application_name=load' ],
	'<', \$in, '>', \$out, '2>&1');
ok(poll($node, "SELECT count(*) >= 8 FROM pg_stat_activity WHERE application_name = 'load'"), 'the load is there');
my $since = time();
$job = ddl('ALTER TABLE t ADD COLUMN e int', name => 'overlapping');
wait_done($node, $job, 'where short transactions always overlap', seconds => 15);
ok(poll($node, "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'load'"), 'the load was there all the time');
$load->kill_kill;
note sprintf('it took %.1f s', time() - $since);

# ---- the timer over what is done under the lock ----

sql($node, q{
	ALTER SYSTEM SET zdm.max_stall = '50ms';
	SELECT pg_reload_conf();
	CREATE FUNCTION slow(int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.02); RETURN true; END';
});
$job = ddl('ALTER TABLE t ADD CHECK (slow(n))', name => 'slow');
cmp_ok(sql($node, 'CALL longest_statement(400)'), '<', 250, 'work that takes too long is rolled back before it hurts');
ok(poll($node, "SELECT state = 'failed' FROM zdm.jobs WHERE job_id = $job"), 'and fails the job in the end');
like(sql($node, "SELECT last_sqlstate || ' ' || last_error FROM zdm.jobs WHERE job_id = $job"),
	qr/^53400 the work under its lock takes longer than zdm.max_stall \(50 ms\); it was rolled back 4 times/, 'with the reason');
is(sql($node, "SELECT count(*) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c'"), '0', 'nothing is left of it');
sql($node, 'CREATE OR REPLACE FUNCTION slow(int) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$');
sql($node, "SELECT zdm.retry_job($job)");
wait_done($node, $job, 'when it is fast enough');
$job = ddl('CREATE MATERIALIZED VIEW m AS SELECT 1 AS one FROM pg_sleep(0.2)', name => 'slow and harmless');
wait_done($node, $job, 'what blocks nobody may take its time');
sql($node, q{
	CREATE FUNCTION stubborn(int) RETURNS boolean LANGUAGE plpgsql
		AS 'BEGIN PERFORM pg_sleep(0.02); RETURN true; EXCEPTION WHEN query_canceled THEN RETURN true; END';
});
$job = ddl('ALTER TABLE t ADD CONSTRAINT stubborn CHECK (stubborn(n))', name => 'stubborn');
cmp_ok(sql($node, 'CALL longest_statement(400)'), '<', 500, 'work that does not let itself be cancelled is ended with its process');
ok(poll($node, "SELECT waiting_for ~ 'ended early' FROM zdm.jobs WHERE job_id = $job"), 'which counts against the job');
sql($node, "SELECT zdm.cancel_job($job)");
is(sql($node, "SELECT count(*) FROM pg_constraint WHERE conname = 'stubborn'"), '0', 'nothing is left of it');
sql($node, 'ALTER SYSTEM RESET zdm.max_stall; SELECT pg_reload_conf()');

# ---- a lock that the statement takes besides ----

sql($node, q{
	CREATE DOMAIN dom AS int;
	CREATE TABLE u (d dom);
	CREATE FUNCTION locks_u(int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN LOCK TABLE u IN SHARE MODE; RETURN true; END';
});
$reader->query('BEGIN; INSERT INTO u VALUES (1)');
$job = ddl('ALTER TABLE t ADD CONSTRAINT locks_u CHECK (locks_u(n))', name => 'hidden lock');
worker_pid($node, $job);
cmp_ok(sql($node, 'CALL longest_statement(200)'), '<', 250, 'a lock that could not be foreseen is waited for briefly');
ok(poll($node, "SELECT waiting_for LIKE 'a lock that the statement takes besides%' FROM zdm.jobs WHERE job_id = $job"), 'and zdm.jobs says so');
$reader->query('COMMIT');
wait_done($node, $job, 'and is got when it is free');
sql($node, 'ALTER TABLE t DROP CONSTRAINT locks_u');
$reader->query('BEGIN; INSERT INTO u VALUES (1)');
$job = ddl('ALTER DOMAIN dom ADD CHECK (VALUE > 0)', name => 'domain');
ok(poll($node, "SELECT relation = 'public.u' FROM zdm.blockers WHERE job_id = $job"), 'the tables that use a domain are foreseen');
$reader->query('COMMIT');
wait_done($node, $job, 'a domain');

# ---- somebody has the table for himself: it cannot even be looked at ----

$reader->query('BEGIN; LOCK TABLE t');
$job = ddl('ALTER TABLE t ADD COLUMN behind_exclusive int', name => 'behind an exclusive lock', deadline => '1 s');
ok(poll($node, "SELECT wanted_mode = 'AccessShareLock' AND held_mode = 'AccessExclusiveLock' FROM zdm.blockers WHERE job_id = $job"),
	'submitting does not wait for it, and zdm.blockers names it');
ok(poll($node, "SELECT state = 'failed' AND last_sqlstate = '55P03' FROM zdm.jobs WHERE job_id = $job"), 'the deadline holds there, too');
$reader->query('COMMIT');
sql($node, "SELECT zdm.retry_job($job)");
wait_done($node, $job, 'retried when it is free');

# ---- two tables: both locks or none ----

sql($node, q{
	CREATE TABLE child (id int, t_id int);
	CREATE FUNCTION seen_holding(process int, looks int) RETURNS int LANGUAGE plpgsql AS $$
	DECLARE seen int := 0;
	BEGIN
		FOR i IN 1 .. looks LOOP
			seen := seen + (SELECT count(*) FROM pg_locks WHERE pid = process AND granted AND relation = 'child'::regclass AND mode = 'ShareRowExclusiveLock');
			PERFORM pg_sleep(0.002);
		END LOOP;
		RETURN seen;
	END $$;
});
$reader->query('BEGIN; UPDATE t SET n = 1 WHERE id = 1');
ok(poll($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND clock_timestamp() - xact_start > interval '1100 ms'"),
	'there is an old writer of the referenced table');
$job = ddl('ALTER TABLE child ADD FOREIGN KEY (t_id) REFERENCES t NOT VALID', name => 'two tables');
$worker = worker_pid($node, $job);
is(sql($node, "SELECT seen_holding($worker, 300) + seen_in_queue($worker, 200)"), '0', 'while one table is locked, the other is not');
$reader->query('COMMIT');
wait_done($node, $job, 'when both are free');

# ---- crashes ----

$reader->query('BEGIN; SELECT count(*) FROM t');
$job = ddl('ALTER TABLE t ADD COLUMN f int', name => 'crash');
$worker = worker_pid($node, $job);
kill 'KILL', $worker;
$reader->quit;
ok(poll($node, 'SELECT true'), 'the server is up again');
wait_done($node, $job, 'after a crash while it waits');
is(has_column('t', 'f'), '1', 'it has run once');
is(sql($node, "SELECT count(*) FROM zdm.events WHERE job_id = $job AND event = 'done'"), '1', 'and says so once');

# ---- the commit does not wait for a standby, the job's end does ----

sql($node, "ALTER SYSTEM SET synchronous_standby_names = 'missing'; SELECT pg_reload_conf()");
my $canary = session($node);
$canary->send("SET application_name = 'canary'; CREATE TABLE canary ()");
ok(poll($node, "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE application_name = 'canary'"), 'a synchronous standby is missing');
$job = sql($node, "SET synchronous_commit = local; SELECT zdm.execute_ddl('ALTER TABLE t ADD COLUMN g int', name => 'standby')");
ok(poll($node, "SELECT count(*) = 1 FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'g'"), 'the statement has run');
is(sql($node, "SET synchronous_commit = local; SET lock_timeout = '1s'; UPDATE t SET n = 1 WHERE id = 1 RETURNING n"), '1', 'its lock is free');
ok(poll($node, "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = (SELECT pid FROM zdm.jobs WHERE job_id = $job)"),
	'the job waits for the standby before it is done');
is(sql($node, "SELECT state FROM zdm.jobs WHERE job_id = $job"), 'running', 'and is not done');
sql($node, "SET synchronous_commit = local; ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()");
wait_done($node, $job, 'when no standby is asked for any more');
$canary->receive;

# ---- a crash between the statement and the end of its job ----

$reader = session($node);
$reader->query('BEGIN; SELECT count(*) FROM t');
$job = ddl('ALTER TABLE t ADD COLUMN h int', name => 'crash between');
$worker = worker_pid($node, $job);
my $holder = session($node);
$holder->query("BEGIN; SELECT FROM zdm.job WHERE job_id = $job FOR UPDATE");
$reader->query('COMMIT');
ok(poll($node, "SELECT phase = 'executed' AND state = 'running' FROM zdm.statements WHERE job_id = $job"), 'executed, and kept from being done');
is(has_column('t', 'h'), '1', 'it has run');
kill 'KILL', $worker;
$reader->quit;
$holder->quit;
ok(poll($node, 'SELECT true'), 'the server is up again');
wait_done($node, $job, 'it is not executed again');

# ---- autovacuum ----

sql($node, q{
	CREATE TABLE v (id int, filler text) WITH (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0,
		autovacuum_vacuum_cost_delay = 50, autovacuum_vacuum_cost_limit = 1, autovacuum_enabled = on);
	INSERT INTO v SELECT i, repeat('x', 500) FROM generate_series(1, 5000) i;
	DELETE FROM v;
	ALTER SYSTEM SET autovacuum_naptime = '1s';
	ALTER SYSTEM SET autovacuum = on;
	SELECT pg_reload_conf();
});
ok(poll($node, "SELECT count(*) > 0 FROM pg_stat_progress_vacuum WHERE relid = 'v'::regclass", seconds => 90), 'an autovacuum is at work');
my $log = log_position($node);
$job = ddl('ALTER TABLE v ADD COLUMN c int', name => 'autovacuum', deadline => '20 s');
wait_done($node, $job, 'in the way of an autovacuum');
ok(log_has($node, 'canceling autovacuum task', $log), 'the autovacuum was cancelled');

# ---- somebody drops the table ----

$reader = session($node);
$reader->query('BEGIN; SELECT count(*) FROM t');
$job = ddl('ALTER TABLE t ADD COLUMN i int', name => 'dropped');
worker_pid($node, $job);
$reader->query('DROP TABLE t CASCADE; COMMIT');
ok(poll($node, "SELECT state = 'failed' AND last_sqlstate = '42P01' FROM zdm.jobs WHERE job_id = $job"), 'the table is dropped: failed');

done_testing();
