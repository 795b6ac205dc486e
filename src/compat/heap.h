/*
 * heap.h
 *	  Version differences in reading pages of a table.
 */
#ifndef ZDM_COMPAT_HEAP_H
#define ZDM_COMPAT_HEAP_H

#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/*
 * Before 17, old_snapshot_threshold lets rows be removed that a snapshot may
 * still see; an error when that may have happened to this page.
 */
static inline void
zdm_compat_test_for_old_snapshot(Snapshot snapshot, Relation rel, Page page)
{
#if PG_VERSION_NUM < 170000
	TestForOldSnapshot(snapshot, rel, page);
#endif
}

/* the SQLSTATE of that error, which 17 does not know any more */
#define ZDM_ERRCODE_SNAPSHOT_TOO_OLD MAKE_SQLSTATE('7', '2', '0', '0', '0')

#endif							/* ZDM_COMPAT_HEAP_H */
