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

done_testing();
