# What the TAP tests share.
#
# What belongs here: a server with zdm, tables whose every row can be checked, jobs, waiting for events,
# sessions that stay open.  No test of its own.
#
# Every wait has a limit and returns false when it passes, having said what it saw last; nothing sleeps
# where an event can be awaited.

package ZdmTest;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(
  new_node use_zdm sql try_sql sqlstate poll
  make_table keep_copy wrong_rows
  start_job unthrottle job worker_pid wait_for_rows wait_done
  migration_reaches
  session
  log_position log_has
);

my $wait_seconds = 45;

# A running server; preload => 0 leaves zdm out of shared_preload_libraries, conf => [...] adds lines,
# streaming => 1 prepares it for standbys.
sub new_node
{
	my ($name, %option) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(
		allows_streaming => $option{streaming} // 0,
		extra => [ '--no-locale', '-E', 'UTF8' ]);
	$node->append_conf('postgresql.conf', join("\n",
		($option{preload} // 1) ? "shared_preload_libraries = 'zdm'" : '',
		'log_statement = none',
		'restart_after_crash = on',
		'shared_buffers = 32MB',
		'max_connections = 40',
		'max_worker_processes = 16',
		'autovacuum_naptime = 10s',
		'zdm.contended_duty = 1',	# others are at work on this machine, too
		@{ $option{conf} // [] }));
	$node->start;
	use_zdm($node);
	return $node;
}

sub use_zdm
{
	my ($node, $db) = @_;

	sql($node, 'SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS zdm', $db);
	return;
}

# The result of statements that must succeed.
sub sql
{
	my ($node, $sql, $db) = @_;

	return $node->safe_psql($db // 'postgres', $sql);
}

# Output and messages of statements that may fail; messages with their SQLSTATE.
sub try_sql
{
	my ($node, $sql, $db, %option) = @_;
	my ($out, $err) = ('', '');

	$node->psql($db // 'postgres', $sql,
		stdout => \$out,
		stderr => \$err,
		on_error_stop => 1,
		extra_params => [ '-v', 'VERBOSITY=verbose', @{ $option{params} // [] } ]);
	return ($out, $err);
}

# The SQLSTATE of the first error; '00000' without one.
sub sqlstate
{
	my (undef, $err) = try_sql(@_);

	return $err =~ /(?:ERROR|FATAL):  ([0-9A-Z]{5})/ ? $1 : $err eq '' ? '00000' : $err;
}

# Repeats a query until it gives 't', or expect => value; a failing connection is repeated, too.
sub poll
{
	my ($node, $sql, %option) = @_;
	my $expect = $option{expect} // 't';
	my $limit = time() + ($option{seconds} // $wait_seconds);
	my ($out, $err) = ('', '');

	for (;;)
	{
		# psql may be gone before it was written to
		$err = $@ unless eval { $node->psql($option{db} // 'postgres', $sql, stdout => \$out, stderr => \$err); 1 };
		return 1 if $err eq '' && $out eq $expect;
		last if time() >= $limit;
		usleep(50_000);
	}
	diag "waited in vain for: $sql\nlast result: $out\n$err";
	return 0;
}

# ---- tables ----

# A table to be backfilled with new = upper(src).  Its trigger counts in "touched" how often a row was
# updated; "n" is for the application.
sub make_table
{
	my ($node, $table, $rows, $db, $more) = @_;

	sql($node, qq{
		CREATE TABLE $table (id bigint PRIMARY KEY, src text NOT NULL, new text,
			n bigint NOT NULL DEFAULT 0, touched int NOT NULL DEFAULT 0,
			pad text NOT NULL DEFAULT repeat('x', 40));
		INSERT INTO $table (id, src) SELECT i, 'src' || i FROM generate_series(1, $rows) i;
		CREATE OR REPLACE FUNCTION count_touch() RETURNS trigger LANGUAGE plpgsql
			AS 'BEGIN NEW.touched := OLD.touched + 1; RETURN NEW; END';
		CREATE TRIGGER touch BEFORE UPDATE ON $table
			FOR EACH ROW EXECUTE FUNCTION count_touch();
	} . ($more // ''), $db);
	keep_copy($node, $table, $db);
	return;
}

sub keep_copy
{
	my ($node, $table, $db) = @_;

	sql($node, qq{
		DROP TABLE IF EXISTS ${table}_before;
		CREATE TABLE ${table}_before AS SELECT id, src, n, pad FROM $table;
	}, $db);
	return;
}

# Rows that differ from what a finished backfill and nobody else makes of the table: missing, doubled,
# changed elsewhere, not filled, or not updated exactly once.
sub wrong_rows
{
	my ($node, $table, $db) = @_;

	return sql($node, qq{
		SELECT count(*) FROM $table t FULL JOIN ${table}_before b USING (id)
		 WHERE t.id IS NULL OR b.id IS NULL
		    OR (t.src, t.n, t.pad) IS DISTINCT FROM (b.src, b.n, b.pad)
		    OR t.new IS DISTINCT FROM upper(b.src) OR t.touched <> 1
	}, $db);
}

# ---- jobs ----

# Starts new = upper(src) on a table; set, filter, name, more => other arguments, rate => rows a second,
# role, db.  The id.
sub start_job
{
	my ($node, $table, %option) = @_;
	my $set = $option{set} // 'new = upper(src)';
	my @arguments = ("'$table'", "\$set\$$set\$set\$");

	push @arguments, "filter => \$f\$$option{filter}\$f\$" if defined $option{filter};
	push @arguments, "name => '$option{name}'" if defined $option{name};
	push @arguments, $option{more} if defined $option{more};
	my $role = defined $option{role} ? "SET LOCAL ROLE $option{role};" : '';
	my $throttle =
	  defined $option{rate} ? "SELECT '' FROM zdm.set_throttle(:job, max_rows_per_second => $option{rate});" : '';
	my $id = sql($node, qq{
		BEGIN;
		$role
		SELECT zdm.start_backfill(@{[join(', ', @arguments)]}) AS job \\gset
		$throttle
		COMMIT;
		\\echo :job
	}, $option{db});
	$id =~ s/\s//g;
	return $id;
}

sub unthrottle
{
	my ($node, $job, $db) = @_;

	sql($node, "SELECT zdm.set_throttle($job, duty => 1, max_rows_per_second => 'Infinity')", $db);
	return;
}

# One column of zdm.jobs.
sub job
{
	my ($node, $job, $column, $db) = @_;

	return sql($node, "SELECT $column FROM zdm.jobs WHERE job_id = $job", $db);
}

# The process of the job's worker, once there is one that is not process other; 0 when none comes.
sub worker_pid
{
	my ($node, $job, %option) = @_;
	my $other = $option{other} // 0;

	return 0 unless poll($node,
		"SELECT pid <> $other FROM zdm.jobs WHERE job_id = $job AND pid IS NOT NULL", %option);
	return job($node, $job, 'pid', $option{db});
}

# Waits until so many rows are done and the job has a worker.
sub wait_for_rows
{
	my ($node, $job, $rows, %option) = @_;

	return poll($node,
		"SELECT rows_done >= $rows AND pid IS NOT NULL FROM zdm.jobs WHERE job_id = $job", %option);
}

# A test: the job gets done.
sub wait_done
{
	my ($node, $job, $what, %option) = @_;
	my $seconds = $option{seconds} // $wait_seconds;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($out, $err) = try_sql($node,
		"SET client_min_messages = warning; CALL zdm.wait_for_job($job, '$seconds s')", $option{db});

	return 1 if is($err, '', "$what: done");
	diag sql($node, "\\x on\nSELECT * FROM zdm.jobs WHERE job_id = $job; SELECT * FROM zdm.backfills WHERE job_id = $job", $option{db});
	diag sql($node, "SELECT at, event, message FROM zdm.events WHERE job_id = $job ORDER BY event_id", $option{db});
	return 0;
}

# ---- migrations ----

# A test: the migration comes to that phase (and stage).
sub migration_reaches
{
	my ($node, $name, $phase, $stage) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $is = $stage ? "phase = '$phase' AND stage = '$stage'" : "phase = '$phase'";

	return 1 if ok(poll($node, "SELECT $is FROM zdm.migrations WHERE name = '$name'"), "$name: $phase" . ($stage ? " ($stage)" : ''));
	diag sql($node, "\\x on\nSELECT * FROM zdm.migrations WHERE name = '$name'");
	diag sql($node, "SELECT at, event, job_name, message FROM zdm.events WHERE migration = '$name' ORDER BY event_id");
	return 0;
}

# ---- sessions ----

# A psql session that stays open: ->query(sql) waits for the end and returns its output, errors and
# notices included.
sub session
{
	my ($node, $db) = @_;

	return ZdmTest::Session->new($node, $db // 'postgres');
}

# ---- server log ----

sub log_position
{
	my ($node) = @_;

	return -s $node->logfile;
}

sub log_has
{
	my ($node, $pattern, $from) = @_;

	return slurp_file($node->logfile, $from // 0) =~ /$pattern/ ? 1 : 0;
}

package ZdmTest::Session;

use strict;
use warnings;

sub new
{
	my ($class, $node, $db) = @_;
	my $self = bless { in => '', out => '', count => 0, timer => IPC::Run::timer(60) }, $class;

	$self->{run} = IPC::Run::start(
		[ $node->installed_command('psql'), '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr($db), '-f', '-' ],
		'<', \$self->{in}, '>', \$self->{out}, '2>&1', $self->{timer});
	$self->query('SELECT 1');
	return $self;
}

# Sends statements without waiting for their end.
sub send
{
	my ($self, $sql) = @_;

	$self->{count}++;
	$self->{in} .= "$sql\n;\n\\echo ended $self->{count}\n";
	$self->{run}->pump_nb;
	return;
}

# Waits for the end of what was sent last.
sub receive
{
	my ($self) = @_;
	my $end = "ended $self->{count}\n";

	$self->{timer}->start(60);
	$self->{run}->pump until $self->{out} =~ /^\Q$end\E/m || $self->{timer}->is_expired;
	die 'a session got no answer' if $self->{timer}->is_expired;
	my $result = $self->{out};
	$result =~ s/^\Q$end\E.*//ms;
	chomp $result;
	$self->{out} = '';
	return $result;
}

sub query
{
	my ($self, $sql) = @_;

	$self->send($sql);
	return $self->receive;
}

sub quit
{
	my ($self) = @_;

	$self->{in} .= "\\q\n";
	eval { $self->{run}->finish };
	return;
}

1;
