/*
 * verdict.h
 *	  What to do about a verdict that every kind of step may meet.
 */
#ifndef ZDM_RUN_VERDICT_H
#define ZDM_RUN_VERDICT_H

#include "run/txn.h"

extern void zdm_run_progressed(ZdmRun *run);
extern bool zdm_run_target_is_gone(ZdmRun *run);
extern bool zdm_verdict_try_again(ZdmRun *run, Oid leaf, ZdmVerdict verdict,
								  ZdmError *error);

#endif							/* ZDM_RUN_VERDICT_H */
