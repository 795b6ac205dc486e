# While the application commits, a backfill flushes its WAL itself, in small pieces.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

# a WAL writer that leaves the flushes to others
my $node = new_node('wal_flush', conf => [ 'fsync = on', 'wal_writer_delay = 10s', 'wal_writer_flush_after = 1GB' ]);
my $rows = 4000;

sql($node, 'CREATE TABLE ticks (n int)');

sub flushes
{
	return sql($node, $node->pg_version >= 18
		? q{SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'}
		: q{SELECT wal_sync FROM pg_stat_wal});
}

# The flushes of a backfill that writes some 40 MB of WAL in as many milliseconds as the disk allows, while
# somebody commits every 2 ms; less those of the commits.
sub backfill
{
	my ($table) = @_;
	my $writer = session($node);

	sql($node, "CREATE TABLE $table (id int PRIMARY KEY, src text, new text);
		ALTER TABLE $table ALTER new SET STORAGE EXTERNAL;
		INSERT INTO $table SELECT g, 'source', NULL FROM generate_series(1, $rows) g;
		TRUNCATE ticks");
	my $before = flushes();
	$writer->send(qq{SET synchronous_commit = on; DO \$\$ BEGIN
		LOOP
			INSERT INTO ticks VALUES (1);
			COMMIT;
			EXIT WHEN EXISTS (SELECT FROM zdm.jobs WHERE state = 'done' AND name = '$table');
			PERFORM pg_sleep(0.002);
		END LOOP;
		END \$\$});
	ok(poll($node, 'SELECT count(*) > 0 FROM ticks'), "$table: somebody commits");
	my $job = start_job($node, $table, set => 'new = repeat(src, 1700)', name => $table);
	wait_done($node, $job, $table);
	is($writer->receive, '', "$table: ... to the end");
	$writer->quit;
	ok(poll($node, "SELECT NOT EXISTS (SELECT FROM zdm.workers WHERE job_id = $job)"), "$table: the worker has ended");
	return flushes() - $before - sql($node, 'SELECT count(*) FROM ticks');
}

# A slow disk bounds how often the backfill flushes: there it takes several to see enough of it.
my ($with, $rounds) = (0, 0);
do { $with += backfill('often_' . ++$rounds) } while ($with < 200 && $rounds < 5);
sql($node, 'ALTER SYSTEM SET zdm.wal_flush_after = 0');
sql($node, 'SELECT pg_reload_conf()');
my $without = backfill('never');

cmp_ok($with - $rounds * $without, '>', 100, "flushes of $rounds backfills: $with, and of one with zdm.wal_flush_after = 0: $without");

$node->stop;
done_testing();
