#!/usr/bin/env bash
# Rule: no file tells where or by whom it was made: no home or build folders of some machine, no private
# hosts and addresses, no e-mail addresses, no keys. Links go to the hosts listed here.

set -euo pipefail
find . -type f ! -path './.git/*' ! -path './build/*' ! -path './results/*' ! -name '*.o' ! -name '*.so' \
	! -name '*.bc' ! -path ./test/lint/leaks.sh -print0 | xargs -0 perl -e '
	my $status = 0;
	my $hosts = qr/^(?:(?:[\w-]+\.)*(?:postgresql\.org|pgxn\.org|github\.com|debian\.org|opensource\.org|json-schema\.org|grafana\.com|prometheus\.io|example\.(?:com|org|net))|localhost|127\.0\.0\.1|\$.*|\{.*)$/;
	my @rules = (
		["a folder of some machine", qr{(?:^|[\s"\x27`=(:,<>])(/(?:home|root|Users|mnt|work[a-z]*|builds?)/[\w.-]+)}],
		["a private host", qr{\b([\w-]+(?:\.[\w-]+)*\.(?:internal|local|lan|corp|intranet))\b(?!["\x27]?\s*[(=])}],
		["a private address", qr{\b((?:10\.\d+|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d+\.\d+)\b}],
		["an e-mail address", qr{\b([\w.+-]+\@(?!(?:example|lists\.postgresql)\.)[\w-]+\.[a-z]{2,}(?:\.[a-z]+)*)\b}],
		["a key", qr{(-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(?:ghp|gho|glpat|sk|xox[bp])[_-][A-Za-z0-9_-]{16,})}],
	);
	for my $file (@ARGV) {
		open(my $in, "<", $file) or die "$file: $!";
		next if -B $file;
		while (my $line = <$in>) {
			for my $rule (@rules) {
				next unless $line =~ $rule->[1];
				print "$file:$.: $rule->[0]: $1\n";
				$status = 1;
			}
			while ($line =~ m{\b[a-z]+://(?:[^/@\s]*@)?([^/\s:"\x27`)>\]]+)}g) {
				next if $1 =~ $hosts;
				print "$file:$.: a link to a host that is not on the list: $1\n";
				$status = 1;
			}
		}
	}
	exit $status;
'
