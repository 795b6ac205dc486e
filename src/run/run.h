/*
 * run.h
 *	  A job while it runs: what every kind of job has.
 *
 * A kind's own state begins with a ZdmRun.
 */
#ifndef ZDM_RUN_RUN_H
#define ZDM_RUN_RUN_H

#include "core/bookkeeping.h"
#include "core/errors.h"
#include "job/kind.h"
#include "job/orders.h"
#include "portability/instr_time.h"
#include "throttle/controller.h"

/* what makes a job work less than it may by its own throttle */
typedef enum ZdmSlowedBy
{
	ZDM_SLOWED_NOT,
	ZDM_SLOWED_PROCESSOR,		/* clients want it */
	ZDM_SLOWED_ORDER,			/* zdm.throttle_all() */
	ZDM_SLOWED_LOAD				/* a signal is near its threshold */
} ZdmSlowedBy;

/* a place for each signal in zdm_signals, and for the processor and the order after them */
#define ZDM_HOLDS_MAX (ZDM_SIGNALS_MAX + 2)

typedef struct ZdmRun
{
	const ZdmJob *job;			/* its state: the one in which it may go on */
	Oid			owner;			/* as whom its transactions run */
	ZdmJobOrders orders;		/* as last read */

	MemoryContext run_mcxt;		/* life of the run */
	MemoryContext batch_mcxt;	/* reset with every batch */
	bool		at_rows;		/* a statement goes through rows: a syntax
								 * error may be in a value of one */

	/* of every transaction; each may be NULL */
	const char *activity;		/* what pg_stat_activity shows as its query */
	void		(*apply_settings) (struct ZdmRun *run); /* before it begins */
	void		(*pin_settings) (struct ZdmRun *run);	/* for it alone */

	/* waiting */
	bool		told_waiting;	/* zdm.job.waiting_for says what it waits for */
	ZdmSlowedBy slowed_by;		/* what makes it work less */
	char	   *slowed_why;		/* that in words, as waiting_for has it; NULL:
								 * nothing does */
	bool		told_progress;	/* this start of the worker was not fruitless */

	/* load */
	bool		only_reads;		/* it writes no rows of the user */
	ZdmController controller;
	const ZdmSignal *slowing;	/* the signal that has made it work less last;
								 * NULL: none has */
	instr_time	load_seen;		/* when it was looked at */
	double		wal_kb_per_second;	/* that it writes, smoothed */
	ZdmReading	query;			/* what the throttle query has said */
	instr_time	query_seen;		/* when; 0: not yet */
	double		held_ms[ZDM_HOLDS_MAX]; /* by what, not yet in zdm.job_hold */
	instr_time	held_noted;		/* when that was last written */

	int			tries;			/* of the current step, in a row, without
								 * success */
	int64		retries;		/* steps that had to be tried again */

	ZdmRunOutcome outcome;		/* set by whoever ends the run */
	bool		ended;
} ZdmRun;

extern void zdm_run_init(ZdmRun *run, const ZdmJob *job, MemoryContext mcxt);
extern void zdm_run_end(ZdmRun *run, ZdmRunResult result, const ZdmError *error);
extern void zdm_run_end_until(ZdmRun *run, TimestampTz until, const char *why);
extern void zdm_run_look_around(ZdmRun *run);
extern bool zdm_run_bookkeep(ZdmRun *run, ZdmBookkeepingStep step, void *arg);
extern bool zdm_run_try_bookkeep(ZdmRun *run, ZdmBookkeepingStep step, void *arg);
extern const char *zdm_run_ask(ZdmRun *run, const char *sql, Oid relation,
							   const char *otherwise);

#endif							/* ZDM_RUN_RUN_H */
