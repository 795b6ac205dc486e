/*
 * fk_pages.c
 *	  The scan for orphans of a foreign key without a suitable index: by ranges
 *	  of pages, under a guard (guard.c) that records which pages rows move to.
 *
 * Why a relation may be marked when each page was scanned once and each page
 * recorded was scanned again after its record was seen (fk.c shows why a key
 * that was found stays found, so that it is enough to see each row once, with
 * the key that it has):
 *
 * 1. A row whose key is inserted or changed is checked by core.  What is left
 *	  are rows that keep their key, and UPDATEs of other columns that move them.
 * 2. The guard is installed, under a lock that waits for every writer to end,
 *	  before the first chunk; disabled, dropped or made again, it is another
 *	  guard, and the scan starts over.  So each move to another page is
 *	  recorded, in the transaction that moves: visible together with the move.
 * 3. Take a row and the last of its moves that is visible to the snapshot of
 *	  the look before the mark.  Its record was visible, too, and so was taken,
 *	  and the page was scanned under a snapshot not older than the taking: the
 *	  row was on that page then, as later moves came later.  Without such a move
 *	  the row has been on one page since before the first chunk, and was seen
 *	  when that page was scanned.
 * 4. A move not visible to that snapshot leaves the row, for the snapshot, where
 *	  it was: where 3 says that it was seen.
 * 5. Moves within a page are not recorded: a page is what is scanned.
 * 6. A rewrite of the table is another relfilenumber, and starts over.
 *
 * Keys of parents are kept in a set as they are found: preloaded while they
 * fit.  Keys not in the set are collected, sorted, and looked for in the
 * referenced index; types that the set cannot hold always are.
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_constraint.h"
#include "constraint/fk.h"
#include "constraint/fk_parents.h"
#include "constraint/guard.h"
#include "constraint/keyset.h"
#include "core/settings.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "scan/page_scan.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define FIRST_CHUNK_BLOCKS 1024
#define LARGEST_CHUNK_BLOCKS (1 << 20)

/* memory of the set of parents; it takes half as much again while it grows */
#define SET_BYTES (20 * 1024 * 1024)

/* longest time for preloading parents, in the first chunk of a worker */
#define PRELOAD_MS 500.0

/* keys collected before they are looked for */
#define LARGEST_BATCH 32768
#define LARGEST_BATCH_BYTES (4 * 1024 * 1024)

/* records of moves dealt with in one chunk; pages looked at in the transaction of the mark */
#define MOVES_IN_CHUNK 20000
#define MOVES_IN_MARK 200

typedef struct Collected
{
	ItemPointerData tid;
	Datum		key[FLEXIBLE_ARRAY_MEMBER];
} Collected;

/* Of one relation in one worker. */
typedef struct Pages
{
	bool		is_open;		/* what follows is set */
	bool		is_preloaded;
	ZdmForeignKey fk;
	Oid			child_type[INDEX_MAX_KEYS]; /* as compared with parents */
	bool		byval[INDEX_MAX_KEYS];
	int16		len[INDEX_MAX_KEYS];
	int			last_att;		/* of the key */
	ZdmKeyset  *set;			/* NULL: keys of this type cannot be kept */
	bool		set_is_full;
} Pages;

/* Of one transaction. */
typedef struct Look
{
	ZdmValidation *v;
	Pages	   *pages;
	Relation	rel;
	ZdmChunk   *chunk;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	bool		only_count;		/* orphans, here; they are not reported */
	int64		orphans;

	FmgrInfo	compare[INDEX_MAX_KEYS];	/* key with key */
	Oid			collation[INDEX_MAX_KEYS];
	MemoryContext batch_mcxt;
	Collected **batch;
	int			collected;
} Look;

/* ---- which foreign keys ---- */

/*
 * As which types the operators of the constraint compare the child's keys;
 * false when the stored values would have to be cast first.
 */
static bool
get_child_types(const ZdmForeignKey *fk, Relation child, Oid *types)
{
	for (int i = 0; i < fk->nkeys; i++)
	{
		Oid			left;
		Oid			stored = getBaseType(TupleDescAttr(RelationGetDescr(child), fk->child_att[i] - 1)->atttypid);

		op_input_types(fk->equal[i], &left, &types[i]);
		if (!IsBinaryCoercible(stored, types[i]))
			return false;
	}
	return true;
}

static bool
parents_can_be_sought(const ZdmForeignKey *fk, Relation child)
{
	Relation	parent = relation_open(fk->parent, AccessShareLock);
	Relation	index = relation_open(fk->parent_index, AccessShareLock);
	Oid			types[INDEX_MAX_KEYS];
	bool		can;

	can = index->rd_rel->relam == BTREE_AM_OID && get_child_types(fk, child, types) &&
		zdm_walk_can_seek(index, fk->nkeys, types);
	for (int i = 0; can && i < fk->nkeys; i++)
		can = index->rd_indcollation[i] == TupleDescAttr(RelationGetDescr(parent), fk->parent_att[i] - 1)->attcollation &&
			get_op_opfamily_strategy(fk->equal[i], index->rd_opfamily[i]) == BTEqualStrategyNumber &&
			OidIsValid(get_opfamily_proc(index->rd_opfamily[i], types[i], types[i], BTORDER_PROC));
	relation_close(index, NoLock);
	relation_close(parent, NoLock);
	return can;
}

static bool
fits(const ZdmConstraint *constraint, Relation child, const char **why)
{
	ZdmForeignKey fk;
	int64		kb;

	if (!zdm_fk_fits(constraint, child, why))
		return false;
	kb = (int64) RelationGetNumberOfBlocks(child) * (BLCKSZ / 1024);
	if (kb < zdm_guarded_scan_from)
	{
		*why = psprintf("no index leads with the referencing columns, and \"%s\" is smaller than zdm.guarded_scan_from",
						RelationGetRelationName(child));
		return false;
	}
	zdm_fk_load(constraint, &fk);
	if (!parents_can_be_sought(&fk, child))
	{
		*why = psprintf("keys of \"%s\" cannot be looked for in \"%s\" as they are stored",
						RelationGetRelationName(child), get_rel_name(fk.parent_index));
		return false;
	}
	*why = "no index leads with the referencing columns: by pages, under a guard trigger";
	return true;
}

/* ---- state ---- */

/* Under which the first column is compared with parents. */
static Oid
key_collation(const ZdmForeignKey *fk)
{
	Relation	index = relation_open(fk->parent_index, NoLock);
	Oid			collation = index->rd_indcollation[0];

	relation_close(index, NoLock);
	return collation;
}

/* In the transaction of a chunk, the referenced table locked, after prepare(). */
static Pages *
get_pages(ZdmValidation *v, Relation rel)
{
	Pages	   *pages = v->state;

	if (pages->is_open)
		return pages;
	zdm_fk_load(v->constraint, &pages->fk);
	pages->last_att = 0;
	if (!get_child_types(&pages->fk, rel, pages->child_type))
		elog(ERROR, "keys of table \"%s\" cannot be compared any more", RelationGetRelationName(rel));
	for (int i = 0; i < pages->fk.nkeys; i++)
	{
		get_typlenbyval(pages->child_type[i], &pages->len[i], &pages->byval[i]);
		pages->last_att = Max(pages->last_att, pages->fk.child_att[i]);
	}
	if (pages->fk.nkeys == 1 && zdm_keyset_can_hold(pages->child_type[0], key_collation(&pages->fk)))
		pages->set = zdm_keyset_create(v->scan_mcxt, pages->child_type[0], SET_BYTES);
	pages->is_open = true;
	return pages;
}

static void
remember_key(Pages *pages, Datum key)
{
	ZdmKey		encoded;

	if (pages->set && !pages->set_is_full &&
		zdm_keyset_encode(pages->child_type[0], key, &encoded))
		pages->set_is_full = !zdm_keyset_add(pages->set, &encoded);
}

static inline bool
is_remembered(const Pages *pages, Datum key)
{
	ZdmKey		encoded;

	return pages->set && zdm_keyset_encode(pages->child_type[0], key, &encoded) &&
		zdm_keyset_has(pages->set, &encoded);
}

/*
 * Fill the set with parents, by their own type: integers of all sizes are
 * the same in it.  What does not fit, or takes too long, is looked for later.
 */
static void
preload(Look *look)
{
	Pages	   *pages = look->pages;
	Relation	parent = relation_open(pages->fk.parent, NoLock);
	Relation	index = relation_open(pages->fk.parent_index, NoLock);
	Oid			type = index->rd_opcintype[0];
	ZdmChunk	limit = {.start = look->chunk->start,.stop_ms = PRELOAD_MS};
	ZdmWalk		walk;
	int64		entries = 0;
	ZdmKey		encoded;

	pages->is_preloaded = true;
	if (zdm_keyset_same_encoding(type, pages->child_type[0]))
	{
		zdm_walk_begin(&walk, parent, index, look->snapshot, 1, pages->child_type);
		zdm_walk_rewind(&walk);
		while (!pages->set_is_full && zdm_walk_next(&walk))
		{
			CHECK_FOR_INTERRUPTS();
			if (++entries % 1024 == 0 && zdm_scan_time_is_up(&limit))
				break;
			if (walk.columns == 1 && zdm_walk_visible(&walk, false) &&
				zdm_keyset_encode(type, walk.key[0], &encoded))
				pages->set_is_full = !zdm_keyset_add(pages->set, &encoded);
		}
		zdm_walk_end(&walk);
	}
	relation_close(index, NoLock);
	relation_close(parent, NoLock);
}

/* ---- keys that are not in the set ---- */

static void
report(Look *look, TupleTableSlot *slot)
{
	look->orphans++;
	if (!look->only_count)
		zdm_scan_report(look->v, look->rel, look->chunk, slot);
}

static int
compare_collected(const void *a, const void *b, void *arg)
{
	Look	   *look = arg;
	const Collected *left = *(Collected *const *) a;
	const Collected *right = *(Collected *const *) b;

	for (int i = 0; i < look->pages->fk.nkeys; i++)
	{
		Datum		result = FunctionCall2Coll(&look->compare[i], look->collation[i],
											   left->key[i], right->key[i]);

		if (DatumGetInt32(result) != 0)
			return DatumGetInt32(result);
	}
	return 0;
}

static void
prepare_to_sort(Look *look)
{
	Relation	index = relation_open(look->pages->fk.parent_index, NoLock);

	for (int i = 0; i < look->pages->fk.nkeys; i++)
	{
		Oid			type = look->pages->child_type[i];

		fmgr_info(get_opfamily_proc(index->rd_opfamily[i], type, type, BTORDER_PROC), &look->compare[i]);
		look->collation[i] = index->rd_indcollation[i];
	}
	relation_close(index, NoLock);
}

/*
 * No parent is visible to the snapshot of the chunk.  Look again under one of
 * now.  When the row's version is not alive any more, what became of it may be
 * on the same page: that is looked at later.
 */
static void
confirm_orphan(Look *look, ZdmParents *parents, const Collected *row)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ItemPointerData tid = row->tid;

	if (zdm_parents_missing(parents, row->key, snapshot))
	{
		if (table_tuple_fetch_row_version(look->rel, &tid, snapshot, look->slot))
			report(look, look->slot);
		else
		{
			zdm_guard_note_block(look->v->base.job->id, RelationGetRelid(look->rel),
								 ItemPointerGetBlockNumber(&row->tid));
			look->orphans++;
		}
		ExecClearTuple(look->slot);
	}
	UnregisterSnapshot(snapshot);
}

static void
start_batch(Look *look)
{
	MemoryContextReset(look->batch_mcxt);
	look->batch = MemoryContextAlloc(look->batch_mcxt, LARGEST_BATCH * sizeof(Collected *));
	look->collected = 0;
}

/* Look for the parents of what was collected. */
static void
search_batch(Look *look)
{
	ZdmParents	parents;
	bool		found = false;

	if (look->collected == 0)
		return;
	qsort_arg(look->batch, look->collected, sizeof(Collected *), compare_collected, look);
	zdm_parents_begin(&parents, &look->pages->fk, look->snapshot, look->pages->child_type);
	for (int i = 0; i < look->collected; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i == 0 || compare_collected(&look->batch[i - 1], &look->batch[i], look) != 0)
			found = zdm_parents_find(&parents, look->batch[i]->key);
		if (found)
			remember_key(look->pages, look->batch[i]->key[0]);
		else
			confirm_orphan(look, &parents, look->batch[i]);
	}
	zdm_parents_end(&parents);
	start_batch(look);
}

static void
collect(Look *look, TupleTableSlot *slot)
{
	const Pages *pages = look->pages;
	int			nkeys = pages->fk.nkeys;
	MemoryContext old = MemoryContextSwitchTo(look->batch_mcxt);
	Collected  *row = palloc(offsetof(Collected, key) + nkeys * sizeof(Datum));

	row->tid = slot->tts_tid;
	for (int i = 0; i < nkeys; i++)
		row->key[i] = datumCopy(slot->tts_values[pages->fk.child_att[i] - 1], pages->byval[i], pages->len[i]);
	look->batch[look->collected++] = row;
	MemoryContextSwitchTo(old);
}

/* ---- rows ---- */

static void
look_at_row(Look *look, TupleTableSlot *slot)
{
	const Pages *pages = look->pages;
	int			nulls = 0;

	look->chunk->rows++;
	slot_getsomeattrs(slot, pages->last_att);
	for (int i = 0; i < pages->fk.nkeys; i++)
		nulls += slot->tts_isnull[pages->fk.child_att[i] - 1];
	if (nulls > 0)
	{
		if (pages->fk.match_full && nulls < pages->fk.nkeys)
			report(look, slot);
		return;
	}
	if (!is_remembered(pages, slot->tts_values[pages->fk.child_att[0] - 1]))
		collect(look, slot);
}

static bool
batch_is_full(const Look *look)
{
	return look->collected >= LARGEST_BATCH ||
		(look->collected % 1024 == 1023 &&
		 MemoryContextMemAllocated(look->batch_mcxt, false) > LARGEST_BATCH_BYTES);
}

/*
 * Look at the rows of a range of pages.  May stop early; returns the first page
 * not looked at.
 */
static BlockNumber
look_at_pages(Look *look, BlockNumber start, BlockNumber end, bool may_stop)
{
	ZdmPageScan *scan = zdm_page_scan_begin(look->rel, look->snapshot, start, end);

	while (zdm_page_scan_next_page(scan))
	{
		while (zdm_page_scan_next_row(scan))
		{
			look_at_row(look, scan->slot);
			if (batch_is_full(look))
				search_batch(look);
		}
		if (may_stop && zdm_scan_time_is_up(look->chunk))
		{
			end = scan->block + 1;
			break;
		}
	}
	zdm_page_scan_end(scan);
	search_batch(look);
	return end;
}

static void
begin_look(Look *look, ZdmValidation *v, Relation rel, ZdmChunk *chunk)
{
	look->v = v;
	look->rel = rel;
	look->chunk = chunk;
	look->snapshot = GetActiveSnapshot();
	look->pages = get_pages(v, rel);
	look->slot = table_slot_create(rel, NULL);
	look->batch_mcxt = AllocSetContextCreate(CurrentMemoryContext, "zdm keys", ALLOCSET_DEFAULT_SIZES);
	start_batch(look);
	prepare_to_sort(look);
}

static void
end_look(Look *look)
{
	ExecDropSingleTupleTableSlot(look->slot);
	MemoryContextDelete(look->batch_mcxt);
}

/* Look at pages that rows have moved to.  Those beyond the end are gone. */
static void
look_at_moves(Look *look, List *blocks)
{
	BlockNumber total = RelationGetNumberOfBlocks(look->rel);
	ListCell   *lc;

	foreach(lc, blocks)
	{
		BlockNumber block = (BlockNumber) lfirst_int(lc);

		if (block < total)
			(void) look_at_pages(look, block, block + 1, false);
	}
}

/* ---- chunks ---- */

/*
 * The position is which guard there was when the scan began.  ZDM_REWRITTEN
 * when there is another one.
 */
static ZdmVerdict
verify_guard(ZdmValidation *v, bytea **position)
{
	char	   *version = zdm_guard_version(v->base.job->id, v->cursor.leaf);

	if (version == NULL)
		return ZDM_REWRITTEN;
	if (*position == NULL)
		*position = (bytea *) cstring_to_text(version);
	return strcmp(text_to_cstring((text *) *position), version) == 0 ? ZDM_DONE : ZDM_REWRITTEN;
}

static ZdmVerdict
lock_parent(ZdmValidation *v)
{
	ZdmForeignKey fk;

	if (!ConditionalLockRelationOid(v->constraint->confrelid, AccessShareLock))
		return ZDM_BUSY;
	zdm_fk_load(v->constraint, &fk);
	return zdm_fk_lock_parent(&fk) ? ZDM_DONE : ZDM_BUSY;
}

/*
 * The pages of the range; or, once all have been scanned, those that rows have
 * moved to.  Records are taken first, under an older snapshot than the scan.
 */
static ZdmVerdict
pages_chunk(ZdmValidation *v, Relation rel, ZdmChunk *chunk)
{
	Look		look = {0};
	List	   *moved = NIL;
	bool		all_moves = true;
	BlockNumber blocks = RelationGetNumberOfBlocks(rel);
	BlockNumber end = (BlockNumber) Min((int64) chunk->next_block + chunk->units, (int64) blocks);
	ZdmVerdict	verdict = lock_parent(v);

	if (verdict == ZDM_DONE)
		verdict = verify_guard(v, &chunk->position);
	if (verdict != ZDM_DONE)
		return verdict;
	if (chunk->next_block >= blocks)
		moved = zdm_guard_take_blocks(v->base.job->id, RelationGetRelid(rel), MOVES_IN_CHUNK, &all_moves);

	PushActiveSnapshot(GetTransactionSnapshot());
	chunk->units_total = blocks;
	begin_look(&look, v, rel, chunk);
	if (look.pages->set && !look.pages->is_preloaded)
		preload(&look);
	look_at_moves(&look, moved);
	if (chunk->next_block < end)
	{
		end = look_at_pages(&look, chunk->next_block, end, true);
		chunk->units_done = end - chunk->next_block;
		chunk->next_block = end;
	}
	end_look(&look);
	chunk->last = chunk->next_block >= blocks && all_moves && list_length(moved) <= MOVES_IN_MARK;
	return ZDM_DONE;
}

/*
 * The look before the mark: few moves are looked at here, so that a table that
 * is written all the time comes to an end; many, or an orphan, are the
 * business of another chunk.
 */
static ZdmVerdict
before_mark(ZdmValidation *v, Relation rel)
{
	ZdmChunk	chunk = {0};
	Look		look = {.only_count = true};
	bytea	   *position = v->cursor.position;
	List	   *moved;
	ZdmVerdict	verdict = lock_parent(v);

	if (verdict == ZDM_DONE)
		verdict = verify_guard(v, &position);
	if (verdict != ZDM_DONE)
		return verdict;
	moved = zdm_guard_moved_blocks(v->base.job->id, RelationGetRelid(rel), MOVES_IN_MARK + 1);
	if (moved == NIL)
		return ZDM_DONE;
	if (list_length(moved) > MOVES_IN_MARK)
		return ZDM_FOUND;
	PushActiveSnapshot(GetTransactionSnapshot());
	begin_look(&look, v, rel, &chunk);
	look_at_moves(&look, moved);
	end_look(&look);
	PopActiveSnapshot();
	return look.orphans > 0 ? ZDM_FOUND : ZDM_DONE;
}

static bool
prepare(ZdmValidation *v)
{
	Pages	   *pages = MemoryContextAllocZero(v->scan_mcxt, sizeof(Pages));

	v->state = pages;
	return zdm_guard_install(v);
}

/*
 * A guard stays as long as its records are needed: also while the job is
 * paused.  When the run has ended for good, the frame removes it.
 */
static void
finish(ZdmValidation *v)
{
	if (!v->base.ended)
		(void) zdm_guard_remove_all(&v->base);
}

const ZdmScanMethod zdm_scan_fk_pages = {
	.name = "fk_pages",
	.contype = CONSTRAINT_FOREIGN,
	.first_units = FIRST_CHUNK_BLOCKS,
	.max_units = LARGEST_CHUNK_BLOCKS,
	.fits = fits,
	.premises = zdm_fk_premises,
	.prepare = prepare,
	.chunk = pages_chunk,
	.before_mark = before_mark,
	.finish = finish
};
