/*
 * ddl.h
 *	  The kind of job "ddl": one statement, executed once.
 */
#ifndef ZDM_DDL_DDL_H
#define ZDM_DDL_DDL_H

#include "job/kind.h"

extern ZdmRunOutcome zdm_ddl_run(const ZdmJob *job);
extern ZdmRunOutcome zdm_ddl_clean_up(const ZdmJob *job);

#endif							/* ZDM_DDL_DDL_H */
