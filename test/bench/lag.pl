#!/usr/bin/env perl
# How far a standby was behind its primary.
#
# usage: lag.pl PRIMARY STANDBY FROM TO
#
# Both files have "time bytes" lines: seconds since 1970, and how far WAL was inserted in the primary, or replayed in the
# standby. Of what was inserted between FROM and TO it prints "bytes seconds", each the most: how many bytes the
# standby had not yet replayed at the time, and how long it took until it had. Both are as exact as the samples are close, and
# never too small.

use strict;
use warnings;

# A line may be cut off.
sub read_samples
{
	open(my $in, '<', $_[0]) or die "$_[0]: $!\n";
	return map { /^(\d+\.\d+) (\d+)\n/ ? [$1, $2] : () } <$in>;
}

die "usage: lag.pl PRIMARY STANDBY FROM TO\n" unless @ARGV == 4;
my @primary = grep { $_->[0] >= $ARGV[2] && $_->[0] <= $ARGV[3] } read_samples($ARGV[0]);
my @standby = read_samples($ARGV[1]);
die "no samples\n" unless @primary && @standby;

my ($bytes, $seconds) = (0, 0);
my ($now, $then) = (0, 0);
for my $sample (@primary)
{
	my ($time, $lsn) = @$sample;
	$now++ while $now < $#standby && $standby[ $now + 1 ][0] <= $time;
	$then++ while $then < @standby && $standby[$then][1] < $lsn;
	my $behind = $lsn - $standby[$now][1];
	$bytes = $behind if $behind > $bytes;
	die "the samples end before the standby has replayed all\n" if $then == @standby;
	my $took = $standby[$then][0] - $time;
	$seconds = $took if $took > $seconds;
}
printf "%d %.2f\n", $bytes, $seconds;
