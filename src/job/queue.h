/*
 * queue.h
 *	  "Look at the queue": how the processes that start workers learn that a
 *	  database has work.
 *
 * Sessions call zdm_queue_request(); at the commit of their transaction the
 * request is handed over: with zdm preloaded the database is marked in shared
 * memory and the launcher is woken, without it a dispatcher is registered
 * directly.  Nothing in the commit callback can fail.
 */
#ifndef ZDM_JOB_QUEUE_H
#define ZDM_JOB_QUEUE_H

#include "postmaster/bgworker.h"

/* What a job worker gets in bgw_extra. */
typedef struct ZdmWorkerArgs
{
	int64		job_id;
	Oid			database;
	Oid			role;			/* InvalidOid: the bootstrap superuser */
} ZdmWorkerArgs;

/* What a dispatcher tells the launcher. */
typedef struct ZdmVisitReport
{
	bool		unfinished;		/* there are queued or running jobs */
	bool		starved;		/* some wait for another worker to end */
	long		look_again_ms;	/* when unfinished */
} ZdmVisitReport;

extern void zdm_queue_init(void);	/* from _PG_init: hooks for shared memory
									 * and for the end of transactions */
extern bool zdm_queue_is_preloaded(void);

extern void zdm_queue_request(void);	/* at commit of this transaction */
extern void zdm_queue_request_now(void);	/* from a process that is ending */

/* the launcher's side; all need zdm_queue_is_preloaded() */
extern void zdm_queue_attach_launcher(void);
extern bool zdm_queue_next(Oid *database, long *wait_ms);
extern bool zdm_queue_take_sweep_request(void);
extern void zdm_queue_begin_visit(Oid database);
extern bool zdm_queue_end_visit(Oid database, int *failures);
extern void zdm_queue_postpone(Oid database, long ms);
extern void zdm_queue_forget(Oid database);
extern void zdm_queue_wake_starved(void);
extern bool zdm_queue_start_dispatcher(Oid database, BackgroundWorkerHandle **handle);

/* the dispatcher's side */
extern void zdm_queue_report(Oid database, const ZdmVisitReport *report);
extern bool zdm_queue_start_worker(const ZdmWorkerArgs *args,
								   BackgroundWorkerHandle **handle);

#endif							/* ZDM_JOB_QUEUE_H */
