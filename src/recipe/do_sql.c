/*
 * do_sql.c
 *	  Steps of kind "sql" and "wait": texts of the user, run as the job's role
 *	  with the settings of the session that gave them.
 *
 * The statements of a step are one transaction, together with the note that
 * they are done.  No lock policy applies and no timer runs; what interrupts
 * them is that the job is paused or cancelled.  A wait for a lock ends after
 * LOCK_TIMEOUT_MS, or after zdm.lock_timeout where there is DDL among them,
 * behind which others would queue; then all of them are tried again.  A text
 * that begins with SET LOCAL lock_timeout decides that for itself.
 *
 * A wait that takes long does not keep a worker: the job is queued until it is
 * worth another look.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "core/identity.h"
#include "core/settings.h"
#include "ddl/portal.h"
#include "ddl/statement.h"
#include "executor/spi.h"
#include "job/queue.h"
#include "parser/parser.h"
#include "recipe/stage.h"
#include "recipe/running.h"
#include "recipe/store.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define LOCK_TIMEOUT_MS 1000

/* so long a worker waits itself, asking that often; then it is queued */
#define PATIENCE_MS 20000
#define ASK_MS 2000.0
#define ASK_QUEUED_MS 15000

/* ---------- statements ---------- */

typedef struct StepText
{
	const ZdmStep *step;
	const char *text;
	const char *state;			/* of the step, once they have run */
	int			lock_timeout_ms;
} StepText;

/* How many statements there are, and how many of them are DDL. */
static int
count_statements(const char *text, int *ddl)
{
	List	   *stmts = raw_parser(text, RAW_PARSE_DEFAULT);
	ListCell   *lc;

	*ddl = 0;
	foreach(lc, stmts)
	{
		const RawStmt *raw = lfirst_node(RawStmt, lc);

		if (GetCommandLogLevel(raw->stmt) == LOGSTMT_DDL || zdm_statement_sets_sequence(raw->stmt))
			(*ddl)++;
	}
	return list_length(stmts);
}

static ZdmVerdict
sql_body(ZdmRun *base, void *arg)
{
	StepText   *these = arg;

	zdm_pin_setting("lock_timeout", psprintf("%d", these->lock_timeout_ms));
	zdm_ddl_execute(these->text);
	/* the text may have set one of its own */
	zdm_pin_setting("lock_timeout", psprintf("%d", these->lock_timeout_ms));
	zdm_job_hold_state(base->job->id, base->job->state);
	zdm_recipe_set_state(base->job->id, these->step, these->state);
	return ZDM_DONE;
}

/*
 * Run a step's statements, or those that undo it, which are the user's, until
 * they have run.  False when the run has ended.
 */
bool
zdm_recipe_do_sql(ZdmRecipeRun *run, ZdmStep *step, bool undoes)
{
	ZdmRun	   *base = &run->base;
	const char *text = undoes ? step->undo : step->statement;
	StepText	these;
	ZdmVerdict	verdict;
	ZdmError   *error;
	int			ddl;

	these.step = step;
	these.text = text;

	these.state = undoes ? "undone" : "done";
	(void) count_statements(text, &ddl);
	these.lock_timeout_ms = ddl > 0 ? Min(zdm_lock_timeout, LOCK_TIMEOUT_MS) : LOCK_TIMEOUT_MS;
	base->activity = text;

	run->user_texts = true;
	while ((verdict = zdm_txn(base, 0, sql_body, &these, &error)) != ZDM_DONE)
	{
		if (!zdm_verdict_try_again(base, base->job->target, verdict, error))
			return false;
	}
	zdm_run_progressed(base);
	zdm_say_progress(base);
	step->done = !undoes;
	return true;
}

/* Is it DDL and nothing else?  Errors with SYNTAX_ERROR. */
bool
zdm_recipe_is_ddl(const char *text)
{
	int			ddl;
	int			all = count_statements(text, &ddl);

	return all > 0 && ddl == all;
}

/* ---------- waiting ---------- */

/* Is there a launcher, which takes the job up again? */
static bool
may_leave(void)
{
	return zdm_queue_is_preloaded();
}

typedef struct Awaited
{
	const char *query;
	bool		is_true;
} Awaited;

static void
require_boolean(void)
{
	if (SPI_tuptable == NULL || SPI_tuptable->tupdesc->natts != 1 ||
		SPI_gettypeid(SPI_tuptable->tupdesc, 1) != BOOLOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the query of a step that waits must return one boolean"),
				 errhint("Cancel the job, and give a SELECT that returns true when the wait is over.")));
}

static ZdmVerdict
query_body(ZdmRun *base, void *arg)
{
	Awaited    *query = arg;

	XactReadOnly = true;
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute(query->query, false, 2) != SPI_OK_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("what a step waits for must be a query"),
				 errhint("Give a SELECT that returns true when the wait is over.")));
	require_boolean();
	query->is_true = false;
	if (SPI_processed > 0)
	{
		bool		isnull;
		Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);

		query->is_true = !isnull && DatumGetBool(value);
	}
	SPI_finish();
	return ZDM_DONE;
}

/* False when the run has ended. */
static bool
ask(ZdmRecipeRun *run, Awaited *query)
{
	ZdmRun	   *base = &run->base;
	ZdmVerdict	verdict;
	ZdmError   *error;

	base->activity = query->query;
	run->user_texts = true;
	while ((verdict = zdm_txn(base, 0, query_body, query, &error)) != ZDM_DONE)
	{
		if (!zdm_verdict_try_again(base, base->job->target, verdict, error))
			return false;
	}
	MemoryContextReset(base->batch_mcxt);
	return true;
}

/* Until the query returns true. */
static bool
wait_for_query(ZdmRecipeRun *run, const ZdmStep *step)
{
	ZdmRun	   *base = &run->base;
	Awaited		query = {.query = step->filter};
	TimestampTz start = GetCurrentTimestamp();
	char	   *why = psprintf("step %d: its query to return true: %s", step->number, step->filter);

	for (;;)
	{
		if (!ask(run, &query))
			return false;
		if (query.is_true)
			return true;
		zdm_say_waiting(base, why);
		zdm_say_progress(base);
		if (may_leave() && TimestampDifferenceExceeds(start, GetCurrentTimestamp(), PATIENCE_MS))
			zdm_run_end_until(base, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ASK_QUEUED_MS), why);
		if (base->ended || !zdm_pause(base, ASK_MS))
			return false;
	}
}

static bool
wait_for_time(ZdmRecipeRun *run, const ZdmStep *step)
{
	ZdmRun	   *base = &run->base;
	TimestampTz until = TimestampTzPlusMilliseconds(step->began_at, (int64) step->wait_ms);
	long		ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
	char	   *why = psprintf("step %d: the time until %s", step->number, timestamptz_to_str(until));

	if (ms <= 0)
		return true;
	zdm_say_waiting(base, why);
	zdm_say_progress(base);
	if (may_leave() && ms > PATIENCE_MS)
		zdm_run_end_until(base, until, why);
	return !base->ended && zdm_pause(base, ms);
}

typedef struct Beginning
{
	const ZdmRecipeRun *run;
	ZdmStep    *step;
} Beginning;

static void
begin_step(void *arg)
{
	Beginning  *beginning = arg;

	zdm_recipe_set_began(beginning->run->base.job->id, beginning->step);
}

/* Note that a step begins, unless it has begun.  False when the run has ended. */
bool
zdm_recipe_begin(ZdmRecipeRun *run, ZdmStep *step)
{
	Beginning	beginning = {.run = run,.step = step};

	return zdm_run_bookkeep(&run->base, begin_step, &beginning);
}

/*
 * Wait as a step says, counted from when it first began.  False when the run
 * has ended.
 */
bool
zdm_recipe_do_wait(ZdmRecipeRun *run, ZdmStep *step)
{
	if (!zdm_recipe_begin(run, step))
		return false;
	if (step->wait_ms > 0 && !wait_for_time(run, step))
		return false;
	if (step->filter && !wait_for_query(run, step))
		return false;
	zdm_run_progressed(&run->base);
	return zdm_recipe_note(run, step, "done");
}

/* ---------- leave to begin ---------- */

typedef struct Leave
{
	ZdmRecipeRun *run;
	const ZdmStep *step;
	char	   *why;			/* it has to wait, in run_mcxt; NULL: it has
								 * not */
} Leave;

static void
ask_for_leave_step(void *arg)
{
	Leave	   *wish = arg;
	char	   *why = zdm_recipe_may_begin(wish->run->base.job->id, wish->step);

	wish->why = why ? MemoryContextStrdup(wish->run->base.run_mcxt, why) : NULL;
}

/* Wait until a step may begin.  False when the run has ended. */
bool
zdm_recipe_await_leave(ZdmRecipeRun *run, const ZdmStep *step)
{
	ZdmRun	   *base = &run->base;
	Leave		wish = {.run = run,.step = step};
	TimestampTz start = GetCurrentTimestamp();

	while (zdm_recipe_may_begin && zdm_run_bookkeep(base, ask_for_leave_step, &wish) && wish.why)
	{
		zdm_say_waiting(base, wish.why);
		zdm_say_progress(base);
		if (may_leave() && TimestampDifferenceExceeds(start, GetCurrentTimestamp(), PATIENCE_MS))
			zdm_run_end_until(base, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ASK_QUEUED_MS), wish.why);
		if (base->ended || !zdm_pause(base, ASK_MS / 2))
			break;
	}
	if (!base->ended)
		zdm_say_working(base);
	return !base->ended;
}
