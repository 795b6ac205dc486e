# What the tests of the throttle share.
#
# What belongs here: one job under the signals of a server on which all are off, and one turned on at a
# time: what holds the job, and that it goes on.

package ZdmThrottle;

use strict;
use warnings;

use Exporter 'import';
use Test::More;
use ZdmTest;

our @EXPORT = qw(signals_off set_zdm is_held_by goes_on);

# Lines for postgresql.conf.
sub signals_off
{
	return map { "zdm.$_ = 0" } qw(max_replay_lag max_replay_bytes max_slot_bytes max_archive_backlog max_checkpoint_distance
	  max_commit_latency max_lock_waits max_horizon_age);
}

# A setting; without a value, its default.
sub set_zdm
{
	my ($node, $name, $value) = @_;

	sql($node, defined $value ? "ALTER SYSTEM SET zdm.$name = '$value'" : "ALTER SYSTEM RESET zdm.$name");
	sql($node, 'SELECT pg_reload_conf()');
	return;
}

# Tests: that signal, and no other, holds the job; what it says of it, as a LIKE pattern.
sub is_held_by
{
	my ($node, $job, $signal, $detail) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok(poll($node, "SELECT coalesce(waiting_for LIKE '%$detail%($signal)%', false) FROM zdm.jobs WHERE job_id = $job"),
		"$signal: it holds the job: $detail");
	ok(poll($node, "SELECT coalesce(holds = ARRAY(SELECT name FROM zdm.jobs WHERE job_id = $job), false) FROM zdm.throttle WHERE signal = '$signal'"),
		"$signal: zdm.throttle says so");
	is(sql($node, "SELECT count(*) FROM zdm.throttle WHERE signal <> '$signal' AND holds IS NOT NULL"), 0, "$signal: no other does");
	is(job($node, $job, 'state'), 'running', "$signal: it is running");
	ok(poll($node, "SELECT waiting_since IS NOT NULL FROM zdm.jobs WHERE job_id = $job"), "$signal: it says since when");
	return;
}

# Tests: it is over, and the time is counted.
sub goes_on
{
	my ($node, $job, $signal) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $rows = job($node, $job, 'rows_done');

	ok(wait_for_rows($node, $job, $rows + 100), "$signal: over, the job goes on");
	ok(poll($node, "SELECT waiting_for IS NULL FROM zdm.jobs WHERE job_id = $job"), "$signal: and waits for nothing");
	cmp_ok(sql($node, "SELECT coalesce(sum(seconds), 0) FROM zdm.holds WHERE job_id = $job AND signal = '$signal'"), '>', 0,
		"$signal: the time is counted");
	return;
}

1;
