# A server that stops at once in the middle of the validation of a foreign key: the job goes on from its
# place, with the guard at work all the time; a guard whose job was cancelled meanwhile goes away.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('fk_crash', conf => ['zdm.guarded_scan_from = 0']);

sql($node, q{
	CREATE TABLE p (id int PRIMARY KEY);
	INSERT INTO p SELECT generate_series(1, 40000);
	CREATE TABLE wide (id int PRIMARY KEY, pid int, n int, filler text) WITH (autovacuum_enabled = off);
	ALTER TABLE wide ALTER filler SET STORAGE PLAIN;
	INSERT INTO wide SELECT i, i, 1, repeat('x', 5000) FROM generate_series(1, 1600) i;
	UPDATE wide SET pid = 90000 WHERE id = 1500;
	DELETE FROM wide WHERE id <= 100;
	CREATE TABLE narrow (id int PRIMARY KEY, pid int);
	INSERT INTO narrow SELECT i, i FROM generate_series(1, 40000) i;
	CREATE INDEX ON narrow (pid);
	ALTER TABLE wide ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
	ALTER TABLE narrow ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID});
sql($node, 'VACUUM wide');

# Starts a validation that stays at the end of its first chunk.
sub start_held
{
	my ($table) = @_;
	my $id = sql($node, qq{
		BEGIN;
		SELECT zdm.validate_constraint('$table', 'fk', name => '$table') AS job \\gset
		SELECT '' FROM zdm.set_throttle(:job, max_rows_per_second => 1);
		COMMIT;
		\\echo :job});
	$id =~ s/\s//g;
	ok(wait_for_rows($node, $id, 500), "$table: a chunk is done");
	return $id;
}

sub guards
{
	return sql($node, q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zdm_guard%'});
}

sub crash
{
	sql($node, 'SET synchronous_commit = on; CREATE TABLE flushed (); DROP TABLE flushed');
	$node->stop('immediate');
	$node->start;
}

# ---- the merge keeps its place ----

my $job = start_held('narrow');
is(job($node, $job, 'rows_done') < 40000, 1, 'narrow: not at the end');
crash();
ok(worker_pid($node, $job), 'narrow: the launcher resumes the job');
unthrottle($node, $job);
wait_done($node, $job, 'narrow');
is(sql($node, "SELECT method || ' ' || (rows_done BETWEEN 40000 AND 40100) FROM zdm.validations WHERE job_id = $job"),
	'fk_merge true', 'narrow: it was read once');

# ---- the guard works through the crash ----

$job = start_held('wide');
is(guards(), 1, 'wide: there is a guard');
$node->stop('immediate');
append_to_file($node->data_dir . '/postgresql.conf', "\nzdm.autostart = off\n");
$node->start;
is(guards(), 1, 'wide: it is there while no worker is');
is(sql($node, 'UPDATE wide SET n = 2 WHERE id = 1500 RETURNING (ctid::text::point)[0] < 1000'),
	't', 'wide: the orphan moves behind the cursor');
append_to_file($node->data_dir . '/postgresql.conf', "\nzdm.autostart = on\n");
$node->reload;
ok(worker_pid($node, $job), 'wide: the job goes on');
unthrottle($node, $job);
ok(poll($node, "SELECT state = 'failed' FROM zdm.jobs WHERE job_id = $job"), 'wide: the orphan is found');
is(sql($node, "SELECT row_values FROM zdm.violations WHERE job_id = $job"), '{"pid": "90000"}', 'wide: the row');
is(sql($node, q{SELECT convalidated FROM pg_constraint WHERE conrelid = 'wide'::regclass AND conname = 'fk'}),
	'f', 'wide: not marked');
is(guards(), 0, 'wide: the guard is gone');

# ---- cancelled while no worker has it ----

sql($node, "SELECT zdm.set_throttle($job, max_rows_per_second => 1); SELECT zdm.retry_job($job)");
ok(wait_for_rows($node, $job, 500), 'wide: again at the end of a chunk');
append_to_file($node->data_dir . '/postgresql.conf', "\nzdm.autostart = off\n");
crash();
is(guards(), 1, 'wide: a guard without a worker');
sql($node, "SELECT zdm.cancel_job($job)");
append_to_file($node->data_dir . '/postgresql.conf', "\nzdm.autostart = on\n");
$node->reload;
ok(poll($node, q{SELECT NOT EXISTS (SELECT FROM pg_trigger WHERE tgname LIKE 'zdm_guard%')
	AND NOT EXISTS (SELECT FROM zdm.moved_block)}), 'wide: it is removed');

# ---- between the mark and the removal of the guard ----

sql($node, q{DELETE FROM wide WHERE id = 1500; VACUUM wide});
for my $how ('crash', 'cancel')
{
	sql($node, q{ALTER TABLE wide DROP CONSTRAINT fk; ALTER TABLE wide ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
		DELETE FROM zdm.job WHERE name = 'wide'});
	$job = start_held('wide');
	my $writer = session($node);
	$writer->query('BEGIN');
	$writer->query('UPDATE wide SET n = 3 WHERE id = 700');
	unthrottle($node, $job);
	ok(poll($node, q{SELECT convalidated FROM pg_constraint WHERE conrelid = 'wide'::regclass AND conname = 'fk'}),
		"$how: marked");
	ok(poll($node, "SELECT waiting_for LIKE 'a lock on%' FROM zdm.jobs WHERE job_id = $job"),
		"$how: a writer keeps the guard");
	is(guards(), 1, "$how: it is there");
	$how eq 'crash' ? crash() : sql($node, "SELECT zdm.cancel_job($job)");
	$writer->query('ROLLBACK') if $how ne 'crash';
	$writer->quit;
	my $state = $how eq 'crash' ? 'done' : 'cancelled';
	ok(poll($node, "SELECT state = '$state' AND pid IS NULL AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgname LIKE 'zdm_guard%')
		FROM zdm.jobs WHERE job_id = $job"), "$how: $state, and the guard is gone");
	is(sql($node, "SELECT cleanup FROM zdm.job WHERE job_id = $job"), 'f', "$how: nothing is left to clean up");
}

done_testing();
