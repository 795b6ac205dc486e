# What a validation holds: between two chunks nothing, neither a lock on a table nor a snapshot; in a chunk ACCESS SHARE
# and a snapshot that is not older than the chunk.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('at_rest', conf => [ 'zdm.guarded_scan_from = 0', 'autovacuum = off' ]);

# Wide tables have one row a page, so that the first chunk ends at page 1024; that of a merge ends at entry 10000.
# The check of row 1200, in the second chunk, waits for an advisory lock.
sql($node, q{
	CREATE FUNCTION gate(id int) RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		IF id = 1200 THEN
			PERFORM pg_advisory_lock_shared(20260102);
			PERFORM pg_advisory_unlock_shared(20260102);
		END IF;
		RETURN true;
	END $$;
	CREATE TABLE p (id int PRIMARY KEY);
	INSERT INTO p SELECT generate_series(1, 15000);
	CREATE TABLE checked (id int PRIMARY KEY, filler text DEFAULT repeat('x', 700)) WITH (fillfactor = 10);
	INSERT INTO checked SELECT generate_series(1, 1500);
	ALTER TABLE checked ADD CONSTRAINT c CHECK (gate(id)) NOT VALID;
	CREATE TABLE parted (id int, filler text DEFAULT repeat('x', 700)) PARTITION BY RANGE (id);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100000) WITH (fillfactor = 10);
	INSERT INTO parted SELECT generate_series(1, 1500);
	ALTER TABLE parted ADD CONSTRAINT c CHECK (id > 0) NOT VALID;
	CREATE TABLE merged (id int PRIMARY KEY, pid int);
	INSERT INTO merged SELECT i, i FROM generate_series(1, 15000) i;
	CREATE INDEX merged_pid ON merged (pid);
	ALTER TABLE merged ADD CONSTRAINT c FOREIGN KEY (pid) REFERENCES p NOT VALID;
	CREATE TABLE paged (id int PRIMARY KEY, pid int, filler text DEFAULT repeat('x', 700)) WITH (fillfactor = 10);
	INSERT INTO paged SELECT i, i FROM generate_series(1, 1500) i;
	ALTER TABLE paged ADD CONSTRAINT c FOREIGN KEY (pid) REFERENCES p NOT VALID;

	-- locks of a process on relations of the application
	CREATE VIEW app_locks AS
		SELECT l.pid, l.relation::regclass, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
		 WHERE c.relnamespace = 'public'::regnamespace;
	-- of so many looks at a process, in how many it had such a lock, or a snapshot from before a transaction
	CREATE FUNCTION seen_holding(process int, transaction xid8, looks int, OUT locks int, OUT old_snapshots int) LANGUAGE plpgsql AS $$
	BEGIN
		locks := 0;
		old_snapshots := 0;
		FOR i IN 1 .. looks LOOP
			PERFORM pg_stat_clear_snapshot();
			locks := locks + (SELECT count(*) FROM app_locks WHERE pid = process);
			old_snapshots := old_snapshots +
				(SELECT count(*) FROM pg_stat_activity WHERE pid = process AND age(backend_xmin) > age(transaction::xid));
			PERFORM pg_sleep(0.002);
		END LOOP;
	END $$;
});

# Starts a validation that rests after its first chunk; the job and its process.
sub start_resting
{
	my ($table) = @_;
	my $job = sql($node, qq{
		BEGIN;
		SELECT zdm.validate_constraint('$table', 'c') AS job \\gset
		SELECT '' FROM zdm.set_throttle(:job, max_rows_per_second => 1);
		COMMIT;
		\\echo :job});
	$job =~ s/\s//g;
	ok(poll($node, "SELECT chunks = 1 AND phase = 'scan' FROM zdm.validations WHERE job_id = $job"), "$table: a chunk is done");
	return ($job, worker_pid($node, $job));
}

sub is_valid
{
	my ($table) = @_;

	return sql($node, "SELECT convalidated FROM pg_constraint WHERE conrelid = '$table'::regclass AND conname = 'c'");
}

my $holder = session($node);
$holder->query('SELECT pg_advisory_lock(20260102)');

my %method = (checked => 'check_pages', parted => 'check_pages', merged => 'fk_merge', paged => 'fk_pages');
for my $table (sort keys %method)
{
	my ($job, $pid) = start_resting($table);

	is(sql($node, "SELECT method FROM zdm.validations WHERE job_id = $job"), $method{$table}, "$table: the method");
	# a commit is seen a moment before its locks are gone
	ok(poll($node, "SELECT count(*) = 0 FROM app_locks WHERE pid = $pid"), "$table: the lock of the chunk is released");
	my $transaction = sql($node, 'SELECT pg_current_xact_id()');
	is(sql($node, "SELECT * FROM seen_holding($pid, '$transaction', 500)"), '0|0', "$table: at rest it holds no lock and no snapshot");
	is(sql($node, "SELECT chunks, state FROM zdm.validations WHERE job_id = $job"), '1|running', "$table: it was at rest all the time");
	is(sqlstate($node, "SET lock_timeout = '5s'; BEGIN; LOCK TABLE $table; ROLLBACK"), '00000', "$table: at rest it is in nobody's way");

	unthrottle($node, $job);
	if ($table eq 'checked')
	{
		# the chunk is tried again and again, as it does not wait long
		ok(poll($node, "SELECT wait_event = 'advisory' AND age(backend_xmin) <= age('$transaction'::xid8::xid)
				AND (SELECT string_agg(DISTINCT mode, ' ') = 'AccessShareLock' FROM app_locks WHERE app_locks.pid = $pid
					  AND relation = 'checked'::regclass)
			FROM pg_stat_activity WHERE pid = $pid"), "$table: in a chunk it has ACCESS SHARE, and a snapshot as young as the chunk");
		is(is_valid($table), 'f', "$table: nothing is marked yet");
		$holder->query('SELECT pg_advisory_unlock(20260102)');
	}
	wait_done($node, $job, $table);
	is(is_valid($table), 't', "$table: marked");
}

done_testing();
