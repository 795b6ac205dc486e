#!/usr/bin/env bash
# Rule: a comment stands directly above every C function that other files can call, and at the top of
# every C file and header.

set -euo pipefail
ctags -R --languages=C --c-kinds=f --langmap=C:.c.h -x --_xformat='%F %n %N' src | sort -k1,1 -k2,2n | perl -e '
	my ($status, %lines) = (0);
	# Between a comment and the function: its result type, and the macros that announce it.
	sub has_comment {
		my ($text, $n) = @_;
		for ($n--; $n > 0; $n--) {
			my $line = $text->[$n - 1];
			return 1 if $line =~ m{\*/\s*$};
			next if $line =~ /^\s*$/ || $line =~ /^PG_FUNCTION_INFO_V1\(/ || $line =~ /^#/;
			return 1 if $line =~ /^static\b/;
			next if $line =~ /^[A-Za-z_][\w \t*]*$/;
			return 0;
		}
		return 0;
	}
	while (<STDIN>) {
		my ($file, $n, $name) = split;
		if (!$lines{$file}) {
			open(my $in, "<", $file) or die "$file: $!";
			$lines{$file} = [ <$in> ];
		}
		next if has_comment($lines{$file}, $n);
		print "$file:$n: no comment above $name\n";
		$status = 1;
	}
	for my $file (@ARGV) {
		open(my $in, "<", $file) or next;
		next if <$in> =~ m{^/\*};
		print "$file:1: no comment says what belongs in this file\n";
		$status = 1;
	}
	exit $status;
' src/*.[ch] src/*/*.[ch]
