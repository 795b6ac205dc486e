# Migrations: orders that meet one another, and the work that they are about.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('orders', conf => [ 'zdm.launcher_interval = 1s', "log_line_prefix = '%m [%p] %b %e '" ]);

sub reaches
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return migration_reaches($node, @_);
}

sub columns_of
{
	my ($table) = @_;

	return sql($node, "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute"
		  . " WHERE attrelid = '$table'::regclass AND attnum > 0 AND NOT attisdropped");
}

sub make_one_way
{
	my ($name) = @_;

	sql($node, "CREATE TABLE $name (id int PRIMARY KEY, v int); INSERT INTO $name SELECT i, i FROM generate_series(1, 100) i");
	sql($node, "SELECT zdm.change_column_type('$name', 'v', 'text', forward => '''x'' || v', owner => 'team', contract_by => CURRENT_DATE, name => '$name')");
	return reaches($name, 'contract', 'ready');
}

# ---- an order that is not committed yet, and the step without a way back that comes before its commit ----

for my $order ('revert', 'abort', 'cancel')
{
	my $name = "one_way_$order";
	my $call = $order eq 'cancel' ? "zdm.cancel_job(zdm.job_id('$name (retire)'))" : "zdm.$order('$name')";

	make_one_way($name);
	my $ready = columns_of($name);
	my $reader = session($node);
	my $person = session($node);

	$reader->query("BEGIN; SELECT count(*) FROM $name");
	sql($node, "SELECT zdm.contract('$name')");
	ok(poll($node, "SELECT pid IS NOT NULL AND waiting_for IS NOT NULL FROM zdm.jobs WHERE name = '$name (retire)'"), "$order: the step waits for its lock");
	is($person->query("BEGIN; SELECT $call"), '', "$order: nothing is done, there is a way back");
	$reader->query('COMMIT');
	ok(poll($node, "SELECT EXISTS (SELECT FROM zdm.plan('$name') WHERE stage = 'retire' AND state = 'done')"
			  . " OR EXISTS (SELECT FROM zdm.workers w JOIN pg_locks l USING (pid) JOIN zdm.jobs j USING (job_id)"
			  . "  WHERE j.name = '$name (retire)' AND l.locktype IN ('tuple', 'transactionid') AND NOT l.granted)"),
		"$order: the worker has come to the step's end");
	$person->query('COMMIT');
	if ($order eq 'abort')
	{
		reaches($name, 'aborted');
		is(columns_of($name), 'id integer, v integer', 'abort: the old column is what it was');
	}
	else
	{
		reaches($name, 'contract', 'ready');
		is(columns_of($name), $ready, "$order: the step is not done");
	}
	is(sql($node, "SELECT count(*) FROM $name WHERE v::text <> id::text"), 0, "$order: with its values");
	$reader->quit;
	$person->quit;
}

# ---- abort: the new column is never there without the trigger, which would let it take values that are lost ----

sql($node, q{
	CREATE TABLE pair (id int PRIMARY KEY, a text);
	INSERT INTO pair VALUES (1, 'v');
	CREATE FUNCTION keep_columns() RETURNS event_trigger LANGUAGE plpgsql AS $$
	BEGIN
	    IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE object_type = 'table column') THEN
	        RAISE EXCEPTION 'columns are kept';
	    END IF;
	END $$;
	SELECT zdm.rename_column('pair', 'a', 'b', owner => 'team', contract_by => CURRENT_DATE, name => 'pair');
});
reaches('pair', 'contract', 'ready');
sql($node, 'CREATE EVENT TRIGGER keep_columns ON sql_drop EXECUTE FUNCTION keep_columns()');
sql($node, "SELECT zdm.abort('pair')");
ok(poll($node, "SELECT last_error LIKE '%columns are kept%' FROM zdm.migrations WHERE name = 'pair'"), 'abort: it cannot drop the column');
sql($node, "UPDATE pair SET b = 'written by the new version'");
is(sql($node, 'SELECT a = b FROM pair'), 't', 'abort: what is written to the new column is in the old one');

# ---- zdm.stop_all() is no failure of what is being undone ----

sql($node, "SELECT zdm.stop_all('disk')");
sql($node, 'DROP EVENT TRIGGER keep_columns');
sql($node, q{
	SELECT zdm.resume_all();
	SELECT zdm.retry('pair');
});
reaches('pair', 'aborted');
is(columns_of('pair'), 'id integer, a text', 'abort: the column is gone');
sql($node, q{
	CREATE TABLE flag (name text);
	SELECT zdm.create_migration('stopped', 'team', CURRENT_DATE, 'pair');
	SELECT zdm.add_step('stopped', 'expand', 'sql', 'SELECT 1',
		'DO $do$ BEGIN WHILE NOT EXISTS (SELECT FROM public.flag) LOOP PERFORM pg_sleep(0.02); END LOOP; END $do$');
	SELECT zdm.add_step('stopped', 'contract', 'sql', 'SELECT 1');
	SELECT zdm.start('stopped');
});
reaches('stopped', 'contract', 'ready');
sql($node, "SELECT zdm.abort('stopped')");
my $undoing = q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'zdm worker' AND state = 'active' AND query LIKE '%public.flag%'};
ok(poll($node, $undoing), 'stop_all: it is being undone');
sql($node, "SELECT zdm.stop_all('disk')");
ok(poll($node, "SELECT waiting_for LIKE '%disk%' AND job_id NOT IN (SELECT job_id FROM zdm.workers WHERE job_id IS NOT NULL) FROM zdm.migrations WHERE name = 'stopped'"), 'stop_all: it stops');
is(sql($node, "SELECT status, last_error FROM zdm.migrations WHERE name = 'stopped'"), 'running|', 'stop_all: it has not failed');
sql($node, 'SELECT zdm.resume_all(); INSERT INTO flag VALUES (1)');
reaches('stopped', 'aborted');

# ---- orders at random from several sessions, workers that are terminated, writers of both shapes ----

sql($node, q{
	CREATE TABLE item (id int PRIMARY KEY, a text NOT NULL, last text NOT NULL);
	INSERT INTO item SELECT i, 'v' || i, 'v' || i FROM generate_series(1, 500) i;
	CREATE TABLE surprise (state text, message text);
	CREATE FUNCTION give_order() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
	    call text := (ARRAY['zdm.contract(''m'')', 'zdm.contract(''m'')', 'zdm.revert(''m'')', 'zdm.abort(''m'')', 'zdm.retry(''m'')',
	                        'zdm.retry(''m'')', 'zdm.pause_migration(''m'')', 'zdm.resume_migration(''m'')', 'zdm.resume_migration(''m'')',
	                        'zdm.start(''m'')', 'zdm.approve(''m'')', 'zdm.set_migration(''m'', hold => ''1 day'')',
	                        'zdm.set_mapping_on_error(''m'', ''null'')', 'zdm.set_mapping_on_error(''m'', ''fail'')',
	                        'pg_terminate_backend((SELECT min(pid) FROM zdm.workers))', 'zdm.stop_all(''test'')', 'zdm.resume_all()', 'zdm.resume_all()',
	                        'zdm.cancel_job((SELECT max(job_id) FROM zdm.jobs WHERE migration = ''m''))',
	                        'zdm.retry_job((SELECT min(job_id) FROM zdm.jobs WHERE migration = ''m''))'])[1 + floor(random() * 20)];
	BEGIN
	    EXECUTE 'SELECT ' || call;
	EXCEPTION
	    WHEN object_not_in_prerequisite_state THEN NULL;
	    WHEN OTHERS THEN INSERT INTO surprise VALUES (SQLSTATE, call || ': ' || SQLERRM);
	END $$;
	-- the column that is there; of two, either
	CREATE FUNCTION write() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
	    "column" text := (ARRAY['a', 'b'])[1 + floor(random() * 2)];
	    value text := random()::text;
	BEGIN
	    EXECUTE format('UPDATE item SET %I = %L, last = %2$L WHERE id = 1 + floor(random() * 500)', "column", value);
	EXCEPTION
	    WHEN undefined_column THEN NULL;
	    WHEN OTHERS THEN INSERT INTO surprise VALUES (SQLSTATE, 'write: ' || SQLERRM);
	END $$;
	SET client_min_messages = warning;
	SELECT zdm.rename_column('item', 'a', 'b', owner => 'team', contract_by => CURRENT_DATE, name => 'm');
});
reaches('m', 'contract', 'ready');
my $dir = PostgreSQL::Test::Utils::tempdir();
my %script = (orders => "SET client_min_messages = error;\nSELECT give_order();\n\\sleep 20 ms\n", writes => "SELECT write();\n\\sleep 2 ms\n");
for my $name (keys %script)
{
	open(my $file, '>', "$dir/$name.sql") or die;
	print $file $script{$name};
	close $file;
}
my @running = map {
	my ($name, $clients, $transactions) = @$_;
	IPC::Run::start([ $node->installed_command('pgbench'), '-n', '-c', $clients, '-t', $transactions, '-f', "$dir/$name.sql", $node->connstr('postgres') ],
		'<', \undef, '>', '/dev/null', '2>&1')
} ([ 'orders', 4, 150 ], [ 'writes', 2, 1200 ]);
ok(IPC::Run::finish($_), 'orders and writes') for @running;
is(sql($node, 'SELECT * FROM surprise'), '', 'every order is carried out or refused, and every write is accepted');
ok(!log_has($node, qr/ (?:XX\d\d\d|40P01) /), 'nothing unforeseen in the log');

# whatever they have left, there is a way out
sql($node, "SET client_min_messages = error; SELECT zdm.resume_all()");
ok(poll($node, q{SET client_min_messages = warning;
	DO $$ BEGIN PERFORM zdm.resume_migration('m'); EXCEPTION WHEN object_not_in_prerequisite_state THEN NULL; END $$;
	DO $$ BEGIN PERFORM zdm.retry('m'); EXCEPTION WHEN object_not_in_prerequisite_state THEN NULL; END $$;
	SELECT stage IN ('ready', 'retired') FROM zdm.migrations WHERE name = 'm'}), 'it comes to rest');
sql($node, q{SELECT zdm.abort('m')});
reaches('m', 'aborted');
is(columns_of('item'), 'id integer, a text, last text', 'nothing is left of it');
is(sql($node, 'SELECT count(*) FROM item WHERE a IS DISTINCT FROM last'), 0, 'and no row is wrong');
is(sql($node, q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'item'::regclass}), 0, 'nor is there a trigger');

$node->stop;
done_testing();
