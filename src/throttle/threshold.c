/*
 * threshold.c
 *	  Thresholds of signals as users write them, and as jobs keep them.
 *
 * A job keeps names and values in turn, as texts: a number in the signal's
 * unit, 0 where it is off, or what the user has written where the signal is no
 * number.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "throttle/load.h"
#include "throttle/settings.h"
#include "throttle/threshold.h"
#include "throttle/window.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

/* ---------- from users ---------- */

static char *
names_of_signals(void)
{
	char	   *names = "";

	for (int i = 0; i < zdm_nsignals; i++)
		names = psprintf("%s%s%s", names, i > 0 ? ", " : "", zdm_signals[i]->name);
	return names;
}

/* The place of the signal of that name; errors with INVALID_PARAMETER_VALUE. */
int
zdm_threshold_signal(const char *name)
{
	int			signal = zdm_signal_find(name);

	if (signal < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown signal \"%s\"", name),
				 errhint("Signals are: %s.", names_of_signals())));
	return signal;
}

static int
parse_number(const ZdmSignal *signal, const char *text)
{
	int			flags = signal->unit == ZDM_SIGNAL_MS ? GUC_UNIT_MS :
	signal->unit == ZDM_SIGNAL_KB || signal->unit == ZDM_SIGNAL_KB_PER_SECOND ? GUC_UNIT_KB : 0;
	const char *hint = NULL;
	int			value;

	if (!parse_int(text, &value, flags, &hint))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid threshold for signal \"%s\": \"%s\"", signal->name, text),
				 hint ? errhint("%s", _(hint)) : errhint("Give a number, as for the setting, or 'off', or 'default'.")));
	if (value <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the threshold of signal \"%s\" must be greater than 0, not %s", signal->name, text),
				 errhint("'off' leaves the signal out, 'default' takes the setting.")));
	return value;
}

static void
check_windows(const char *text)
{
	ZdmWindows	windows;
	const char *why = "There is none.";

	if (!zdm_windows_parse(text, &windows, &why) || windows.count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid work window: \"%s\"", text),
				 errdetail("%s", why),
				 errhint("Write it as '22:00-06:00', several with commas between; 'off' for any time, 'default' for zdm.work_window.")));
}

static void
check_standbys(const char *text)
{
	List	   *names;

	if (!zdm_standby_names_parse(text, &names) || names == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid list of standbys: \"%s\"", text),
				 errhint("Write names with commas between, as in application_name of pg_stat_replication; 'off' for all that stream, 'default' for zdm.required_standbys.")));
	zdm_standby_names_warn(names);
}

/* It is analyzed when it runs: as the job's role, in the job's search_path. */
static void
check_query(const char *text)
{
	List	   *stmts = raw_parser(text, RAW_PARSE_DEFAULT);

	if (list_length(stmts) != 1 || !IsA(linitial_node(RawStmt, stmts)->stmt, SelectStmt) ||
		castNode(SelectStmt, linitial_node(RawStmt, stmts)->stmt)->intoClause != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a throttle query must be one SELECT"),
				 errhint("It returns one number: jobs are held from 1 on, until it is below 0.8.")));
}

/*
 * A threshold as a user writes it, as in postgresql.conf: what a job is to keep
 * of it.  Errors with INVALID_PARAMETER_VALUE, and of a query with SYNTAX_ERROR.
 */
char *
zdm_threshold_parse(int signal, const char *text)
{
	if (pg_strcasecmp(text, "off") == 0)
		return pstrdup("0");
	if (zdm_signals[signal]->unit != ZDM_SIGNAL_TEXT)
		return psprintf("%d", parse_number(zdm_signals[signal], text));
	if (zdm_signals[signal] == &zdm_signal_work_window)
		check_windows(text);
	else if (zdm_signals[signal] == &zdm_signal_required_standbys)
		check_standbys(text);
	else
		check_query(text);
	return pstrdup(text);
}

/* ---------- of jobs ---------- */

/* None of its own. */
void
zdm_thresholds_init(ZdmThresholds *own)
{
	for (int i = 0; i < ZDM_SIGNALS_MAX; i++)
	{
		own->value[i] = -1;
		if (own->text[i])
			pfree(own->text[i]);
		own->text[i] = NULL;
	}
}

static void
read_one(ZdmThresholds *own, int signal, const char *text)
{
	bool		is_off = strcmp(text, "0") == 0;

	own->value[signal] = zdm_signals[signal]->unit == ZDM_SIGNAL_TEXT ? !is_off : strtod(text, NULL);
	if (zdm_signals[signal]->unit == ZDM_SIGNAL_TEXT && !is_off)
		own->text[signal] = MemoryContextStrdup(TopMemoryContext, text);
}

/*
 * Those that a job keeps: names and values in turn.  A signal that this version
 * does not know has none.  own was zeroed, or has been read before.
 */
void
zdm_thresholds_read(ZdmThresholds *own, Datum array)
{
	Datum	   *elems;
	int			count;

	zdm_thresholds_init(own);
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elems, NULL, &count);
	for (int i = 0; i + 1 < count; i += 2)
	{
		int			signal = zdm_signal_find(TextDatumGetCString(elems[i]));

		if (signal >= 0)
			read_one(own, signal, TextDatumGetCString(elems[i + 1]));
	}
}

/* The text of its own for the signal; NULL: none. */
const char *
zdm_thresholds_text(const ZdmThresholds *own, const ZdmSignal *signal)
{
	return own->text[zdm_signal_find(signal->name)];
}
