/*
 * targets.h
 *	  Which relations a statement locks, and in which mode.
 */
#ifndef ZDM_DDL_TARGETS_H
#define ZDM_DDL_TARGETS_H

#include "ddl/lock.h"
#include "ddl/statement.h"

extern List *zdm_ddl_targets(const ZdmStatement *statement);

#endif							/* ZDM_DDL_TARGETS_H */
