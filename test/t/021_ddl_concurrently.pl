# Statements that commit in their middle: crashes, errors and cancels leave nothing unfinished.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('ddl_concurrently', conf => [ 'autovacuum = off' ]);

sql($node, q{
	CREATE TABLE t (id int PRIMARY KEY, n int);
	INSERT INTO t SELECT i, i FROM generate_series(1, 1000) i;
	CREATE TABLE p (k int) PARTITION BY RANGE (k);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
	CREATE ROLE owner_of_p;
	GRANT USAGE ON SCHEMA zdm TO owner_of_p;
	GRANT CREATE ON SCHEMA public TO owner_of_p;
	ALTER TABLE p OWNER TO owner_of_p;
	ALTER TABLE p1 OWNER TO owner_of_p;
});

sub invalid_indexes { return sql($node, 'SELECT count(*) FROM pg_index WHERE NOT indisvalid'); }

# ---- a crash while an index is built ----

my $holder = session($node);
$holder->query('BEGIN; INSERT INTO t VALUES (2001, 1)');
my $job = sql($node, "SELECT zdm.execute_ddl('CREATE INDEX CONCURRENTLY t_n ON t (n)', name => 'index')");
ok(poll($node, 'SELECT count(*) = 1 FROM pg_index WHERE NOT indisvalid'), 'an index is being built');
is(sql($node, "SELECT phase FROM zdm.statements WHERE job_id = $job"), 'started', 'the job says that it has started');
is(sql($node, 'UPDATE t SET n = 5 WHERE id = 5 RETURNING n'), '5', 'the application writes meanwhile');
my $oid = sql($node, "SELECT 't_n'::regclass::oid");
kill 'KILL', worker_pid($node, $job);
$holder->quit;
ok(poll($node, 'SELECT true'), 'the server is up again');
wait_done($node, $job, 'after a crash');
is(invalid_indexes(), '0', 'no invalid index is left');
isnt(sql($node, "SELECT 't_n'::regclass::oid"), $oid, 'it was built anew');
is(sql($node, 'SELECT count(*) FROM pg_index WHERE indrelid = \'t\'::regclass'), '2', 'and once');

# ---- a cancel while an index is built ----

$holder = session($node);
$holder->query('BEGIN; INSERT INTO t VALUES (2001, 1)');
$job = sql($node, "SELECT zdm.execute_ddl('CREATE INDEX CONCURRENTLY t_n2 ON t (n)', name => 'cancelled')");
ok(poll($node, 'SELECT count(*) = 1 FROM pg_index WHERE NOT indisvalid'), 'an index is being built');
worker_pid($node, $job);
sql($node, "SELECT zdm.cancel_job($job)");
$holder->query('COMMIT');
ok(poll($node, "SELECT to_regclass('t_n2') IS NULL"), 'cancelled: it is taken away');
ok(poll($node, "SELECT state = 'cancelled' AND pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'and the job is cancelled');
ok(poll($node, "SELECT NOT cleanup FROM zdm.job WHERE job_id = $job"), 'with nothing left to clean up');

# ---- the same for a role that may not log in ----

$job = sql($node, q{
	SET ROLE owner_of_p;
	SELECT zdm.execute_ddl('CREATE INDEX CONCURRENTLY p1_k ON p1 (k)', name => 'no login');
});
wait_done($node, $job, 'as a role that may not log in');
is(sql($node, "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'p1_k'::regclass"), 'owner_of_p', 'the index is the role\'s');

# ---- a crash in the middle of DETACH PARTITION CONCURRENTLY ----

$holder->query('BEGIN; SELECT count(*) FROM p');
$job = sql($node, q{
	SET ROLE owner_of_p;
	SELECT zdm.execute_ddl('ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY', name => 'detach');
});
ok(poll($node, 'SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = \'p1\'::regclass'), 'a partition is half detached');
kill 'KILL', worker_pid($node, $job);
$holder->quit;
ok(poll($node, 'SELECT true'), 'the server is up again');
wait_done($node, $job, 'a half-done DETACH is finished');
is(sql($node, "SELECT relispartition FROM pg_class WHERE oid = 'p1'::regclass"), 'f', 'it is no partition any more');

# ---- it waits for old transactions, but not in anybody's way ----

$holder = session($node);
$holder->query('BEGIN; INSERT INTO t VALUES (2002, 1)');
$job = sql($node, "SELECT zdm.execute_ddl('DROP INDEX CONCURRENTLY t_n', name => 'drop')");
worker_pid($node, $job);
is(sql($node, "SET lock_timeout = '1s'; UPDATE t SET n = 6 WHERE id = 6 RETURNING n"), '6', 'the application writes while it waits');
$holder->query('COMMIT');
wait_done($node, $job, 'DROP INDEX CONCURRENTLY');
is(sql($node, "SELECT to_regclass('t_n') IS NULL"), 't', 'the index is gone');


# ---- somebody has a lock that the statement begins with: it is tried again ----

$holder->query('BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE');
$job = sql($node, "SELECT zdm.execute_ddl('CREATE INDEX CONCURRENTLY t_wait ON t (n)', name => 'wait')");
ok(poll($node, "SELECT waiting_for ~ '^a lock on public.t: process' FROM zdm.jobs WHERE job_id = $job"), 'zdm.jobs names who has the lock');
is(sql($node, "SELECT count(*) FROM zdm.blockers WHERE job_id = $job AND held_mode = 'ShareUpdateExclusiveLock'"), '1', 'and so does zdm.blockers');
is(sql($node, "SELECT state FROM zdm.jobs WHERE job_id = $job"), 'running', 'it goes on trying');
$holder->query('COMMIT');
wait_done($node, $job, 'when the lock is free');
is(invalid_indexes(), '0', 'with nothing left');

# ---- the strong lock at the end of DETACH ... CONCURRENTLY ----

sql($node, q{
	CREATE TABLE q (k int) PARTITION BY RANGE (k);
	CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (0) TO (10);
});
$holder->query('BEGIN; SELECT count(*) FROM q1');
$job = sql($node, "SELECT zdm.execute_ddl('ALTER TABLE q DETACH PARTITION q1 CONCURRENTLY', name => 'detach behind a reader')");
my $worker = worker_pid($node, $job);
ok(poll($node, 'SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = \'q1\'::regclass'), 'a partition is half detached');
ok(poll($node, "SELECT count(*) = 1 FROM zdm.blockers WHERE job_id = $job AND relation = 'public.q1'"), 'zdm.blockers names its reader');
is(sql($node, q{
	DO $$ BEGIN
		FOR i IN 1 .. 200 LOOP
			SET LOCAL lock_timeout = '250ms';
			PERFORM count(*) FROM q1;
			COMMIT;
			PERFORM pg_sleep(0.002);
			COMMIT;
		END LOOP;
	END $$;
	SELECT 'read'
}), 'read', 'nobody queues behind the lock that it waits for');
$holder->query('COMMIT');
wait_done($node, $job, 'when the reader has ended');
is(sql($node, "SELECT relispartition FROM pg_class WHERE oid = 'q1'::regclass"), 'f', 'it is no partition any more');

# ---- a crash in REINDEX CONCURRENTLY ----

sql($node, 'CREATE TABLE r (id int PRIMARY KEY, n text); INSERT INTO r SELECT i, i FROM generate_series(1, 1000) i; CREATE INDEX r_n ON r (n)');
$holder->query('BEGIN; INSERT INTO r VALUES (2001, 1)');
$job = sql($node, "SELECT zdm.execute_ddl('REINDEX TABLE CONCURRENTLY r', name => 'reindex')");
ok(poll($node, "SELECT count(*) > 1 FROM pg_index WHERE NOT indisvalid AND indrelid = 'r'::regclass"), 'indexes are being rebuilt');
kill 'KILL', worker_pid($node, $job);
$holder->quit;
ok(poll($node, 'SELECT true'), 'the server is up again');
wait_done($node, $job, 'REINDEX after a crash');
is(invalid_indexes(), '0', 'nothing is left of the first try');
is(sql($node, "SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 'r'::regclass"),
	'r_n r_pkey', 'the indexes have their names');

# ---- a crash when the old indexes are about to be dropped; a cancel of the same ----

$holder = session($node);
my $reader = session($node);
$job = sql($node, q{
	BEGIN;
	SELECT zdm.execute_ddl('REINDEX TABLE CONCURRENTLY r', name => 'reindex 2') AS job \gset
	SELECT '' FROM zdm.pause_job(:job);
	COMMIT;
	\echo :job
});
$job =~ s/\s//g;
$reader->query('BEGIN; SELECT count(*) FROM r');
sql($node, "SELECT zdm.resume_job($job)");
ok(poll($node, "SELECT count(*) > 0 FROM pg_index JOIN pg_class ON oid = indexrelid WHERE NOT indisvalid AND relname ~ '_ccold'"), 'the old index waits for its end')
	or diag sql($node, "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = 'r'::regclass");
sql($node, "SELECT zdm.cancel_job($job)");
$reader->query('COMMIT');
ok(poll($node, "SELECT NOT cleanup FROM zdm.job WHERE job_id = $job"), 'cancelled: nothing is left to clean up');
is(invalid_indexes(), '0', 'nor in the catalogs');
is(sql($node, "SELECT count(*) FROM pg_index WHERE indrelid = 'r'::regclass"), '2', 'and no index is lost');

# ---- a cancel in the middle of DROP INDEX CONCURRENTLY: there is no way back ----

$holder->query('BEGIN; SELECT count(*) FROM r WHERE n = \'5\'');
$job = sql($node, "SELECT zdm.execute_ddl('DROP INDEX CONCURRENTLY r_n', name => 'half dropped')");
ok(poll($node, 'SELECT count(*) = 1 FROM pg_index WHERE NOT indisvalid'), 'the index is half dropped');
sql($node, "SELECT zdm.cancel_job($job)");
$holder->query('COMMIT');
ok(poll($node, "SELECT to_regclass('r_n') IS NULL"), 'cancelled: the drop is finished');
ok(poll($node, "SELECT NOT cleanup FROM zdm.job WHERE job_id = $job"), 'and nothing is left to clean up');

# ---- a crash after the drop: an index that has got its name meanwhile is somebody else's ----

sql($node, 'CREATE INDEX r_n ON r (n)');
$holder->query('BEGIN; SELECT count(*) FROM r WHERE n = \'5\'');
$job = sql($node, "SELECT zdm.execute_ddl('DROP INDEX CONCURRENTLY r_n', name => 'dropped once')");
ok(poll($node, 'SELECT count(*) = 1 FROM pg_index WHERE NOT indisvalid'), 'an index is half dropped');
$worker = worker_pid($node, $job);
my $row = session($node);
$row->query("BEGIN; SELECT FROM zdm.ddl WHERE job_id = $job FOR UPDATE");
$holder->query('COMMIT');
ok(poll($node, "SELECT to_regclass('r_n') IS NULL"), 'it is dropped, and that is not recorded');
$row->query('BEGIN; CREATE INDEX r_n ON r (id); COMMIT');
kill 'KILL', $worker;
$row->quit;
$holder->quit;
$reader->quit;
ok(poll($node, 'SELECT true'), 'the server is up again');
wait_done($node, $job, 'a drop that was not recorded');
is(sql($node, "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('r_n')"), '1', 'is not done again');

# ---- event triggers in a process that is connected as a superuser ----

sql($node, q{
	CREATE SCHEMA evil AUTHORIZATION owner_of_p;
	CREATE FUNCTION evil.note() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RESET ROLE; CREATE ROLE made_by_evil SUPERUSER; END $$;
	CREATE FUNCTION note() RETURNS void LANGUAGE sql AS 'SELECT';
	CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM note(); END';
	CREATE EVENT TRIGGER on_ddl ON ddl_command_end EXECUTE FUNCTION on_ddl();
});
$job = sql($node, q{
	SET ROLE owner_of_p;
	SET search_path = evil, public;
	SELECT zdm.execute_ddl('CREATE INDEX CONCURRENTLY p1_k2 ON p1 (k)', name => 'evil');
});
ok(poll($node, "SELECT state IN ('failed', 'done') FROM zdm.jobs WHERE job_id = $job"), 'an event trigger that calls what the user has made');
is(sql($node, "SELECT count(*) FROM pg_roles WHERE rolname = 'made_by_evil'"), '0', 'it does not make the user a superuser');
# from 17 on the statement has begun
is(invalid_indexes(), $node->pg_version >= 17 ? '1' : '0', 'the index is left invalid where it was begun');
sql($node, 'DROP EVENT TRIGGER on_ddl');
sql($node, "SELECT zdm.cancel_job($job)");
ok(poll($node, 'SELECT count(*) = 0 FROM pg_index WHERE NOT indisvalid'), 'cancelled: it is taken away');

done_testing();
