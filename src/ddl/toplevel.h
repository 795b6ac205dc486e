/*
 * toplevel.h
 *	  Statements that commit in their middle.
 */
#ifndef ZDM_DDL_TOPLEVEL_H
#define ZDM_DDL_TOPLEVEL_H

#include "ddl/run.h"

extern void zdm_ddl_run_toplevel(ZdmDdlRun *run);
extern void zdm_ddl_clean_up_toplevel(ZdmDdlRun *run);

#endif							/* ZDM_DDL_TOPLEVEL_H */
