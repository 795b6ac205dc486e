/*
 * run.h
 *	  A job of kind "ddl" while it runs.
 */
#ifndef ZDM_DDL_RUN_H
#define ZDM_DDL_RUN_H

#include "ddl/spec.h"
#include "ddl/statement.h"
#include "run/run.h"

typedef struct ZdmDdlRun
{
	ZdmRun		base;			/* first */
	ZdmDdlSpec *spec;
	ZdmStatement *statement;
	List	   *targets;		/* of ZdmLockTarget; what is locked */
} ZdmDdlRun;

extern bool zdm_ddl_set_phase(ZdmDdlRun *run, ZdmDdlPhase phase);
extern bool zdm_ddl_find_targets(ZdmDdlRun *run);
extern void zdm_ddl_fail(ZdmDdlRun *run, ZdmError *error);
extern void zdm_ddl_run_toplevel(ZdmDdlRun *run);
extern void zdm_ddl_clean_up_toplevel(ZdmDdlRun *run);

#endif							/* ZDM_DDL_RUN_H */
