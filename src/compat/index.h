/*
 * index.h
 *	  Version differences in index scans.
 */
#ifndef ZDM_COMPAT_INDEX_H
#define ZDM_COMPAT_INDEX_H

#include "access/genam.h"
#include "miscadmin.h"
#include "storage/lock.h"

/* 18: statistics of the scan are wanted, or not */
static inline IndexScanDesc
zdm_compat_index_beginscan(Relation heap, Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(heap, index, snapshot, nkeys, 0);
#endif
}

/* 17: LockHeldByMe() can also be asked for stronger modes */
static inline bool
zdm_compat_locked_by_me(Oid relid, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
#if PG_VERSION_NUM >= 170000
	return LockHeldByMe(&tag, mode, false);
#else
	return LockHeldByMe(&tag, mode);
#endif
}

#endif							/* ZDM_COMPAT_INDEX_H */
