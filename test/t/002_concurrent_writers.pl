# An application that writes all the time: nothing is left unfilled, nothing it wrote is lost, and it
# gets no deadlocks.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $clients = 4;
my $node = new_node('writers', conf => ['log_lock_waits = on']);

# The application.  Each client has its own rows, so that clients never meet each other, and locks
# several of them in one transaction in random order, with a pause after each.  Whatever it does to the table it does to the
# shadow, too, which no job touches.
sub make_application
{
	my ($table, $rows) = @_;

	sql($node, qq{
		CREATE TABLE ${table}_shadow AS SELECT id, src, n FROM $table;
		CREATE UNIQUE INDEX ON ${table}_shadow (id);
		CREATE TABLE ${table}_control (stop boolean, mode text, dwell float);
		INSERT INTO ${table}_control VALUES (false, '', 0);
		CREATE SEQUENCE ${table}_ids START 1000000;
		CREATE TABLE ${table}_work (client int, transactions bigint);
		CREATE PROCEDURE ${table}_write(client int) LANGUAGE plpgsql AS \$\$
		DECLARE
			control record;
			k bigint;
			delta int;
			dice float;
			done bigint := 0;
		BEGIN
			LOOP
				SELECT * INTO control FROM ${table}_control;
				EXIT WHEN control.stop;
				FOR i IN 1 .. 4 LOOP
					k := floor(random() * $rows / $clients) * $clients + client + 1;
					delta := 1 + floor(random() * 9);
					dice := random();
					IF dice < 0.7 THEN
						UPDATE $table SET n = n + delta,
							new = CASE control.mode WHEN 'unfilled' THEN NULL
								WHEN 'filled' THEN upper(src) ELSE new END
						 WHERE id = k;
						UPDATE ${table}_shadow SET n = n + delta WHERE id = k;
					ELSIF dice < 0.8 THEN
						UPDATE $table SET src = src || 'u',
							new = CASE WHEN control.mode = 'filled' THEN upper(src || 'u') ELSE NULL END
						 WHERE id = k AND length(src) < 30;
						UPDATE ${table}_shadow SET src = src || 'u' WHERE id = k AND length(src) < 30;
					ELSIF dice < 0.9 THEN
						k := nextval('${table}_ids') * $clients + client;
						INSERT INTO $table (id, src, n, new) VALUES (k, 'ins' || k, delta,
							CASE WHEN control.mode = 'filled' THEN upper('ins' || k) END);
						INSERT INTO ${table}_shadow (id, src, n) VALUES (k, 'ins' || k, delta);
					ELSIF dice < 0.95 THEN
						DELETE FROM $table WHERE id = k;
						DELETE FROM ${table}_shadow WHERE id = k;
					ELSE
						UPDATE $table SET id = id + 100000000,
							new = CASE control.mode WHEN 'filled' THEN upper(src) ELSE new END
						 WHERE id = k;
						UPDATE ${table}_shadow SET id = id + 100000000 WHERE id = k;
					END IF;
					PERFORM pg_sleep(control.dwell);
				END LOOP;
				COMMIT;
				done := done + 1;
			END LOOP;
			INSERT INTO ${table}_work VALUES (client, done);
		END \$\$;
	});
	return;
}

sub start_application
{
	my ($table, $mode, $dwell) = @_;
	my @sessions = map { session($node) } 1 .. $clients;

	sql($node, "UPDATE ${table}_control SET stop = false, mode = '$mode', dwell = $dwell; TRUNCATE ${table}_work");
	$sessions[$_]->send("CALL ${table}_write($_)") for 0 .. $clients - 1;
	return \@sessions;
}

sub stop_application
{
	my ($table, $sessions, $what) = @_;

	sql($node, "UPDATE ${table}_control SET stop = true");
	is(join('', map { $_->receive } @$sessions), '', "$what: the application gets no error");
	$_->quit for @$sessions;
	is(sql($node, "SELECT count(*) FROM ${table}_work WHERE transactions > 10"), $clients,
		"$what: the application was at work");
	return;
}

# Rows in which the table and the shadow differ.
sub lost_writes
{
	my ($table) = @_;

	return sql($node, qq{
		SELECT count(*) FROM $table t FULL JOIN ${table}_shadow s USING (id)
		 WHERE t.id IS NULL OR s.id IS NULL OR (t.src, t.n) IS DISTINCT FROM (s.src, s.n)});
}

sub unfilled
{
	my ($table) = @_;

	return sql($node, "SELECT count(*) FROM $table WHERE new IS DISTINCT FROM upper(src)");
}

# ---- a trigger fills what the application writes ----

make_table($node, 't', 8000, undef, q{
	CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql
		AS 'BEGIN NEW.new := upper(NEW.src); RETURN NEW; END';
	CREATE TRIGGER fill BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION fill();
});
make_application('t', 8000);
my $application = start_application('t', '', 0.02);
my $job = start_job($node, 't', rate => 2500);
wait_done($node, $job, 'with a trigger, while the application writes');
is(unfilled('t'), 0, 'with a trigger: nothing is left, while the application writes');
stop_application('t', $application, 'with a trigger');
is(unfilled('t'), 0, 'with a trigger: nothing is left');
is(lost_writes('t'), 0, 'with a trigger: no write of the application is lost');

# ---- no trigger, the application writes rows that are not filled, then stops ----

make_table($node, 'u', 40_000);
make_application('u', 40_000);
$application = start_application('u', 'unfilled', 0);
$job = start_job($node, 'u', filter => 'new IS NULL', more => 'max_sweeps => 2');
ok(poll($node, qq{
	SELECT j.state = 'running' AND b.sweep >= 2
		AND j.waiting_for LIKE 'the application keeps writing rows that match the filter%'
	  FROM zdm.jobs j JOIN zdm.backfills b USING (job_id) WHERE job_id = $job}, seconds => 20),
	'no trigger: the job says that the application keeps it from ending');
like(job($node, $job, 'waiting_for'), qr/default|trigger/, 'no trigger: it says what to do about it');
my $sweep = sql($node, "SELECT sweep FROM zdm.backfills WHERE job_id = $job");
ok(poll($node, "SELECT sweep > $sweep AND state = 'running' FROM zdm.backfills WHERE job_id = $job"),
	'no trigger: it keeps running and sweeping');
stop_application('u', $application, 'no trigger');
wait_done($node, $job, 'no trigger, once the application has stopped');
is(sql($node, 'SELECT count(*) FROM u WHERE new IS NULL'), 0, 'no trigger: nothing is left');
is(lost_writes('u'), 0, 'no trigger: no write of the application is lost');
is(job($node, $job, "coalesce(waiting_for, 'nothing')"), 'nothing', 'no trigger: a job that is done waits for nothing');

# ---- no trigger, the application begins to fill rows and goes on ----

$application = start_application('u', 'unfilled', 0);
$job = start_job($node, 'u', filter => 'new IS NULL', name => 'again', more => 'max_sweeps => 2');
ok(poll($node, "SELECT waiting_for LIKE 'the application keeps writing%' FROM zdm.jobs WHERE job_id = $job", seconds => 20),
	'filled later: the job says that the application keeps it from ending');
sql($node, q{UPDATE u_control SET mode = 'filled'});
wait_done($node, $job, 'filled later, while the application writes');
is(sql($node, 'SELECT count(*) FROM u WHERE new IS NULL'), 0, 'filled later: nothing is left, while the application writes');
stop_application('u', $application, 'filled later');
is(sql($node, 'SELECT count(*) FROM u WHERE new IS NULL'), 0, 'filled later: nothing is left');
is(lost_writes('u'), 0, 'filled later: no write of the application is lost');

# ---- rows that dodge the cursor: every row moves to the end or to the front of the table again and again ----

make_table($node, 'm', 5000, undef, q{
	CREATE FUNCTION keep_filled() RETURNS trigger LANGUAGE plpgsql
		AS 'BEGIN IF TG_OP = ''INSERT'' THEN NEW.new := upper(NEW.src); END IF; RETURN NEW; END';
	CREATE TRIGGER keep_filled BEFORE INSERT ON m FOR EACH ROW EXECUTE FUNCTION keep_filled();
	CREATE TABLE m_stop (stop boolean);
	INSERT INTO m_stop VALUES (false);
	-- long rows do not fit on their page any more
	CREATE PROCEDURE m_move() LANGUAGE plpgsql AS $$
		BEGIN
			WHILE NOT (SELECT stop FROM m_stop) LOOP
				FOR part IN 0 .. 49 LOOP
					UPDATE m SET pad = repeat('x', 40 + (random() * 400)::int) WHERE id % 50 = part;
					COMMIT;
				END LOOP;
			END LOOP;
		END $$;
});
my $mover = session($node);
$mover->send('CALL m_move()');
$job = start_job($node, 'm', rate => 4000);
wait_done($node, $job, 'moving rows');
is(unfilled('m'), 0, 'moving rows: nothing is left, while rows move');
sql($node, 'UPDATE m_stop SET stop = true');
is($mover->receive, '', 'moving rows: the application gets no error');
$mover->quit;
is(sql($node, 'SELECT count(*) FROM m'), 5000, 'moving rows: no row is lost');

# ---- a deadlock with an application that locks rows in the other order: the job gives way ----

$node->append_conf('postgresql.conf', "zdm.row_lock_timeout = 1500ms\nzdm.max_batch_time = 10s\ndeadlock_timeout = 1s");
$node->reload;
make_table($node, 'd', 32);
my $one = session($node);
$one->query('BEGIN');
$one->query('UPDATE d SET n = n + 1 WHERE id = 17');
$job = start_job($node, 'd');
ok(poll($node, q{
	SELECT count(*) = 1 FROM pg_locks JOIN zdm.workers USING (pid)
	 WHERE role = 'worker' AND locktype = 'transactionid' AND NOT granted}),
	'other order: the job waits for a row');
is($one->query('UPDATE d SET n = n + 1 WHERE id <> 17'), '', 'other order: the application gets no error');
is($one->query('COMMIT'), '', 'other order: the application commits');
wait_done($node, $job, 'other order');
is(unfilled('d'), 0, 'other order: nothing is left');
is(sql($node, 'SELECT sum(n) FROM d'), 32, 'other order: no write of the application is lost');
cmp_ok(sql($node, "SELECT retries FROM zdm.backfills WHERE job_id = $job"), '>', 0, 'other order: the job gave way');
$one->quit;

# ---- rows that are locked, not changed, are skipped and get their turn ----

$node->append_conf('postgresql.conf', 'zdm.row_lock_timeout = 20ms');
$node->reload;
make_table($node, 's', 5000);
$one = session($node);
$one->query('BEGIN');
$one->query('SELECT count(*) FROM (SELECT FROM s WHERE id % 500 = 0 FOR UPDATE) AS locked');
$job = start_job($node, 's', more => 'max_sweeps => 2');
ok(poll($node, "SELECT rows_done = 4990 FROM zdm.jobs WHERE job_id = $job"),
	'locked rows: all others are filled meanwhile');
ok(poll($node, "SELECT state = 'running' AND waiting_for LIKE '%lock%' FROM zdm.jobs WHERE job_id = $job"),
	'locked rows: the job says that it waits for locks');
$one->query('COMMIT');
$one->quit;
wait_done($node, $job, 'locked rows, once they are free');
is(wrong_rows($node, 's'), 0, 'locked rows: every row is right');

# ---- nobody in the application had a deadlock ----

unlike(slurp_file($node->logfile), qr/ERROR:  deadlock detected/, 'no deadlock reached anybody');

$node->stop;
done_testing();
