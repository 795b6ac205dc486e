/*
 * fk_walk.h
 *	  Going through a btree index in the order of its leading columns.
 */
#ifndef ZDM_CONSTRAINT_FK_WALK_H
#define ZDM_CONSTRAINT_FK_WALK_H

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "storage/buf.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

typedef struct ZdmWalk
{
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;		/* row fetched by zdm_walk_visible() */
	Buffer		vm_buffer;
	int			nkeys;			/* leading columns that matter */

	/* where the last seek went to */
	const Oid  *sought_type;
	int16		sought_len[INDEX_MAX_KEYS];
	bool		sought_byval[INDEX_MAX_KEYS];
	MemoryContext sought_mcxt;
	ScanKeyData equal[INDEX_MAX_KEYS];
	ScanKeyData greater[INDEX_MAX_KEYS];
	ScanKeyData at_least;		/* of the last column */
	int			level;			/* column whose range is read now; those
								 * before it are equal to what was sought */

	/* the entry it stands on */
	bool		at_end;
	int			columns;		/* before its first NULL; nkeys: it has none */
	Datum		key[INDEX_MAX_KEYS];
} ZdmWalk;

extern bool zdm_walk_can_seek(Relation index, int nkeys, const Oid *sought_type);
extern void zdm_walk_begin(ZdmWalk *walk, Relation heap, Relation index, Snapshot snapshot,
						   int nkeys, const Oid *sought_type);
extern void zdm_walk_rewind(ZdmWalk *walk);
extern void zdm_walk_seek(ZdmWalk *walk, const Datum *sought, int columns, bool inclusive);
extern bool zdm_walk_next(ZdmWalk *walk);
extern bool zdm_walk_visible(ZdmWalk *walk, bool fetch);
extern void zdm_walk_end(ZdmWalk *walk);

#endif							/* ZDM_CONSTRAINT_FK_WALK_H */
