#!/usr/bin/env perl
# Transactions of pgbench that were due and are lost.
#
# usage: lost.pl RATE FROM TO OUTPUT FILE...
#
# RATE is what pgbench was given; OUTPUT is what it printed, the FILEs are its logs, one of each thread. Prints two
# numbers. The first are those that failed between FROM and TO (seconds since 1970), and those that took their client with them, at
# any time. The second are those that were due between FROM and TO and have not been done yet. A thread gives transactions out in the order in which they are due, so
# that it lacks nothing when it has one that was due after TO; one that does not lacks the rate's share of the time since its last.

use strict;
use warnings;

my ($rate, $from, $to, $output, @files) = @ARGV;
die "usage: lost.pl RATE FROM TO OUTPUT FILE...\n" unless @files;

sub read_lines
{
	open(my $in, '<', $_[0]) or die "$_[0]: $!\n";
	return <$in>;
}

my $failed = grep { /client \d+ .*aborted/ } read_lines($output);
my $missing = 0;
for my $file (@files)
{
	my $last = $from;
	for (read_lines($file))
	{
		# client, transaction, microseconds or why it failed, script, second, microsecond, microseconds it began late, ...
		next unless /^\d+ \d+ (\w+) \d+ (\d+) (\d+)/;
		my ($us, $ended) = ($1, $2 + $3 / 1e6);
		if ($us =~ /\D/)
		{
			$failed++ if $ended >= $from && $ended <= $to;
			next;
		}
		my $due = $ended - $us / 1e6;
		$last = $due if $due > $last;
	}
	$missing += ($to - $last) * $rate / @files if $last < $to;
}
printf "%d %d\n", $failed, $missing + 0.999;
