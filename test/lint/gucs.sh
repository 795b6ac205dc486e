#!/usr/bin/env bash
# Rule: every setting is named zdm.something, has a description, and is in README.md.

set -euo pipefail
perl -0777 -e '
	my ($status, $readme) = (0, "");
	if (open(my $in, "<", "README.md")) { $readme = <$in>; }
	sub found { print @_, "\n"; $status = 1; }
	for my $file (@ARGV) {
		open(my $in, "<", $file) or next;
		my $text = <$in>;
		while ($text =~ /DefineCustom\w+Variable\s*\(\s*"([^"]*)"\s*,\s*(?:gettext_noop\s*\(\s*)?("[^"]*"|\w+)/g) {
			my ($name, $text) = ($1, $2);
			found("$file: $name does not begin with zdm.") unless $name =~ /^zdm\.[a-z_]+$/;
			found("$file: $name has no description") unless $text =~ /^".+"$/;
			found("$file: $name is not in README.md") unless index($readme, $name) >= 0;
		}
	}
	exit $status;
' src/*.c src/*/*.c
