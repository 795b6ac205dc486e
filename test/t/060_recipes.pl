# A sequence that changes a constraint is killed in, fails at, or is cancelled after each of its steps: it gets to its end,
# or leaves nothing behind.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('recipes');
my %key;
my $steps = 8;    # of a primary key of two columns that may be null

sub make
{
	my ($table) = @_;

	$key{$table} = "PRIMARY KEY (a, b) true; ${table}_pkey true; a, b";
	sql($node, qq{
		CREATE TABLE $table (a int, b int, n int);
		INSERT INTO $table SELECT i, i, i FROM generate_series(1, 20000) i});
	return;
}

sub start
{
	my ($table) = @_;

	# in one transaction: once it has committed, the server may be killed at any moment
	return sql($node, qq{
		BEGIN;
		SELECT zdm.add_primary_key('$table', '{a,b}') AS name \\gset
		SELECT zdm.job_id(:'name');
		COMMIT});
}

# What there is of constraints, indexes and NOT NULL columns.
sub shape
{
	my ($table) = @_;

	return sql($node, qq{
		SELECT concat_ws('; ',
			(SELECT string_agg(pg_get_constraintdef(oid) || ' ' || convalidated, ', ') FROM pg_constraint
			  WHERE conrelid = '$table'::regclass AND contype <> 'n'),
			(SELECT string_agg(indexrelid::regclass || ' ' || indisvalid, ', ') FROM pg_index WHERE indrelid = '$table'::regclass),
			(SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
			  WHERE attrelid = '$table'::regclass AND attnum > 0 AND attnotnull))});
}

# From now on, a recipe that has done so many steps is killed (once) or gets an error at its next statement.
sub stop_at
{
	my ($done, $how) = @_;

	sql($node, "UPDATE stop SET done = $done, how = '$how', tag = '$how $done'");
	return;
}

sql($node, q{
	CREATE TABLE stop (done int, how text, tag text);
	INSERT INTO stop VALUES (100, '', '');
	CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS $$
	DECLARE
		s public.stop;
	BEGIN
		SELECT * INTO s FROM public.stop;
		IF (SELECT count(*) FILTER (WHERE state = 'done') >= s.done FROM zdm.steps
			 WHERE job_id = (SELECT job_id FROM zdm.jobs WHERE pid = pg_backend_pid() AND state = 'running')) THEN
			IF s.how = 'fail' THEN
				RAISE EXCEPTION 'stopped by the test';
			END IF;
			EXECUTE format('COPY (SELECT 1) TO PROGRAM %L',
				format('cat >/dev/null; test -e %1$L || { touch %1$L; kill -9 %2$s; sleep 10; }', s.tag, pg_backend_pid()));
		END IF;
	END $$;
	CREATE EVENT TRIGGER stop ON ddl_command_end EXECUTE FUNCTION stop()});

# ---- killed in the middle of a step ----

for my $done (0 .. $steps - 1)
{
	my $table = "killed_$done";

	make($table);
	stop_at($done, 'kill');
	my $from = log_position($node);
	my $job = start($table);
	ok(poll($node, "SELECT state = 'done' FROM zdm.jobs WHERE job_id = $job"), "$table: done");
	ok(log_has($node, qr/was terminated by signal 9/, $from), "$table: it was killed");
	is(shape($table), $key{$table}, "$table: the key, and no more");
}

# ---- failed at a step, cancelled ----

for my $done (0, 2, 4, 5, 6, 7)
{
	my $table = "cancelled_$done";

	make($table);
	stop_at($done, 'fail');
	my $job = start($table);
	ok(poll($node, "SELECT state = 'failed' FROM zdm.jobs WHERE job_id = $job"), "$table: failed");
	is(sql($node, "SELECT count(*) FROM zdm.steps WHERE job_id = $job AND state = 'done'"), $done, "$table: after so many steps");
	sql($node, "SELECT zdm.cancel_job($job)");
	ok(poll($node, "SELECT count(*) = 1 FROM zdm.events WHERE job_id = $job AND event = 'cleaned up'"), "$table: cleaned up");
	is(shape($table), '', "$table: nothing is left");
	stop_at(100, '');
	sql($node, "SELECT zdm.retry_job($job)");
	wait_done($node, $job, "$table, retried");
	is(shape($table), $key{$table}, "$table: retried after all");
}

# ---- failed at a step, retried ----

for my $done (0, 2, 4, 5, 6, 7)
{
	my $table = "retried_$done";

	make($table);
	stop_at($done, 'fail');
	my $job = start($table);
	ok(poll($node, "SELECT state = 'failed' FROM zdm.jobs WHERE job_id = $job"), "$table: failed");
	stop_at(100, '');
	sql($node, "SELECT zdm.retry_job($job)");
	wait_done($node, $job, $table);
	is(shape($table), $key{$table}, "$table: the key, and no more");
}

# ---- NOT NULL that children had before is given back, without a scan ----

sub not_null_below
{
	my ($table) = @_;

	return sql($node, qq{
		SELECT string_agg(attrelid::regclass::text, ', ' ORDER BY attrelid::regclass::text) FROM pg_attribute
		 WHERE attname = 'a' AND attnotnull AND attrelid::regclass::text ~ '^${table}(_|\$)'});
}

sql($node, q{
	CREATE TABLE parted (k int, a int, b int) PARTITION BY RANGE (k);
	CREATE TABLE parted_1 PARTITION OF parted (a NOT NULL) FOR VALUES FROM (0) TO (10000);
	CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10000) TO (20000);
	CREATE TABLE parted_3 PARTITION OF parted (a NOT NULL) FOR VALUES FROM (20000) TO (30000) PARTITION BY RANGE (k);
	CREATE TABLE parted_31 PARTITION OF parted_3 FOR VALUES FROM (20000) TO (30000);
	CREATE TABLE parted_4 PARTITION OF parted FOR VALUES FROM (30000) TO (40000) PARTITION BY RANGE (k);
	CREATE TABLE parted_41 PARTITION OF parted_4 (a NOT NULL) FOR VALUES FROM (30000) TO (40000);
	INSERT INTO parted SELECT i, i, i FROM generate_series(0, 39999) i;
	CREATE TABLE inherited (a int, b int, n int);
	CREATE TABLE inherited_1 (a int NOT NULL) INHERITS (inherited);
	CREATE TABLE inherited_2 () INHERITS (inherited);
	CREATE TABLE inherited_11 () INHERITS (inherited_1);
	CREATE TABLE inherited_21 (a int NOT NULL) INHERITS (inherited_2);
	INSERT INTO inherited SELECT i, i FROM generate_series(1, 1000) i;
	INSERT INTO inherited_1 SELECT i, i FROM generate_series(1, 1000) i;
	INSERT INTO inherited_2 SELECT i, i FROM generate_series(1, 1000) i});
$node->append_conf('postgresql.conf', 'log_min_messages = debug1');
$node->reload;
my $notes = sql($node, 'SHOW server_version_num') < 180000;
for my $table ('parted', 'inherited')
{
	my $before = not_null_below($table);
	my $children = () = $before =~ /${table}_/g;
	# two steps for the proof, the notes of what the children have, SET NOT NULL
	my $done = 3 + ($notes ? $children : 0);

	stop_at($done, 'fail');
	my $job = sql($node, qq{SELECT zdm.job_id(zdm.set_not_null('$table', 'a', name => 'children of $table'))});
	ok(poll($node, "SELECT state = 'failed' FROM zdm.jobs WHERE job_id = $job"), "children of $table: failed");
	is(sql($node, "SELECT count(*) FROM zdm.steps WHERE job_id = $job AND state = 'done'"), $done, "children of $table: at the last step");
	stop_at(100, '');
	for my $round (1, 2)
	{
		my $from = log_position($node);
		sql($node, "SELECT zdm.cancel_job($job)");
		ok(poll($node, "SELECT count(*) = $round FROM zdm.events WHERE job_id = $job AND event = 'cleaned up'"), "children of $table: cleaned up");
		is(not_null_below($table), $before, "children of $table: what had it has it, and nothing else");
		ok(!log_has($node, qr/verifying table/, $from), "children of $table: nothing is scanned") if $notes;
		stop_at($done, 'fail');
		sql($node, "SELECT zdm.retry_job($job)");
		ok(poll($node, "SELECT state = 'failed' FROM zdm.jobs WHERE job_id = $job"), "children of $table: failed again");
		is(sql($node, "SELECT count(*) FROM zdm.steps WHERE job_id = $job"), $done + 1, "children of $table: noted once");
		stop_at(100, '');
	}
	sql($node, "SELECT zdm.retry_job($job)");
	wait_done($node, $job, "children of $table");
	is(sql($node, qq{SELECT count(*) FROM pg_constraint WHERE conname ~ 'zdm_not_null'}), 0, "children of $table: no helper is left");
}
$node->append_conf('postgresql.conf', 'log_min_messages = warning');
$node->reload;

# the same of a primary key, which children do not inherit
sql($node, q{
	CREATE TABLE base (a int, b int, n int);
	CREATE TABLE base_1 (a int NOT NULL) INHERITS (base);
	CREATE TABLE base_2 () INHERITS (base);
	INSERT INTO base SELECT i, i FROM generate_series(1, 1000) i});
stop_at($notes ? 5 : 4, 'fail');
my $base = sql($node, q{SELECT zdm.job_id(zdm.add_primary_key('base', '{a}'))});
ok(poll($node, "SELECT state = 'failed' FROM zdm.jobs WHERE job_id = $base"), 'children of a key: failed');
is(sql($node, "SELECT statement FROM zdm.steps WHERE job_id = $base AND state = 'failed'"),
	'ALTER TABLE public.base DROP CONSTRAINT IF EXISTS base_a_zdm_not_null', 'children of a key: at the last step');
sql($node, "SELECT zdm.cancel_job($base)");
ok(poll($node, "SELECT count(*) = 1 FROM zdm.events WHERE job_id = $base AND event = 'cleaned up'"), 'children of a key: cleaned up');
is(not_null_below('base'), 'base_1', 'children of a key: what had NOT NULL has it');
stop_at(100, '');

# ---- paused in a scan by pages, and the constraint made valid by somebody: the guard goes all the same ----

sub guards
{
	return sql($node, q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zdm_guard%'});
}

sql($node, q{
	CREATE TABLE parent (id int PRIMARY KEY);
	INSERT INTO parent SELECT i FROM generate_series(1, 100) i;
	CREATE TABLE guarded (id int, p int);
	INSERT INTO guarded SELECT i, i % 100 + 1 FROM generate_series(1, 500000) i});
$node->append_conf('postgresql.conf', 'zdm.guarded_scan_from = 0');
$node->reload;
my $guarded = sql($node, q{
	BEGIN;
	SELECT zdm.add_foreign_key('guarded', '{p}', 'parent', constraint_name => 'guarded_fk', name => 'guarded') AS name \gset
	SELECT '' FROM zdm.set_throttle(zdm.job_id('guarded'), max_rows_per_second => 10);
	COMMIT;
	SELECT zdm.job_id('guarded')});
$guarded =~ s/\s//g;
ok(poll($node, "SELECT rows_done > 0 FROM zdm.jobs WHERE job_id = $guarded"), 'guarded: the scan is under way');
sql($node, "SELECT zdm.pause_job($guarded)");
ok(poll($node, "SELECT pid IS NULL FROM zdm.jobs WHERE job_id = $guarded"), 'guarded: paused');
is(guards(), 1, 'guarded: the guard is there');
sql($node, 'ALTER TABLE guarded VALIDATE CONSTRAINT guarded_fk');
sql($node, "SELECT zdm.resume_job($guarded)");
wait_done($node, $guarded, 'guarded');
is(guards(), 0, 'guarded: the guard is gone');

# ---- a clean-up that is killed while it waits for its lock ----

make('twice');
stop_at(7, 'fail');
my $job = start('twice');
ok(poll($node, "SELECT state = 'failed' FROM zdm.jobs WHERE job_id = $job"), 'twice: failed');
my $holder = session($node);
$holder->query('BEGIN; SELECT count(*) FROM twice');
sql($node, "SELECT zdm.cancel_job($job)");
my $pid = worker_pid($node, $job);
kill('KILL', $pid);
ok(poll($node, "SELECT pid_ <> $pid FROM (SELECT pg_backend_pid() AS pid_) p"), 'twice: the server is there again');
ok(poll($node, "SELECT count(*) = 1 FROM zdm.events WHERE job_id = $job AND event = 'cleaned up'"), 'twice: cleaned up');
is(shape('twice'), '', 'twice: nothing is left');

done_testing();
