/*
 * requeue.h
 *	  A job that has stopped goes on, as its target is now.
 */
#ifndef ZDM_JOB_REQUEUE_H
#define ZDM_JOB_REQUEUE_H

#include "job/job.h"

extern void zdm_job_requeue(ZdmJob *job, const char *reason);

#endif							/* ZDM_JOB_REQUEUE_H */
