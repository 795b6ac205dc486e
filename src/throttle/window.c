/*
 * window.c
 *	  Signal: times of the day at which jobs may work, of the cluster
 *	  (zdm.work_window) and of one job.
 *
 * They are written as '22:00-06:00', several with commas between.  The time is
 * that of log_timezone: it is one for the whole server, while TimeZone may be
 * another for every role.
 */
#include "postgres.h"

#include "pgtime.h"
#include "throttle/settings.h"
#include "throttle/signal.h"
#include "throttle/window.h"
#include "utils/timestamp.h"

#define MINUTES_PER_DAY (24 * 60)

/* ---------- text ---------- */

static void
skip_spaces(const char **at)
{
	while (**at == ' ')
		(*at)++;
}

/* At most two digits; -1 when there are none, or they are more than most. */
static int
parse_number(const char **at, int most)
{
	int			value = 0;
	int			digits = 0;

	for (; digits < 2 && **at >= '0' && **at <= '9'; digits++, (*at)++)
		value = value * 10 + (**at - '0');
	return digits == 0 || value > most ? -1 : value;
}

/* A time of the day, in minutes; -1 when it is none.  24:00 is midnight. */
static int
parse_time(const char **at)
{
	int			hour;
	int			minute;

	skip_spaces(at);
	hour = parse_number(at, 24);
	if (hour < 0 || **at != ':')
		return -1;
	(*at)++;
	minute = parse_number(at, 59);
	if (minute < 0 || (hour == 24 && minute > 0))
		return -1;
	skip_spaces(at);
	return (hour * 60 + minute) % MINUTES_PER_DAY;
}

static bool
parse_window(const char **at, ZdmWindow *window, const char **why)
{
	window->from = parse_time(at);
	if (window->from >= 0 && **at == '-')
	{
		(*at)++;
		window->until = parse_time(at);
		if (window->until >= 0 && window->from != window->until)
			return true;
		if (window->until >= 0)
		{
			*why = "A window must not end when it begins.";
			return false;
		}
	}
	*why = "Write windows as '22:00-06:00', several with commas between.";
	return false;
}

/*
 * Windows from their text; an empty one means any time.  False, and *why says
 * in a sentence what is wrong, when it cannot be read.
 */
bool
zdm_windows_parse(const char *text, ZdmWindows *windows, const char **why)
{
	const char *at = text;

	windows->count = 0;
	skip_spaces(&at);
	if (*at == '\0')
		return true;
	for (;;)
	{
		if (windows->count == ZDM_WINDOWS_MAX)
		{
			*why = "There are more than 8 windows.";
			return false;
		}
		if (!parse_window(&at, &windows->window[windows->count++], why))
			return false;
		if (*at == '\0')
			return true;
		if (*at++ != ',')
		{
			*why = "Write windows as '22:00-06:00', several with commas between.";
			return false;
		}
	}
}

/* ---------- time ---------- */

static bool
is_within(const ZdmWindow *window, int minute)
{
	if (window->from < window->until)
		return minute >= window->from && minute < window->until;
	return minute >= window->from || minute < window->until;
}

/*
 * Is it the time for work?  If not, *opens_at is when the next window opens, in
 * minutes since midnight.
 */
bool
zdm_windows_are_open(const ZdmWindows *windows, TimestampTz at, int *opens_at)
{
	pg_time_t	time = timestamptz_to_time_t(at);
	struct pg_tm *tm = pg_localtime(&time, log_timezone);
	int			minute = tm->tm_hour * 60 + tm->tm_min;
	int			soonest = MINUTES_PER_DAY;

	if (windows->count == 0)
		return true;
	for (int i = 0; i < windows->count; i++)
	{
		int			wait = (windows->window[i].from - minute + MINUTES_PER_DAY) % MINUTES_PER_DAY;

		if (is_within(&windows->window[i], minute))
			return true;
		soonest = Min(soonest, wait);
	}
	*opens_at = (minute + soonest) % MINUTES_PER_DAY;
	return false;
}

/* ---------- the signal ---------- */

static void
see_window(const char *text, const char *whose, ZdmReading *reading)
{
	ZdmWindows	windows;
	const char *why;
	int			opens_at;

	if (reading->closed || !zdm_windows_parse(text, &windows, &why) ||
		zdm_windows_are_open(&windows, GetCurrentTimestamp(), &opens_at))
		return;
	reading->closed = true;
	reading->detail = psprintf("it is not %s (%s); until %02d:%02d %s", text, whose, opens_at / 60, opens_at % 60,
							   pg_get_timezone_name(log_timezone));
}

static void
read_window(const ZdmSignalContext *context, ZdmReading *reading)
{
	reading->unknown = true;
	if (context->work_window)
		see_window(context->work_window, "of this job", reading);
	see_window(zdm_work_window, "zdm.work_window", reading);
}

const ZdmSignal zdm_signal_work_window = {
	.name = "work_window",
	.words = "work window",
	.unit = ZDM_SIGNAL_TEXT,
	.read = read_window
};
