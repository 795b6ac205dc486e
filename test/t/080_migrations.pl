# Migrations: the server crashes in every stage, and each goes on, or back, to the same end.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('migrations', conf => [ 'zdm.launcher_interval = 1s' ]);

sql($node, q{
	CREATE TABLE flag (name text PRIMARY KEY);
	CREATE TABLE item (id int PRIMARY KEY, old text);
	INSERT INTO item SELECT i, 'v' || i FROM generate_series(1, 1000) i;
});

# Without the lines that are other ones each time.
sub schema_of
{
	my $file = PostgreSQL::Test::Utils::tempdir() . '/schema';

	$node->command_ok([ 'pg_dump', '-s', '-N', 'zdm', '-f', $file, $node->connstr('postgres') ], 'pg_dump -s');
	return join "\n", grep { !/^\\(?:un)?restrict / } split /\n/, PostgreSQL::Test::Utils::slurp_file($file);
}

sub raise_flag
{
	my ($name) = @_;

	sql($node, "INSERT INTO flag VALUES ('$name')");
	return;
}

sub crash
{
	$node->stop('immediate');
	$node->start;
	return;
}

sub reaches
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return migration_reaches($node, @_);
}

# A test: a worker is at that text.
sub is_at
{
	my ($what, $query) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return ok(poll($node, "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'zdm worker%' AND state = 'active' AND query LIKE '%$query%' AND backend_type LIKE 'zdm%'"), "$what: at work");
}

# Until the flag is raised; with what is done in the same transaction.
sub until_flag
{
	my ($flag, $then) = @_;

	return qq{DO \$do\$ BEGIN WHILE NOT EXISTS (SELECT FROM public.flag WHERE name = '$flag') LOOP PERFORM pg_sleep(0.02); END LOOP; END \$do\$; $then};
}

# A plan that can be held up in each stage, on the way there and back.
sub make_plan
{
	my ($name) = @_;
	my @steps = (
		[ 'expand', 'ddl', 'ALTER TABLE public.item ADD COLUMN new text', 'ALTER TABLE public.item DROP COLUMN new' ],
		[ 'expand', 'sql', until_flag("$name main", 'UPDATE public.item SET new = old'), until_flag("$name abort", 'UPDATE public.item SET new = NULL') ],
		[ 'migrate', 'ddl', 'ALTER TABLE public.item ADD CONSTRAINT filled CHECK (new IS NOT NULL)', 'ALTER TABLE public.item DROP CONSTRAINT filled' ],
		[ 'contract', 'ddl', 'ALTER TABLE public.item RENAME COLUMN old TO hidden', 'ALTER TABLE public.item RENAME COLUMN hidden TO old' ],
		[ 'contract', 'sql', until_flag("$name retire", 'UPDATE public.item SET new = new'), until_flag("$name revert", 'SELECT 1') ],
		[ 'contract', 'sql', until_flag("$name purge", 'SELECT 1') ],
		[ 'contract', 'ddl', 'ALTER TABLE public.item DROP COLUMN hidden' ]);

	sql($node, "SELECT zdm.create_migration('$name', 'team', CURRENT_DATE, 'item')");
	for my $step (@steps)
	{
		my ($phase, $kind, $statement, $undo) = @$step;

		sql($node, "SELECT zdm.add_step('$name', '$phase', '$kind', \$s\$$statement\$s\$" . ($undo ? ", \$s\$$undo\$s\$" : '') . ')');
	}
	sql($node, "SELECT zdm.start('$name')");
	return;
}

my $before = schema_of();

# ---- main, and abort in its middle ----

make_plan('a');
is_at('main', 'a main');
crash();
is_at('main after a crash', 'a main');
is(sql($node, q{SELECT count(*) FROM item WHERE new IS NOT NULL}), 0, 'main: the step cut short has done nothing');
raise_flag('a main');
reaches('a', 'contract', 'ready');
is(sql($node, q{SELECT count(*) FROM item WHERE new = old}), 1000, 'main: done once the server is back');
sql($node, q{SELECT zdm.abort('a')});
is_at('abort', 'a abort');
reaches('a', 'aborting');
crash();
is_at('abort after a crash', 'a abort');
raise_flag('a abort');
reaches('a', 'aborted');
is(schema_of(), $before, 'abort: the schema is as it was before');

# ---- retire, revert, retire, purge ----

make_plan('b');
raise_flag('b main');
reaches('b', 'contract', 'ready');
my $ready = schema_of();
sql($node, q{SELECT zdm.contract('b')});
is_at('retire', 'b retire');
crash();
is_at('retire after a crash', 'b retire');
reaches('b', 'contract', 'retiring');
raise_flag('b retire');
reaches('b', 'contract', 'retired');
my $retired = schema_of();
crash();
ok(poll($node, q{SELECT state = 'queued' FROM zdm.jobs WHERE name = 'b (purge)'}), 'retired: the purge still waits for the end of the hold');
sql($node, q{SELECT zdm.revert('b')});
is_at('revert', 'b revert');
reaches('b', 'reverting');
crash();
is_at('revert after a crash', 'b revert');
raise_flag('b revert');
reaches('b', 'contract', 'ready');
is(schema_of(), $ready, 'revert: the schema is as it was before retire');
sql($node, q{SELECT zdm.contract('b', '0')});
is_at('purge', 'b purge');
reaches('b', 'contract', 'purging');
is(schema_of(), $retired, 'purge: nothing is dropped yet');
is(sqlstate($node, q{SELECT zdm.revert('b')}), '55000', 'purge: no way back');
is(sqlstate($node, q{SELECT zdm.abort('b')}), '55000', 'purge: nor by abort');
is(sqlstate($node, q{SELECT zdm.cancel_job(zdm.job_id('b (purge)'))}), '55000', 'purge: nor by its job');
crash();
is_at('purge after a crash', 'b purge');
raise_flag('b purge');
reaches('b', 'done');
is(sql($node, q{SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'item'::regclass AND attnum > 0 AND NOT attisdropped}),
	'id,new', 'purge: the old column is gone');
sql($node, 'ALTER TABLE item DROP CONSTRAINT filled; ALTER TABLE item RENAME COLUMN new TO old');

# ---- the table is dropped in the middle: there is a way out of each stage ----

for my $stage (qw(main retire purge))
{
	my $name = "dropped in $stage";

	sql($node, q{DROP TABLE IF EXISTS item; CREATE TABLE item (id int PRIMARY KEY, old text)});
	make_plan($name);
	unless ($stage eq 'main')
	{
		raise_flag("$name main");
		reaches($name, 'contract', 'ready');
		sql($node, "SELECT zdm.contract('$name', '0')");
		raise_flag("$name retire") if $stage eq 'purge';
	}
	is_at($name, "$name $stage");
	sql($node, "SELECT zdm.pause_migration('$name'); DROP TABLE item");
	sql($node, "SELECT zdm.abort('$name')");
	reaches($name, 'aborted');
}

# ---- as another role than one that may log in, without rights on schema zdm ----

sql($node, q{
	CREATE ROLE keeper NOLOGIN;
	CREATE TABLE item (id int PRIMARY KEY, old text);
	INSERT INTO item SELECT i, 'v' || i FROM generate_series(1, 1000) i;
	ALTER TABLE item OWNER TO keeper;
	GRANT CREATE ON SCHEMA public TO keeper;
	SELECT zdm.create_migration('kept', 'team', CURRENT_DATE, 'item');
	SELECT zdm.add_step('kept', 'expand', 'ddl', 'ALTER TABLE public.item ADD COLUMN new text', 'ALTER TABLE public.item DROP COLUMN new');
	SELECT zdm.add_step('kept', 'migrate', 'backfill', set_clause => 'new = old');
	SELECT zdm.add_step('kept', 'migrate', 'sql', 'CREATE TABLE public.of_keeper ()', 'DROP TABLE public.of_keeper');
	SELECT zdm.start('kept');
});
reaches('kept', 'done');
is(sql($node, q{SELECT tableowner FROM pg_tables WHERE tablename = 'of_keeper'}), 'keeper', 'steps run as the owner of the table');
is(sql($node, q{SELECT count(*) FROM item WHERE new = old}), 1000, 'a backfill as a step');

# ---- the table gets another owner: whoever may speak for that one orders, and the work is done as that one ----

sql($node, q{
	DROP TABLE item;
	CREATE ROLE former NOLOGIN;
	CREATE ROLE latter NOLOGIN;
	GRANT CREATE ON SCHEMA public TO former, latter;
	GRANT USAGE ON SCHEMA zdm TO former, latter;
	GRANT EXECUTE ON FUNCTION zdm.abort(text) TO former;
	CREATE TABLE item (id int PRIMARY KEY, old text NOT NULL UNIQUE);
	INSERT INTO item SELECT i, 'v' || i FROM generate_series(1, 1000) i;
	ALTER TABLE item OWNER TO former;
});
$before = schema_of();
sql($node, q{SELECT zdm.rename_column('item', 'old', 'new', 'team', CURRENT_DATE + 30, name => 'owned')});
reaches('owned', 'contract', 'ready');
sql($node, q{ALTER TABLE item OWNER TO latter});
is(sqlstate($node, q{SET ROLE former; SELECT zdm.abort('owned')}), '42501', 'owner: the former one may not have things done as the latter');
sql($node, q{SELECT zdm.contract('owned')});
reaches('owned', 'contract', 'retired');
is(sql($node, q{SELECT runs_as FROM zdm.migrations WHERE name = 'owned'}), 'latter', 'owner: the migration goes on as the latter');
sql($node, q{ALTER TABLE item OWNER TO former; SELECT zdm.revert('owned')});
reaches('owned', 'contract', 'ready');
sql($node, q{ALTER TABLE item OWNER TO latter; SELECT zdm.abort('owned')});
reaches('owned', 'aborted');
sql($node, q{ALTER TABLE item OWNER TO former});
is(schema_of(), $before, 'owner: all is taken back as whoever it belongs to');
sql($node, q{DROP TABLE item});

# ---- what the trigger has met is not known after a start: the rows are verified again, at once ----

sql($node, 'CREATE TABLE person (id int PRIMARY KEY, mail text); INSERT INTO person VALUES (1, $$a$$)');
sql($node, "SELECT zdm.rename_column('person', 'mail', 'email', 'team', CURRENT_DATE + 30, name => 'mail')");
reaches('mail', 'contract', 'ready');
my $gate = "SELECT open FROM zdm.gates('mail') WHERE gate = 'verification'";
is(sql($node, $gate), 't', 'verified');
for my $how ('fast', 'immediate')
{
	sql($node, 'ALTER SYSTEM SET zdm.autostart = off');
	$node->stop($how);
	$node->start;
	ok(poll($node, 'SELECT zdm.running_since() IS NOT NULL'), "$how stop: the launcher is there");
	is(sql($node, $gate), 'f', "$how stop: the gate is closed");
	like(sql($node, "SELECT reason FROM zdm.gates('mail') WHERE gate = 'verification'"), qr/no longer knows/, "$how stop: and says why");
	sql($node, 'ALTER SYSTEM RESET zdm.autostart');
	sql($node, 'SELECT pg_reload_conf()');
	ok(poll($node, $gate), "$how stop: verified again, it is open");
}

$node->stop;
done_testing();
