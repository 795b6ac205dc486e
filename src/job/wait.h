/*
 * wait.h
 *	  What procedures that wait have in common.
 */
#ifndef ZDM_JOB_WAIT_H
#define ZDM_JOB_WAIT_H

#include "fmgr.h"
#include "utils/timestamp.h"

extern void zdm_wait_refuse_transaction(FunctionCallInfo fcinfo, const char *funcname, const char *instead);
extern TimestampTz zdm_wait_deadline(FunctionCallInfo fcinfo, int argno);
extern void zdm_wait_a_moment(void);

#endif							/* ZDM_JOB_WAIT_H */
