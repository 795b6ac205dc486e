#!/usr/bin/env perl
# The results of "make bench": ratios of a part, and all of it as one JSON document.
#
# usage: report.pl RESULTS PART [INDEXES]     prints the ratios or medians of a part
#        report.pl RESULTS shapes SHAPE       the same for a table of that shape
#        report.pl RESULTS validate EXPRESSION  the same for a constraint of that kind
#        report.pl RESULTS validate_load KIND  the same for validations under load
#        report.pl RESULTS dual_write         the same for sync triggers
#        report.pl RESULTS stall_columns      the longest of all, held against the target
#        report.pl RESULTS json MACHINE       prints the document; MACHINE: a file of "name<TAB>value" lines
#
# RESULTS has a line of JSON for each measurement, as written by record in run.sh.

use strict;
use warnings;
use JSON::PP;

my ($results, $part, $argument) = @ARGV;
my @all;
open(my $in, '<', $results) or die "$results: $!\n";
push @all, decode_json($_) while <$in>;
close($in);

# What the figures are held against: factors for zdm.
my %target = (
	throughput2 => { faster => 2, wal => 0.6, grown => 1.15 },
	throughput5 => { faster => 3, wal => 0.35, grown => 1.1 },
	foreground => { zdm => 1.2, full => 1.5, max_ms => 250, lost => 0 },
	growth => { slower => 1.15, memory => 1.15 },
	idle => { ratio => 0.99 },
	validate => { check => 1 },
	dual_write => { 'frame:insert' => 0.25, 'frame:copy' => 0.25, 'cast:insert' => 0.4, 'cast:copy' => 0.4,
		'cast:update' => 0.4, 'neither:update' => 0.35 },
	validate_load => { p99 => 1.2 });

my %name = (
	none => 'no backfill',
	busy => 'no backfill, one core busy',
	wal => 'no backfill, core and WAL',
	update => '(a) one UPDATE',
	zdm => '(d) zdm',
	full => '(e) zdm, unthrottled',
	keyset10000 => '(b) keyset loop, 10,000 rows',
	keyset1000 => '(c) keyset loop, 1,000 rows');
my @order = qw(none zdm full keyset10000 keyset1000 update busy wal);

sub ratio { return $_[1] > 0 ? sprintf('%.2f', $_[0] / $_[1]) + 0 : undef; }

sub smallest
{
	my ($key, @rows) = @_;
	return (sort { $a <=> $b } map { $_->{$key} } @rows)[0];
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	return $sorted[ $#sorted / 2 ];
}

# zdm against some others, by each one's best figure.
sub compare
{
	my ($zdm, @others) = @_;
	return {
		faster => ratio(smallest('seconds', @others), $zdm->{seconds}),
		wal => ratio($zdm->{wal_mb}, smallest('wal_mb', @others)),
		size => ratio($zdm->{size_after_mb}, smallest('size_after_mb', @others)),
		grown => ratio($zdm->{size_after_mb}, $zdm->{size_before_mb}) };
}

# Ratios of a throughput group: undef when zdm or all others are missing.
sub throughput_ratios
{
	my ($name, $indexes) = @_;
	my @group = grep { $_->{part} eq $name && $_->{indexes} == $indexes } @all;
	my ($zdm) = grep { $_->{method} eq 'zdm' } @group;
	my @others = grep { $_->{method} ne 'zdm' } @group;
	my ($bare) = grep { $_->{method} eq 'update' } @group;
	return undef unless $zdm && @others && $bare;
	return {
		against_best => compare($zdm, @others),
		against_update => compare($zdm, $bare),
		target => $target{"$name$indexes"} };
}

sub print_throughput
{
	my $r = throughput_ratios(@_) or return;
	my @lines = (['zdm against (a)', $r->{against_update}]);
	push @lines, ['zdm against the best of a, b, c', $r->{against_best}] if $_[0] eq 'throughput';
	for my $line (@lines)
	{
		my ($label, $c) = @$line;
		printf "%-32s %.2fx as fast, %.2fx the WAL, %.2fx the size\n", "$label:", @$c{qw(faster wal size)};
	}
	printf "%-32s %.2fx as fast, %.2fx the WAL, grown to %.2fx\n", 'target:', @{ $r->{target} }{qw(faster wal grown)}
	  if $r->{target};
}

# zdm on a table of some shape.
sub shape_ratios
{
	my ($shape) = @_;
	my %method = map { $_->{method} => $_ } grep { $_->{part} eq 'shapes' && $_->{shape} eq $shape } @all;
	return undef unless $method{zdm};
	return { map { ("against_$_" => compare($method{zdm}, $method{$_})) } grep { $_ ne 'zdm' } keys %method };
}

sub print_shapes
{
	my $r = shape_ratios($argument) or return;
	for my $method (sort keys %$r)
	{
		(my $other = $method) =~ s/against_//;
		printf "%-44s %.2fx as fast, %.2fx the WAL, %.2fx the size\n", "zdm against $name{$other}:", @{ $r->{$method} }{qw(faster wal size)};
	}
}

# Of lanes, the median of the rounds' ratios of one job to two.
sub lanes_ratios
{
	my ($indexes) = @_;
	my %method;
	push @{ $method{ $_->{method} } }, $_ for grep { $_->{part} eq 'lanes' && $_->{indexes} == $indexes } @all;
	my ($one, $two) = @method{qw(zdm lanes)};
	return undef unless $one && $two;
	my @rounds = 0 .. ($#$one < $#$two ? $#$one : $#$two);
	return {
		faster => median(map { ratio($one->[$_]{seconds}, $two->[$_]{seconds}) } @rounds),
		wal => median(map { ratio($two->[$_]{wal_mb}, $one->[$_]{wal_mb}) } @rounds) };
}

sub print_lanes
{
	my $r = lanes_ratios($argument) or return;
	printf "two jobs against one: %.2fx as fast, %.2fx the WAL\n", @$r{qw(faster wal)};
}

# By rows, medians of the rounds; each held against the smallest table.
sub growth_figures
{
	my %rows;
	push @{ $rows{ $_->{rows} } }, $_ for grep { $_->{part} eq 'growth' } @all;
	return undef unless %rows;
	my ($first, @sizes) = sort { $a <=> $b } keys %rows;
	my %figure;
	for my $size ($first, @sizes)
	{
		for my $key (qw(row_us peak_rss_anon_kb))
		{
			$figure{$size}{$key} = median(map { $_->{$key} } @{ $rows{$size} });
			$figure{$size}{"${key}_against_first"} = ratio($figure{$size}{$key}, $figure{$first}{$key});
		}
	}
	return \%figure;
}

sub print_growth
{
	my $figure = growth_figures() or return;
	printf "%12d rows: %.2fx the time per row, %.2fx the memory of the smallest table\n", $_,
	  @{ $figure->{$_} }{qw(row_us_against_first peak_rss_anon_kb_against_first)}
	  for sort { $a <=> $b } keys %$figure;
	printf "%18s %.2fx, %.2fx at most\n", 'target:', @{ $target{growth} }{qw(slower memory)};
}

# Transactions a second with the extension preloaded through those without, of each round; the quartiles.
sub idle_quartiles
{
	my %round;
	$round{ $_->{round} }{ $_->{preloaded} } = $_->{tps} for grep { $_->{part} eq 'idle' } @all;
	my @ratio = sort { $a <=> $b } map { $_->{zdm} / $_->{nothing} } grep { $_->{zdm} && $_->{nothing} } values %round;
	return undef unless @ratio;
	return { map { ($_->[0] => sprintf('%.4f', $ratio[ $_->[1] * $#ratio ]) + 0) } ['low', 0.25], ['ratio', 0.5], ['high', 0.75] };
}

sub print_idle
{
	my $q = idle_quartiles() or return;
	printf "preloaded against without: %.3fx, half of the rounds from %.3fx to %.3fx (target: %.2fx)\n", @$q{qw(ratio low high)}, $target{idle}{ratio};
}

# Of a part with a load, medians of the rounds, by method; lost are those of all rounds. p99 against that without a backfill is
# the median of the rounds' ratios.
sub load_medians
{
	my ($part, @keys) = @_;
	my (%median, %idle);
	my @rows = grep { $_->{part} eq $part } @all;
	$_->{method} eq 'none' and $idle{ $_->{round} } = $_->{p99_ms} for @rows;
	for my $row (@rows)
	{
		my $m = $median{ $row->{method} } //= {};
		push @{ $m->{$_} }, $row->{$_} for @keys;
		push @{ $m->{p99_against_idle} }, ratio($row->{p99_ms}, $idle{ $row->{round} }) if $idle{ $row->{round} };
	}
	for my $method (keys %median)
	{
		$_ = median(@$_) for values %{ $median{$method} };
		$median{$method}{lost} = 0;
		$median{$method}{lost} += $_->{lost} for grep { $_->{method} eq $method } @rows;
	}
	return \%median;
}

sub foreground_medians { return load_medians('foreground', qw(p50_ms p95_ms p99_ms max_ms seconds)); }

sub standby_medians { return load_medians('standby', qw(p99_ms max_ms seconds lag_bytes lag_seconds)); }

sub print_foreground
{
	my $median = foreground_medians();
	printf "medians; p99 against no backfill (targets: zdm %.1fx, unthrottled %.1fx), longest (target: %d ms), lost in all rounds (target: %d):\n",
	  @{ $target{foreground} }{qw(zdm full max_ms lost)};
	for my $method (grep { $median->{$_} } @order)
	{
		my $m = $median->{$method};
		printf "%-30s %5s %6.2f ms %6.2f ms %6.2f ms %6.2f ms %6d %9.2f s %6.2fx\n", $name{$method}, '',
		  @$m{qw(p50_ms p95_ms p99_ms max_ms lost seconds)}, $m->{p99_against_idle} // 0;
	}
}

sub print_standby
{
	my $median = standby_medians();
	print "medians of the longest lags, and against that of one UPDATE:\n";
	for my $method (grep { $median->{$_} } @order)
	{
		my $m = $median->{$method};
		my $update = $median->{update} // $m;
		printf "%-30s %5s %10.1f MB %11.2f s  %.2fx the bytes, %.2fx the time\n", $name{$method}, '', $m->{lag_bytes} / 1048576,
		  $m->{lag_seconds}, map { ratio($m->{$_}, $update->{$_}) // 0 } qw(lag_bytes lag_seconds);
	}
}

# Median of native through median of chunked, by expression.
sub validate_ratio
{
	my ($expression) = @_;
	my %ms;
	for my $row (grep { $_->{part} eq 'validate' && $_->{expression} eq $expression } @all)
	{
		push @{ $ms{ $row->{method} } }, $row->{ms};
	}
	return undef unless $ms{native} && $ms{chunked};
	return ratio(median(@{ $ms{native} }), median(@{ $ms{chunked} }));
}

sub print_validate
{
	my $ratio = validate_ratio($argument);
	printf "chunked against native: %.2fx as fast (target: %.2fx)\n", $ratio, $target{validate}{check} if $ratio;
}

# Median p99 of a method through that without a validation.
sub print_validate_load
{
	my %p99;
	for my $row (grep { $_->{part} eq 'validate_load' && $_->{kind} eq $argument } @all)
	{
		push @{ $p99{ $row->{method} } }, $row->{p99_ms};
	}
	return unless $p99{none};
	for my $method (grep { $p99{$_} } qw(zdm full native busy))
	{
		printf "%s, median p99 against no validation: %.2fx (target for zdm: %.2fx)\n", $method,
		  ratio(median(@{ $p99{$method} }), median(@{ $p99{none} })), $target{validate_load}{p99};
	}
}

# Time above no trigger, of zdm through that of PL/pgSQL, by group; each one's best.
sub dual_write_ratios
{
	my (%rows, %ratio);
	push @{ $rows{ $_->{group} }{ $_->{method} } }, $_ for grep { $_->{part} eq 'dual_write' } @all;
	for my $group (keys %rows)
	{
		my %best = map { $_ => smallest('ms', @{ $rows{$group}{$_} }) } keys %{ $rows{$group} };
		my ($zdm, $plpgsql) = map { $best{$_} - $best{none} } qw(zdm plpgsql);
		my $per_row = 1e6 / $rows{$group}{none}[0]{rows};
		$ratio{$group} = {
			zdm_ns => int($zdm * $per_row),
			plpgsql_ns => int($plpgsql * $per_row),
			ratio => ratio($zdm, $plpgsql),
			target => $target{dual_write}{$group} };
	}
	return \%ratio;
}

sub print_dual_write
{
	my $ratio = dual_write_ratios();
	print "above no trigger, a row:\n";
	printf "%-16s zdm %5d ns, PL/pgSQL %5d ns: %.2fx (target: %.2fx)\n", $_, @{ $ratio->{$_} }{qw(zdm_ns plpgsql_ns ratio target)}
	  for sort keys %$ratio;
}

# The longest transaction of each recipe, and which missed the target.
sub print_stall_columns
{
	my @rows = grep { $_->{part} eq 'stall_columns' && $_->{phase} eq 'all' } @all or return;
	my ($longest) = sort { $b->{max_ms} <=> $a->{max_ms} } @rows;
	my @missed = map { $_->{recipe} } grep { $_->{max_ms} > $_->{target_ms} } @rows;
	printf "longest of all: %.2f ms, in %s (target: %d ms always)%s\n", @$longest{qw(max_ms recipe target_ms)},
	  @missed ? '; missed by ' . join(', ', @missed) : '';
}

sub print_json
{
	my %machine;
	open(my $lines, '<', $argument) or die "$argument: $!\n";
	while (<$lines>)
	{
		chomp;
		my ($key, $value) = split /\t/, $_, 2;
		$machine{$key} = $value;
	}
	close($lines);
	my %ratios = (foreground => foreground_medians());
	for my $group (['throughput', 2], ['throughput', 5], ['logical', 2])
	{
		my $r = throughput_ratios(@$group);
		$ratios{"$group->[0]_$group->[1]_indexes"} = $r if $r;
	}
	for my $shape (qw(narrow plain fillfactor90 wide toast large partitioned))
	{
		my $r = shape_ratios($shape);
		$ratios{"shape_$shape"} = $r if $r;
	}
	for my $indexes (2, 5)
	{
		my $r = lanes_ratios($indexes);
		$ratios{"lanes_${indexes}_indexes"} = $r if $r;
	}
	$ratios{growth} = growth_figures();
	$ratios{idle} = idle_quartiles();
	$ratios{standby} = standby_medians();
	$ratios{dual_write} = dual_write_ratios();
	for my $expression (qw(simple several))
	{
		my $ratio = validate_ratio($expression);
		$ratios{"validate_$expression"} = { faster => $ratio, target => $target{validate}{check} } if $ratio;
	}
	print JSON::PP->new->pretty->canonical->encode(
		{ machine => \%machine, measurements => \@all, ratios => \%ratios });
}

if ($part eq 'json') { print_json(); }
elsif ($part eq 'foreground') { print_foreground(); }
elsif ($part eq 'standby') { print_standby(); }
elsif ($part eq 'shapes') { print_shapes(); }
elsif ($part eq 'lanes') { print_lanes(); }
elsif ($part eq 'growth') { print_growth(); }
elsif ($part eq 'idle') { print_idle(); }
elsif ($part eq 'validate') { print_validate(); }
elsif ($part eq 'validate_load') { print_validate_load(); }
elsif ($part eq 'dual_write') { print_dual_write(); }
elsif ($part eq 'stall_columns') { print_stall_columns(); }
else { print_throughput($part, $argument); }
