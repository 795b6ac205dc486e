# A job is held by what the server says of its standbys, slots and archive, one at a time, says so, and goes
# on when that is over.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my @off = map { "zdm.$_ = 0" } qw(max_replay_lag max_replay_bytes max_slot_bytes max_archive_backlog max_checkpoint_distance max_horizon_age);
my $primary = new_node('primary', streaming => 1,
	conf => [ @off, 'wal_receiver_status_interval = 1s', 'archive_mode = on', q{archive_command = 'true'}, 'max_replication_slots = 5' ]);
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', q{primary_conninfo = '} . $primary->connstr . q{ application_name=one'});
$standby->start;
ok(poll($primary, q{SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = 'one' AND state = 'streaming'}), 'the standby streams');

make_table($primary, 't', 200_000);
my $job = start_job($primary, 't', rate => 2000);
ok(wait_for_rows($primary, $job, 500), 'the job is at work');

sub set
{
	my ($name, $value) = @_;

	sql($primary, defined $value ? "ALTER SYSTEM SET zdm.$name = '$value'" : "ALTER SYSTEM RESET zdm.$name");
	sql($primary, 'SELECT pg_reload_conf()');
	return;
}

# Tests: that signal, and no other, holds the job.
sub is_held_by
{
	my ($signal, $detail) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok(poll($primary, "SELECT coalesce(waiting_for LIKE '%$detail%($signal)', false) FROM zdm.jobs WHERE job_id = $job"), "$signal: it holds the job");
	is(sql($primary, "SELECT holds = ARRAY(SELECT name FROM zdm.jobs WHERE job_id = $job) FROM zdm.throttle WHERE signal = '$signal'"), 't',
		"$signal: zdm.throttle says so");
	is(sql($primary, "SELECT count(*) FROM zdm.throttle WHERE signal <> '$signal' AND holds IS NOT NULL"), 0, "$signal: no other does");
	is(job($primary, $job, 'state'), 'running', "$signal: it is running");
	return;
}

sub goes_on
{
	my ($signal) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $rows = job($primary, $job, 'rows_done');

	ok(wait_for_rows($primary, $job, $rows + 200), "$signal: over, the job goes on");
	ok(poll($primary, "SELECT waiting_for IS NULL FROM zdm.jobs WHERE job_id = $job"), "$signal: and waits for nothing");
	cmp_ok(sql($primary, "SELECT seconds FROM zdm.holds WHERE job_id = $job AND signal = '$signal'"), '>', 0, "$signal: the time is counted");
	return;
}

# ---- a standby that replays nothing ----

set('max_replay_lag', '300ms');
sql($standby, 'SELECT pg_wal_replay_pause()');
is_held_by('replay_lag', 'standby "one"');
sql($standby, 'SELECT pg_wal_replay_resume()');
goes_on('replay_lag');
set('max_replay_lag', 0);

set('max_replay_bytes', '64kB');
sql($standby, 'SELECT pg_wal_replay_pause()');
is_held_by('replay_bytes', 'standby "one"');
sql($standby, 'SELECT pg_wal_replay_resume()');
goes_on('replay_bytes');

# ---- one that is required, and is not there ----

$standby->stop('fast');
my $rows = job($primary, $job, 'rows_done');
ok(wait_for_rows($primary, $job, $rows + 200), 'a standby that is gone holds nobody');
set('required_standbys', 'one');
is_held_by('replay_bytes', 'standby "one" is not connected');
set('required_standby_timeout', '1s');
goes_on('replay_bytes');
set('required_standby_timeout');
$standby->start;
ok(poll($primary, q{SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'}), 'it is back');
set('required_standbys');
set('max_replay_bytes', 0);

# ---- a slot that nobody reads ----

sql($primary, q{SELECT pg_create_physical_replication_slot('idle', true)});
set('max_slot_bytes', '64kB');
is_held_by('slot_bytes', 'replication slot "idle"');
sql($primary, q{SELECT pg_drop_replication_slot('idle')});
goes_on('slot_bytes');
set('max_slot_bytes', 0);

# ---- an archive that takes nothing ----

ok(poll($primary, q{SELECT last_archived_wal IS NOT NULL FROM pg_stat_archiver}), 'something is archived')
  or diag sql($primary, 'SELECT pg_switch_wal()');
sql($primary, q{ALTER SYSTEM SET archive_command = 'false'});
sql($primary, 'SELECT pg_reload_conf()');
set('max_archive_backlog', 2);
for (1 .. 4) { sql($primary, 'CREATE TABLE x (); DROP TABLE x; SELECT pg_switch_wal()'); }
is_held_by('archive_backlog', 'could not be archived');
sql($primary, q{ALTER SYSTEM SET archive_command = 'true'});
sql($primary, 'SELECT pg_reload_conf()');
goes_on('archive_backlog');
set('max_archive_backlog', 0);

# ---- one job's own threshold ----

is(sqlstate($primary, "SELECT zdm.set_throttle($job, signal => 'replay_bits', threshold => '1MB')"), '22023', 'an unknown signal');
is(sqlstate($primary, "SELECT zdm.set_throttle($job, signal => 'replay_bytes', threshold => '-1')"), '22023', 'a threshold below 0');
is(sqlstate($primary, "SELECT zdm.set_throttle($job, signal => 'replay_bytes', threshold => '1 mile')"), '22023', 'a threshold with another unit');
is(sqlstate($primary, "SELECT zdm.set_throttle($job, signal => 'replay_bytes')"), '22004', 'no threshold');
sql($primary, "SELECT zdm.set_throttle($job, signal => 'replay_bytes', threshold => '64kB')");
sql($standby, 'SELECT pg_wal_replay_pause()');
is_held_by('replay_bytes', 'standby "one"');
sql($primary, "SELECT zdm.set_throttle($job, signal => 'replay_bytes', threshold => 'default')");
goes_on('replay_bytes');
sql($standby, 'SELECT pg_wal_replay_resume()');

unthrottle($primary, $job);
wait_done($primary, $job, 'all that time');
is(wrong_rows($primary, 't'), 0, 'every row is right');
$standby->stop;
$primary->stop;
done_testing();
