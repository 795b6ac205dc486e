/*
 * call.h
 *	  What SQL functions on a job begin with.
 */
#ifndef ZDM_JOB_CALL_H
#define ZDM_JOB_CALL_H

#include "fmgr.h"
#include "job/job.h"

extern ZdmJob *zdm_job_lock_for_call(FunctionCallInfo fcinfo, const char *funcname);

#endif							/* ZDM_JOB_CALL_H */
