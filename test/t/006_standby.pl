# A standby: views answer, functions refuse; after promotion the job goes on there by itself.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $primary = new_node('primary', streaming => 1,
	conf => [ 'max_wal_size = 1GB', 'hot_standby_feedback = on', 'wal_receiver_status_interval = 1s' ]);

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

make_table($primary, 't', 20_000);
make_table($primary, 'small', 1000);
sql($primary, q{
	CREATE INDEX small_n ON small (n);
	ALTER TABLE small ADD CONSTRAINT small_positive CHECK (n >= 0) NOT VALID;
	CREATE TABLE keyless (id int);
});
my $finished = start_job($primary, 'small');
wait_done($primary, $finished, 'primary');
my $job = start_job($primary, 't', rate => 300);
ok(wait_for_rows($primary, $job, 1000), 'the job is at work on the primary');
sql($primary, 'SELECT 1');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));

# ---- views ----

is(job($standby, $finished, 'state'), 'done', 'standby: a job that is done is shown');
is(job($standby, $job, 'state'), 'running', 'standby: a running job is shown');
cmp_ok(job($standby, $job, 'rows_done'), '>=', 1000, 'standby: its progress is shown');
for my $view (qw(jobs backfills quarantine events workers validations violations steps indexes statements blockers))
{
	is(sqlstate($standby, "SELECT * FROM zdm.$view"), '00000', "standby: zdm.$view can be read");
}
is(sqlstate($standby, "SELECT zdm.assert_job_done($finished)"), '00000', 'standby: zdm.assert_job_done() of a job that is done');
is(sqlstate($standby, "SELECT zdm.assert_job_done($job)"), '55000', 'standby: zdm.assert_job_done() of a job that is not done');

# ---- functions ----

for my $call (
	q{zdm.start_backfill('t', 'new = lower(src)')},
	"zdm.pause_job($job)",
	"zdm.resume_job($job)",
	"zdm.cancel_job($job)",
	"zdm.retry_job($job)",
	"zdm.set_throttle($job, duty => 0.5)",
	q{zdm.add_check('small', 'n >= 0')},
	q{zdm.add_foreign_key('small', '{n}', 't')},
	q{zdm.set_not_null('small', 'new')},
	q{zdm.add_unique('small', '{src}')},
	q{zdm.add_primary_key('keyless', '{id}')},
	q{zdm.drop_constraint('small', 'small_positive')},
	q{zdm.drop_not_null('small', 'src')},
	q{zdm.validate_constraint('small', 'small_positive')},
	q{zdm.validate_constraint('small', 'small_positive', 'native')},
	q{zdm.create_index('CREATE INDEX ON small (src)')},
	q{zdm.reindex('small_n')},
	q{zdm.drop_index('small_n')},
	q{zdm.execute_ddl('ALTER TABLE small ADD COLUMN more int')})
{
	my ($out, $err) = try_sql($standby, "SELECT $call");
	my ($function) = $call =~ /^(zdm\.\w+)/;

	like($err, qr/ERROR:  25006: .*$function.*standby/, "standby: $function() refuses, and says why");
	like($err, qr/HINT: .*primary/, "standby: $function() says where to call it");
}
is(job($standby, $job, 'state'), 'running', 'standby: nothing has changed');

for my $query (
	q{zdm.estimate_backfill('t', 'new = lower(src)')},
	q{zdm.plan_steps($$ SELECT zdm.set_not_null('small', 'new') $$)},
	q{zdm.plan_constraint('small', 'small_positive')},
	q{zdm.explain_ddl('ALTER TABLE small ADD COLUMN more int')})
{
	my ($function) = $query =~ /^(zdm\.\w+)/;

	is(sqlstate($standby, "SELECT * FROM $query"), '00000', "standby: $function() only tells something, and does");
}

# ---- promotion ----

# what a failover must not lose is what the standby has
sql($primary, 'CREATE TABLE flushed ()');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
my $before = job($standby, $job, 'rows_done');
$primary->stop('immediate');
is(sql($standby, q{SELECT count(*) FROM zdm.workers WHERE role = 'worker'}), 0, 'no worker runs on the standby');
is(sql($standby, 'SELECT pg_promote()'), 't', 'the standby is promoted');
ok(worker_pid($standby, $job, seconds => 30), 'promoted: the job goes on by itself');
cmp_ok(job($standby, $job, 'rows_done'), '>=', $before, 'promoted: no progress is lost');
unthrottle($standby, $job);
wait_done($standby, $job, 'promoted');
is(wrong_rows($standby, 't'), 0, 'promoted: every row is right');
is(job($standby, $job, 'rows_done'), 20_000, 'promoted: every row is counted once');
is(sql($standby, "SELECT string_agg(event, ' ' ORDER BY event_id) FROM zdm.events
	WHERE job_id = $job AND event IN ('queued', 'running', 'continued', 'failed', 'done')"),
	'queued running continued done', 'promoted: the events tell the story');

$standby->stop;
done_testing();
