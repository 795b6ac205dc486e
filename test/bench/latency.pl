#!/usr/bin/env perl
# Percentiles of pgbench's per-transaction logs.
#
# usage: latency.pl [--due] FROM TO FILE...
#
# Prints "count p50 p95 p99 max", the last four in milliseconds, of the transactions that ended between
# FROM and TO (seconds since 1970; "-" for no limit; or several of both, with commas between), or nothing but "0 - - - -" when there is none. With
# --rate, pgbench counts from the moment a transaction was due, so time spent queueing is in the figures. With --due, those count
# that were due between FROM and TO, also when they ended later.

use strict;
use warnings;

my $due = @ARGV && $ARGV[0] eq '--due' && shift @ARGV;
my ($from, $to, @files) = @ARGV;
die "usage: latency.pl [--due] FROM TO FILE...\n" unless @files;
my @from = map { $_ eq '-' ? 0 : $_ } split /,/, $from;
my @to = map { $_ eq '-' ? 9**99 : $_ } split /,/, $to;

my @ms;
for my $file (@files)
{
	open(my $log, '<', $file) or die "$file: $!\n";
	while (<$log>)
	{
		# client, transaction, microseconds, script, second, microsecond, ...; a line may be cut off
		next unless /^\d+ \d+ (\d+) \d+ (\d+) (\d+)( \d+)?$/;
		my ($us, $ended) = ($1, $2 + $3 / 1e6);
		my $moment = $due ? $ended - $us / 1e6 : $ended;
		next unless grep { $moment >= $from[$_] && $moment <= $to[$_] } 0 .. $#from;
		push @ms, $us / 1000;
	}
	close($log);
}

if (!@ms)
{
	print "0 - - - -\n";
	exit 0;
}
@ms = sort { $a <=> $b } @ms;

# The smallest value that no more than the given share of all exceeds.
sub percentile
{
	my $share = shift;
	my $n = int($share * @ms);
	return $ms[ $n < @ms ? $n : $#ms ];
}

printf "%d %.2f %.2f %.2f %.2f\n", scalar(@ms), percentile(0.50), percentile(0.95), percentile(0.99), $ms[-1];
