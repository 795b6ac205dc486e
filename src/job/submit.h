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

extern void zdm_submit_check_name(const char *name);
extern char *zdm_submit_derive_name(const char *subject, const char *definition);
extern char *zdm_submit_name(FunctionCallInfo fcinfo, int argno, const char *subject,
							 const char *definition);
extern int64 zdm_submit_existing(const char *name, const char *kind,
								 ZdmSubmitDiffers differs, const void *wanted);
extern void zdm_submit_refuse_race(const char *name);
extern void zdm_submit_notice_no_preload(void);

#endif							/* ZDM_JOB_SUBMIT_H */
