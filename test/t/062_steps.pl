# Steps of every kind, as migrations make them: killed in the middle, cancelled, undone when they are done, about a table
# that has moved; jobs that are not to be run before a time.
#
# No SQL function makes such recipes alone, so the rows are written here.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('steps');

sql($node, q{
	CREATE SCHEMA test;
	CREATE FUNCTION test.make(job text, target regclass, steps jsonb, role name DEFAULT NULL, since timestamptz DEFAULT NULL)
		RETURNS bigint LANGUAGE plpgsql AS $$
	DECLARE
		id bigint;
		schema text := (SELECT relnamespace::regnamespace FROM pg_class WHERE oid = target);
		relation text := (SELECT relname FROM pg_class WHERE oid = target);
		owner oid := coalesce(role::regrole, (SELECT relowner FROM pg_class WHERE oid = target));
	BEGIN
		INSERT INTO zdm.job (name, kind, target, target_schema, target_name, owner_id, owner, created_by, cluster_id,
				database_id, as_caller, not_before)
			VALUES (job, 'recipe', coalesce(target, 0), coalesce(schema, ''), coalesce(relation, 'a plan'), owner,
				owner::regrole, current_user, (SELECT system_identifier FROM pg_control_system()),
				(SELECT oid FROM pg_database WHERE datname = current_database()), role IS NOT NULL, since)
			RETURNING job_id INTO id;
		INSERT INTO zdm.event (job_id, actor, event) VALUES (id, current_user, 'queued');
		INSERT INTO zdm.recipe (job_id, recipe, definition, settings)
			VALUES (id, 'test', job, ARRAY['search_path', 'public', 'DateStyle', 'SQL, DMY']);
		INSERT INTO zdm.recipe_step (job_id, step, kind, statement, undo, object, lock, set_clause, filter, wait_ms, expected_ms, mapping_id)
			SELECT id, n, s->>'kind', coalesce(s->>'do', ''), s->>'undo', coalesce(s->>'object', ''), '', s->>'set',
				s->>'filter', (s->>'ms')::float8, (s->>'expected')::float8, (s->>'mapping')::bigint
			  FROM jsonb_array_elements(steps) WITH ORDINALITY AS e(s, n);
		SET LOCAL client_min_messages = warning;
		PERFORM zdm.resume_job(id);
		RETURN id;
	END $$;
	-- as zdm_job_undo() does it
	CREATE FUNCTION test.undo(id bigint) RETURNS void LANGUAGE sql AS $$
		UPDATE zdm.job SET state = 'cancelled', fruitless_starts = 0 WHERE job_id = id AND cleanup;
		SELECT zdm.resume_job(zdm.job_id('look'))
	$$;
	CREATE TABLE test.anchor ();
	SELECT test.make('look', 'test.anchor', '[]', NULL, 'infinity')});

sub make
{
	my ($name, $target, $steps, %option) = @_;
	(my $json = $steps) =~ s{\s+}{ }g;
	my $role = $option{role} ? "'$option{role}'" : 'NULL';
	my $since = $option{since} ? $option{since} : 'NULL';

	return sql($node, qq{SELECT test.make('$name', $target, \$steps\$[$json]\$steps\$, $role, $since)});
}

sub state_is
{
	my ($job, $state, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return 1 if ok(poll($node, "SELECT state FROM zdm.jobs WHERE job_id = $job", expect => $state), "$what: $state");
	diag sql($node, "SELECT row_to_json(j) FROM zdm.jobs j WHERE job_id = $job");
	return 0;
}

sub cleaned_up
{
	my ($job, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return ok(poll($node, "SELECT count(*) > 0 FROM zdm.events WHERE job_id = $job AND event = 'cleaned up'"), "$what: cleaned up");
}

# The definition of a table and what belongs to it, as pg_dump sees it; that leaves out statistics.
sub dump_of
{
	my ($table) = @_;
	my ($out, $err) = run_command([ $node->installed_command('pg_dump'), '-s', '-t', $table, $node->connstr('postgres') ]);

	# from 17.6 on there is a random key in it
	$out =~ s/^\\(un)?restrict .*\n//mg;
	return "$out$err" . sql($node, "SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext WHERE stxrelid = '$table'::regclass ORDER BY 1");
}

# ---- statements on a table and what belongs to it, in one transaction ----

sql($node, q{
	CREATE ROLE reader;
	CREATE ROLE worker LOGIN;
	CREATE SCHEMA app;
	CREATE SCHEMA elsewhere;
	CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'});

sub make_app
{
	sql($node, q{
		DROP TABLE IF EXISTS app.item, elsewhere.thing;
		DROP SEQUENCE IF EXISTS app.item_seq, elsewhere.item_seq;
		CREATE TABLE app.item (id serial PRIMARY KEY, a int CONSTRAINT positive CHECK (a > 0), code text);
		CREATE INDEX item_code ON app.item (code);
		CREATE INDEX item_gone ON app.item (a);
		CREATE STATISTICS app.item_s ON id, a FROM app.item;
		INSERT INTO app.item (a, code) SELECT i, i FROM generate_series(1, 100) i});
	return;
}

my $statements = q{
	{"kind": "ddl", "object": "b",
	 "do": "ALTER TABLE app.item ADD COLUMN b date DEFAULT '02/01/2020'; COMMENT ON COLUMN app.item.b IS 'new; still'",
	 "undo": "ALTER TABLE app.item DROP COLUMN b"},
	{"kind": "ddl", "object": "a",
	 "do": "ALTER TABLE app.item RENAME COLUMN a TO amount;
		ALTER TABLE app.item RENAME CONSTRAINT positive TO amount_positive;
		ALTER TABLE app.item ALTER COLUMN amount SET STATISTICS 500;
		ALTER INDEX app.item_code RENAME TO item_code_old;
		DROP INDEX app.item_gone;
		CREATE TRIGGER touch BEFORE INSERT OR UPDATE OF amount ON app.item FOR EACH ROW EXECUTE FUNCTION public.touch();
		COMMENT ON TRIGGER touch ON app.item IS 'touches';
		GRANT SELECT (id, amount) ON app.item TO reader;
		CREATE SEQUENCE app.item_seq START 1000;
		ALTER TABLE app.item ADD COLUMN c bigint;
		ALTER SEQUENCE app.item_seq OWNED BY app.item.c;
		ALTER TABLE app.item ALTER COLUMN c SET DEFAULT nextval('app.item_seq'::regclass);
		ALTER TABLE app.item ADD COLUMN i int NOT NULL GENERATED BY DEFAULT AS IDENTITY;
		ALTER SEQUENCE app.item_id_seq INCREMENT BY 2;
		CREATE STATISTICS app.item_s2 ON id, amount FROM app.item",
	 "undo": "DROP STATISTICS app.item_s2;
		ALTER SEQUENCE app.item_id_seq INCREMENT BY 1;
		ALTER TABLE app.item DROP COLUMN i, DROP COLUMN c;
		REVOKE SELECT (id, amount) ON app.item FROM reader;
		DROP TRIGGER touch ON app.item;
		CREATE INDEX item_gone ON app.item (amount);
		ALTER INDEX app.item_code_old RENAME TO item_code;
		ALTER TABLE app.item ALTER COLUMN amount SET STATISTICS -1;
		ALTER TABLE app.item RENAME CONSTRAINT amount_positive TO positive;
		ALTER TABLE app.item RENAME COLUMN amount TO a"}};

make_app();
my $before = dump_of('app.item');
my $job = make('statements', "'app.item'", $statements);
state_is($job, 'done', 'statements');
my $after = dump_of('app.item');
for my $line ('b date DEFAULT \'2020-01-02\'::date', 'amount integer', 'CONSTRAINT amount_positive', 'SET STATISTICS 500',
	'CREATE INDEX item_code_old', 'CREATE TRIGGER touch BEFORE INSERT OR UPDATE OF amount', 'GRANT SELECT\(amount\) ON TABLE app.item TO reader',
	'ALTER SEQUENCE app.item_seq OWNED BY app.item.c', 'nextval\(.app.item_seq.::regclass\)', 'GENERATED BY DEFAULT AS IDENTITY', 'INCREMENT BY 2',
	"COMMENT ON COLUMN app.item.b IS 'new; still'", 'CREATE STATISTICS app.item_s2')
{
	like($after, qr/$line/, "statements: $line");
}
unlike($after, qr/item_gone/, 'statements: an index is dropped');
is(sql($node, "SELECT string_agg(DISTINCT b::text, ' ') FROM app.item"), '2020-01-02', 'statements: with the settings of the session');

# undone when it is done, and done again
sql($node, "SELECT test.undo($job)");
cleaned_up($job, 'statements, undone');
is(dump_of('app.item'), $before, 'statements, undone: the table is as before');
sql($node, "SELECT zdm.retry_job($job)");
state_is($job, 'done', 'statements, again');
is(dump_of('app.item'), $after, 'statements, again: the same');

# one that fails takes those before it along
make_app();
$job = make('one fails', "'app.item'", q{
	{"kind": "ddl", "do": "ALTER TABLE app.item ADD COLUMN x int; ALTER TABLE app.item ADD COLUMN y nothing"}});
state_is($job, 'failed', 'one fails');
is(job($node, $job, 'last_error'), 'type "nothing" does not exist', 'one fails: what it says');
is(dump_of('app.item'), $before, 'one fails: nothing is left');

# ---- a table that has moved, with another one in its place ----

make_app();
$job = make('moved', "'app.item'", $statements, since => "'infinity'");
sql($node, q{
	ALTER TABLE app.item RENAME TO thing;
	ALTER TABLE app.thing SET SCHEMA elsewhere;
	CREATE TABLE app.item (id serial PRIMARY KEY, a int CONSTRAINT positive CHECK (a > 0), code text);
	CREATE INDEX item_code ON app.item (code);
	CREATE INDEX item_gone ON app.item (a)});
my $impostor = dump_of('app.item');
$before = dump_of('elsewhere.thing');
sql($node, "UPDATE zdm.job SET not_before = NULL WHERE job_id = $job; SELECT zdm.resume_job($job)");
state_is($job, 'done', 'moved');
is(dump_of('app.item'), $impostor, 'moved: the other table is as it was');
$after = dump_of('elsewhere.thing');
like($after, qr/$_/, "moved: $_")
  for ('amount integer', 'CREATE INDEX item_code_old ON elsewhere', 'CREATE TRIGGER touch', 'SEQUENCE elsewhere.item_seq OWNED BY elsewhere.thing.c',
	'GRANT SELECT\(amount\) ON TABLE elsewhere.thing', 'nextval\(.elsewhere.item_seq.::regclass\)', 'INCREMENT BY 2');
unlike($after, qr/item_gone/, 'moved: its own index is dropped');
sql($node, "SELECT test.undo($job)");
cleaned_up($job, 'moved, undone');
is(dump_of('elsewhere.thing'), $before, 'moved, undone: as before');
is(dump_of('app.item'), $impostor, 'moved, undone: the other table is as it was');
sql($node, 'DROP TABLE app.item');

# renamed while the step waits for its lock
make_app();
my $holder = session($node);
$holder->query('BEGIN; SELECT count(*) FROM app.item');
$job = make('renamed', "'app.item'", $statements);
ok(poll($node, "SELECT waiting_for LIKE 'a lock on app.item%' FROM zdm.jobs WHERE job_id = $job"), 'renamed: it waits for its lock');
$holder->query('ALTER TABLE app.item RENAME TO thing; CREATE TABLE app.item (a int, id int); COMMIT');
state_is($job, 'done', 'renamed');
like(dump_of('app.thing'), qr/amount integer/, 'renamed: the right table');
unlike(dump_of('app.item'), qr/amount|b date/, 'renamed: not the one in its place');
sql($node, 'DROP TABLE app.item; ALTER TABLE app.thing RENAME TO item');
$holder->quit;

# all locks at once: nobody waits behind the first while it waits for the second
sql($node, 'CREATE TABLE app.second (n int)');
make_app();
$holder = session($node);
$holder->query('BEGIN; SELECT count(*) FROM app.second');
$job = make('two tables', "'app.item'", q{
	{"kind": "ddl", "do": "ALTER TABLE app.item ADD COLUMN x int; ALTER TABLE app.second ADD COLUMN x int"}});
ok(poll($node, "SELECT waiting_for LIKE 'a lock on app.second%' FROM zdm.jobs WHERE job_id = $job"), 'two tables: it waits for the second');
is(sql($node, "SELECT count(*) FROM pg_locks WHERE relation = 'app.item'::regclass"), 0, 'two tables: the first is free');
$holder->query('COMMIT');
state_is($job, 'done', 'two tables');
$holder->quit;

# ---- killed in each step: done once, undone once ----

sql($node, q{
	CREATE TABLE test.stop (step int, how text, tag text);
	INSERT INTO test.stop VALUES (0, '', '');
	-- kills its process once, or fails each time, when the step comes that is given
	CREATE FUNCTION test.stop(step int) RETURNS int LANGUAGE plpgsql AS $$
	DECLARE
		s test.stop;
	BEGIN
		SELECT * INTO s FROM test.stop;
		IF s.step IS DISTINCT FROM stop.step THEN
			RETURN step;
		ELSIF s.how = 'fail' THEN
			RAISE EXCEPTION 'stopped by the test';
		END IF;
		EXECUTE format('COPY (SELECT 1) TO PROGRAM %L',
			format('cat >/dev/null; test -e %1$L || { touch %1$L; kill -9 %2$s; sleep 10; }', s.tag, pg_backend_pid()));
		RETURN step;
	END $$;
	CREATE FUNCTION test.stop_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM test.stop((SELECT min(step) FILTER (WHERE NOT s.state = 'done')::int FROM zdm.steps s
			WHERE job_id = (SELECT job_id FROM zdm.jobs WHERE pid = pg_backend_pid() AND jobs.state = 'running')));
	END $$;
	CREATE EVENT TRIGGER stop_ddl ON ddl_command_end EXECUTE FUNCTION test.stop_ddl()});

sub stop_at
{
	my ($step, $how) = @_;

	sql($node, "UPDATE test.stop SET step = $step, how = '$how', tag = 'step $step ' || random()");
	return;
}

my $all_kinds = q{
	{"kind": "ddl", "object": "total", "do": "ALTER TABLE public.bill ADD COLUMN total int; ALTER TABLE public.bill ALTER COLUMN total SET DEFAULT 0",
	 "undo": "ALTER TABLE public.bill DROP COLUMN total"},
	{"kind": "sql", "do": "UPDATE bill SET n = n + 1; SELECT test.stop(2); INSERT INTO log SELECT 'counted'",
	 "undo": "UPDATE bill SET n = n - 1; INSERT INTO log SELECT 'counted back'"},
	{"kind": "ddl", "object": "n_big", "do": "ALTER TABLE public.bill ADD CONSTRAINT n_big CHECK (n > 0) NOT VALID",
	 "undo": "ALTER TABLE public.bill DROP CONSTRAINT n_big"},
	{"kind": "wait", "ms": 100, "filter": "SELECT test.stop(4) > 0 AND count(*) > 0 FROM log WHERE what = 'counted'"},
	{"kind": "validate", "object": "n_big", "do": "ALTER TABLE public.bill VALIDATE CONSTRAINT n_big", "expected": 3000},
	{"kind": "index", "object": "bill_n", "do": "CREATE INDEX CONCURRENTLY bill_n ON public.bill (n)"},
	{"kind": "ddl", "object": "bill_n", "do": "CREATE STATISTICS public.bill_s ON id, n FROM public.bill", "undo": "DROP STATISTICS public.bill_s"}};

sub make_bill
{
	sql($node, q{
		DROP TABLE IF EXISTS bill, log;
		CREATE TABLE log (what text);
		CREATE TABLE bill (id int, n int);
		INSERT INTO bill SELECT i, i FROM generate_series(1, 20000) i});
	return;
}

make_bill();
my $bill_before = dump_of('public.bill');
$job = make('all kinds', "'bill'", $all_kinds);
state_is($job, 'done', 'all kinds');
my $bill_after = dump_of('public.bill');
like($bill_after, qr/CREATE INDEX bill_n/, 'all kinds: the index is there');

for my $step (1, 2, 3, 4, 6, 7)
{
	make_bill();
	stop_at($step, 'kill');
	my $from = log_position($node);
	$job = make("killed $step", "'bill'", $all_kinds);
	state_is($job, 'done', "killed in step $step");
	ok(log_has($node, qr/was terminated by signal 9/, $from), "killed in step $step: it was");
	is(dump_of('public.bill'), $bill_after, "killed in step $step: as without");
	is(sql($node, "SELECT sum(n - id) / count(*), (SELECT string_agg(what, ', ') FROM log) FROM bill"), '1|counted', "killed in step $step: counted once");

	# the same steps fail when it is not killed; then it is cancelled
	make_bill();
	stop_at($step, 'fail');
	$job = make("failed $step", "'bill'", $all_kinds);
	state_is($job, 'failed', "failed in step $step");
	is(sql($node, "SELECT count(*) FROM zdm.steps WHERE job_id = $job AND state = 'done'"), $step - 1, "failed in step $step: after so many");
	stop_at(0, '');
	sql($node, "SELECT zdm.cancel_job($job)");
	cleaned_up($job, "failed in step $step");
	is(dump_of('public.bill'), $bill_before, "failed in step $step: undone");
	is(sql($node, "SELECT sum(n - id) FROM bill"), 0, "failed in step $step: counted back");
	sql($node, "SELECT zdm.retry_job($job)");
	state_is($job, 'done', "failed in step $step, retried");
	is(dump_of('public.bill'), $bill_after, "failed in step $step, retried: as without");
	is(sql($node, "SELECT sum(n - id) / count(*) FROM bill"), 1, "failed in step $step, retried: counted once");
}

# undone when it is done, and killed while it is
make_bill();
$job = make('undone', "'bill'", $all_kinds);
state_is($job, 'done', 'undone, first');
is(sqlstate($node, "SELECT zdm.cancel_job($job)"), '55000', 'undone: a user cannot cancel what is done');
stop_at(3, 'kill');
sql($node, q{
	CREATE OR REPLACE FUNCTION test.stop_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM test.stop((SELECT max(step) FILTER (WHERE state = 'done')::int FROM zdm.recipe_step
			WHERE job_id = (SELECT job_id FROM zdm.job WHERE name = 'undone')));
	END $$});
my $from = log_position($node);
sql($node, "SELECT test.undo($job)");
cleaned_up($job, 'undone');
ok(log_has($node, qr/was terminated by signal 9/, $from), 'undone: it was killed');
is(dump_of('public.bill'), $bill_before, 'undone: the table is as before');
is(sql($node, "SELECT sum(n - id), (SELECT string_agg(what, ', ') FROM log) FROM bill"), '0|counted, counted back', 'undone: once');
sql($node, 'DROP EVENT TRIGGER stop_ddl');

# ---- backfill ----

my $fills = q{
	{"kind": "ddl", "do": "ALTER TABLE public.fill ADD COLUMN x bigint", "undo": "ALTER TABLE public.fill DROP COLUMN x"},
	{"kind": "backfill", "set": "new = upper(src)", "undo": "UPDATE fill SET new = NULL, touched = -1 WHERE new IS NOT NULL"},
	{"kind": "backfill", "set": "x = id", "filter": "id > 10"},
	{"kind": "ddl", "do": "ALTER TABLE public.fill ADD CHECK (x > 10)"}};

sub start_fills
{
	my ($name) = @_;

	sql($node, 'DROP TABLE IF EXISTS fill');
	make_table($node, 'fill', 20000);
	$job = make($name, "'fill'", $fills);
	sql($node, "SELECT zdm.set_throttle($job, max_rows_per_second => 5000)");
	ok(wait_for_rows($node, $job, 500), "$name: in the middle");
	return;
}

start_fills('backfill');
kill('KILL', worker_pid($node, $job));
ok(poll($node, "SELECT count(*) = 1 FROM zdm.events WHERE job_id = $job AND event = 'continued'"), 'backfill: killed, it goes on');
sql($node, 'ALTER TABLE fill RENAME TO filled; CREATE TABLE fill (id int, src text, new text, x int)');
unthrottle($node, $job);
state_is($job, 'done', 'backfill');
is(sql($node, 'SELECT count(*), count(*) FILTER (WHERE new = upper(src) AND touched = CASE WHEN id > 10 THEN 2 ELSE 1 END), count(x) FROM filled'),
	'20000|20000|19990', 'backfill: each row once by each step');
sql($node, 'DROP TABLE fill; ALTER TABLE filled RENAME TO fill');

start_fills('backfill cancelled');
sql($node, "SELECT zdm.cancel_job($job)");
cleaned_up($job, 'backfill cancelled');
is(sql($node, 'SELECT count(new), (SELECT count(*) FROM pg_attribute WHERE attrelid = $$fill$$::regclass AND attname = $$x$$) FROM fill'), '0|0',
	'backfill cancelled: undone, also what was cut short');
unthrottle($node, $job);
sql($node, "SELECT zdm.retry_job($job)");
state_is($job, 'done', 'backfill, retried');
is(sql($node, 'SELECT count(new), count(x) FROM fill'), '20000|19990', 'backfill, retried: all rows');

# ---- a mapping: its trigger, the backfill and the verification by it ----

sql($node, q{
	CREATE TABLE pair (id int PRIMARY KEY, a int);
	INSERT INTO pair SELECT i, i FROM generate_series(1, 5000) i;
	ALTER TABLE pair OWNER TO worker});
$job = make('mapping', "'pair'", q{
	{"kind": "ddl", "do": "ALTER TABLE public.pair ADD COLUMN b bigint;
		CREATE TRIGGER \"~zdm_sync_7\" BEFORE INSERT OR UPDATE ON public.pair FOR EACH ROW
		EXECUTE FUNCTION zdm.sync('7', '1', 'sync', 'old', 'old', 'fail', 'a', 'b', 'a::bigint', 'b::integer', 'search_path', 'pg_catalog')",
	 "undo": "DROP TRIGGER \"~zdm_sync_7\" ON public.pair; ALTER TABLE public.pair DROP COLUMN b"},
	{"kind": "backfill", "mapping": 7},
	{"kind": "verify", "mapping": 7},
	{"kind": "ddl", "do": "ALTER TABLE public.pair RENAME COLUMN a TO a_old; ALTER TABLE public.pair RENAME COLUMN b TO a;
		CREATE OR REPLACE TRIGGER \"~zdm_sync_7\" BEFORE INSERT OR UPDATE ON public.pair FOR EACH ROW
		EXECUTE FUNCTION zdm.sync('7', '1', 'sync', 'new', 'new', 'fail', 'a_old', 'a', 'a_old::bigint', 'a::integer', 'search_path', 'pg_catalog')",
	 "undo": "ALTER TABLE public.pair RENAME COLUMN a TO b; ALTER TABLE public.pair RENAME COLUMN a_old TO a;
		CREATE OR REPLACE TRIGGER \"~zdm_sync_7\" BEFORE INSERT OR UPDATE ON public.pair FOR EACH ROW
		EXECUTE FUNCTION zdm.sync('7', '1', 'sync', 'old', 'old', 'fail', 'a', 'b', 'a::bigint', 'b::integer', 'search_path', 'pg_catalog')"}});
state_is($job, 'done', 'mapping');
is(sql($node, q{SELECT tgenabled FROM pg_trigger WHERE tgname = '~zdm_sync_7'}), 'A', 'mapping: its trigger fires always');
sql($node, 'INSERT INTO pair (id, a) VALUES (0, 100); UPDATE pair SET a = 200 WHERE id = 1; UPDATE pair SET a_old = 300 WHERE id = 2');
is(sql($node, 'SELECT count(*) FROM pair WHERE a_old IS DISTINCT FROM a'), 0, 'mapping: both columns in step');
is(sql($node, 'SELECT rows_done, inconsistent, result FROM zdm.verifications WHERE job_id = ' . $job), '5000|0|clean', 'mapping: verified');
sql($node, "SELECT test.undo($job)");
cleaned_up($job, 'mapping, undone');
is(sql($node, q{SELECT string_agg(attname, ' ' ORDER BY attnum), (SELECT sum(a) FROM pair), (SELECT count(*) FROM pg_trigger WHERE tgname = '~zdm_sync_7')
	  FROM pg_attribute WHERE attrelid = 'pair'::regclass AND attnum > 0 AND NOT attisdropped}),
	'id a|' . (5000 * 5001 / 2 + 100 + 199 + 298) . '|0', 'mapping, undone: as before, and what was written since');

# ---- sql ----

sql($node, q{GRANT CREATE, USAGE ON SCHEMA public TO worker; CREATE TABLE gone (n int)});
$job = make('no target', 'NULL', q{
	{"kind": "ddl", "do": "CREATE TABLE own (n int); CREATE INDEX own_n ON own (n)", "undo": "DROP TABLE own"},
	{"kind": "sql", "do": "INSERT INTO own VALUES (1), (2)"},
	{"kind": "sql", "do": "SELECT pg_sleep(1000)"}}, role => 'worker');
ok(poll($node, "SELECT count(*) = 2 FROM zdm.steps WHERE job_id = $job AND state = 'done'"), 'no target: two steps');
is(sql($node, q{SELECT tableowner, schemaname FROM pg_tables WHERE tablename = 'own'}), 'worker|public', 'no target: as its role');
is(sql($node, "SELECT target, state, owner FROM zdm.jobs WHERE job_id = $job"), 'a plan|running|worker', 'no target: what is shown');
ok(poll($node, "SELECT count(*) = 1 FROM pg_stat_activity a JOIN zdm.jobs j USING (pid) WHERE job_id = $job AND wait_event = 'PgSleep'"),
	'no target: it sleeps');
sql($node, "SELECT zdm.pause_job($job)");
ok(poll($node, "SELECT pid IS NULL FROM zdm.jobs WHERE job_id = $job"), 'no target: a pause ends its statement');
is(job($node, $job, 'state'), 'paused', 'no target: paused');
sql($node, "SELECT zdm.resume_job($job)");
ok(poll($node, "SELECT count(*) = 1 FROM pg_stat_activity a JOIN zdm.jobs j USING (pid) WHERE job_id = $job AND wait_event = 'PgSleep'"),
	'no target: it sleeps again');
sql($node, "SELECT zdm.cancel_job($job)");
cleaned_up($job, 'no target');
is(sql($node, q{SELECT to_regclass('own') IS NULL}), 't', 'no target: undone');

$job = make('no rights', 'NULL', q{{"kind": "sql", "do": "DELETE FROM gone"}}, role => 'worker');
state_is($job, 'failed', 'no rights');
is(job($node, $job, 'last_sqlstate'), '42501', 'no rights: what it says');
$job = make('commits', 'NULL', q{{"kind": "sql", "do": "CREATE TABLE committed (); COMMIT; SELECT 1/0"}}, role => 'worker');
state_is($job, 'failed', 'commits');
is(sql($node, q{SELECT to_regclass('committed') IS NULL}), 't', 'commits: it could not');

# ---- wait ----

sql($node, 'CREATE TABLE ready (yes bool); GRANT ALL ON ready TO worker');
$job = make('wait', 'NULL', q{
	{"kind": "sql", "do": "SELECT 1"},
	{"kind": "wait", "filter": "SELECT bool_or(yes) FROM ready"}}, role => 'worker');
ok(poll($node, "SELECT waiting_for = 'step 2: its query to return true: SELECT bool_or(yes) FROM ready' FROM zdm.jobs WHERE job_id = $job"),
	'wait: what it waits for');
my $began = sql($node, "SELECT began_at FROM zdm.recipe_step WHERE job_id = $job AND step = 2");
kill('KILL', worker_pid($node, $job));
ok(poll($node, "SELECT count(*) = 1 FROM zdm.events WHERE job_id = $job AND event = 'continued'"), 'wait: killed, it goes on');
sql($node, 'INSERT INTO ready VALUES (NULL), (false)');
ok(poll($node, "SELECT waiting_for LIKE 'step 2%' AND pid IS NOT NULL FROM zdm.jobs WHERE job_id = $job"), 'wait: and waits');
is(sql($node, "SELECT began_at FROM zdm.recipe_step WHERE job_id = $job AND step = 2"), $began, 'wait: since when it knows');
sql($node, 'UPDATE ready SET yes = true');
state_is($job, 'done', 'wait');

$job = make('wait writes', 'NULL', q{{"kind": "wait", "filter": "WITH d AS (DELETE FROM ready RETURNING true) SELECT true FROM d"}}, role => 'worker');
state_is($job, 'failed', 'wait writes');
is(job($node, $job, 'last_sqlstate'), '25006', 'wait writes: it must not');
$job = make('wait for nothing', 'NULL', q{{"kind": "wait", "filter": "SELECT 1"}}, role => 'worker');
state_is($job, 'failed', 'wait for nothing');
is(job($node, $job, 'last_sqlstate'), '42804', 'wait for nothing: what it says');

# a wait that takes long keeps no worker, and is no news
$job = make('long wait', 'NULL', q{{"kind": "wait", "ms": 86400000}, {"kind": "sql", "do": "SELECT 1"}}, role => 'worker');
ok(poll($node, "SELECT state = 'queued' AND pid IS NULL AND waiting_for LIKE 'step 1: the time until %' FROM zdm.jobs WHERE job_id = $job"),
	'long wait: without a worker');
is(sql($node, "SELECT not_before - began_at FROM zdm.job JOIN zdm.recipe_step USING (job_id) WHERE job_id = $job AND step = 1"),
	'1 day', 'long wait: until when');
sql($node, "UPDATE zdm.job SET not_before = now() WHERE job_id = $job; SELECT zdm.resume_job($job)");
ok(poll($node, "SELECT state = 'queued' AND not_before > now() + interval '1 hour' FROM zdm.job WHERE job_id = $job"), 'long wait: woken, it waits on');
sql($node, "UPDATE zdm.recipe_step SET began_at = began_at - interval '1 day' WHERE job_id = $job;
	UPDATE zdm.job SET not_before = now() WHERE job_id = $job; SELECT zdm.resume_job($job)");
state_is($job, 'done', 'long wait');
is(sql($node, "SELECT string_agg(event, ', ' ORDER BY event_id) FROM zdm.events WHERE job_id = $job"), 'queued, running, done', 'long wait: its events');

# ---- not before ----

$job = make('later', "'bill'", q{{"kind": "sql", "do": "SELECT 1"}}, since => q{now() + interval '1 day'});
my $soon = make('soon', "'bill'", q{{"kind": "sql", "do": "SELECT 1"}}, since => q{clock_timestamp() + interval '3 s'});
like(job($node, $job, 'waiting_for'), qr/^until 20/, 'later: what it waits for');
state_is($soon, 'done', 'soon');
is(sql($node, "SELECT started_at >= not_before AND started_at < not_before + interval '20 s' FROM zdm.job WHERE job_id = $soon"), 't', 'soon: at its time');
is(sql($node, "SELECT state, started_at IS NULL FROM zdm.jobs WHERE job_id = $job"), 'queued|t', 'later: not yet');
sql($node, "SELECT zdm.pause_job($job)");
sql($node, "SELECT zdm.resume_job($job)");
$node->restart;
my $look = make('now', "'bill'", q{{"kind": "sql", "do": "SELECT 1"}});
state_is($look, 'done', 'later: others go on');
is(sql($node, "SELECT state, started_at IS NULL, waiting_for LIKE 'until 20%' FROM zdm.jobs WHERE job_id = $job"), 'queued|t|t',
	'later: paused, resumed, the server restarted: not yet');
sql($node, "SELECT zdm.cancel_job($job)");
is(job($node, $job, 'state'), 'cancelled', 'later: cancelled at once');

# ---- progress ----

make_bill();
$job = make('progress', "'bill'", q{
	{"kind": "sql", "do": "SELECT 1", "expected": 9000},
	{"kind": "wait", "filter": "SELECT false", "expected": 1000}});
ok(poll($node, "SELECT progress = 0.9 FROM zdm.jobs WHERE job_id = $job"), 'progress: by the time that steps take');
sql($node, "SELECT zdm.cancel_job($job)");
cleaned_up($job, 'progress');

done_testing();
