/*
 * activity.h
 *	  What the sync triggers of all sessions have met, in shared memory.
 */
#ifndef ZDM_SYNC_ACTIVITY_H
#define ZDM_SYNC_ACTIVITY_H

#include "sync/decide.h"

extern void zdm_sync_activity_init(void);	/* from _PG_init */
extern bool zdm_sync_count(int64 mapping_id, ZdmSyncCount kind);
extern void zdm_sync_sample(int64 mapping_id, ZdmSyncCount kind, Oid table, const char *key,
							const char *message);

#endif							/* ZDM_SYNC_ACTIVITY_H */
