/*
 * submit.h
 *	  What the functions that start a job have in common.
 */
#ifndef ZDM_JOB_SUBMIT_H
#define ZDM_JOB_SUBMIT_H

#include "fmgr.h"
#include "job/job.h"

/*
 * What differs between a job of the same kind that has the name and what the
 * caller asks for, as a sentence; NULL when nothing does.
 */
typedef char *(*ZdmSubmitDiffers) (const ZdmJob *job, const void *wanted);

/*
 * Makes the job of that name and all that its kind keeps of it; 0 when
 * zdm_job_create() says that another session was faster.
 */
typedef int64 (*ZdmSubmitCreate) (const char *name, void *arg);

/*
 * Is a job of the same kind, done, one whose result is gone, so that the same
 * call is to do the work again?
 */
typedef bool (*ZdmSubmitOutdated) (const ZdmJob *job, const void *wanted);

extern void zdm_submit_check_name(const char *name);
extern char *zdm_submit_given_name(FunctionCallInfo fcinfo, int argno);
extern char *zdm_submit_derive_name(const char *subject, const char *definition);
extern char *zdm_submit_name(FunctionCallInfo fcinfo, int argno, const char *subject,
							 const char *definition);
extern char *zdm_submit_next_name(const char *base, const char *kind,
								  ZdmSubmitOutdated is_outdated, const void *wanted);
extern int64 zdm_submit(const char *name, const char *kind, ZdmSubmitDiffers differs,
						ZdmSubmitCreate create, void *arg);
extern void zdm_submit_notice_no_preload(int64 job_id);

#endif							/* ZDM_JOB_SUBMIT_H */
