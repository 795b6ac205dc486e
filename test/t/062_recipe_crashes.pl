# The server stops at once, or a worker is killed, while constraints are changed: at several points of each recipe, and
# while a cancelled one is undone.  Each gets to its end, or is undone, and nothing else is left of it.
#
# Several recipes, on a table each, are brought to the same point, so that one crash is a crash in each of them.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

# statements under strong locks are held by an event trigger, for longer than users would like
my $node = new_node('recipe_crashes',
	conf => [ 'autovacuum = off', 'zdm.guarded_scan_from = 0', 'zdm.max_workers = 8', 'zdm.max_stall = 10min' ]);
my $tables = 0;

# Of each recipe: the call, what the table has when it is done (constraints; indexes; NOT NULL columns), and what before.
my %recipe = (
	not_null => {
		call => q{zdm.set_not_null('%s', 'a')},
		before => '',
		done => 'a' },
	unique => {
		call => q{zdm.add_unique('%s', '{a,b}', 'unique_%s')},
		before => '',
		done => 'UNIQUE (a, b) true; unique_%s true' },
	key => {
		call => q{zdm.add_primary_key('%s', '{a,b}')},
		before => '',
		done => 'PRIMARY KEY (a, b) true; %s_pkey true; a, b' },
	merge => {
		call => q{zdm.add_foreign_key('%s', '{b}', 'p_%s', on_delete => 'CASCADE')},
		index => 'CREATE INDEX index_%s ON %s (b)',
		before => 'index_%s true',
		done => 'FOREIGN KEY (b) REFERENCES p_%s(id) ON DELETE CASCADE true; index_%s true' },
	pages => {
		call => q{zdm.add_foreign_key('%s', '{b}', 'p_%s', on_delete => 'CASCADE')},
		before => '',
		done => 'FOREIGN KEY (b) REFERENCES p_%s(id) ON DELETE CASCADE true' });

sql($node, q{
	CREATE TABLE other (n int);
	-- statements to be held: those of the recipe of a table when so many of its steps are done, forwards or while it is undone
	CREATE TABLE hold (target text, undoing boolean, done int);
	CREATE FUNCTION hold() RETURNS event_trigger LANGUAGE plpgsql AS $$
	DECLARE
		job record;
	BEGIN
		SELECT job_id, target, state INTO job FROM zdm.jobs WHERE pid = pg_backend_pid();
		WHILE EXISTS (SELECT FROM public.hold h WHERE h.target = job.target AND h.undoing = (job.state = 'cancelled')
					  AND h.done = (SELECT count(*) FROM zdm.steps s WHERE s.job_id = job.job_id AND s.state = 'done')) LOOP
			PERFORM pg_sleep(0.02);
		END LOOP;
	END $$;
	CREATE EVENT TRIGGER hold ON ddl_command_end EXECUTE FUNCTION hold()});

# A table for a recipe; a large one has more than one chunk.
sub make
{
	my ($recipe, $is_large) = @_;
	my $table = sprintf('%s_%d', $recipe, ++$tables);
	my $rows = !$is_large ? 500 : $recipe eq 'merge' ? 15000 : 1500;
	my $pad = $is_large && $recipe ne 'merge' ? 7000 : 10;

	sql($node, qq{
		CREATE TABLE $table (a int, b int, pad text);
		ALTER TABLE $table ALTER pad SET STORAGE PLAIN;
		INSERT INTO $table SELECT i, i, repeat('x', $pad) FROM generate_series(1, $rows) i;
		CREATE TABLE ${table}_before AS TABLE $table;
		CREATE TABLE p_$table (id int PRIMARY KEY);
		INSERT INTO p_$table SELECT generate_series(1, $rows);
	} . fill($recipe{$recipe}{index}, $table));
	return { table => $table, recipe => $recipe };
}

sub fill
{
	my ($text, $table) = @_;

	return ($text // '') =~ s/%s/$table/gr;
}

# Starts the recipe of a table that was made; rate => rows a second.
sub start
{
	my ($case, $rate) = @_;
	my $call = fill($recipe{ $case->{recipe} }{call}, $case->{table});

	$rate //= "'Infinity'";
	$case->{job} = sql($node, qq{
		BEGIN;
		SELECT $call AS name \\gset
		SELECT zdm.job_id(:'name') AS job \\gset
		SELECT '' FROM zdm.set_throttle(:job, max_rows_per_second => $rate);
		COMMIT;
		\\echo :job}) =~ s/\s//gr;
	return;
}

# Constraints, indexes and NOT NULL columns.
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

sub ids
{
	return join(', ', map { $_->{job} } @_);
}

sub hold
{
	my ($undoing, %done) = @_;

	sql($node, "INSERT INTO hold VALUES ('public.$_', $undoing, $done{$_})") for sort keys %done;
	return;
}

sub let_go
{
	sql($node, 'DELETE FROM hold');
	return;
}

# Starts those that are to be held.  One that builds an index comes first: a build waits for the snapshots of others that
# are held.
sub start_held
{
	my ($what, @cases) = @_;

	for my $case (@cases)
	{
		start($case);
		are_held("$what, $case->{table}", $case);
	}
	return;
}

sub builders_first
{
	return sort { ($b =~ /key|unique/) <=> ($a =~ /key|unique/) || $b cmp $a } @_;
}

# Waits until all cases are held in a statement.
sub are_held
{
	my ($what, @cases) = @_;

	return ok(poll($node, "SELECT count(*) = @{[scalar(@cases)]} FROM zdm.jobs JOIN pg_stat_activity a USING (pid)
		WHERE job_id IN (@{[ids(@cases)]}) AND wait_event = 'PgSleep'"), "$what: all are there");
}

sub crash
{
	my ($how, $case) = @_;
	my $checkpointer = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'};
	my $before = sql($node, $checkpointer);

	if ($how eq 'stop')
	{
		$node->stop('immediate');
		$node->start;
		return;
	}
	kill('KILL', job($node, $case->{job}, 'pid'));
	poll($node, "SELECT pid <> $before FROM pg_stat_activity WHERE backend_type = 'checkpointer'") or BAIL_OUT('the server does not come back');
	return;
}

# Nothing is left anywhere: unfinished indexes, constraints, guards and what they recorded, locks, waits, clean-ups to be done.
sub nothing_left
{
	my ($what) = @_;

	return ok(poll($node, q{
		SELECT concat_ws(' ',
			(SELECT string_agg(indexrelid::regclass::text, ' ') FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive)),
			(SELECT string_agg(conname, ' ') FROM pg_constraint WHERE NOT convalidated OR conname LIKE '%zdm%' AND connamespace = 'public'::regnamespace),
			(SELECT string_agg(tgname, ' ') FROM pg_trigger WHERE tgname LIKE 'zdm_guard%'),
			(SELECT string_agg('moved', ' ') FROM zdm.moved_block),
			(SELECT string_agg(relation, ' ') FROM zdm.blockers),
			(SELECT string_agg('clean-up of ' || name, ' ') FROM zdm.job WHERE cleanup AND state = 'cancelled'),
			(SELECT string_agg(concat_ws('/', locktype, mode), ' ') FROM pg_locks WHERE pid <> pg_backend_pid()
				AND (locktype IN ('object', 'advisory', 'userlock') OR relation >= 16384)))},
		expect => ''), "$what: nothing is left");
}

sub is_intact
{
	my ($case, $shape, $what) = @_;
	my $table = $case->{table};

	is(shape($table), fill($recipe{ $case->{recipe} }{$shape}, $table), "$what: $table: $shape");
	is(sql($node, qq{SELECT count(*) FROM ((TABLE $table EXCEPT ALL TABLE ${table}_before)
		UNION ALL (TABLE ${table}_before EXCEPT ALL TABLE $table)) d}), 0, "$what: $table: every row is as it was");
	return;
}

sub get_done
{
	my ($what, @cases) = @_;

	for my $case (@cases)
	{
		unthrottle($node, $case->{job});
		wait_done($node, $case->{job}, "$what: $case->{table}");
		is_intact($case, 'done', $what);
		is(sql($node, "SELECT string_agg(DISTINCT state, ' ') FROM zdm.steps WHERE job_id = $case->{job}"), 'done', "$what: $case->{table}: all steps are done");
	}
	nothing_left($what);
	return;
}

# ---- in a statement, after so many steps ----

for my $round (
	{ not_null => 0, unique => 0, key => 0, merge => 0, pages => 0 },
	{ not_null => 2, unique => 1 },
	{ not_null => 3, key => 5 },
	{ key => 7 })
{
	for my $how ('stop', 'kill')
	{
		my $what = join(' ', "$how in a statement:", map { "$_ $round->{$_}" } sort keys %$round);
		my @cases = map { make($_) } builders_first(keys %$round);

		hold('false', map { $_->{table} => $round->{ $_->{recipe} } } @cases);
		start_held($what, @cases);
		are_held($what, @cases);
		crash($how, $cases[0]);
		let_go();
		get_done($what, @cases);
	}
}

# ---- between two chunks of a validation ----

for my $how ('stop', 'kill')
{
	my $what = "$how in a validation";
	my @cases = map { make($_, 1) } qw(not_null key merge pages);

	start($_, 1) for @cases;
	ok(poll($node, "SELECT count(*) = 4 FROM zdm.validations WHERE job_id IN (@{[ids(@cases)]}) AND chunks = 1"), "$what: all are there");
	crash($how, $cases[0]);
	get_done($what, @cases);
	is(sql($node, "SELECT max(restarts) FROM zdm.validations WHERE job_id IN (@{[ids(@cases)]})"), 0, "$what: it went on where it was");
}

# ---- marked, with the guard still there ----

for my $how ('stop', 'kill')
{
	my $what = "$how between the mark and the removal of the guard";
	my $case = make('pages', 1);
	my $writer = session($node);

	start($case, 1);
	ok(poll($node, "SELECT chunks = 1 FROM zdm.validations WHERE job_id = $case->{job}"), "$what: it validates");
	$writer->query("BEGIN; UPDATE $case->{table} SET a = a WHERE a = 1");
	unthrottle($node, $case->{job});
	ok(poll($node, "SELECT convalidated FROM pg_constraint WHERE conrelid = '$case->{table}'::regclass"), "$what: it is marked");
	is(sql($node, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zdm_guard%'"), 1, "$what: the guard is there");
	crash($how, $case);
	$writer->quit;
	get_done($what, $case);
}

# ---- in the build of an index ----

sub old_snapshot
{
	my $session = session($node);

	$session->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM other;');
	return $session;
}

for my $how ('stop', 'kill')
{
	my $what = "$how in the build of an index";
	my @cases = map { make($_) } qw(unique key);
	my $old = old_snapshot();

	start($_) for @cases;
	ok(poll($node, "SELECT count(*) = 2 FROM pg_stat_progress_create_index WHERE phase = 'waiting for old snapshots'"), "$what: all are there");
	is(sql($node, 'SELECT count(*) FROM pg_index WHERE NOT indisvalid'), 2, "$what: the indexes are not valid");
	crash($how, $cases[0]);
	$old->quit;
	get_done($what, @cases);
}

# ---- while it is undone ----

sub get_undone
{
	my ($what, @cases) = @_;

	for my $case (@cases)
	{
		ok(poll($node, "SELECT count(*) = 1 FROM zdm.events WHERE job_id = $case->{job} AND event = 'cleaned up'"), "$what: $case->{table}: cleaned up");
		is(job($node, $case->{job}, 'state'), 'cancelled', "$what: $case->{table}: cancelled");
		is_intact($case, 'before', $what);
	}
	nothing_left($what);
	sql($node, "SELECT zdm.retry_job($_->{job})") for @cases;
	get_done("$what, retried after all", @cases);
	return;
}

# cancelled in the last statement, or in the validation of a foreign key; held in the first or in the last statement that undoes something
for my $round (
	{ not_null => 3, key => 6 },
	{ not_null => 1, key => 1 },
	{ unique => 1, merge => 1, pages => 1 })
{
	my %last = (not_null => 3, unique => 1, key => 7);

	for my $how ('stop', 'kill')
	{
		my $what = join(' ', "$how while it is undone:", map { "$_ $round->{$_}" } sort keys %$round);
		my @cases = map { make($_, !exists $last{$_}) } builders_first(keys %$round);
		my @stated = grep { exists $last{ $_->{recipe} } } @cases;
		my @validated = grep { !exists $last{ $_->{recipe} } } @cases;

		hold('false', map { $_->{table} => $last{ $_->{recipe} } } @stated);
		start_held("$what, before", @stated);
		start($_, 1) for @validated;
		ok(poll($node, "SELECT chunks = 1 FROM zdm.validations WHERE job_id = $_->{job}"), "$what: $_->{table} validates") for @validated;
		hold('true', map { $_->{table} => $round->{ $_->{recipe} } } @cases);
		sql($node, "SELECT zdm.cancel_job($_->{job})") for @cases;
		are_held($what, @cases);
		crash($how, $cases[0]);
		are_held("$what, once more", @cases);
		let_go();
		get_undone($what, @cases);
	}
}

# a guard that waits for a writer, an unfinished index that waits for a reader
for my $how ('stop', 'kill')
{
	my $what = "$how while a guard and an index are removed";
	my ($pages, $unique) = (make('pages', 1), make('unique'));
	my ($writer, $reader, $old) = (session($node), session($node), old_snapshot());

	start($pages, 1);
	start($unique);
	ok(poll($node, "SELECT chunks = 1 FROM zdm.validations WHERE job_id = $pages->{job}"), "$what: one validates");
	ok(poll($node, "SELECT count(*) = 1 FROM pg_stat_progress_create_index WHERE phase = 'waiting for old snapshots'"), "$what: the other builds");
	$writer->query("BEGIN; UPDATE $pages->{table} SET a = a WHERE a = 1");
	$reader->query("BEGIN; SELECT count(*) FROM $unique->{table}");
	sql($node, "SELECT zdm.cancel_job($_->{job})") for ($pages, $unique);
	ok(poll($node, "SELECT count(*) = 2 FROM zdm.jobs JOIN zdm.job USING (job_id) WHERE zdm.job.cleanup AND zdm.jobs.state = 'cancelled'
		AND zdm.jobs.waiting_for IS NOT NULL AND job_id IN (@{[ids($pages, $unique)]})"), "$what: both wait");
	is(sql($node, "SELECT (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zdm_guard%') + (SELECT count(*) FROM pg_index WHERE NOT indisvalid)"),
		2, "$what: both are there");
	crash($how, $pages);
	$_->quit for ($writer, $reader, $old);
	get_undone($what, $pages, $unique);
}

done_testing();
