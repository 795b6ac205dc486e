/*
 * pause.c
 *	  Between two transactions of a job: pausing, waiting, leaving.
 *
 * No snapshot and no relation lock is held here.  Every wait is short enough
 * to see within a fraction of a second that the job was paused or cancelled,
 * that its throttle was changed, or that somebody wants to drop the database.
 */
#include "postgres.h"

#include <math.h>

#include "core/clock.h"
#include "core/identity.h"
#include "core/settings.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "run/hold.h"
#include "run/pause.h"
#include "storage/latch.h"
#include "throttle/contention.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

/* longest wait that nothing is looked at */
#define SLICE_MS 100.0

/* a signal slows a job; above this duty nobody is told */
#define WORTH_SAYING_DUTY 0.5

/* how often the job's row is read while the job does nothing else */
#define ORDERS_MS 250.0

static void
read_orders_step(void *arg)
{
	ZdmRun	   *run = arg;

	if (!zdm_job_read_orders(run->job->id, &run->orders))
		run->orders.state = ZDM_JOB_DONE;
}

/*
 * Read what the operator wants now; the run may have ended then.  For those
 * whose pauses are too short for zdm_pause() to do it.
 */
void
zdm_pause_read_orders(ZdmRun *run)
{
	if (zdm_run_bookkeep(run, read_orders_step, run) &&
		run->orders.state != run->job->state)
		zdm_run_end(run, ZDM_RUN_STOPPED, NULL);
}

/*
 * Let ms pass; 0 only looks around.  False when the run has to end.
 */
bool
zdm_pause(ZdmRun *run, double ms)
{
	instr_time	start;
	double		passed = 0;
	double		orders_at = ORDERS_MS;

	INSTR_TIME_SET_CURRENT(start);
	for (;;)
	{
		zdm_run_look_around(run);
		if (run->ended || passed >= ms)
			return !run->ended;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 (long) ceil(Min(ms - passed, SLICE_MS)), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		passed = zdm_ms_since(start);
		if (passed >= orders_at)
		{
			zdm_pause_read_orders(run);
			orders_at = passed + ORDERS_MS;
		}
	}
}

/* What a batch of this job should cost, by its settings of now. */
void
zdm_pause_target(const ZdmRun *run, ZdmPaceTarget *target)
{
	target->duty = run->orders.duty;
	target->batch_time = run->orders.batch_time;
	target->batch_wal = zdm_batch_wal;
	target->max_rows_per_second = run->orders.max_rows_per_second;
}

/* what a step that tells something has to tell */
typedef struct Telling
{
	ZdmRun	   *run;
	const char *event;
	const char *text;
} Telling;

static void
set_waiting_step(void *arg)
{
	Telling    *telling = arg;

	zdm_pin_setting("synchronous_commit", "off");
	zdm_job_set_waiting(telling->run->job->id, telling->text);
}

static bool
set_waiting(ZdmRun *run, const char *why)
{
	Telling		telling = {.run = run,.text = why};

	return zdm_run_try_bookkeep(run, set_waiting_step, &telling);
}

/* How much of the time, and because of what, when that is less than the job's own throttle says. */
static ZdmSlowedBy
choose_duty(ZdmRun *run, double *duty)
{
	ZdmSlowedBy by = ZDM_SLOWED_NOT;

	/* unless the operator has said how much this job is to work */
	if (!run->orders.own_duty && *duty > zdm_contended_duty && zdm_processor_contended())
	{
		*duty = zdm_contended_duty;
		by = ZDM_SLOWED_PROCESSOR;
	}
	if (run->orders.duty_of_all < *duty)
	{
		*duty = run->orders.duty_of_all;
		by = ZDM_SLOWED_ORDER;
	}
	if (run->controller.duty < *duty)
	{
		*duty = run->controller.duty;
		by = ZDM_SLOWED_LOAD;
	}
	return by;
}

static const char *
describe_slowed(ZdmRun *run, ZdmSlowedBy by)
{
	switch (by)
	{
		case ZDM_SLOWED_PROCESSOR:
			return "the processor, which clients want, too (zdm.contended_duty)";
		case ZDM_SLOWED_ORDER:
			return "zdm.unthrottle_all(): all jobs are slowed by zdm.throttle_all()";
		case ZDM_SLOWED_LOAD:
			return run->slowing ? psprintf("%s: near its threshold, or was lately (%s)", run->slowing->words, run->slowing->name) : NULL;
		case ZDM_SLOWED_NOT:
			break;
	}
	return NULL;
}

/* Say in zdm.jobs that it works less, when that changes; by little is nothing to speak of. */
static void
make_way(ZdmRun *run, ZdmPaceTarget *target)
{
	ZdmSlowedBy by = choose_duty(run, &target->duty);
	const char *why;

	if (by == ZDM_SLOWED_LOAD && target->duty > WORTH_SAYING_DUTY)
		by = run->slowed_by == ZDM_SLOWED_LOAD ? by : ZDM_SLOWED_NOT;
	if (by == run->slowed_by)
		return;
	why = describe_slowed(run, by);
	if (run->slowed_why)
		pfree(run->slowed_why);
	run->slowed_by = by;
	run->slowed_why = why ? MemoryContextStrdup(run->run_mcxt, why) : NULL;
	if (!run->told_waiting)
		(void) set_waiting(run, run->slowed_why);
}

/* Count what the pause was longer for than by the job's own throttle. */
static void
count_slowed(ZdmRun *run, const ZdmPaceSample *sample, double passed)
{
	ZdmPaceTarget own;

	zdm_pause_target(run, &own);
	zdm_hold_count(run, run->slowed_by, passed - zdm_pace_pause_ms(sample, &own));
}

/*
 * The pause that a batch owes, and the wait for the load of the server to let
 * the job go on.  It is computed anew as the throttle changes, so that a new
 * setting ends a pause that was long by the old one.  False when the run has to
 * end.
 */
bool
zdm_pause_for_duty(ZdmRun *run, const ZdmPaceSample *sample)
{
	double		passed = 0;
	instr_time	start;

	INSTR_TIME_SET_CURRENT(start);
	zdm_contention_look();
	for (;;)
	{
		ZdmPaceTarget target;
		double		left;

		zdm_pause_target(run, &target);
		make_way(run, &target);
		left = zdm_pace_pause_ms(sample, &target) - passed;
		if (!zdm_pause(run, Min(Max(left, 0), ORDERS_MS)))
			return false;
		if (left <= ORDERS_MS)
			break;
		passed += ORDERS_MS;
		zdm_pause_read_orders(run);
		if (run->ended)
			return false;
	}
	count_slowed(run, sample, zdm_ms_since(start));
	zdm_hold_note_wal(run, sample->wal_kb, sample->work_ms + zdm_ms_since(start));
	return zdm_hold_for_load(run);
}

/* Show in zdm.jobs what holds the job back. */
void
zdm_say_waiting(ZdmRun *run, const char *why)
{
	run->told_waiting = set_waiting(run, why);
}

/* Nothing holds it back any more. */
void
zdm_say_working(ZdmRun *run)
{
	if (run->told_waiting && set_waiting(run, run->slowed_why))
		run->told_waiting = false;
}

static void
say_progress_step(void *arg)
{
	ZdmRun	   *run = arg;

	zdm_pin_setting("synchronous_commit", "off");
	zdm_job_set_fruitless_starts(run->job->id, 0);
}

/* The worker has finished a batch, so its start does not count as lost. */
void
zdm_say_progress(ZdmRun *run)
{
	if (!run->told_progress)
		run->told_progress = zdm_run_try_bookkeep(run, say_progress_step, run);
}

static void
note_event_step(void *arg)
{
	Telling    *telling = arg;

	zdm_pin_setting("synchronous_commit", "off");
	zdm_job_note(telling->run->job->id, telling->event, telling->text);
}

/* Write an event of the job. */
void
zdm_note_event(ZdmRun *run, const char *event, const char *message)
{
	Telling		telling = {.run = run,.event = event,.text = message};

	(void) zdm_run_try_bookkeep(run, note_event_step, &telling);
}
