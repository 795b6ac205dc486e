# Who is in the way of a concurrent build, rebuild or drop: named in zdm.jobs, zdm.indexes and zdm.blockers, also when it is a
# prepared transaction, whose session may have gone on to something else.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('blockers', conf => ['max_prepared_transactions = 5']);

sql($node, q{
	CREATE TABLE other (n int);
	CREATE TABLE t (id int PRIMARY KEY, n int);
	INSERT INTO t SELECT i, i FROM generate_series(1, 1000) i;
});

sub start
{
	return sql($node, "SET client_min_messages = warning; SELECT $_[0]");
}

# What zdm.blockers says of a job, once it says something: the relation, wanted and held mode, whether there is a process, state.
sub blockers
{
	my ($job) = @_;

	poll($node, "SELECT count(*) > 0 FROM zdm.blockers WHERE job_id = $job");
	return sql($node, qq{
		SELECT string_agg(concat_ws(' ', relation, coalesce(wanted_mode, '-'), coalesce(held_mode, '-'), pid IS NOT NULL, state), '; ')
		  FROM zdm.blockers WHERE job_id = $job});
}

# Polled, because there are instants between two waits.
sub waits_for
{
	my ($job, $pattern, $what) = @_;

	ok(poll($node, "SELECT waiting_for ~ '$pattern' FROM zdm.jobs WHERE job_id = $job"), "$what: zdm.jobs names it")
	  or diag(sql($node, "SELECT waiting_for FROM zdm.jobs WHERE job_id = $job"));
	ok(poll($node, "SELECT waiting_for ~ '$pattern' FROM zdm.indexes WHERE job_id = $job"), "$what: zdm.indexes names it")
	  if sql($node, "SELECT count(*) FROM zdm.indexes WHERE job_id = $job");
}

# ---- a prepared transaction, while its session is in another one ----

my $session = session($node);
$session->query("SET application_name = 'innocent'; BEGIN; INSERT INTO t VALUES (5001, 1); PREPARE TRANSACTION 'forgotten'; BEGIN; SELECT * FROM other;");
my $prepared = 'prepared transaction forgotten';
my $job = start("zdm.create_index('CREATE INDEX t_n ON t (n)')");
waits_for($job, "wrote to the table before .*: $prepared\$", 'create');
is(blockers($job), "public.t - RowExclusiveLock f $prepared", 'create: zdm.blockers names it, and nobody else');
$session->quit;
waits_for($job, "$prepared\$", 'create, the session ended');
$node->restart;
waits_for($job, "$prepared\$", 'create, after a restart');
is(blockers($job), "public.t - RowExclusiveLock f $prepared", 'create, after a restart: zdm.blockers, too');
sql($node, "ROLLBACK PREPARED 'forgotten'");
wait_done($node, $job, 'create');
is(sql($node, "SELECT count(*) FROM zdm.blockers"), 0, 'nobody is in the way any more');

for my $call ("zdm.reindex('t_n')", "zdm.drop_index('t_n')", "zdm.execute_ddl('CREATE INDEX CONCURRENTLY t_n ON t (n)')",
	"zdm.execute_ddl('DROP INDEX CONCURRENTLY t_n')")
{
	# a statement of execute_ddl does not begin behind an old transaction, so it meets one that begins later
	my $reader = session($node);
	my $behind = $call =~ /execute_ddl/;

	$reader->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM t;') if $behind;
	sql($node, "BEGIN; UPDATE t SET n = n WHERE id = 1; PREPARE TRANSACTION 'forgotten'") unless $behind;
	$job = start($call);
	if ($behind)
	{
		like(blockers($job), qr/^public\.t - AccessShareLock t idle in transaction$/, "$call: zdm.blockers names a reader");
		waits_for($job, 'process \d+', $call);
		$reader->query('COMMIT;');
	}
	else
	{
		waits_for($job, "$prepared\$", $call);
		is(blockers($job), "public.t - RowExclusiveLock f $prepared", "$call: zdm.blockers names it");
		sql($node, "ROLLBACK PREPARED 'forgotten'");
	}
	wait_done($node, $job, $call);
	$reader->quit;
}

# the lock that it begins with
sql($node, "BEGIN; LOCK TABLE t IN SHARE MODE; PREPARE TRANSACTION 'forgotten'");
$job = start("zdm.create_index('CREATE INDEX t_locked ON t (n)')");
waits_for($job, "ShareLock on table .*: $prepared holds it", 'locked');
is(blockers($job), "public.t ShareUpdateExclusiveLock ShareLock f $prepared", 'locked: zdm.blockers names it');
sql($node, "ROLLBACK PREPARED 'forgotten'");
wait_done($node, $job, 'locked');
is(sql($node, 'SELECT count(*) FROM zdm.lock_wait'), 0, 'locked: it says no more that it waits');

# a statement under the lock policy
sql($node, "BEGIN; UPDATE t SET n = n WHERE id = 1; PREPARE TRANSACTION 'forgotten'");
$job = start("zdm.execute_ddl('ALTER TABLE t ADD COLUMN c int')");
waits_for($job, "a lock on public.t: $prepared holds RowExclusiveLock", 'a statement');
sql($node, "ROLLBACK PREPARED 'forgotten'");
wait_done($node, $job, 'a statement');

# ---- processes: one row each, whatever it has locked ----

my $old = session($node);
$old->query("SET application_name = 'old'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM other;");
$job = start("zdm.create_index('CREATE INDEX t_old ON t (n)')");
waits_for($job, 'an older snapshot .*: process \d+ \(old\)$', 'an old snapshot');
is(blockers($job), 'public.t - - t idle in transaction', 'an old snapshot: zdm.blockers names its process');
$old->query('COMMIT;');
wait_done($node, $job, 'an old snapshot');

# One that is waited for asks for the table, when the build has waited for longer than its deadlock_timeout, after which
# PostgreSQL looks no more: the build begins again, and the other goes on.
sql($node, "ALTER SYSTEM SET deadlock_timeout = '10ms'");
$node->reload;
$old->query("SET deadlock_timeout = '10s'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM other;");
$job = start("zdm.create_index('CREATE INDEX t_wanted ON t (n)')");
waits_for($job, 'an older snapshot .*: process \d+ \(old\)$', 'a deadlock');
ok(poll($node, "SELECT bool_or(clock_timestamp() - waitstart > '200 ms') FROM pg_locks WHERE locktype = 'virtualxid' AND NOT granted"), 'a deadlock: it has looked');
unlike($old->query('ALTER TABLE t ADD COLUMN wanted int; COMMIT;'), qr/ERROR/, 'a deadlock: the other statement succeeds');
wait_done($node, $job, 'a deadlock');
is(sql($node, "SELECT string_agg(indexrelid::regclass::text, ' ') FROM pg_index WHERE indrelid = 't'::regclass AND (NOT indisvalid OR indexrelid = 't_wanted'::regclass)"),
	't_wanted', 'a deadlock: the index is there, and no other one is left');
is(sql($node, "SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'wanted'"), 1, 'a deadlock: so is the column');
sql($node, 'ALTER SYSTEM RESET deadlock_timeout');
$node->reload;

$old->query('BEGIN; SELECT count(*) FROM t; UPDATE t SET n = n WHERE id = 1; LOCK TABLE t IN ROW SHARE MODE;');
$job = start("zdm.execute_ddl('ALTER TABLE t ADD COLUMN d int')");
is(blockers($job), 'public.t AccessExclusiveLock RowExclusiveLock t idle in transaction', 'several modes: one row, with the strongest');
$old->query('COMMIT;');
wait_done($node, $job, 'several modes');
$old->quit;

# as a role that has no rights on the schema, through a view of somebody who has
sql($node, q{CREATE ROLE viewer; CREATE VIEW public.seen AS SELECT waiting_for FROM zdm.jobs; GRANT SELECT ON public.seen TO viewer, pg_monitor; GRANT pg_monitor TO viewer;
	BEGIN; UPDATE t SET n = n WHERE id = 1; PREPARE TRANSACTION 'forgotten'});
$job = start("zdm.create_index('CREATE INDEX t_seen ON t (n)')");
ok(poll($node, "SET ROLE viewer; SELECT bool_or(waiting_for LIKE '%$prepared') FROM public.seen"), 'a role without rights on the schema sees it in a view');
sql($node, "ROLLBACK PREPARED 'forgotten'");
wait_done($node, $job, 'a viewer');

# to the owner of the table, of sessions of others not more than pg_stat_activity shows
sql($node, q{CREATE ROLE owner LOGIN; GRANT USAGE ON SCHEMA zdm TO owner; GRANT CREATE ON SCHEMA public TO owner;
	CREATE TABLE owned (a int); ALTER TABLE owned OWNER TO owner});
$old = session($node);
$old->query("SET application_name = 'secret'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM other;");
$job = start("zdm.create_index('CREATE INDEX owned_a ON owned (a)')");
waits_for($job, 'an older snapshot .*: process \d+ \(secret\)$', 'a stranger');
is(sql($node, "SET ROLE owner; SELECT application_name, state IS NULL, transaction_age IS NULL, query !~ 'other' FROM zdm.blockers WHERE job_id = $job"),
	'secret|t|t|t', 'the owner sees who it is, and not what it does');
$old->quit;
wait_done($node, $job, 'a stranger');

$node->stop;
done_testing();
