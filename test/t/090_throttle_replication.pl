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
use ZdmThrottle;

my $primary = new_node('primary', streaming => 1,
	conf => [ signals_off(), 'wal_receiver_status_interval = 1s', 'archive_mode = on', q{archive_command = 'true'}, 'max_replication_slots = 5' ]);
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', q{primary_conninfo = '} . $primary->connstr . q{ application_name=one'});
$standby->start;
ok(poll($primary, q{SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = 'one' AND state = 'streaming'}), 'the standby streams');

make_table($primary, 't', 200_000);
my $job = start_job($primary, 't', rate => 2000);
ok(wait_for_rows($primary, $job, 500), 'the job is at work');

# ---- a standby that replays nothing ----

set_zdm($primary, 'max_replay_lag', '300ms');
sql($standby, 'SELECT pg_wal_replay_pause()');
is_held_by($primary, $job, 'replay_lag', 'standby "one"');
sql($standby, 'SELECT pg_wal_replay_resume()');
goes_on($primary, $job, 'replay_lag');
set_zdm($primary, 'max_replay_lag', 0);

set_zdm($primary, 'max_replay_bytes', '1MB');
sql($standby, 'SELECT pg_wal_replay_pause()');
is_held_by($primary, $job, 'replay_bytes', 'standby "one"');
sql($standby, 'SELECT pg_wal_replay_resume()');
goes_on($primary, $job, 'replay_bytes');

# ---- one that is required, and is not there ----

$standby->stop('fast');
my $rows = job($primary, $job, 'rows_done');
ok(wait_for_rows($primary, $job, $rows + 200), 'a standby that is gone holds nobody');
my (undef, undef, $warning) = $primary->psql('postgres', q{ALTER SYSTEM SET zdm.required_standbys = 'one, two'});
like($warning, qr/WARNING:  standby "two" is not connected/, 'a name that matches nothing is warned of');
set_zdm($primary, 'required_standbys', 'one');
is_held_by($primary, $job, 'required_standbys', 'standby "one" is not connected');
set_zdm($primary, 'required_standby_timeout', '1s');
goes_on($primary, $job, 'required_standbys');
set_zdm($primary, 'required_standby_timeout');
is_held_by($primary, $job, 'required_standbys', 'standby "one" is not connected');
sql($primary, "SELECT zdm.set_throttle($job, signal => 'required_standbys', threshold => 'off')");
goes_on($primary, $job, 'required_standbys');
set_zdm($primary, 'required_standbys');
(undef, undef, $warning) = $primary->psql('postgres', "SELECT zdm.set_throttle($job, signal => 'required_standbys', threshold => 'one')");
like($warning, qr/WARNING:  standby "one" is not connected/, 'the same in the list of a job');
is_held_by($primary, $job, 'required_standbys', 'standby "one" is not connected');
$standby->start;
ok(poll($primary, q{SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'}), 'it is back');
goes_on($primary, $job, 'required_standbys');
sql($primary, "SELECT zdm.set_throttle($job, signal => 'required_standbys', threshold => 'default')");
set_zdm($primary, 'max_replay_bytes', 0);

# ---- a slot that nobody reads ----

sql($primary, q{SELECT pg_create_physical_replication_slot('idle', true)});
set_zdm($primary, 'max_slot_bytes', '64kB');
is_held_by($primary, $job, 'slot_bytes', 'replication slot "idle"');
sql($primary, q{SELECT pg_drop_replication_slot('idle')});
goes_on($primary, $job, 'slot_bytes');
set_zdm($primary, 'max_slot_bytes', 0);

# ---- an archive that takes nothing ----

ok(poll($primary, q{SELECT last_archived_wal IS NOT NULL FROM pg_stat_archiver}), 'something is archived')
  or diag sql($primary, 'SELECT pg_switch_wal()');
sql($primary, q{ALTER SYSTEM SET archive_command = 'false'});
sql($primary, 'SELECT pg_reload_conf()');
set_zdm($primary, 'max_archive_backlog', 2);
for (1 .. 4) { sql($primary, 'CREATE TABLE x (); DROP TABLE x; SELECT pg_switch_wal()'); }
is_held_by($primary, $job, 'archive_backlog', 'could not be archived');
sql($primary, q{ALTER SYSTEM SET archive_command = 'true'});
sql($primary, 'SELECT pg_reload_conf()');
goes_on($primary, $job, 'archive_backlog');
set_zdm($primary, 'max_archive_backlog', 0);

# ---- one job's own threshold ----

is(sqlstate($primary, "SELECT zdm.set_throttle($job, signal => 'replay_bits', threshold => '1MB')"), '22023', 'an unknown signal');
is(sqlstate($primary, "SELECT zdm.set_throttle($job, signal => 'replay_bytes', threshold => '-1')"), '22023', 'a threshold below 0');
is(sqlstate($primary, "SELECT zdm.set_throttle($job, signal => 'replay_bytes', threshold => '1 mile')"), '22023', 'a threshold with another unit');
is(sqlstate($primary, "SELECT zdm.set_throttle($job, signal => 'replay_bytes')"), '22004', 'no threshold');
sql($primary, "SELECT zdm.set_throttle($job, signal => 'replay_bytes', threshold => '1MB')");
sql($standby, 'SELECT pg_wal_replay_pause()');
is_held_by($primary, $job, 'replay_bytes', 'standby "one"');
sql($primary, "SELECT zdm.set_throttle($job, signal => 'replay_bytes', threshold => 'default')");
goes_on($primary, $job, 'replay_bytes');
sql($standby, 'SELECT pg_wal_replay_resume()');

unthrottle($primary, $job);
wait_done($primary, $job, 'all that time');
is(wrong_rows($primary, 't'), 0, 'every row is right');
$standby->stop;
$primary->stop;
done_testing();
