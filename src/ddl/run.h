/*
 * run.h
 *	  A job of kind "ddl" while it runs.
 */
#ifndef ZDM_DDL_RUN_H
#define ZDM_DDL_RUN_H

#include "ddl/lock.h"
#include "ddl/spec.h"
#include "ddl/statement.h"
#include "run/run.h"

typedef struct ZdmDdlRun
{
	ZdmRun		base;			/* first */
	ZdmDdlSpec *spec;
	ZdmStatement *statement;
	List	   *targets;		/* of ZdmLockTarget; what is locked */
	uint64		targets_as_of;	/* count of invalidations before they were
								 * found */
} ZdmDdlRun;

extern bool zdm_ddl_set_phase(ZdmDdlRun *run, ZdmDdlPhase phase);
extern bool zdm_ddl_set_started(ZdmDdlRun *run, List *objects);
extern ZdmVerdict zdm_ddl_do_locked(ZdmDdlRun *run, int stall_ms, List *targets,
									ZdmDdlBody body, void *arg);
extern bool zdm_ddl_find_targets(ZdmDdlRun *run);
extern void zdm_ddl_fail(ZdmDdlRun *run, ZdmError *error);

#endif							/* ZDM_DDL_RUN_H */
