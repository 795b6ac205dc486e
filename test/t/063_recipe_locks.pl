# The application while a constraint is changed behind a long reader: its statements, which would rather fail than wait,
# do not fail; behind a plain ALTER TABLE in the same place they do.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('recipe_locks', conf => ['autovacuum = off']);
# what a statement may wait: 250 ms are promised; the rest is for a machine that has other things to do
my $patience = '2250ms';

# one row a page, so that a validation rests between its chunks when it is throttled
sql($node, q{
	CREATE TABLE t (id int PRIMARY KEY, n int, filler text DEFAULT repeat('x', 700)) WITH (fillfactor = 10);
	INSERT INTO t SELECT i, i FROM generate_series(1, 1500) i;
	CREATE SEQUENCE new_id START 10000;
});

my @app = map { session($node) } 1 .. 3;

# Each session of the application begins to run so many rounds of statements.
sub begin_load
{
	my ($rounds) = @_;
	my $round = q{SELECT sum(n) FROM t WHERE id BETWEEN 10 AND 20;
		UPDATE t SET n = n + 1 WHERE id = 1 + (random() * 1400)::int;
		INSERT INTO t VALUES (nextval('new_id'), 1, '');
		DELETE FROM t WHERE id = currval('new_id');
		SELECT pg_sleep(0.005);
	};

	$_->send("SET lock_timeout = '$patience'; " . $round x $rounds) for @app;
	return;
}

# How many statements of the load have failed, and as what.
sub failures
{
	my @codes = map { $_->receive =~ /ERROR:  ([0-9A-Z]{5})/g } @app;

	return join(' ', scalar(@codes), do { my %seen; grep { !$seen{$_}++ } @codes });
}

sub has_read
{
	my $reader = session($node);

	$reader->query('BEGIN; SELECT count(*) FROM t');
	return $reader;
}

sub not_null
{
	return sql($node, "SELECT attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'n'");
}

# ---- set_not_null: the reader holds up its first statement, another one the third ----

my $reader = has_read();
begin_load(150);
my $job = sql($node, q{
	BEGIN;
	SELECT zdm.set_not_null('t', 'n') AS name \gset
	SELECT zdm.job_id(:'name') AS job \gset
	SELECT '' FROM zdm.set_throttle(:job, max_rows_per_second => 1);
	COMMIT;
	\echo :job});
$job =~ s/\s//g;
ok(poll($node, "SELECT waiting_for LIKE 'a lock on public.t: process %' FROM zdm.jobs WHERE job_id = $job"), 'the first statement waits for its lock');
is(failures(), '0', 'while it tries, from the first moment on, no statement of the application fails');
begin_load(150);
is(failures(), '0', 'nor later, when it has waited for long');
is(sql($node, "SELECT count(*) FROM zdm.steps WHERE job_id = $job AND state = 'done'"), 0, 'and the reader was in the way all the time');
$reader->quit;
ok(poll($node, "SELECT chunks = 1 FROM zdm.validations WHERE job_id = $job"), 'the validation has begun, and rests');
$reader = has_read();
begin_load(150);
unthrottle($node, $job);
ok(poll($node, "SELECT waiting_for LIKE 'a lock on public.t: process %' AND (SELECT count(*) = 2 FROM zdm.steps WHERE job_id = $job AND state = 'done')
	FROM zdm.jobs WHERE job_id = $job"), 'SET NOT NULL waits for its lock');
is(failures(), '0', 'and no statement of the application fails');
begin_load(150);
is(failures(), '0', 'nor later');
is(not_null(), 'f', 'and the reader was in the way all the time');
$reader->quit;
wait_done($node, $job, 'when the reader has ended');
is(not_null(), 't', 'the column is NOT NULL');

# ---- the same with ALTER TABLE ----

sql($node, 'ALTER TABLE t ALTER n DROP NOT NULL');
$reader = has_read();
my $admin = session($node);
$admin->send("SET application_name = 'admin'; ALTER TABLE t ALTER n SET NOT NULL");
ok(poll($node, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE application_name = 'admin'"), 'ALTER TABLE waits for its lock');
begin_load(1);
like(failures(), qr/^[1-9]\d* 55P03$/, 'and the statements of the application fail');
$reader->quit;
unlike($admin->receive, qr/ERROR/, 'when the reader has ended it is executed');
begin_load(1);
is(failures(), '0', 'and the application goes on');

done_testing();
