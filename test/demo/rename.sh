# The second story of the demo: a column is renamed while an old and a new version of the application write.
#
# What belongs here: the table, the two writers, the phases of the migration. Source it after screen.sh; run.sh
# has ask, run_sql and the server. Each transaction of a writer also notes, under the same row lock, what it wrote:
# so what a row must be is known at every moment, whoever wrote it last.

RENAME_ROWS=${RENAME_ROWS:-200000}
RENAME_RATE=${RENAME_RATE:-200}    # transactions a second, of each writer

rename_make_table() {
	heading "A column is to be renamed: mail becomes email"
	run_sql "CREATE TABLE person (id int PRIMARY KEY, mail text NOT NULL UNIQUE);"
	server_psql main -c "INSERT INTO person SELECT i, 'p' || i || '@example.org' FROM generate_series(1, $RENAME_ROWS) i" \
		-c "CREATE TABLE written AS SELECT id, mail AS value FROM person" -c "ALTER TABLE written ADD PRIMARY KEY (id)" \
		-c "CREATE SEQUENCE person_ids START $((RENAME_ROWS + 1))" -c "VACUUM (ANALYZE) person, written"
	say "$(ask "SELECT to_char(count(*), 'FM999,999,999') || ' rows' FROM person"); every writer also notes in another table what it wrote"
}

# rename_writer_start NAME COLUMN: updates, and now and then inserts, naming that column only.
rename_writer_start() {
	local script=$ZDM_STAGE/tmp/writer-$1.pgbench
	cat >"$script" <<-END
		\\set id random(1, $RENAME_ROWS)
		\\set n random(1, 1000000000)
		BEGIN;
		UPDATE person SET $2 = 'u' || :id || '-' || :n || '@example.org' WHERE id = :id;
		UPDATE written SET value = 'u' || :id || '-' || :n || '@example.org' WHERE id = :id;
		COMMIT;
		BEGIN;
		INSERT INTO person (id, $2) VALUES (nextval('person_ids'), 'i' || :n || '-' || currval('person_ids') || '@example.org');
		INSERT INTO written VALUES (currval('person_ids'), 'i' || :n || '-' || currval('person_ids') || '@example.org');
		COMMIT;
	END
	pgbench -n -c 2 -R "$RENAME_RATE" -T 3600 -f "$script" >"$ZDM_STAGE/tmp/writer-$1.out" 2>&1 &
	writer_pid[$1]=$!
	say "a writer of the $1 version runs: UPDATE person SET $2 = ..."
}

rename_writer_end() {
	kill "${writer_pid[$1]}" 2>/dev/null || true
	wait "${writer_pid[$1]}" 2>/dev/null || true
	! grep -q 'ERROR' "$ZDM_STAGE/tmp/writer-$1.out" || die "the $1 version of the application got errors:" \
		"$(grep -m 3 ERROR "$ZDM_STAGE/tmp/writer-$1.out")"
	say "the $1 version of the application is gone; it got no error"
}

# Shows the migration until it is in that phase and stage.
rename_await() {
	local phase stage status line answer
	while :; do
		answer=$(ask "SELECT concat_ws('|', phase, coalesce(stage, '-'), status,
			format('%s  %s  %s%%  %s', rpad(phase, 9), rpad(status, 9), coalesce(round(progress::numeric * 100), 0), coalesce(waiting_for, '')))
			FROM zdm.migrations WHERE name = 'mail to email'")
		IFS='|' read -r phase stage status line <<<"$answer"
		live "$line"
		case $phase/$stage in "$1") live_end; return ;; esac
		[ "$status" != failed ] || { live_end; die "the migration failed: $(ask "SELECT last_error FROM zdm.migrations")"; }
		[ $SECONDS -lt $SECONDS_LIMIT ] || { live_end; die "the migration takes longer than $SECONDS_LIMIT s"; }
		sleep 0.1
	done
}

# disagreements COLUMN...: rows in which one of them is not what was written last.
rename_disagreements() {
	local column conditions=''
	for column in "$@"; do
		conditions+="${conditions:+ OR }p.$column IS DISTINCT FROM w.value"
	done
	disagree=$(ask "SELECT count(*) FROM person p FULL JOIN written w USING (id) WHERE $conditions")
	say "rows that are not what was written last: $disagree"
	disagreements=$((disagreements + disagree))
}

rename_story() {
	declare -gA writer_pid=()
	disagreements=0
	rename_make_table
	rename_writer_start old mail
	run_sql "SELECT zdm.rename_column('person', 'mail', 'email', owner => 'accounts team',
          contract_by => current_date + 30, name => 'mail to email');"
	rename_await contract/ready
	say "both columns are there, filled, NOT NULL, UNIQUE, and in step"
	rename_writer_start new email
	sleep 3
	rename_disagreements mail email
	run_sql "SELECT gate, open, reason FROM zdm.gates('mail to email') WHERE NOT open;"
	rename_writer_end old
	run_sql "SELECT zdm.set_migration('mail to email', soak => '0');"
	run_sql "SELECT zdm.contract('mail to email', hold => '1 hour');"
	rename_await contract/retired
	say "mail is hidden, and still kept up to date"
	sleep 1
	heading "Somebody still needs the old column: back, in one short transaction"
	run_sql "SELECT zdm.revert('mail to email');"
	rename_await contract/ready
	rename_writer_start old mail
	sleep 2
	rename_disagreements mail email
	rename_writer_end old
	heading "And now for good"
	run_sql "SELECT zdm.contract('mail to email', hold => '0');"
	rename_await done/-
	sleep 1
	rename_writer_end new
	rename_disagreements email
	server_psql main -c '\d person' | sed 's/^/   /'
}
