/*
 * undo.h
 *	  Having a job undone, also one that is done.
 */
#ifndef ZDM_JOB_UNDO_H
#define ZDM_JOB_UNDO_H

#include "job/job.h"

extern void zdm_job_undo(int64 job_id, Oid role, const char *reason);

#endif							/* ZDM_JOB_UNDO_H */
