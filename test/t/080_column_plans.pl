# Every recipe about a column, its plan executed by hand, step by step, and then as a migration: undone at any stage, the
# table is what it was; at the end it is what it would be if the column had simply been renamed, or had another type.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('column_plans', conf => [ 'wal_level = logical' ]);
# In "there" the plan is executed by hand, in "real" as a migration, in "plain" is what it should be like; all have one
# schema, that of the case.
my @databases = ('there', 'real', 'plain');

for my $db (@databases)
{
	sql($node, "CREATE DATABASE $db");
	use_zdm($node, $db);
	sql($node, "ALTER DATABASE $db SET search_path = s, public");
}

sub set_up
{
	my ($setup) = @_;

	sql($node, "DROP SCHEMA IF EXISTS s CASCADE; CREATE SCHEMA s; $setup", $_) for @databases;
	return;
}

sub dump_of
{
	my ($db) = @_;
	my ($out, $err) = run_command([ 'pg_dump', '-s', '-d', $node->connstr($db) ]);

	die $err if $err ne '';
	$out =~ s/^\\(?:un)?restrict .*$//mg;
	return $out;
}

# As a set of lines: a column that is made anew stands last.
sub lines_of
{
	my ($dump) = @_;

	$dump =~ s/,$//mg;
	$dump =~ s/^(CREATE STATISTICS .* ON )(.*)( FROM)/$1 . join(', ', sort split(m{, }, $2)) . $3/mge;
	return join "\n", sort grep { !/^--/ && $_ ne '' } split /\n/, $dump;
}

# The rows of a table, columns by name.
sub rows_of
{
	my ($db, $table) = @_;

	return sql($node, "SELECT r FROM (SELECT to_jsonb(t)::text AS r FROM $table t) x ORDER BY r", $db);
}

# The steps of each stage: [statement, undo], in order.
sub plan_of
{
	my ($db, $call) = @_;
	my %steps;

	for my $row (split /\x1e/, $node->safe_psql($db,
		"SELECT stage, statement, undo FROM zdm.plan_steps(\$call\$SELECT $call\$call\$) ORDER BY step",
		extra_params => [ '-F', "\x1f", '-R', "\x1e" ]))
	{
		my ($stage, $statement, $undo) = split /\x1f/, $row, -1;

		$undo =~ s/\n$//;
		push @{ $steps{$stage} }, [ $statement, $undo ];
	}
	return \%steps;
}

# Each in a transaction of its own.
sub execute
{
	my ($db, @statements) = @_;

	my (undef, $err) = run_command([ 'psql', '-XqAte', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db),
		map { ('-c', $_) } 'SET client_min_messages = warning', grep { $_ ne '' } @statements ]);

	fail("executed: $err") if $err ne '';
	return;
}

sub run_stage
{
	my ($db, $plan, $stage) = @_;

	execute($db, map { $_->[0] } @{ $plan->{$stage} // [] });
	return;
}

sub undo_stage
{
	my ($db, $plan, $stage) = @_;

	execute($db, map { $_->[1] } reverse @{ $plan->{$stage} // [] });
	return;
}

sub same
{
	my ($got, $expected, $what) = @_;

	return pass($what) if $got eq $expected;
	fail($what);
	my %got = map { $_ => 1 } split /\n/, $got;
	my %expected = map { $_ => 1 } split /\n/, $expected;
	diag "only there: $_" for sort grep { !$expected{$_} } keys %got;
	diag "missing: $_" for sort grep { !$got{$_} } keys %expected;
	return;
}

my $migration;    # its name

# Calls a function of migrations, and waits for what comes of it.
sub order
{
	my ($call, $reached) = @_;

	sql($node, "SELECT $call", 'real');
	return 1 if poll($node, "SELECT $reached FROM zdm.migrations WHERE name = '$migration'", db => 'real');
	diag(sql($node, qq{SELECT concat_ws('; ', phase, stage, status, waiting_for, last_error) FROM zdm.migrations WHERE name = '$migration'}, 'real'));
	diag(sql($node, qq{SELECT * FROM zdm.gates('$migration') WHERE NOT open}, 'real'));
	return 0;
}

# Phase contract, or the end when there is nothing to contract.
my $migrated = q{(stage = 'ready' OR phase = 'done')};

sub run_for_real
{
	my ($name, $case) = @_;
	my $before = dump_of('real');
	my $call = $case->{call} =~ s/\)\s*\z/, name => 'NAME')/r;
	my $state;

	$migration = $name;
	$call =~ s/NAME/$name/;
	order($call, $migrated) or return fail("$name: ready to be contracted");
	$state = sql($node, qq{SELECT phase FROM zdm.migrations WHERE name = '$migration'}, 'real');
	if ($state ne 'done')
	{
		order(qq{zdm.abort('$migration')}, q{phase = 'aborted'});
		same(dump_of('real'), $before, "$name: aborted, the table is as before");
		order(qq{zdm.retry('$migration')}, $migrated) or return fail("$name: ready to be contracted, after all");
		sql($node, qq{SELECT zdm.approve('$migration') FROM zdm.migrations WHERE name = '$migration'}, 'real') if $case->{approve};
		sql($node, qq{SELECT zdm.set_migration('$migration', soak => '0')}, 'real');
		if ($case->{held} // $case->{revertible} // 1)
		{
			my $ready = dump_of('real');

			order(qq{zdm.contract('$migration', hold => '1 day')}, q{stage = 'retired'});
			order(qq{zdm.revert('$migration')}, q{stage = 'ready'});
			same(dump_of('real'), $ready, "$name: reverted, the table is as it was");
		}
		# a revert takes the approval back
		sql($node, qq{SELECT zdm.approve('$migration')}, 'real') if $case->{approve};
		order(qq{zdm.contract('$migration', hold => '0')}, q{phase = 'done'}) or return fail("$name: done");
	}
	same(lines_of(dump_of('real')), lines_of(dump_of('plain')), "$name: migrated, it is as if it had been done at once");
	is(rows_of('real', $case->{table}), rows_of('plain', $case->{table}), "$name: so are the rows, migrated");
	is(sql($node, $case->{after}, 'real'), $case->{gives}, "$name: and what is written next, migrated") if $case->{after};
	return;
}

# name, setup => statements, call => of the recipe, plain => statements with the same end, table => whose rows are
# compared, revertible => 0 when retire cannot be undone, held => 0 when nothing comes after it, after => query, gives => its result at the end
sub try_plan
{
	my ($name, %case) = @_;
	my ($db, $plain) = ('there', 'plain');

	set_up($case{setup});
	my $before = dump_of($db);
	my $plan = plan_of($db, $case{call});
	my $migrated;

	sql($node, $case{plain}, $plain);
	run_stage($db, $plan, 'main');
	undo_stage($db, $plan, 'main');
	same(dump_of($db), $before, "$name: aborted, it is as before");
	run_stage($db, $plan, 'main');
	$migrated = dump_of($db);
	if ($case{revertible} // 1)
	{
		run_stage($db, $plan, 'retire');
		undo_stage($db, $plan, 'retire');
		same(dump_of($db), $migrated, "$name: reverted, it is as it was when migrated");
	}
	else
	{
		is(join('', map { $_->[1] } @{ $plan->{retire} }), '', "$name: nothing undoes that it is retired");
	}
	run_stage($db, $plan, 'retire');
	run_stage($db, $plan, 'purge');
	same(lines_of(dump_of($db)), lines_of(dump_of($plain)), "$name: purged, it is as if it had been done at once");
	is(rows_of($db, $case{table}), rows_of($plain, $case{table}), "$name: so are the rows");
	is(sql($node, $case{after}, $db), $case{gives}, "$name: and what is written next") if $case{after};
	run_for_real($name, \%case);
	return;
}

sql($node, 'CREATE ROLE reader; CREATE ROLE writer');

try_plan('rename with all that a column has',
	setup => q{
		CREATE TABLE s."User" (
			id int PRIMARY KEY,
			"E mail" varchar(100) COLLATE "C" NOT NULL DEFAULT 'none',
			a int, b int,
			CONSTRAINT email_key UNIQUE ("E mail", a) DEFERRABLE INITIALLY DEFERRED,
			CONSTRAINT email_check CHECK ("E mail" <> '' AND length("E mail") > 2 + a));
		CREATE UNIQUE INDEX email_u ON s."User" ("E mail");
		CREATE INDEX multi ON s."User" (a, lower("E mail") varchar_pattern_ops DESC, "E mail" COLLATE "POSIX" text_pattern_ops)
			INCLUDE (b, "E mail") WITH (fillfactor = 50) WHERE "E mail" IS NOT NULL AND a > 0;
		ALTER INDEX s.multi ALTER COLUMN 2 SET STATISTICS 77;
		CREATE INDEX clustered ON s."User" ("E mail" DESC NULLS LAST);
		CREATE INDEX hashed ON s."User" USING hash ("E mail");
		CREATE UNIQUE INDEX distinct_nulls ON s."User" ("E mail", b) NULLS NOT DISTINCT;
		ALTER TABLE s."User" CLUSTER ON clustered;
		ALTER TABLE s."User" REPLICA IDENTITY USING INDEX email_u;
		ALTER TABLE s."User" ADD CONSTRAINT later CHECK ("E mail" <> 'x') NOT VALID;
		ALTER TABLE s."User" ALTER "E mail" SET STATISTICS 500, ALTER "E mail" SET STORAGE EXTERNAL,
			ALTER "E mail" SET (n_distinct = -0.5), ALTER "E mail" SET COMPRESSION pglz;
		COMMENT ON COLUMN s."User"."E mail" IS 'it''s; an address';
		COMMENT ON INDEX s.multi IS 'many';
		COMMENT ON INDEX s.email_key IS 'of a key';
		COMMENT ON CONSTRAINT email_check ON s."User" IS 'checked';
		COMMENT ON CONSTRAINT email_key ON s."User" IS 'unique';
		GRANT SELECT ("E mail"), UPDATE ("E mail") ON s."User" TO reader;
		GRANT INSERT ("E mail") ON s."User" TO reader WITH GRANT OPTION; GRANT INSERT ("E mail") ON s."User" TO PUBLIC;
		CREATE STATISTICS s.stat (ndistinct, mcv) ON a, "E mail" FROM s."User";
		ALTER STATISTICS s.stat SET STATISTICS 9;
		COMMENT ON STATISTICS s.stat IS 'together';
		CREATE STATISTICS s.stat2 ON (lower("E mail")), b FROM s."User";
		CREATE TABLE s.ref (email varchar(100) CONSTRAINT ref_email REFERENCES s."User" ("E mail") ON UPDATE CASCADE);
		COMMENT ON CONSTRAINT ref_email ON s.ref IS 'refers';
		ALTER TABLE s."User" ENABLE ROW LEVEL SECURITY;
		CREATE POLICY pol ON s."User" USING ("E mail" = current_user) WITH CHECK (a > 0 OR "E mail" LIKE '%x');
		CREATE POLICY pol2 ON s."User" FOR INSERT WITH CHECK ("E mail" <> '');
		INSERT INTO s."User" SELECT i, 'somebody' || i, i % 5, i FROM generate_series(1, 50) i;
		INSERT INTO s.ref SELECT "E mail" FROM s."User"},
	call => q{zdm.rename_column('s."User"', 'E mail', 'mail', 'me', '2099-01-01')},
	plain => q{ALTER TABLE s."User" RENAME COLUMN "E mail" TO mail},
	table => 's."User"');

my $key = q{
	CREATE TABLE node (id serial PRIMARY KEY, parent int CONSTRAINT up REFERENCES node ON DELETE SET NULL, name text);
	COMMENT ON SEQUENCE node_id_seq IS 'counts';
	CREATE TABLE leaf (node int REFERENCES node ON DELETE CASCADE, other int);
	ALTER TABLE leaf ADD CONSTRAINT leaf_other FOREIGN KEY (other) REFERENCES node (id) NOT VALID;
	ALTER TABLE node CLUSTER ON node_pkey;
	GRANT USAGE ON SEQUENCE node_id_seq TO writer;
	INSERT INTO node (parent, name) SELECT NULLIF(i - 1, 0), 'n' || i FROM generate_series(1, 20) i;
	INSERT INTO leaf SELECT id, id FROM node};

try_plan('rename a serial primary key with foreign keys',
	setup => $key,
	call => q{zdm.rename_column('node', 'id', 'node_id', 'me', '2099-01-01')},
	plain => 'ALTER TABLE node RENAME COLUMN id TO node_id',
	table => 'node',
	after => q{INSERT INTO node (name) VALUES ('x') RETURNING node_id},
	gives => '21');

try_plan('serial to bigint',
	setup => $key,
	call => q{zdm.change_column_type('node', 'id', 'bigint', owner => 'me', contract_by => '2099-01-01')},
	plain => 'ALTER TABLE node ALTER COLUMN id TYPE bigint; ALTER SEQUENCE node_id_seq AS bigint',
	table => 'node',
	after => q{INSERT INTO node (name) VALUES ('x') RETURNING id},
	gives => '21');

for my $how ('ALWAYS', 'BY DEFAULT')
{
	try_plan("identity $how to bigint",
		setup => qq{
			CREATE TABLE t (id int GENERATED $how AS IDENTITY (START 10 INCREMENT 5 MINVALUE 3 CACHE 1 CYCLE), k int,
				CONSTRAINT t_key PRIMARY KEY (k, id) INCLUDE (n), n int);
			COMMENT ON SEQUENCE t_id_seq IS 'counts';
			GRANT SELECT, USAGE ON SEQUENCE t_id_seq TO writer WITH GRANT OPTION;
			INSERT INTO t (k) SELECT i FROM generate_series(1, 4) i;
			CREATE TABLE r (k int, id int, FOREIGN KEY (k, id) REFERENCES t (k, id) MATCH FULL)},
		call => q{zdm.change_column_type('t', 'id', 'bigint', owner => 'me', contract_by => '2099-01-01')},
		plain => 'ALTER TABLE t ALTER COLUMN id TYPE bigint',
		table => 't',
		after => 'INSERT INTO t (k) VALUES (7) RETURNING id',
		gives => '30');
}

try_plan('foreign key column to bigint',
	setup => q{
		CREATE TABLE p (a int, b int, PRIMARY KEY (a, b));
		CREATE TABLE c (a int, b int, FOREIGN KEY (b, a) REFERENCES p (b, a) ON DELETE SET NULL (a) DEFERRABLE);
		CREATE INDEX ON c (b, a);
		INSERT INTO p SELECT i, i FROM generate_series(1, 9) i;
		INSERT INTO c SELECT a, b FROM p},
	call => q{zdm.change_column_type('c', 'a', 'bigint', owner => 'me', contract_by => '2099-01-01')},
	plain => 'ALTER TABLE c ALTER COLUMN a TYPE bigint',
	table => 'c');

try_plan('text to timestamptz',
	setup => q{
		CREATE TABLE t (id int PRIMARY KEY, at text NOT NULL, note text);
		CREATE INDEX t_at ON t (at, id);
		CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER plain BEFORE UPDATE OF at ON t FOR EACH ROW WHEN (NEW.at IS DISTINCT FROM OLD.at) EXECUTE FUNCTION trg('at');
		COMMENT ON TRIGGER plain ON t IS 'commented';
		CREATE TRIGGER off AFTER INSERT ON t FOR EACH ROW WHEN (NEW.at IS NOT NULL) EXECUTE FUNCTION trg();
		ALTER TABLE t DISABLE TRIGGER off;
		CREATE CONSTRAINT TRIGGER con AFTER UPDATE OF at, note ON t DEFERRABLE FOR EACH ROW EXECUTE FUNCTION trg();
		ALTER TABLE t ENABLE ALWAYS TRIGGER con;
		COMMENT ON TRIGGER con ON t IS 'deferred';
		CREATE UNIQUE INDEX t_u ON t (at) WHERE id > 0;
		INSERT INTO t SELECT i, '2020-01-01 10:00:0' || i || '+00' FROM generate_series(0, 9) i},
	call => q{zdm.change_column_type('t', 'at', 'timestamptz', owner => 'me', contract_by => '2099-01-01')},
	plain => q{
		CREATE TEMP TABLE d AS SELECT pg_get_triggerdef(oid) AS def FROM pg_trigger WHERE tgrelid = 't'::regclass AND tgname <> 'other';
		DROP TRIGGER plain ON t; DROP TRIGGER off ON t; DROP TRIGGER con ON t;
		ALTER TABLE t ALTER COLUMN at TYPE timestamptz USING at::timestamptz;
		DO $$ DECLARE r record; BEGIN FOR r IN SELECT def FROM d LOOP EXECUTE r.def; END LOOP; END $$;
		COMMENT ON TRIGGER plain ON t IS 'commented';
		COMMENT ON TRIGGER con ON t IS 'deferred';
		ALTER TABLE t DISABLE TRIGGER off, ENABLE ALWAYS TRIGGER con},
	table => 't');

try_plan('varchar to enum under another name',
	setup => q{
		CREATE TYPE mood AS ENUM ('sad', 'ok');
		CREATE TABLE t (m varchar(10) DEFAULT 'ok' NOT NULL CHECK (m <> 'none'));
		CREATE INDEX ON t (m);
		INSERT INTO t VALUES ('ok'), ('sad')},
	call => q{zdm.change_column_type('t', 'm', 'mood', new_name => 'mood', owner => 'me', contract_by => '2099-01-01')},
	plain => q{
		ALTER TABLE t DROP CONSTRAINT t_m_check, ALTER COLUMN m DROP DEFAULT;
		ALTER TABLE t ALTER COLUMN m TYPE mood USING m::mood;
		ALTER TABLE t ALTER COLUMN m SET DEFAULT ('ok'::character varying)::mood;
		ALTER TABLE t RENAME COLUMN m TO mood;
		ALTER TABLE t ADD CONSTRAINT t_m_check CHECK (mood::text <> 'none'::text)},
	table => 't',
	after => 'INSERT INTO t DEFAULT VALUES RETURNING mood',
	gives => 'ok');

try_plan('json to jsonb',
	setup => q{
		CREATE TABLE t (id int, doc json DEFAULT '{"a": 1}', CHECK (doc ->> 'a' <> ''));
		CREATE INDEX ON t ((doc ->> 'a'));
		INSERT INTO t VALUES (1, '{"a": 1,   "b": 2}'), (2, NULL)},
	call => q{zdm.change_column_type('t', 'doc', 'jsonb', owner => 'me', contract_by => '2099-01-01')},
	plain => q{
		ALTER TABLE t ALTER COLUMN doc DROP DEFAULT;
		ALTER TABLE t ALTER COLUMN doc TYPE jsonb;
		ALTER TABLE t ALTER COLUMN doc SET DEFAULT '{"a": 1}'::json},
	table => 't',
	after => 'INSERT INTO t (id) VALUES (3) RETURNING doc',
	gives => '{"a": 1}');

try_plan('no way back',
	setup => q{
		CREATE TABLE t (id int PRIMARY KEY, c text UNIQUE NULLS NOT DISTINCT CHECK (c IS NOT NULL), n int DEFAULT 3 NOT NULL);
		CREATE TABLE r (id int REFERENCES t ON UPDATE CASCADE);
		INSERT INTO t SELECT i, 'c' || i FROM generate_series(1, 9) i;
		INSERT INTO r SELECT id FROM t},
	call => q{zdm.change_column_type('t', 'id', 'bigint', forward => 'id + 0', owner => 'me', contract_by => '2099-01-01')},
	plain => q{ALTER TABLE t ALTER COLUMN id TYPE bigint},
	table => 't',
	revertible => 0);

try_plan('a conversion with a default',
	setup => q{
		CREATE TABLE t (id int, price int DEFAULT 100 NOT NULL);
		INSERT INTO t SELECT i, i * 100 FROM generate_series(1, 9) i},
	call => q{zdm.change_column_type('t', 'price', 'numeric(10,2)', 'price / 100.0', '(price * 100)::int', owner => 'me',
		contract_by => '2099-01-01')},
	plain => q{
		ALTER TABLE t ALTER COLUMN price DROP DEFAULT, ALTER COLUMN price TYPE numeric(10,2) USING price / 100.0;
		ALTER TABLE t ALTER COLUMN price SET DEFAULT (100) / 100.0},
	table => 't');

try_plan('rename in a partitioned table',
	setup => q{
		CREATE TABLE t (k int, v int NOT NULL CHECK (v > 0)) PARTITION BY RANGE (k);
		CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10);
		CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20);
		INSERT INTO t SELECT i, i + 1 FROM generate_series(0, 19) i},
	call => q{zdm.rename_column('t', 'v', 'value', 'me', '2099-01-01')},
	plain => 'ALTER TABLE t RENAME COLUMN v TO value',
	table => 't');

my $rows = q{
	CREATE TABLE t (a int, b text, c text);
	INSERT INTO t SELECT i, 'b' || i FROM generate_series(1, 9) i};

try_plan('add a column with a default',
	setup => $rows,
	call => q{zdm.add_column('t', 'n', 'int', 'me', '2099-01-01', column_default => '1 + 1', not_null => true)},
	plain => 'ALTER TABLE t ADD COLUMN n int NOT NULL DEFAULT 1 + 1',
	table => 't');

try_plan('add a column with a volatile default',
	setup => $rows . '; CREATE SEQUENCE seq',
	call => q{zdm.add_column('t', 'n', 'bigint', 'me', '2099-01-01', column_default => 'nextval(''seq'')', not_null => true)},
	plain => q{ALTER TABLE t ADD COLUMN n bigint NOT NULL DEFAULT nextval('seq'); SELECT setval('seq', 18)},
	table => '(SELECT a FROM t)');

try_plan('add a column that is filled',
	setup => $rows,
	call => q{zdm.add_column('t', 'n', 'varchar(20)', 'me', '2099-01-01', fill => 'upper(b)', column_default => '''new''', not_null => true)},
	plain => q{ALTER TABLE t ADD COLUMN n varchar(20); UPDATE t SET n = upper(b);
		ALTER TABLE t ALTER COLUMN n SET NOT NULL, ALTER COLUMN n SET DEFAULT 'new'},
	table => 't',
	held => 0);

try_plan('add a column with nothing',
	setup => $rows,
	call => q{zdm.add_column('t', 'n', 'text', 'me', '2099-01-01')},
	plain => q{ALTER TABLE t ADD COLUMN n text},
	table => 't');

try_plan('drop a column',
	setup => $rows . q{;
		ALTER TABLE t ADD CHECK (b <> 'x'), ADD CONSTRAINT two UNIQUE (a, b), ADD FOREIGN KEY (a, b) REFERENCES t (a, b);
		CREATE INDEX ON t (lower(b), c); CREATE STATISTICS st ON b, c FROM t;
		ALTER TABLE t ALTER b SET DEFAULT 'd', ALTER b SET NOT NULL},
	call => q{zdm.drop_column('t', 'c', 'me', '2099-01-01')},
	approve => 1,
	plain => q{ALTER TABLE t DROP COLUMN c},
	table => 't');

try_plan('drop a column with constraints',
	setup => $rows . q{;
		ALTER TABLE t ADD CHECK (b <> 'x'), ADD CONSTRAINT two UNIQUE (a, b);
		CREATE INDEX ON t (lower(b), c); CREATE STATISTICS st ON b, c FROM t;
		ALTER TABLE t ALTER b SET DEFAULT 'd', ALTER b SET NOT NULL},
	call => q{zdm.drop_column('t', 'b', 'me', '2099-01-01')},
	approve => 1,
	plain => q{ALTER TABLE t DROP COLUMN b},
	table => 't');

done_testing();
