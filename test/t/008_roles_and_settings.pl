# Roles that may not log in or connect, settings of roles and databases, hostile triggers, signals from
# administrators, zdm.autostart.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('roles');
my $rows = 5000;

sub table_of
{
	my ($role, $table, $more, $db) = @_;

	make_table($node, $table, $rows, $db, "ALTER TABLE $table OWNER TO $role;" . ($more // ''));
	return;
}

# A job of that role on a table of its own gets done, as that role.
sub works_for
{
	my ($what, $role, $table, %option) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	table_of($role, $table, $option{table}, $option{db});
	my $job = start_job($node, $table, db => $option{db}, role => $role);
	wait_done($node, $job, $what, db => $option{db});
	is(wrong_rows($node, $table, $option{db}), 0, "$what: every row is right");
	return $job;
}

sql($node, q{
	GRANT USAGE ON SCHEMA zdm TO PUBLIC;
	GRANT CREATE ON SCHEMA public TO PUBLIC;
	CREATE TABLE seen (what text PRIMARY KEY, current_u text, session_u text);
	GRANT SELECT, INSERT ON seen TO PUBLIC;
	CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO public.seen VALUES (TG_TABLE_NAME, current_user, session_user) ON CONFLICT DO NOTHING;
			RETURN NEW;
		END $$;
});
my $note = 'CREATE TRIGGER note BEFORE UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION note();';

# ---- who the owner is ----

sql($node, 'CREATE ROLE can_login LOGIN; CREATE ROLE no_login NOLOGIN; CREATE ROLE "Ünï ""q" NOLOGIN');
works_for('LOGIN', 'can_login', 'of_login', table => sprintf($note, 'of_login'));
works_for('NOLOGIN', 'no_login', 'of_no_login', table => sprintf($note, 'of_no_login'));
works_for('a name with quotes', '"Ünï ""q"', 'of_quotes', table => sprintf($note, 'of_quotes'));
is(sql($node, q{SELECT string_agg(current_u, ' ' ORDER BY what) FROM seen}), 'can_login no_login Ünï "q',
	'the code of users runs as the owner');

sql($node, 'CREATE ROLE expired LOGIN VALID UNTIL \'2000-01-01\'; CREATE ROLE limited LOGIN CONNECTION LIMIT 0');
works_for('VALID UNTIL in the past', 'expired', 'of_expired');
works_for('CONNECTION LIMIT 0', 'limited', 'of_limited');

sql($node, 'CREATE DATABASE closed; REVOKE CONNECT ON DATABASE closed FROM PUBLIC');
use_zdm($node, 'closed');
sql($node, 'GRANT CREATE ON SCHEMA public TO PUBLIC; GRANT USAGE ON SCHEMA zdm TO PUBLIC', 'closed');
works_for('no CONNECT', 'can_login', 'of_no_connect', db => 'closed');
sql($node, 'ALTER DATABASE closed CONNECTION LIMIT 0');
works_for('CONNECTION LIMIT 0 of the database', 'can_login', 'of_db_limit', db => 'closed');

# the role loses what it had when the job goes on in another worker
table_of('can_login', 'of_loser');
my $job = start_job($node, 'of_loser', rate => 1000, role => 'can_login');
my $pid = worker_pid($node, $job);
sql($node, 'ALTER ROLE can_login NOLOGIN');
sql($node, "SELECT pg_terminate_backend($pid)");
unthrottle($node, $job);
wait_done($node, $job, 'NOLOGIN in the middle');
is(wrong_rows($node, 'of_loser'), 0, 'NOLOGIN in the middle: every row is right');
sql($node, 'ALTER ROLE can_login LOGIN');

# somebody without rights
sql($node, 'CREATE ROLE nobody_special LOGIN');
is(sqlstate($node, q{SET ROLE nobody_special; SELECT zdm.start_backfill('of_login', 'new = src')}), '42501',
	'no rights: start is refused');
for my $function (qw(pause_job resume_job cancel_job retry_job))
{
	is(sqlstate($node, "SET ROLE nobody_special; SELECT zdm.$function($job)"), '42501', "no rights: $function is refused");
}
is(sqlstate($node, "SET ROLE nobody_special; SELECT zdm.set_throttle($job, duty => 0.5)"), '42501',
	'no rights: set_throttle is refused');
is(sql($node, 'SET ROLE nobody_special; SELECT count(*) FROM zdm.jobs'), 0, 'no rights: no job is shown');
is(sqlstate($node, 'SET ROLE nobody_special; SELECT * FROM zdm.job'), '42501', 'no rights: the tables cannot be read');

# ---- settings of roles ----

my %settings = (
	default_transaction_read_only => 'on',
	default_transaction_isolation => 'serializable',
	default_transaction_deferrable => 'on',
	lock_timeout => '1ms',
	statement_timeout => '1ms',
	idle_in_transaction_session_timeout => '1ms',
	row_security => 'off',
	search_path => 'nowhere',
	synchronous_commit => 'off',
	enable_tidscan => 'off',
	enable_seqscan => 'off',
	jit => 'on',
	session_replication_role => 'replica',
	role => 'no_login',
	TimeZone => 'Asia/Tokyo',
	DateStyle => 'German',
	default_tablespace => 'nowhere',
	client_min_messages => 'error',
	work_mem => '64kB',
	force_parallel_mode => 'on',
	debug_parallel_query => 'on',
	transaction_timeout => '1ms',
	plan_cache_mode => 'force_generic_plan',
	check_function_bodies => 'off',
	wal_compression => 'off',
	exit_on_error => 'on',
	default_table_access_method => 'nowhere',
	array_nulls => 'off',
	transform_null_equals => 'on',
	backslash_quote => 'on',
	standard_conforming_strings => 'off');

for my $name (sort keys %settings)
{
	my $known = sql($node, "SELECT count(*) FROM pg_settings WHERE lower(name) = lower('$name')");
	next if $known eq '0' && $name ne 'role';
	my $role = "r_" . lc $name;

	sql($node, "SET client_min_messages = error; CREATE ROLE $role LOGIN; ALTER ROLE $role SET $name = '$settings{$name}'");
	table_of($role, "t_$role");
	# submitted by the superuser, whose session has none of it
	$job = start_job($node, "t_$role");
	wait_done($node, $job, "ALTER ROLE SET $name");
	is(wrong_rows($node, "t_$role"), 0, "ALTER ROLE SET $name: every row is right");
}

# an error in a row does not end the worker
table_of('r_exit_on_error', 'one_bad', q{UPDATE one_bad SET src = '' WHERE id = 2500;});
$job = start_job($node, 'one_bad', set => 'new = (1 / length(src))::text');
ok(poll($node, "SELECT state = 'failed' FROM zdm.jobs WHERE job_id = $job", seconds => 20), 'exit_on_error: the job comes to its end');
is(sql($node, "SELECT row_key ->> 'id' FROM zdm.quarantine WHERE job_id = $job"), 2500, 'exit_on_error: the row is in quarantine');
is(sql($node, "SELECT count(*) FROM zdm.events WHERE job_id = $job AND event = 'continued'"), 0, 'exit_on_error: one worker did it all');

# ---- settings of the database, all at once, for a role that may log in and one that may not ----

sql($node, 'CREATE DATABASE strange');
use_zdm($node, 'strange');
sql($node, 'GRANT CREATE ON SCHEMA public TO PUBLIC; GRANT USAGE ON SCHEMA zdm TO PUBLIC', 'strange');
table_of($_, "of_$_", undef, 'strange') for qw(can_login no_login);
my %jobs = map { $_ => start_job($node, "of_$_", db => 'strange', rate => 1000) } qw(can_login no_login);
for my $name (sort keys %settings)
{
	next if $name =~ /^(role|session_replication_role|standard_conforming_strings|array_nulls|exit_on_error)$/;
	next if sql($node, "SELECT count(*) FROM pg_settings WHERE lower(name) = lower('$name')") eq '0';
	sql($node, "SET client_min_messages = error; ALTER DATABASE strange SET $name = '$settings{$name}'");
}
for my $role (sort keys %jobs)
{
	sql($node, qq{SELECT pg_terminate_backend(pid) FROM zdm.workers WHERE job_id = $jobs{$role} AND database = 'strange'});
}
# the settings of the database reach those who look, too
for my $role (sort keys %jobs)
{
	ok(poll($node, qq{
		SELECT count(*) = 0 FROM zdm.workers WHERE role = 'worker' AND database = 'strange' AND job_id = $jobs{$role}}),
		"ALTER DATABASE SET, $role: the worker has come to an end");
}
sql($node, 'ALTER DATABASE strange RESET ALL');
for my $role (sort keys %jobs)
{
	wait_done($node, $jobs{$role}, "ALTER DATABASE SET, $role", db => 'strange');
	is(wrong_rows($node, "of_$role", 'strange'), 0, "ALTER DATABASE SET, $role: every row is right");
	is(sql($node, "SELECT fruitless_starts = 0 FROM zdm.job WHERE job_id = $jobs{$role}", 'strange'),
		't', "ALTER DATABASE SET, $role: no worker ended early");
}

# ---- row security ----

sql($node, 'CREATE ROLE rls LOGIN');
works_for('row security', 'rls', 'of_rls', table => q{
	ALTER TABLE of_rls ENABLE ROW LEVEL SECURITY;
	CREATE POLICY half ON of_rls USING (id % 2 = 0);});
table_of('rls', 'forced', 'ALTER TABLE forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;');
is(sqlstate($node, q{SELECT zdm.start_backfill('forced', 'new = upper(src)')}), '42501', 'forced row security: refused');
table_of('rls', 'forced_later');
$job = start_job($node, 'forced_later', rate => 2000);
ok(wait_for_rows($node, $job, 200), 'row security forced later: the job is at work');
sql($node, q{
	ALTER TABLE forced_later ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE POLICY half ON forced_later USING (id % 2 = 0);});
unthrottle($node, $job);
ok(poll($node, "SELECT state IN ('failed', 'paused') FROM zdm.jobs WHERE job_id = $job"),
	'row security forced later: the job does not end as if all rows were seen');
like(job($node, $job, 'last_error'), qr/row.*security|policy/i, 'row security forced later: it says why');

# ---- triggers that change the session ----

my %hostile = (
	unlock => 'PERFORM pg_advisory_unlock_all();',
	reset_role => 'RESET ROLE;',
	reset_auth => 'RESET SESSION AUTHORIZATION;',
	read_only => q{PERFORM set_config('default_transaction_read_only', 'on', false);},
	timeouts => q{PERFORM set_config('statement_timeout', '1', false), set_config('lock_timeout', '1', false),
		set_config('idle_in_transaction_session_timeout', '1', false);},
	search_path => q{PERFORM set_config('search_path', 'nowhere', false);},
	isolation => q{PERFORM set_config('default_transaction_isolation', 'serializable', false);},
	reset_all => 'RESET ALL;',
	name => q{PERFORM set_config('application_name', 'stolen', false);},
	notify => q{PERFORM pg_notify('zdm', 'x');});

for my $who (qw(can_login no_login))
{
	for my $name (sort keys %hostile)
	{
		my $table = "hostile_${name}_$who";
		table_of($who, $table, qq{
			CREATE FUNCTION $table() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
				BEGIN $hostile{$name} EXCEPTION WHEN insufficient_privilege THEN NULL; END;
				RETURN NEW;
			END \$\$;
			CREATE TRIGGER zz BEFORE UPDATE ON $table FOR EACH ROW WHEN (OLD.id % 100 = 0) EXECUTE FUNCTION $table();
			DROP TRIGGER touch ON $table;});
		$job = start_job($node, $table);
		wait_done($node, $job, "$who, trigger $name");
		is(sql($node, "SELECT count(*) FROM $table WHERE new IS DISTINCT FROM upper(src)"), 0,
			"$who, trigger $name: every row is right");
	}
}

# what a trigger has left behind does not reach the job's own transactions either: events, waiting_for
for my $name (qw(read_only isolation search_path))
{
	my $table = "talking_$name";
	table_of('can_login', $table, qq{
		CREATE FUNCTION $table() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN $hostile{$name} RETURN NEW; END \$\$;
		CREATE TRIGGER zz BEFORE UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION $table();});
	$job = start_job($node, $table, rate => 3000);
	ok(wait_for_rows($node, $job, 300), "own transactions, trigger $name: the job is at work");
	sql($node, "VACUUM FULL $table");
	my $holder = session($node);
	$holder->query('BEGIN');
	$holder->query("LOCK TABLE $table");
	ok(poll($node, "SELECT waiting_for LIKE '%lock%' FROM zdm.jobs WHERE job_id = $job", seconds => 10),
		"own transactions, trigger $name: the job says what it waits for");
	$holder->query('COMMIT');
	$holder->quit;
	unthrottle($node, $job);
	wait_done($node, $job, "own transactions, trigger $name");
	is(sql($node, "SELECT count(*) FROM $table WHERE new IS DISTINCT FROM upper(src)"), 0,
		"own transactions, trigger $name: every row is right");
}

# the job's lock is kept, so that nobody else takes the job
table_of('can_login', 'unlocking', q{
	CREATE FUNCTION unlocking() RETURNS trigger LANGUAGE plpgsql
		AS 'BEGIN PERFORM pg_advisory_unlock_all(); RETURN NEW; END';
	CREATE TRIGGER zz BEFORE UPDATE ON unlocking FOR EACH ROW EXECUTE FUNCTION unlocking();});
$job = start_job($node, 'unlocking', rate => 2000);
ok(wait_for_rows($node, $job, 500), 'pg_advisory_unlock_all: the job is at work, and its worker is seen');
sql($node, "SELECT zdm.resume_job($job)");
is(sql($node, q{SELECT count(*) FROM zdm.workers WHERE role = 'worker'}), 1, 'pg_advisory_unlock_all: there is one worker');
unthrottle($node, $job);
wait_done($node, $job, 'pg_advisory_unlock_all');
is(wrong_rows($node, 'unlocking'), 0, 'pg_advisory_unlock_all: every row is right');

# ---- signals of an administrator ----

table_of('can_login', 'signalled');
$job = start_job($node, 'signalled', rate => 300);
ok(wait_for_rows($node, $job, 100), 'pg_cancel_backend: the job is at work');
sql($node, "SELECT pg_cancel_backend(pid) FROM zdm.jobs WHERE job_id = $job");
ok(poll($node, "SELECT state = 'paused' AND pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'pg_cancel_backend: the job is paused');
like(job($node, $job, 'waiting_for'), qr/pg_cancel_backend/, 'pg_cancel_backend: it says why');
is(job($node, $job, 'last_sqlstate'), '57014', 'pg_cancel_backend: its SQLSTATE');
my $before = job($node, $job, 'rows_done');
sql($node, "SELECT zdm.resume_job($job)");
$pid = worker_pid($node, $job);
ok($pid, 'pg_cancel_backend: the job can be resumed');
is(job($node, $job, "coalesce(last_error, 'none')"), 'none', 'pg_cancel_backend: a resumed job has no error');
sql($node, "SELECT pg_terminate_backend($pid)");
ok(worker_pid($node, $job, other => $pid), 'pg_terminate_backend: another worker goes on');
cmp_ok(job($node, $job, 'rows_done'), '>=', $before, 'no progress is lost');
for (1 .. 8)
{
	$pid = worker_pid($node, $job) or last;
	sql($node, "SELECT pg_terminate_backend($pid)");
	last unless worker_pid($node, $job, other => $pid, seconds => 10);
}
is(job($node, $job, 'state'), 'running', 'pg_terminate_backend, often: the job does not fail');
is(sql($node, "SELECT fruitless_starts FROM zdm.job WHERE job_id = $job") <= 1 ? 'yes' : 'no', 'yes',
	'pg_terminate_backend, often: it does not count as a crash');

# ---- zdm.autostart ----

$pid = worker_pid($node, $job);
$node->append_conf('postgresql.conf', 'zdm.autostart = off');
my $from = log_position($node);
$node->reload;
ok($node->wait_for_log(qr/starts no jobs, because zdm.autostart is off/, $from), 'autostart off: the log says so');
sql($node, "SELECT pg_terminate_backend($pid)");
ok(poll($node, "SELECT pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'autostart off: no other worker comes');
$from = log_position($node);
$node->restart;
ok($node->wait_for_log(qr/starts no jobs, because zdm.autostart is off/, $from), 'autostart off: nor after a restart');
is(job($node, $job, "state || (pid IS NULL)"), 'runningtrue', 'autostart off: the job has no worker');
is(job($node, $job, 'waiting_for'), 'zdm.autostart, which is off: no worker is started', 'autostart off: the job says why');
$node->append_conf('postgresql.conf', 'zdm.autostart = on');
$node->reload;
ok(worker_pid($node, $job, seconds => 10), 'autostart on again: the job goes on');
unthrottle($node, $job);
wait_done($node, $job, 'autostart on again');
is(wrong_rows($node, 'signalled'), 0, 'signals, autostart: every row is right');

$node->stop;
done_testing();
