# What the demo puts on the screen.
#
# What belongs here: headings, lines, and the one line that is redrawn; no SQL, no server. Source it.
#
#   heading TEXT          a numbered part of the demo
#   say TEXT              a line
#   sql TEXT, shell TEXT  a statement or command, as typed
#   row LABEL VALUE       a line of a table
#   live TEXT             redraws the live line; on anything but a terminal, prints it now and then
#   live_end [TEXT]       the live line's last text, and on to the next line

PLAIN_LIVE_SECONDS=2

screen_part=0
screen_terminal=
screen_live=
screen_said_at=-1
screen_bold=
screen_dim=
screen_normal=
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then
	screen_terminal=yes
	if [ -z "${NO_COLOR:-}" ]; then
		screen_bold=$'\033[1m'
		screen_dim=$'\033[2m'
		screen_normal=$'\033[0m'
	fi
fi

heading() {
	screen_part=$((screen_part + 1))
	printf '\n%s%d. %s%s\n' "$screen_bold" "$screen_part" "$1" "$screen_normal"
}

say() { printf '   %s\n' "$1"; }
sql() { printf '   %s=#%s %s\n' "$screen_dim" "$screen_normal" "$1"; }
shell() { printf '   %s$%s %s\n' "$screen_dim" "$screen_normal" "$1"; }
row() { printf '   %-24s %s\n' "$1" "$2"; }

screen_columns() {
	local size
	size=$(stty size <&1 2>/dev/null || true)
	size=${size#* }
	if [ "${size:-0}" -ge 20 ] 2>/dev/null; then
		echo "$size"
	else
		echo 80
	fi
}

live() {
	local width
	screen_live=$1
	if [ -n "$screen_terminal" ]; then
		width=$(screen_columns)
		printf '\r   %s\033[K' "${1:0:width - 4}"
	elif [ "$screen_said_at" -lt 0 ] || [ $((SECONDS - screen_said_at)) -ge $PLAIN_LIVE_SECONDS ]; then
		screen_said_at=$SECONDS
		screen_live=
		say "$1"
	fi
}

live_end() {
	[ $# = 0 ] || screen_live=$1
	if [ -n "$screen_terminal" ]; then
		[ $# = 0 ] || live "$1"
		printf '\n'
	elif [ -n "$screen_live" ]; then
		say "$screen_live"
	fi
	screen_live=
	screen_said_at=-1
}
