/*
 * fk_walk.c
 *	  Going through a btree index in the order of its leading columns, with the
 *	  keys taken from the index itself, and with jumps.
 *
 * A place between two keys is reached with equalities on a prefix of the
 * columns and one range on the next: first (a = 1, b > 2), and when that is
 * exhausted (a > 1).  Row comparisons would say it in one key, but what
 * they do on NULLs has changed between releases.
 *
 * Only indexes sorted ASC NULLS LAST are walked: entries with a NULL in a
 * leading column stand behind the others of their prefix.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/itup.h"
#include "access/nbtree.h"
#include "access/tableam.h"
#include "access/visibilitymap.h"
#include "catalog/pg_type.h"
#include "compat/index.h"
#include "constraint/fk_walk.h"
#include "storage/bufmgr.h"
#include "throttle/yield.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* what a step takes, all in all; an estimate */
#define ENTRY_NS 100

static void
set_key(ZdmWalk *walk, ScanKey key, int column, StrategyNumber strategy)
{
	Oid			opfamily = walk->index->rd_opfamily[column];
	Oid			op = get_opfamily_member(opfamily, walk->index->rd_opcintype[column],
										 walk->sought_type[column], strategy);

	if (!OidIsValid(op))
		elog(ERROR, "operator family %u has no operator of strategy %d for what is sought",
			 opfamily, strategy);
	ScanKeyEntryInitialize(key, 0, column + 1, strategy, walk->sought_type[column],
						   walk->index->rd_indcollation[column], get_opcode(op), (Datum) 0);
}

/*
 * Whether values of these types can be sought in the leading columns of a
 * btree index, and compared with them in its order.
 */
bool
zdm_walk_can_seek(Relation index, int nkeys, const Oid *sought_type)
{
	for (int i = 0; i < nkeys; i++)
	{
		Oid			opfamily = index->rd_opfamily[i];
		Oid			stored = TupleDescAttr(RelationGetDescr(index), i)->atttypid;
		Oid			type = index->rd_opcintype[i];

		/* name_ops stores cstring: what is read is not what is compared */
		if (stored == CSTRINGOID || index->rd_indoption[i] != 0)
			return false;
		if (!OidIsValid(get_opfamily_proc(opfamily, type, sought_type[i], BTORDER_PROC)) ||
			!OidIsValid(get_opfamily_member(opfamily, type, sought_type[i], BTEqualStrategyNumber)) ||
			!OidIsValid(get_opfamily_member(opfamily, type, sought_type[i], BTGreaterStrategyNumber)) ||
			!OidIsValid(get_opfamily_member(opfamily, type, sought_type[i],
											BTGreaterEqualStrategyNumber)))
			return false;
	}
	return true;
}

/*
 * Open a walk under a snapshot, which is registered or active while it lasts;
 * heap and index are locked and open.  sought_type must last as long.  It
 * stands nowhere until zdm_walk_rewind() or zdm_walk_seek().
 */
void
zdm_walk_begin(ZdmWalk *walk, Relation heap, Relation index, Snapshot snapshot,
			   int nkeys, const Oid *sought_type)
{
	memset(walk, 0, sizeof(*walk));
	walk->heap = heap;
	walk->index = index;
	walk->nkeys = nkeys;
	walk->sought_type = sought_type;
	walk->vm_buffer = InvalidBuffer;
	walk->slot = table_slot_create(heap, NULL);
	walk->scan = zdm_compat_index_beginscan(heap, index, snapshot, nkeys);
	walk->scan->xs_want_itup = true;
	walk->sought_mcxt = AllocSetContextCreate(CurrentMemoryContext, "zdm sought", ALLOCSET_SMALL_SIZES);
	for (int i = 0; i < nkeys; i++)
	{
		get_typlenbyval(sought_type[i], &walk->sought_len[i], &walk->sought_byval[i]);
		set_key(walk, &walk->equal[i], i, BTEqualStrategyNumber);
		set_key(walk, &walk->greater[i], i, BTGreaterStrategyNumber);
	}
	set_key(walk, &walk->at_least, nkeys - 1, BTGreaterEqualStrategyNumber);
}

/*
 * Read the range of walk->level from its start.  A scan has as many keys as it
 * was begun with: the first is repeated to fill up, which the index sees through.
 */
static void
start_level(ZdmWalk *walk, const ScanKeyData *range)
{
	ScanKeyData keys[INDEX_MAX_KEYS];
	int			pads = walk->nkeys - walk->level - 1;
	const ScanKeyData *first = walk->level > 0 ? &walk->equal[0] : range;

	for (int i = 0; i < pads; i++)
		keys[i] = *first;
	for (int i = 0; i < walk->level; i++)
		keys[pads + i] = walk->equal[i];
	keys[pads + walk->level] = *range;
	index_rescan(walk->scan, keys, walk->nkeys, NULL, 0);
	walk->at_end = false;
}

/* Stand before the first entry. */
void
zdm_walk_rewind(ZdmWalk *walk)
{
	ScanKeyData not_null;

	ScanKeyEntryInitialize(&not_null, SK_ISNULL | SK_SEARCHNOTNULL, 1, InvalidStrategy,
						   InvalidOid, InvalidOid, InvalidOid, (Datum) 0);
	walk->level = 0;
	start_level(walk, &not_null);
}

/*
 * Stand before the first entry whose first columns are at, or behind, a key.
 * inclusive is for keys of all columns.  The values are copied, as the scan
 * compares with them later on.
 */
void
zdm_walk_seek(ZdmWalk *walk, const Datum *sought, int columns, bool inclusive)
{
	MemoryContext old;

	MemoryContextReset(walk->sought_mcxt);
	old = MemoryContextSwitchTo(walk->sought_mcxt);
	for (int i = 0; i < columns; i++)
	{
		walk->equal[i].sk_argument = datumCopy(sought[i], walk->sought_byval[i], walk->sought_len[i]);
		walk->greater[i].sk_argument = walk->equal[i].sk_argument;
	}
	MemoryContextSwitchTo(old);
	walk->level = columns - 1;
	walk->at_least.sk_argument = walk->equal[columns - 1].sk_argument;
	start_level(walk, inclusive ? &walk->at_least : &walk->greater[walk->level]);
}

static void
read_key(ZdmWalk *walk)
{
	for (walk->columns = 0; walk->columns < walk->nkeys; walk->columns++)
	{
		bool		isnull;

		walk->key[walk->columns] = index_getattr(walk->scan->xs_itup, walk->columns + 1,
												 walk->scan->xs_itupdesc, &isnull);
		if (isnull)
			break;
	}
}

/*
 * Step to the next entry; false at the end.  What walk->key points to lasts
 * until the next step or seek.
 */
bool
zdm_walk_next(ZdmWalk *walk)
{
	(void) zdm_yield_after(ENTRY_NS);
	while (!walk->at_end)
	{
		if (index_getnext_tid(walk->scan, ForwardScanDirection) != NULL)
		{
			read_key(walk);
			return true;
		}
		if (walk->level == 0)
			walk->at_end = true;
		else
		{
			walk->level--;
			start_level(walk, &walk->greater[walk->level]);
		}
	}
	return false;
}

/*
 * Whether the row of the entry is visible to the snapshot of the walk.  The
 * heap is left alone where the visibility map answers, unless the row is
 * wanted in walk->slot.
 */
bool
zdm_walk_visible(ZdmWalk *walk, bool fetch)
{
	BlockNumber block = ItemPointerGetBlockNumber(&walk->scan->xs_heaptid);

	if (!fetch && VM_ALL_VISIBLE(walk->heap, block, &walk->vm_buffer))
		return true;
	return index_fetch_heap(walk->scan, walk->slot);
}

/* Locks stay. */
void
zdm_walk_end(ZdmWalk *walk)
{
	index_endscan(walk->scan);
	ExecDropSingleTupleTableSlot(walk->slot);
	MemoryContextDelete(walk->sought_mcxt);
	if (BufferIsValid(walk->vm_buffer))
		ReleaseBuffer(walk->vm_buffer);
}
