# The sync trigger where rows come from elsewhere or little is known: logical replication, a server without
# preload, a dump, a crash.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $publisher = new_node('publisher', conf => [ 'wal_level = logical', 'max_wal_senders = 5' ]);
my $subscriber = new_node('subscriber', conf => [ 'wal_level = logical', 'max_logical_replication_workers = 8' ]);

sub caught_up
{
	$publisher->wait_for_catchup('sub');
	return;
}

# ---- logical replication: the publisher knows the old shape only, or both ----

sql($_, q{
	CREATE TABLE item (id int PRIMARY KEY, a int, x int);
	CREATE TABLE part (id int, k int, a int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
	CREATE TABLE part1 PARTITION OF part FOR VALUES IN (1);
	CREATE TABLE part2 PARTITION OF part FOR VALUES IN (2);
	CREATE TABLE both_sides (id int PRIMARY KEY, a int, b bigint, x int);
}) for $publisher, $subscriber;
sql($subscriber, q{
	ALTER TABLE item ADD b bigint;
	ALTER TABLE part ADD b bigint;
	INSERT INTO item VALUES (100, 1000);
});
sql($subscriber, $_) for
  q{SELECT zdm.create_sync('item', 1, 'b', 'a', 'a', 'b')},
  q{SELECT zdm.create_sync('part', 2, 'b', 'a', 'a', 'b')},
  q{SELECT zdm.create_sync('both_sides', 3, 'b', 'a', 'a', 'b')};
sql($publisher, q{SELECT zdm.create_sync('both_sides', 3, 'b', 'a', 'a', 'b')});
sql($publisher, 'INSERT INTO item VALUES (1, 10)');
sql($publisher, 'CREATE PUBLICATION pub FOR TABLE item, part, both_sides WITH (publish_via_partition_root = true)');
my $connection = $publisher->connstr . ' dbname=postgres';
sql($subscriber, "CREATE SUBSCRIPTION sub CONNECTION '$connection' PUBLICATION pub");
$subscriber->wait_for_subscription_sync($publisher, 'sub');
is(sql($subscriber, 'SELECT b FROM item WHERE id = 1'), 10, 'the initial copy is filled');

sql($publisher, q{
	INSERT INTO item SELECT i, i * 10 FROM generate_series(2, 20) i;
	UPDATE item SET a = a + 1 WHERE id <= 10;
	UPDATE item SET x = 1 WHERE id > 10;
	UPDATE item SET id = 21 WHERE id = 20;
	INSERT INTO part VALUES (1, 1, 10), (2, 1, 20), (3, 2, 30);
	UPDATE part SET a = 11 WHERE id = 1;
	UPDATE part SET k = 2, a = 21 WHERE id = 2;
	INSERT INTO both_sides VALUES (1, 1, NULL), (2, NULL, 2), (3, 3, 3), (4, 4, NULL);
	UPDATE both_sides SET a = 11 WHERE id = 1;
	UPDATE both_sides SET b = 22 WHERE id = 2;
	UPDATE both_sides SET x = 1 WHERE id = 3;
});
caught_up();
is(sql($subscriber, 'SELECT count(*), count(*) FILTER (WHERE b IS DISTINCT FROM a) FROM item WHERE id < 100'), '20|0', 'applied rows are consistent');
is(sql($subscriber, q{SELECT string_agg(concat_ws(' ', id, k, a, b), ', ' ORDER BY id) FROM part}),
	'1 1 11 11, 2 2 21 21, 3 2 30 30', 'in partitions, and when they move');
is(sql($subscriber, q{SELECT string_agg(concat_ws(' ', id, a, b), ', ' ORDER BY id) FROM both_sides}),
	'1 11 11, 2 22 22, 3 3 3, 4 4 4', 'when the publisher has both sides, and a trigger of its own');
is(sql($subscriber, q{SELECT b IS NULL FROM item WHERE id = 100}), 't', 'a row that nobody wrote is as it was');
sql($publisher, 'INSERT INTO item VALUES (101, 1010)');
sql($subscriber, 'UPDATE item SET b = 7 WHERE id = 1');
caught_up();
is(sql($subscriber, 'SELECT a, b FROM item WHERE id = 1'), '7|7', 'the subscriber writes the new shape');

# a value that cannot be converted stops the apply worker until the mapping lets it through
sql($subscriber, q{ALTER TABLE item ADD c smallint; SELECT zdm.create_sync('item', 4, 'c', 'a')});
my $position = log_position($subscriber);
sql($publisher, 'INSERT INTO item VALUES (102, 100000)');
ok($subscriber->wait_for_log(qr/smallint out of range/, $position), 'the apply worker fails for a value that cannot be converted');
sql($subscriber, q{SELECT zdm.create_sync('item', 4, 'c', 'a', on_error => 'null')});
caught_up();
is(sql($subscriber, 'SELECT a, b, c IS NULL FROM item WHERE id = 102'), '100000|100000|t', 'and goes on when it is let through');
is(sql($subscriber, q{SELECT errors > 0 FROM zdm.sync_activity WHERE mapping_id = 4}), 't', 'which is counted');
sql($subscriber, 'DROP SUBSCRIPTION sub');

# ---- counts of several sessions; a crash takes them away, and nothing else ----

sql($subscriber, 'UPDATE both_sides SET a = a + 1, b = b + 2 WHERE id = 1') for 1 .. 4;
is(sql($subscriber, 'SELECT conflicts FROM zdm.sync_activity WHERE mapping_id = 3'), 4, 'conflicts of several sessions are added up');
my $pids = sql($subscriber, 'SELECT count(*), count(DISTINCT pid) FROM zdm.sync_samples WHERE mapping_id = 3');
is($pids, '4|4', 'and each is listed');
sql($subscriber, join(';', ('UPDATE both_sides SET a = a + 1, b = b + 2 WHERE id = 1') x 30));
is(sql($subscriber, 'SELECT conflicts FROM zdm.sync_activity WHERE mapping_id = 3'), 34, 'all are counted');
is(sql($subscriber, 'SELECT count(*) FROM zdm.sync_samples WHERE mapping_id = 3'), 16, 'samples are capped');
$subscriber->stop('immediate');
$subscriber->start;
is(sql($subscriber, 'SELECT conflicts, last_at IS NULL FROM zdm.sync_activity WHERE mapping_id = 3'), '0|t', 'a crash takes the counts');
sql($subscriber, 'UPDATE both_sides SET a = 5 WHERE id = 1');
is(sql($subscriber, 'SELECT b FROM both_sides WHERE id = 1'), 5, 'the trigger works on');

# more mappings than there is room for: the quietest makes room
sql($subscriber, q{
	CREATE TABLE many (a int, b int);
	DO $$
	BEGIN
		FOR i IN 1001 .. 1100 LOOP
			EXECUTE format('CREATE TABLE m%s (id int PRIMARY KEY, a int, b int)', i);
			PERFORM zdm.create_sync(format('m%s', i)::regclass, i, 'b', 'a');
			EXECUTE format('INSERT INTO m%s VALUES (1, 1, 2)', i);
		END LOOP;
	END $$});
is(sql($subscriber, 'SELECT sum(drift), count(*) FILTER (WHERE drift = 1) FROM zdm.sync_activity WHERE mapping_id > 1000'), '64|64',
	'the newest mappings are counted');

# ---- dump and restore ----

my $dump = $subscriber->backup_dir . '.sql';
$subscriber->command_ok([ 'pg_dump', '-f', $dump, '-t', 'both_sides', $subscriber->connstr('postgres') ], 'pg_dump');
sql($subscriber, 'CREATE DATABASE restored');
use_zdm($subscriber, 'restored');
$subscriber->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $subscriber->connstr('restored') ], 'restore');
sql($subscriber, 'SET session_replication_role = replica; UPDATE both_sides SET a = 77 WHERE id = 1', 'restored');
is(sql($subscriber, 'SELECT b FROM both_sides WHERE id = 1', 'restored'), 77, 'a restored trigger works, and always');

# ---- without preload: the statement that loads the library ----

my $bare = new_node('bare', preload => 0);
sql($bare, q{
	CREATE TABLE item (id int, k int, a text, b text, x int) PARTITION BY LIST (k);
	CREATE TABLE item1 PARTITION OF item FOR VALUES IN (1);
	CREATE TABLE item2 PARTITION OF item FOR VALUES IN (2);
	INSERT INTO item SELECT i, 1, 'a' || i FROM generate_series(1, 10) i;
	SELECT zdm.create_sync('item', 1, 'b', 'coalesce(a, ''none'')', 'a', 'b')});
# each in a session of its own
sql($bare, $_) for
  'UPDATE item SET b = NULL WHERE id = 1',
  q{MERGE INTO item t USING (VALUES (2)) v (i) ON t.id = v.i WHEN MATCHED AND t.x = 1 THEN UPDATE SET b = 'no' WHEN MATCHED THEN UPDATE SET x = 2},
  q{UPDATE item SET k = 2, b = NULL WHERE id = 3},
  q{WITH u AS (UPDATE item SET b = NULL WHERE id = 4 RETURNING 1) SELECT count(*) FROM u},
  q{DO $$ BEGIN UPDATE item SET b = 'x' WHERE id = 5; UPDATE item SET b = NULL WHERE id = 5; END $$},
  q{UPDATE item SET b = 'x' WHERE id = 6; UPDATE item SET b = NULL WHERE id = 7};
is(sql($bare, q{SELECT string_agg(concat_ws(' ', id, coalesce(a, '-'), coalesce(b, '-')), ', ' ORDER BY id) FROM item WHERE id < 8}),
	'1 - -, 2 a2 a2, 3 - -, 4 - -, 5 - -, 6 x x, 7 - -', 'an explicit NULL is told from a column of another action');
is(sql($bare, 'SELECT conflicts IS NULL, drift IS NULL, errors IS NULL FROM zdm.sync_activity'), 't|t|t', 'counts are NULL');
is(sql($bare, 'SELECT count(*) FROM zdm.sync_samples'), 0, 'and there are no samples');

done_testing();
