/*
 * sync.h
 *	  The trigger that keeps the old and the new side of a row in step.
 */
#ifndef ZDM_SYNC_SYNC_H
#define ZDM_SYNC_SYNC_H

#include "executor/execdesc.h"
#include "nodes/parsenodes.h"
#include "utils/relcache.h"

extern void zdm_sync_init(void);	/* from _PG_init */

/* install.c */
extern Oid	zdm_sync_create_trigger(CreateTrigStmt *stmt);
extern List *zdm_sync_later_triggers(Relation rel, int64 mapping_id);

/* sync.c */
extern void zdm_sync_filling(const QueryDesc *query, int64 mapping_id);

#endif							/* ZDM_SYNC_SYNC_H */
