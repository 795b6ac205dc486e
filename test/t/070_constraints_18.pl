# Constraints that only PostgreSQL 18 has: NOT NULL that is NOT VALID, NOT ENFORCED, NOT VALID foreign keys of partitioned
# tables, virtual generated columns, temporal keys.  Nothing is marked valid that is not.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('constraints');

if (sql($node, 'SHOW server_version_num') < 180000)
{
	$node->stop;
	plan skip_all => 'needs PostgreSQL 18';
}

# Waits until the job that a statement starts has come to rest; its state, and its error if there is one.
sub outcome
{
	my ($statement) = @_;
	my $answer = sql($node, "SET client_min_messages = warning; SELECT $statement");
	my $job = $answer =~ /^\d+$/ ? $answer : sql($node, "SELECT zdm.job_id(\$\$$answer\$\$)");

	return rest($job);
}

sub rest
{
	my ($job) = @_;

	poll($node, "SELECT state NOT IN ('queued', 'running') FROM zdm.jobs WHERE job_id = $job")
	  or diag sql($node, "SELECT * FROM zdm.jobs WHERE job_id = $job");
	return sql($node, "SELECT concat_ws(' ', state, last_sqlstate) FROM zdm.jobs WHERE job_id = $job");
}

sub retried
{
	my ($name) = @_;
	my $job = sql($node, "SELECT zdm.job_id('$name')");

	sql($node, "SELECT zdm.retry_job($job)");
	return rest($job);
}

# Constraints of a table and all below it, but for valid NOT NULL ones of others.
sub constraints
{
	my ($pattern) = @_;

	return sql($node, qq{
		SELECT string_agg(format('%s.%s %s', conrelid::regclass, conname, CASE WHEN convalidated THEN 'valid' ELSE 'not valid' END), ', '
		                  ORDER BY conrelid::regclass::text COLLATE "C", conname)
		  FROM pg_constraint WHERE conname ~ '$pattern' AND conrelid <> 0});
}

sub method
{
	my ($name) = @_;

	return sql($node, "SELECT method FROM zdm.validations WHERE name = '$name'");
}

# ---- NOT NULL, NOT VALID ----

sql($node, q{
	CREATE TABLE nn (id int PRIMARY KEY, a int, b int);
	INSERT INTO nn SELECT i, NULLIF(i, 7), i FROM generate_series(1, 1000) i;
	ALTER TABLE nn ADD CONSTRAINT nn_a NOT NULL a NOT VALID;
	ALTER TABLE nn ADD CONSTRAINT nn_b NOT NULL b NOT VALID});
is(outcome("zdm.validate_constraint('nn', 'nn_a', name => 'nn a')"), 'failed 23502', 'NOT NULL: a row is in the way');
is(constraints('^nn_a$'), 'nn.nn_a not valid', 'NOT NULL: it stays NOT VALID');
is(outcome("zdm.set_not_null('nn', 'a', name => 'set a')"), 'failed 23502', 'set_not_null finds it, too');
is(constraints('^nn_a$'), 'nn.nn_a not valid', 'set_not_null: it stays NOT VALID');
sql($node, 'UPDATE nn SET a = 7 WHERE a IS NULL');
is(retried('nn a'), 'done', 'NOT NULL: retried');
is(constraints('^nn_a$'), 'nn.nn_a valid', 'NOT NULL: valid');
is(method('nn a'), 'native', 'NOT NULL: by the native command');
is(outcome("zdm.set_not_null('nn', 'b', name => 'set b')"), 'done', 'set_not_null validates a constraint that is there');
is(constraints('^nn_b$'), 'nn.nn_b valid', 'set_not_null: valid');
is(sql($node, q{SELECT string_agg(statement, '; ') FROM zdm.steps WHERE name = 'set b'}),
	'ALTER TABLE public.nn VALIDATE CONSTRAINT nn_b', 'set_not_null: and does no more');
is(outcome("zdm.set_not_null('nn', 'b', name => 'set b again')"), 'done', 'set_not_null: nothing to do');
is(outcome("zdm.drop_not_null('nn', 'b', name => 'drop b')"), 'done', 'drop_not_null');
is(constraints('^nn_b$'), '', 'drop_not_null: gone');
is(outcome("zdm.set_not_null('nn', 'b', name => 'set b anew')"), 'done', 'set_not_null without a constraint');
is(sql($node, q{SELECT string_agg(conname || ' ' || contype::text || ' ' || convalidated, ', ') FROM pg_constraint
	WHERE conrelid = 'nn'::regclass AND conname ~ 'b'}), 'nn_b_not_null n true', 'set_not_null: one constraint, no helper');

# a key of columns of which one is NOT NULL, NOT VALID, and one may be null
sql($node, q{
	CREATE TABLE pk (a int, b int);
	INSERT INTO pk SELECT i, i FROM generate_series(1, 1000) i;
	ALTER TABLE pk ADD CONSTRAINT pk_a NOT NULL a NOT VALID});
is(outcome("zdm.add_primary_key('pk', '{a,b}', name => 'pk')"), 'done', 'add_primary_key on a NOT VALID column');
is(constraints('^pk_'), 'pk.pk_a valid, pk.pk_b_not_null valid, pk.pk_pkey valid', 'add_primary_key: all valid, no helper');

# partitions and children
sql($node, q{
	CREATE TABLE np (k int, a int) PARTITION BY RANGE (k);
	CREATE TABLE np_1 PARTITION OF np FOR VALUES FROM (0) TO (100);
	CREATE TABLE np_2 PARTITION OF np FOR VALUES FROM (100) TO (200);
	INSERT INTO np SELECT i, i FROM generate_series(0, 199) i;
	ALTER TABLE np ADD CONSTRAINT np_a NOT NULL a NOT VALID;
	CREATE TABLE ni (a int);
	CREATE TABLE ni_child () INHERITS (ni);
	INSERT INTO ni_child VALUES (1), (NULL);
	ALTER TABLE ni ADD CONSTRAINT ni_a NOT NULL a NOT VALID;
	CREATE TABLE ns (k int, a int) PARTITION BY RANGE (k);
	CREATE TABLE ns_1 PARTITION OF ns FOR VALUES FROM (0) TO (100);
	INSERT INTO ns SELECT i, i FROM generate_series(0, 99) i});
is(outcome("zdm.set_not_null('np', 'a', name => 'np')"), 'done', 'partitions: NOT NULL');
is(constraints('^np_a$'), 'np.np_a valid, np_1.np_a valid, np_2.np_a valid', 'partitions: all valid');
is(outcome("zdm.validate_constraint('ni', 'ni_a', name => 'ni')"), 'failed 23502', 'a child has a row in the way');
is(constraints('^ni_a$'), 'ni.ni_a not valid, ni_child.ni_a not valid', 'children: none is marked');
sql($node, 'DELETE FROM ni_child WHERE a IS NULL');
is(retried('ni'), 'done', 'children: retried');
is(constraints('^ni_a$'), 'ni.ni_a valid, ni_child.ni_a valid', 'children: all valid');
is(outcome("zdm.set_not_null('ns', 'a', name => 'ns')"), 'done', 'partitions: set_not_null');
is(sql($node, q{SELECT string_agg(conrelid::regclass || ' ' || contype::text || convalidated, ', ' ORDER BY conrelid) FROM pg_constraint
	WHERE conrelid IN ('ns'::regclass, 'ns_1'::regclass)}), 'ns ntrue, ns_1 ntrue', 'partitions: valid, no helper');

# ---- MATCH FULL: a column that is NOT NULL, NOT VALID may have nulls ----

sql($node, q{
	CREATE TABLE fp (a int, b int, PRIMARY KEY (a, b));
	INSERT INTO fp SELECT i, i FROM generate_series(1, 100) i;
	CREATE TABLE fc (a int, b int);
	INSERT INTO fc SELECT i, i FROM generate_series(1, 100) i;
	INSERT INTO fc VALUES (5, NULL);
	CREATE INDEX ON fc (a, b);
	ALTER TABLE fc ADD NOT NULL a NOT VALID, ADD NOT NULL b NOT VALID,
		ADD CONSTRAINT fc_fk FOREIGN KEY (a, b) REFERENCES fp MATCH FULL NOT VALID});
is(outcome("zdm.validate_constraint('fc', 'fc_fk', name => 'fc')"), 'failed 23503', 'MATCH FULL: the row that is null in part is found');
is(constraints('^fc_fk$'), 'fc.fc_fk not valid', 'MATCH FULL: it stays NOT VALID');

# ---- foreign keys of partitioned tables ----

sql($node, q{
	CREATE TABLE customer (id int PRIMARY KEY);
	INSERT INTO customer SELECT i FROM generate_series(1, 100) i;
	CREATE TABLE part (k int, c int) PARTITION BY RANGE (k);
	CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (1000);
	CREATE TABLE part_2 (dropped int, c int, k int);
	ALTER TABLE part_2 DROP dropped;
	ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES FROM (1000) TO (2000);
	CREATE TABLE part_3 PARTITION OF part FOR VALUES FROM (2000) TO (3000) PARTITION BY RANGE (k);
	CREATE TABLE part_31 PARTITION OF part_3 FOR VALUES FROM (2000) TO (3000);
	INSERT INTO part SELECT i, i % 100 + 1 FROM generate_series(0, 2999) i;
	CREATE INDEX ON part (c);
	UPDATE part SET c = 1000 WHERE k IN (1500, 2500)});
is(outcome("zdm.add_foreign_key('part', '{c}', 'customer', constraint_name => 'part_fk', name => 'part')"), 'failed 23503', 'partitions: orphans');
is(constraints('^part_fk$'), 'part.part_fk not valid, part_1.part_fk valid, part_2.part_fk not valid, part_3.part_fk not valid, part_31.part_fk not valid',
	'partitions: what is in order is marked, and no more');
is(sql($node, q{SELECT string_agg("table" || ' ' || (row_values ->> 'c'), ', ' ORDER BY "table") FROM zdm.violations WHERE job_name = 'part'}),
	'public.part_2 1000, public.part_31 1000', 'partitions: the orphans are listed');
sql($node, 'UPDATE part SET c = 1 WHERE c = 1000');
is(retried('part'), 'done', 'partitions: retried');
is(constraints('^part_fk$'), 'part.part_fk valid, part_1.part_fk valid, part_2.part_fk valid, part_3.part_fk valid, part_31.part_fk valid',
	'partitions: all valid');
is(method('part'), 'fk_merge', 'partitions: in chunks');
is(outcome("zdm.drop_constraint('part', 'part_fk', name => 'drop part')"), 'done', 'partitions: dropped');

# the partition that is scanned is detached, another one is attached
sql($node, q{
	CREATE TABLE moving (k int, c int) PARTITION BY RANGE (k);
	CREATE INDEX ON moving (c);
	CREATE TABLE moving_1 PARTITION OF moving FOR VALUES FROM (0) TO (100000);
	INSERT INTO moving SELECT i, i % 100 + 1 FROM generate_series(0, 99999) i;
	CREATE TABLE moving_2 (k int, c int);
	INSERT INTO moving_2 SELECT i, i % 100 + 1 FROM generate_series(100000, 100999) i;
	ANALYZE moving;
	ALTER TABLE moving ADD CONSTRAINT moving_fk FOREIGN KEY (c) REFERENCES customer NOT VALID});
my $moving = sql($node, q{
	BEGIN;
	SELECT zdm.validate_constraint('moving', 'moving_fk', name => 'moving') AS job \gset
	SELECT '' FROM zdm.set_throttle(:job, max_rows_per_second => 2000);
	COMMIT;
	\echo :job
});
$moving =~ s/\s//g;
ok(poll($node, "SELECT units_done > 0 AND units_done < units_total FROM zdm.validations WHERE job_id = $moving"), 'partitions: a scan has begun');
sql($node, 'ALTER TABLE moving DETACH PARTITION moving_1; ALTER TABLE moving ATTACH PARTITION moving_2 FOR VALUES FROM (100000) TO (200000)');
unthrottle($node, $moving);
is(rest($moving), 'done', 'partitions: one is detached in the middle of its scan');
is(constraints('moving_fk'), 'moving.moving_fk valid, moving_1.moving_fk not valid, moving_2.moving_fk valid', 'partitions: the one that is gone is not marked');
sql($node, 'DROP TABLE moving, moving_1');

# a partition that has a constraint of that name, and of its own
sql($node, q{
	ALTER TABLE part_1 ADD CONSTRAINT part_fk CHECK (c > -1);
	ALTER TABLE part ADD CONSTRAINT part_fk FOREIGN KEY (c) REFERENCES customer NOT VALID});
is(outcome("zdm.validate_constraint('part', 'part_fk', name => 'part again')"), 'done', 'partitions: one has another constraint of the name');
is(sql($node, q{SELECT count(*) FILTER (WHERE convalidated), count(*) FROM pg_constraint WHERE confrelid = 'customer'::regclass}), '5|5',
	'partitions: all valid under whatever name');
sql($node, 'ALTER TABLE part DROP CONSTRAINT part_fk; DROP INDEX part_c_idx; UPDATE part SET c = 2000 WHERE k = 10;');
sql($node, 'ALTER TABLE part ADD CONSTRAINT part_fk FOREIGN KEY (c) REFERENCES customer NOT VALID');
is(outcome("zdm.validate_constraint('part', 'part_fk', name => 'part native')"), 'failed 23503', 'partitions without an index: orphans');
is(method('part native'), 'native', 'partitions without an index: natively');
is(sql($node, q{SELECT "table", row_values ->> 'c' FROM zdm.violations WHERE job_name = 'part native'}), 'public.part_1|2000', 'partitions without an index: listed');

# ---- NOT ENFORCED ----

sql($node, q{
	CREATE TABLE ne (a int CONSTRAINT ne_check CHECK (a > 0) NOT ENFORCED, c int CONSTRAINT ne_fk REFERENCES customer NOT ENFORCED);
	INSERT INTO ne VALUES (-1, -1)});
for my $constraint (qw(ne_check ne_fk))
{
	my (undef, $err) = try_sql($node, "SELECT zdm.validate_constraint('ne', '$constraint')");

	like($err, qr/ERROR:  55000.*is not enforced.*HINT:  Drop it with zdm.drop_constraint/s, "$constraint: refused, with a way out");
	is(sqlstate($node, "SELECT * FROM zdm.plan_constraint('ne', '$constraint')"), '55000', "$constraint: no plan either");
	is(outcome("zdm.drop_constraint('ne', '$constraint')"), 'done', "$constraint: dropped");
}

# switched off while it is validated: a mark would be a lie
sql($node, q{
	CREATE TABLE off (a int, c int);
	INSERT INTO off SELECT i, i % 100 + 1 FROM generate_series(1, 10000) i;
	CREATE INDEX ON off (c);
	ALTER TABLE off ADD CONSTRAINT off_fk FOREIGN KEY (c) REFERENCES customer NOT VALID;
	BEGIN;
	SELECT zdm.validate_constraint('off', 'off_fk', name => 'off');
	SELECT zdm.pause_job(zdm.job_id('off'));
	COMMIT;
	ALTER TABLE off ALTER CONSTRAINT off_fk NOT ENFORCED;
	INSERT INTO off VALUES (0, -5);
	SELECT zdm.resume_job(zdm.job_id('off'))});
is(rest(sql($node, "SELECT zdm.job_id('off')")), 'failed 55000', 'no longer enforced: the job fails');
is(constraints('^off_fk$'), 'off.off_fk not valid', 'no longer enforced: it stays NOT VALID');

# ---- virtual generated columns ----

sql($node, q{
	CREATE TABLE virt (id int PRIMARY KEY, a int, v int GENERATED ALWAYS AS (a * 2) VIRTUAL, t text);
	INSERT INTO virt (id, a, t) SELECT i, i, NULL FROM generate_series(1, 1000) i;
	UPDATE virt SET a = -5 WHERE id = 33;
	ALTER TABLE virt ADD CONSTRAINT virt_v CHECK (v > 0) NOT VALID});
is(outcome("zdm.validate_constraint('virt', 'virt_v', name => 'virt')"), 'failed 23514', 'virtual: a row breaks the CHECK');
is(sql($node, q{SELECT row_key, row_values, total FROM zdm.violations WHERE job_name = 'virt'}), '{"id": "33"}|{"v": "-10"}|1', 'virtual: listed with its value');
sql($node, 'UPDATE virt SET a = 5 WHERE id = 33');
is(retried('virt'), 'done', 'virtual: retried');
is(constraints('^virt_v$'), 'virt.virt_v valid', 'virtual: valid');
is(outcome("zdm.set_not_null('virt', 'v', name => 'virt nn')"), 'done', 'virtual: set_not_null');
is(sql($node, q{SELECT string_agg(contype::text || convalidated::text, ', ' ORDER BY conname) FROM pg_constraint
	WHERE conrelid = 'virt'::regclass AND conname ~ 'v_not_null|zdm'}), 'ntrue', 'virtual: NOT NULL, no helper');
is(outcome("zdm.start_backfill('virt', 't = v::text', filter => 'v <> 4', name => 'virt fill')"), 'done', 'virtual: a backfill reads it');
is(sql($node, q{SELECT count(*) FROM virt WHERE t IS DISTINCT FROM CASE WHEN a <> 2 THEN (a * 2)::text END}), '0', 'virtual: every row is right');
is(sqlstate($node, q{SELECT zdm.start_backfill('virt', 'v = 1')}), '428C9', 'virtual: cannot be assigned');

# ---- temporal keys ----

sql($node, q{
	CREATE TABLE room (room int4range, during tsrange, note text, CONSTRAINT room_key PRIMARY KEY (room, during WITHOUT OVERLAPS));
	INSERT INTO room SELECT int4range(i, i + 1), tsrange(d, d + '1 year') FROM generate_series(1, 20) i,
		(VALUES (timestamp '2020-01-01'), ('2021-01-01')) AS v (d);
	CREATE TABLE booking (room int4range, during tsrange);
	INSERT INTO booking SELECT int4range(i, i + 1), tsrange('2020-06-01', '2021-06-01') FROM generate_series(1, 20) i;
	ALTER TABLE booking ADD CONSTRAINT booking_fk FOREIGN KEY (room, PERIOD during) REFERENCES room NOT VALID});
is(outcome("zdm.validate_constraint('booking', 'booking_fk', name => 'booking')"), 'done', 'temporal: rows that hold, over two parents');
is(method('booking'), 'native', 'temporal: natively');
sql($node, q{
	ALTER TABLE booking DROP CONSTRAINT booking_fk;
	INSERT INTO booking VALUES ('[3,4)', '[2021-06-01,2022-06-01)');
	ALTER TABLE booking ADD CONSTRAINT booking_fk FOREIGN KEY (room, PERIOD during) REFERENCES room NOT VALID});
is(outcome("zdm.validate_constraint('booking', 'booking_fk', name => 'booking 2')"), 'failed 23503', 'temporal: a row that does not');
is(constraints('^booking_fk$'), 'booking.booking_fk not valid', 'temporal: it stays NOT VALID');
is(sql($node, q{SELECT row_values ->> 'room', row_values ->> 'during' FROM zdm.violations WHERE job_name = 'booking 2'}),
	'[3,4)|["2021-06-01 00:00:00","2022-06-01 00:00:00")', 'temporal: the row is listed, and no other');
sql($node, q{DELETE FROM booking WHERE upper(during) = '2022-06-01'});
is(retried('booking 2'), 'done', 'temporal: retried');
is(sqlstate($node, q{SELECT zdm.reindex('room_key')}), '0A000', 'temporal: the index of the key cannot be rebuilt concurrently');
is(sqlstate($node, q{SELECT zdm.drop_index('room_key')}), '2BP01', 'temporal: nor dropped');
is(outcome("zdm.start_backfill('room', 'note = room::text', name => 'room fill')"), 'done', 'temporal: a backfill');
is(sql($node, q{SELECT count(*) FROM room WHERE note IS DISTINCT FROM room::text}), '0', 'temporal: every row is right');

done_testing();
