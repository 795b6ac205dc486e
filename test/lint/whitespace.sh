#!/usr/bin/env bash
# Rule: no trailing blanks, no carriage returns, a newline at the end of each text file. Expected test
# output is as the server prints it.

set -euo pipefail
find . -type f \( -name '*.[ch]' -o -name '*.sql' -o -name '*.sh' -o -name '*.p[lm]' -o -name '*.spec' \
	-o -name '*.md' -o -name '*.json' -o -name '*.list' -o -name Makefile -o -name '*.control' \) \
	! -path './.git/*' ! -path './build/*' ! -path './results/*' -print0 | xargs -0 perl -e '
	my $status = 0;
	sub found { print @_, "\n"; $status = 1; }
	for my $file (@ARGV) {
		open(my $in, "<", $file) or die "$file: $!";
		my $last = "\n";
		while (<$in>) {
			found("$file:$.: carriage return") if /\r/;
			found("$file:$.: trailing blank") if /[ \t]$/;
			$last = $_;
		}
		found("$file: no newline at the end") unless $last =~ /\n$/;
	}
	exit $status;
'
