# A table with a subscriber: with what the plan says done there, a column is renamed from expand to purge, and
# back, and replication never fails; in a swap it stops where the plan says, and goes on with nothing lost.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $publisher = new_node('publisher', streaming => 'logical', conf => [ 'zdm.launcher_interval = 1s' ]);
my $subscriber = new_node('subscriber', conf => [ 'wal_retrieve_retry_interval = 100ms' ]);
my $next = 1000;

sub both
{
	my ($sql) = @_;

	sql($_, $sql) for $publisher, $subscriber;
	return;
}

both(q{
	CREATE TABLE customer (id int PRIMARY KEY, email text NOT NULL, n int);
	CREATE TABLE orders (id int PRIMARY KEY, price int NOT NULL);
});
sql($publisher, q{
	INSERT INTO customer SELECT i, 'u' || i, i FROM generate_series(1, 500) i;
	INSERT INTO orders SELECT i, i FROM generate_series(1, 500) i;
	CREATE PUBLICATION pub FOR TABLE customer, orders;
});
my $connection = $publisher->connstr('postgres');
$connection =~ s/'/''/g;
sql($subscriber, "CREATE SUBSCRIPTION sub CONNECTION '$connection' PUBLICATION pub");
$subscriber->wait_for_subscription_sync($publisher, 'sub');

# ---- what is looked at ----

sub errors
{
	return sql($subscriber, "SELECT apply_error_count FROM pg_stat_subscription_stats WHERE subname = 'sub'");
}

# A test: the columns are the same in all rows, after all that was written.
sub same
{
	my ($table, $columns, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $rows = "SELECT count(*), md5(string_agg(format('%s', r), ',' ORDER BY id)) FROM (SELECT $columns FROM $table) r";

	$publisher->wait_for_catchup('sub');
	is(sql($subscriber, $rows), sql($publisher, $rows), "$what: the subscriber has the same rows");
	return;
}

# A test: replication has not failed.
sub unharmed
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(errors(), 0, "$what: replication never failed");
	return;
}

# The statements of the plan's item for that phase.
sub item
{
	my ($migration, $phase) = @_;

	return sql($publisher, "SELECT statement FROM zdm.plan('$migration') WHERE kind = 'manual' AND phase = '$phase'");
}

sub wait_for
{
	my ($migration, $phase) = @_;

	sql($publisher, "CALL zdm.wait_for_migration('$migration', '$phase', '60 s')");
	return;
}

sub wait_for_stage
{
	my ($migration, $stage) = @_;

	return ok(poll($publisher, "SELECT stage = '$stage' FROM zdm.migrations WHERE name = '$migration'"), "$migration: $stage");
}

# Inserts, updates and deletes as applications do that know this column.
sub write_rows
{
	my ($table, $column, $value) = @_;
	my $id = $next++;

	sql($publisher, qq{
		INSERT INTO $table (id, $column) VALUES ($id, $value);
		UPDATE $table SET $column = $value WHERE id IN ($id % 97, $id % 89 + 100);
		DELETE FROM $table WHERE id = $id % 83 + 200;
	});
	return;
}

# ---- a column is renamed ----

sql($publisher, q{SELECT zdm.rename_column('customer', 'email', 'mail', owner => 'team', contract_by => CURRENT_DATE + 1, name => 'mail')});
is(sqlstate($publisher, "SELECT zdm.start('mail')"), '55000', 'it does not start before the subscriber has the column');
write_rows('customer', 'email', q{'planned'});
same('customer', 'id, email, n', 'planned');

my ($alter) = item('mail', 'expand') =~ /(ALTER TABLE .*)$/;
sql($subscriber, $alter);
sql($publisher, q{SELECT zdm.approve('mail'), zdm.start('mail')});
wait_for('mail', 'contract');
write_rows('customer', 'email', q{'by the old name'});
write_rows('customer', 'mail', q{'by the new name'});
same('customer', 'id, email, mail, n', 'both columns');
unharmed('both columns');

is(sqlstate($publisher, "SELECT zdm.contract('mail')"), '55000', 'it is not contracted before the subscriber is ready');
my $item = item('mail', 'contract');
($alter) = $item =~ /(ALTER TABLE [^;]*)/;
sql($subscriber, $alter);
write_rows('customer', 'email', q{'before contract'}) for 1 .. 3;
same('customer', 'id, mail, n', 'before contract');
sql($publisher, q{SELECT zdm.approve('mail'), zdm.contract('mail')});
wait_for_stage('mail', 'retired');
write_rows('customer', 'mail', q{'retired'}) for 1 .. 3;
same('customer', 'id, mail, n', 'retired');
unharmed('retired');

sql($publisher, q{SELECT zdm.revert('mail')});
wait_for_stage('mail', 'ready');
write_rows('customer', 'email', q{'reverted'});
$publisher->wait_for_catchup('sub');
my ($update) = $item =~ /after zdm\.revert\(\), (UPDATE [^;]*)/;
sql($subscriber, $update);
write_rows('customer', 'mail', q{'reverted, too'});
same('customer', 'id, email, mail, n', 'reverted');
unharmed('reverted');

sql($publisher, q{SELECT zdm.approve('mail'), zdm.contract('mail', '0')});
wait_for('mail', 'done');
write_rows('customer', 'mail', q{'purged'}) for 1 .. 3;
same('customer', 'id, mail, n', 'purged');
my ($hidden) = $alter =~ /ADD COLUMN ("[^"]*")/;
sql($subscriber, "ALTER TABLE customer DROP COLUMN email, DROP COLUMN $hidden");
write_rows('customer', 'mail', q{'without the old columns'});
same('customer', 'id, mail, n', 'without the old columns');
unharmed('all of it');

# ---- a default that is the same for all rows is not replicated: the subscriber has it from the statement ----

sql($publisher, q{SELECT zdm.add_column('customer', 'level', 'int', 'team', CURRENT_DATE + 1, column_default => '7', not_null => true, name => 'level')});
($alter) = item('level', 'expand') =~ /(ALTER TABLE .*)$/;
sql($subscriber, $alter);
write_rows('customer', 'mail', q{'before the default'});
sql($publisher, q{SELECT zdm.approve('level'), zdm.start('level')});
wait_for('level', 'done');
write_rows('customer', 'mail', q{'with the default'});
same('customer', 'id, mail, n, level', 'a default');
unharmed('a default');

# ---- a column that is dropped ----

sql($publisher, q{SELECT zdm.drop_column('customer', 'n', 'team', CURRENT_DATE + 1, name => 'drop')});
wait_for('drop', 'contract');
($alter) = item('drop', 'contract') =~ /(ALTER TABLE [^;]*)/;
sql($subscriber, $alter);
sql($publisher, q{SELECT zdm.approve('drop'), zdm.contract('drop')});
wait_for_stage('drop', 'retired');
write_rows('customer', 'mail', q{'hidden'});
same('customer', 'id, mail, level', 'hidden');
sql($publisher, q{SELECT zdm.contract('drop', '0')});
wait_for('drop', 'done');
write_rows('customer', 'mail', q{'dropped'});
same('customer', 'id, mail, level', 'dropped');
unharmed('a column that is dropped');

# ---- a swap: replication stops when the names change, until they do there ----

sql($publisher, q{SELECT zdm.change_column_type('orders', 'price', 'numeric(12,2)', 'price / 100.0', '(price * 100)::int', owner => 'team', contract_by => CURRENT_DATE + 1, name => 'swap')});
($alter) = item('swap', 'expand') =~ /(ALTER TABLE .*)$/;
like($alter, qr/ADD COLUMN "~zdm_/, 'in a swap, the hidden name is in the statement');
sql($subscriber, $alter);
sql($publisher, q{SELECT zdm.approve('swap'), zdm.start('swap')});
wait_for('swap', 'contract');
write_rows('orders', 'price', 12345);
same('orders', '*', 'before the swap');
unharmed('before the swap');
sql($publisher, q{SELECT zdm.approve('swap'), zdm.contract('swap')});
wait_for_stage('swap', 'retired');
write_rows('orders', 'price', 543.21);
ok(poll($subscriber, "SELECT apply_error_count > 0 FROM pg_stat_subscription_stats WHERE subname = 'sub'"), 'a swap: replication stops');
my ($renames) = item('swap', 'contract') =~ /(BEGIN; .*COMMIT);/;
sql($subscriber, $renames);
write_rows('orders', 'price', 1.5);
same('orders', '*', 'a swap');
sql($publisher, q{SELECT zdm.contract('swap', '0')});
wait_for('swap', 'done');
write_rows('orders', 'price', 2.5);
same('orders', 'id, price', 'after the swap');

# ---- the same of a primary key: by it, rows are found ----

my $errors;

sub stops
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return ok(poll($subscriber, "SELECT apply_error_count > $errors FROM pg_stat_subscription_stats WHERE subname = 'sub'"), "$what: replication stops");
}

sql($publisher, q{SELECT zdm.change_column_type('orders', 'id', 'bigint', owner => 'team', contract_by => CURRENT_DATE + 1, name => 'key')});
($alter) = item('key', 'expand') =~ /(ALTER TABLE .*)$/;
sql($subscriber, $alter);
sql($publisher, q{SELECT zdm.approve('key'), zdm.start('key')});
wait_for('key', 'contract');
sql($publisher, q{SELECT zdm.approve('key'), zdm.contract('key')});
wait_for_stage('key', 'retired');
$errors = errors();
write_rows('orders', 'price', 7.5);
stops('a key is retired');
$item = item('key', 'contract');
($renames) = $item =~ /(BEGIN; .*COMMIT);/;
sql($subscriber, $renames);
same('orders', 'id, price', 'a key is retired');
sql($publisher, q{SELECT zdm.contract('key', '0')});
wait_for('key', 'done');
$errors = errors();
write_rows('orders', 'price', 8.5);
stops('a key is purged');
($alter) = $item =~ /until (ALTER TABLE .*ADD PRIMARY KEY.*)$/;
sql($subscriber, $alter);
write_rows('orders', 'price', 9.5);
same('orders', 'id, price', 'a key is purged');

sql($subscriber, 'DROP SUBSCRIPTION sub');
$subscriber->stop;
$publisher->stop;
done_testing();
