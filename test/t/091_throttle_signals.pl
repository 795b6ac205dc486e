# A job is held by what the server says of its clients, its WAL, its horizon and the job's own table, by the
# throttle query, the work window and orders, one at a time; it says so, and goes on when that is over.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmThrottle;

my $node = new_node('main', conf => [ signals_off(), 'autovacuum = off', 'max_prepared_transactions = 2', q{log_timezone = 'UTC'},
	'max_wal_size = 256MB', 'checkpoint_timeout = 1h', 'commit_siblings = 0', 'fsync = on' ]);

make_table($node, 't', 100_000);
my $job = start_job($node, 't', rate => 300);
ok(wait_for_rows($node, $job, 100), 'the job is at work');

sub set { return set_zdm($node, @_); }
sub held { local $Test::Builder::Level = $Test::Builder::Level + 1; return is_held_by($node, $job, @_); }
sub over { local $Test::Builder::Level = $Test::Builder::Level + 1; return goes_on($node, $job, @_); }

# A client that repeats a statement until it is stopped.
sub clients
{
	my ($sql, $count) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/script';

	PostgreSQL::Test::Utils::append_to_file($file, '');
	open my $out, '>', $file or die;
	print $out "$sql\n";
	close $out;
	return IPC::Run::start([ $node->installed_command('pgbench'), '-n', '-T', '300', '-c', $count, '-j', $count, '-f', $file, $node->connstr('postgres') ],
		'>', \my $stdout, '2>', \my $stderr);
}

# ---- clients at work ----

my @busy = map { session($node) } 1 .. 3;
$_->send('SELECT pg_sleep(120)') for @busy;
set('max_active_backends', 2);
held('active_backends', 'statements of clients at work');
sql($node, q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(120)%'});
$_->receive for @busy;
over('active_backends');
set('max_active_backends');
$_->quit for @busy;

# ---- WAL: that of all, its own, until a checkpoint ----

set('max_own_wal_rate', '1kB');
held('own_wal_rate', 'WAL written by the job');
set('max_own_wal_rate');
over('own_wal_rate');

set('max_wal_rate', '1kB');
my $writer = clients(q{SELECT pg_logical_emit_message(false, 'x', repeat('x', 10000));}, 1);
held('wal_rate', 'WAL written by all');
$writer->kill_kill;
set('max_wal_rate');
over('wal_rate');

set('max_checkpoint_distance', 30);
sql($node, 'CHECKPOINT');
sql($node, q{DO $$ BEGIN PERFORM pg_logical_emit_message(false, 'x', repeat('x', 1000000)) FROM generate_series(1, 50); END $$});
held('checkpoint', 'WAL since the last checkpoint');
sql($node, 'CHECKPOINT');
over('checkpoint');
set('max_checkpoint_distance');

# ---- a disk that takes its time: every flush waits for commit_delay ----

sql($node, 'ALTER SYSTEM SET commit_delay = 50000');
sql($node, 'SELECT pg_reload_conf()');
set('max_commit_latency', '20ms');
set('wal_flush_after', '8kB');
$writer = clients('CREATE TABLE IF NOT EXISTS commits (i int); INSERT INTO commits VALUES (1);', 2);
held('commit_latency', 'a flush of WAL took');
sql($node, 'ALTER SYSTEM RESET commit_delay');
sql($node, 'SELECT pg_reload_conf()');
over('commit_latency');
$writer->kill_kill;
set('max_commit_latency', 0);
set('wal_flush_after');

# ---- the horizon, and who holds it ----

set('max_horizon_age', '500ms');
sql($node, q{BEGIN; INSERT INTO commits VALUES (1); PREPARE TRANSACTION 'forgotten'});
held('xmin_horizon', q{prepared transaction ''forgotten''});
sql($node, q{COMMIT PREPARED 'forgotten'});
over('xmin_horizon');

my $old = session($node);
$old->query(q{SET application_name = 'report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM commits LIMIT 1});
held('xmin_horizon', 'report');
$old->query('COMMIT');
over('xmin_horizon');
$old->quit;
set('max_horizon_age', 0);

# ---- the table ----

sql($node, 'UPDATE t_before SET n = n');	# another table is nobody's affair
# far above what the job itself leaves behind
set('max_dead_rows', 90);
sql($node, 'BEGIN; ALTER TABLE t DISABLE TRIGGER touch; ' . 'UPDATE t SET pad = pad; ' x 12 . 'ALTER TABLE t ENABLE TRIGGER touch; COMMIT');
held('dead_rows', 'share of dead rows');
sql($node, 'VACUUM t');
over('dead_rows');
set('max_dead_rows');

set('wait_for_vacuum', 1);
my $vacuum = session($node);
$vacuum->query('SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1');
$vacuum->send('VACUUM (DISABLE_PAGE_SKIPPING) t');
held('vacuum', 'VACUUM of the table');
sql($node, q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'VACUUM (DIS%'});
$vacuum->receive;
over('vacuum');
$vacuum->quit;
set('wait_for_vacuum');

# ---- others wait for its rows ----

sql($node, q{
	CREATE TABLE hot (id int PRIMARY KEY, a int, b int);
	INSERT INTO hot SELECT i, i, 0 FROM generate_series(1, 100) i;
	CREATE FUNCTION slow(a int) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.02); RETURN a; END';
});
my $t_job = $job;
my $rate = sql($node, 'SELECT zdm.pause_job(' . $job . ')');
$writer = clients("\\set id random(1, 100)\nUPDATE hot SET a = a + 1 WHERE id = :id;", 4);
set('max_lock_waits', 10);
$job = start_job($node, 'hot', set => 'b = slow(a)', filter => 'b IS DISTINCT FROM a', name => 'hot');
held('lock_waiters', 'others waited for');
$writer->kill_kill;
ok(poll($node, "SELECT state = 'done' FROM zdm.jobs WHERE job_id = $job"), 'lock_waiters: over, the job gets done');
is(sql($node, 'SELECT count(*) FROM hot WHERE b IS DISTINCT FROM a'), 0, 'lock_waiters: every row is right');
set('max_lock_waits', 0);
$job = $t_job;
sql($node, "SELECT zdm.resume_job($job)");

# ---- the throttle query: what it returns, and what is wrong with it ----

sql($node, 'CREATE TABLE verdict (u float8); INSERT INTO verdict VALUES (1.5)');
set('throttle_query', 'SELECT u FROM public.verdict');
held('query', 'throttle query: 1.50');
sql($node, 'UPDATE verdict SET u = 0.5');
over('query');
my @wrong = (
	[ 'UPDATE verdict SET u = NULL', 'returned NULL' ],
	[ 'UPDATE verdict SET u = 0.5; INSERT INTO verdict VALUES (0)', 'returned more than one row' ],
	[ 'DELETE FROM verdict', 'returned no row' ],
	[ q{INSERT INTO verdict VALUES ('NaN')}, 'returned NaN' ],
	[ q{ALTER TABLE verdict RENAME u TO v}, 'it failed: column "u" does not exist' ]);
for (@wrong)
{
	sql($node, $_->[0]);
	held('query', $_->[1]);
}
sql($node, 'ALTER TABLE verdict RENAME v TO u; UPDATE verdict SET u = 0');
over('query');
set('throttle_query', 'SELECT 1, 2');
held('query', 'more than one column');
set('throttle_query', 'SELECT pg_sleep(10)');
held('query', 'it took longer than 500 ms');
set('throttle_query', 'SELECT count(*) > 0 FROM public.verdict');
held('query', 'throttle query: 1.00');
# read only, and as the job's role
set('throttle_query', 'INSERT INTO public.verdict VALUES (0) RETURNING 0');
held('query', 'it failed: INSERT is not allowed');
set('throttle_query');
over('query');
sql($node, "SELECT zdm.set_throttle($job, signal => 'query', threshold => 'SELECT 2')");
held('query', 'throttle query: 2.00');
sql($node, "SELECT zdm.set_throttle($job, signal => 'query', threshold => 'default')");
over('query');
is(sqlstate($node, "SELECT zdm.set_throttle($job, signal => 'query', threshold => 'SELEC 2')"), '42601', 'query: a syntax error');
is(sqlstate($node, "SELECT zdm.set_throttle($job, signal => 'query', threshold => 'SELECT 1; SELECT 2')"), '22023', 'query: two statements');
is(sqlstate($node, "SELECT zdm.set_throttle($job, signal => 'query', threshold => 'DELETE FROM verdict')"), '22023', 'query: not a SELECT');

# ---- the work window, of all and of one ----

my $later = sql($node, q{SELECT to_char(now() AT TIME ZONE 'UTC' + interval '2 hours', 'HH24:MI') || '-' || to_char(now() AT TIME ZONE 'UTC' + interval '3 hours', 'HH24:MI')});
my $now = sql($node, q{SELECT to_char(now() AT TIME ZONE 'UTC' - interval '1 hour', 'HH24:MI') || '-' || to_char(now() AT TIME ZONE 'UTC' + interval '1 hour', 'HH24:MI')});
set('work_window', $later);
held('work_window', "it is not $later (zdm.work_window); until " . substr($later, 0, 5) . ' UTC');
sql($node, "SELECT zdm.set_throttle($job, signal => 'work_window', threshold => 'off')");
over('work_window');
sql($node, "SELECT zdm.set_throttle($job, signal => 'work_window', threshold => 'default')");
held('work_window', "it is not $later");
set('work_window', "$later, $now");
over('work_window');
sql($node, "SELECT zdm.set_throttle($job, signal => 'work_window', threshold => '$later')");
held('work_window', "it is not $later (of this job)");
sql($node, "SELECT zdm.set_throttle($job, signal => 'work_window', threshold => '$now')");
over('work_window');
set('work_window');
for my $window ('22:00', '22:00-22:00', '25:00-26:00', '22:60-23:00', '22:00-23:00,', '', 'always', '22:00-23:00 x')
{
	is(sqlstate($node, "SELECT zdm.set_throttle($job, signal => 'work_window', threshold => '$window')"), '22023', "work_window: '$window'");
	next if $window eq '';
	is(sqlstate($node, "ALTER SYSTEM SET zdm.work_window = '$window'"), '22023', "zdm.work_window: '$window'");
}

# ---- by hand, for a time ----

sql($node, "SELECT zdm.throttle_all(0.01, '1 hour', 'the sale')");
ok(poll($node, "SELECT waiting_for LIKE 'zdm.unthrottle_all(): %' FROM zdm.jobs WHERE job_id = $job"), 'order: all jobs are slowed');
is(sql($node, q{SELECT value || ' ' || detail LIKE '0.01 the sale, by % until %' FROM zdm.throttle WHERE signal = 'order'}), 't', 'order: zdm.throttle says so');
sql($node, 'SELECT zdm.unthrottle_all()');
ok(poll($node, "SELECT waiting_for IS NULL FROM zdm.jobs WHERE job_id = $job"), 'order: over');
sql($node, "SELECT zdm.throttle_all(0.01, '300 ms', 'the sale')");
ok(poll($node, 'SELECT count(*) = 0 FROM zdm.throttle_order WHERE ends_at > clock_timestamp()'), 'order: it ends by itself');
my $rows = job($node, $job, 'rows_done');
ok(wait_for_rows($node, $job, $rows + 200), 'order: the job goes on');
sql($node, "SELECT zdm.set_throttle($job, duty => 0.001, lasts => '500 ms')");
$rows = job($node, $job, 'rows_done');
ok(wait_for_rows($node, $job, $rows + 1000), 'duty: it lasts as long as it is to');
is(sqlstate($node, "SELECT zdm.throttle_all(0.1, NULL, 'x')"), '22004', 'order: it has to end');
is(sqlstate($node, "SELECT zdm.throttle_all(0.1, 'infinity', 'x')"), '22007', 'order: it has to end sometime') if $node->pg_version < 17;
is(sqlstate($node, "SELECT zdm.throttle_all(0.1, '-1 h', 'x')"), '22023', 'order: in the future');
is(sqlstate($node, "SELECT zdm.throttle_all(0, '1 h', 'x')"), '22023', 'order: a share of 0');
is(sqlstate($node, "SELECT zdm.throttle_all(0.1, '1 h', ' ')"), '22023', 'order: without a reason');
is(sqlstate($node, "SELECT zdm.set_throttle($job, lasts => '1 h')"), '22023', 'duty: nothing to last');

# ---- without being started anew ----

is(sql($node, "SELECT count(*) FROM zdm.events WHERE job_id = $job AND event IN ('running', 'continued')"), 2, 'all of that by one worker, but for the pause');

set('max_dead_rows');
unthrottle($node, $job);
wait_done($node, $job, 'all that time');
is(sql($node, q{SELECT count(*) FROM t WHERE new IS DISTINCT FROM upper(src) OR touched <> 1}), 0, 'every row is right');
$node->stop;
done_testing();
