/*
 * fk_merge.c
 *	  The scan for orphans of a foreign key that has an index leading with the
 *	  referencing columns: that index and the referenced one are merged in the
 *	  order of their keys, chunk by chunk.
 *
 * Why a relation may be marked when the merge has reached the end (fk.c shows
 * why a key that was found stays found):
 *
 * 1. The place of a row in the scan is its key, not its ctid.  While the key is
 *	  what it was, an UPDATE may move the row anywhere in the table: its entry
 *	  stays at the same place of the order.  When the key changes, core checks
 *	  the new one.  "The same" for core is the equality operator of the
 *	  constraint; it is the equality of the index, too: operator families and
 *	  collations are required to be those of the referenced index.
 * 2. Every row alive has an entry in a valid index without a predicate.  Rows
 *	  with a NULL in the key need no parent; MATCH FULL on several columns, where
 *	  some may be NULL, is left to other methods.
 * 3. The cursor is the last key dealt with.  What is inserted at or before it
 *	  was checked by core.
 * 4. Which index of the table is read does not matter, as all that fit have the
 *	  same order; it may change from chunk to chunk.
 *
 * Most keys are proved without a look at the heap: a dead entry of a child
 * costs nothing when its key is found, and a parent on an all-visible page is
 * visible.  A key found is a proof for all of its rows, so long runs of the
 * same key, and stretches of parents that no child refers to, are jumped over.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/relation.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "catalog/pg_am.h"
#include "catalog/pg_constraint.h"
#include "compat/constraint.h"
#include "constraint/fk.h"
#include "constraint/fk_parents.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define FIRST_CHUNK_ENTRIES 10000
#define LARGEST_CHUNK_ENTRIES (1 << 24)

/* rows of one key after which a jump is cheaper */
#define STEPS_BEFORE_JUMP 48

/* keys between two looks at the clock; a look costs about 50 ns */
#define KEYS_BETWEEN_LOOKS 64

/* longest time for the rows of one missing key, x what a chunk may take */
#define MISSING_KEY_SHARE 3

typedef struct Merge
{
	ZdmValidation *v;
	ZdmChunk   *chunk;
	const ZdmForeignKey *fk;
	Relation	child;
	Relation	child_index;
	Oid			child_type[INDEX_MAX_KEYS];
	bool		byval[INDEX_MAX_KEYS];
	int16		len[INDEX_MAX_KEYS];

	ZdmWalk		children;
	ZdmParents	parents;

	/* the key being dealt with; all of its columns, or those before a NULL */
	int			columns;		/* 0: none yet */
	Datum		key[INDEX_MAX_KEYS];
	MemoryContext key_mcxt;
} Merge;

/* ---- which index ---- */

/* As the planner does: an index may be too young for the snapshots of now. */
static bool
is_too_young(Relation index)
{
	return index->rd_index->indcheckxmin &&
		!TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data), TransactionXmin);
}

static bool
has_right_order(const ZdmForeignKey *fk, Relation child, Relation parent, Relation index,
				Relation parent_index)
{
	Oid			child_type[INDEX_MAX_KEYS];

	for (int i = 0; i < fk->nkeys; i++)
	{
		Oid			collation = TupleDescAttr(RelationGetDescr(child), fk->child_att[i] - 1)->attcollation;

		child_type[i] = index->rd_opcintype[i];
		if (index->rd_index->indkey.values[i] != fk->child_att[i] ||
			index->rd_opfamily[i] != parent_index->rd_opfamily[i] ||
			index->rd_indcollation[i] != parent_index->rd_indcollation[i] ||
			index->rd_indcollation[i] != collation ||
			get_op_opfamily_strategy(fk->equal[i], index->rd_opfamily[i]) != BTEqualStrategyNumber)
			return false;
		if (collation != TupleDescAttr(RelationGetDescr(parent), fk->parent_att[i] - 1)->attcollation)
			return false;
	}
	return zdm_walk_can_seek(index, fk->nkeys, child_type) &&
		zdm_walk_can_seek(parent_index, fk->nkeys, child_type);
}

static bool
index_fits(const ZdmForeignKey *fk, Relation child, Relation parent, Relation index,
		   Relation parent_index)
{
	Form_pg_index form = index->rd_index;

	return index->rd_rel->relam == BTREE_AM_OID &&
		index->rd_rel->relkind == RELKIND_INDEX &&
		form->indisvalid && form->indisready && form->indislive &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL) &&
		form->indnkeyatts >= fk->nkeys &&
		has_right_order(fk, child, parent, index, parent_index);
}

static Oid
find_index(const ZdmForeignKey *fk, Relation child, Relation parent, Relation parent_index,
		   bool *not_yet)
{
	Oid			found = InvalidOid;
	int			found_columns = INDEX_MAX_KEYS + 1;
	ListCell   *lc;

	*not_yet = false;
	foreach(lc, RelationGetIndexList(child))
	{
		Relation	index;

		if (!ConditionalLockRelationOid(lfirst_oid(lc), AccessShareLock))
		{
			*not_yet = true;
			continue;
		}
		index = try_relation_open(lfirst_oid(lc), NoLock);
		if (index == NULL)
			continue;
		if (index_fits(fk, child, parent, index, parent_index))
		{
			if (is_too_young(index))
				*not_yet = true;
			else if (index->rd_index->indnatts < found_columns)
			{
				found = lfirst_oid(lc);
				found_columns = index->rd_index->indnatts;
			}
		}
		relation_close(index, NoLock);
	}
	return found;
}

/*
 * The narrowest index of the referencing table that can be merged with the
 * referenced one.  In a transaction with a snapshot, both tables and the
 * referenced index locked; takes ACCESS SHARE on indexes of the child without
 * waiting.  *not_yet: there may be one a little later.
 */
Oid
zdm_fk_find_index(const ZdmForeignKey *fk, Relation child, bool *not_yet)
{
	Relation	parent = relation_open(fk->parent, NoLock);
	Relation	parent_index = relation_open(fk->parent_index, NoLock);
	Oid			found = InvalidOid;

	*not_yet = false;
	if (parent_index->rd_rel->relam == BTREE_AM_OID)
		found = find_index(fk, child, parent, parent_index, not_yet);
	relation_close(parent_index, NoLock);
	relation_close(parent, NoLock);
	return found;
}

/* MATCH FULL forbids a key that is NULL in part; only rows of the heap tell. */
static bool
may_be_null_in_part(const ZdmForeignKey *fk, Relation child)
{
	if (!fk->match_full || fk->nkeys == 1)
		return false;
	for (int i = 0; i < fk->nkeys; i++)
	{
		if (!zdm_compat_has_no_nulls(RelationGetDescr(child), fk->child_att[i]))
			return true;
	}
	return false;
}

static bool
fits(const ZdmConstraint *constraint, Relation child, const char **why)
{
	ZdmForeignKey fk;
	bool		not_yet;
	Oid			index;

	if (!zdm_fk_fits(constraint, child, why))
		return false;
	if (child->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		return true;
	LockRelationOid(constraint->confrelid, AccessShareLock);
	LockRelationOid(constraint->conindid, AccessShareLock);
	zdm_fk_load(constraint, &fk);
	if (may_be_null_in_part(&fk, child))
	{
		*why = "MATCH FULL, and columns of the key may be NULL";
		return false;
	}
	index = zdm_fk_find_index(&fk, child, &not_yet);
	if (!OidIsValid(index))
	{
		*why = psprintf("no index of \"%s\" leads with the referencing columns in the order of \"%s\"",
						RelationGetRelationName(child), get_rel_name(fk.parent_index));
		return false;
	}
	*why = psprintf("index \"%s\" is merged with \"%s\"", get_rel_name(index),
					get_rel_name(fk.parent_index));
	return true;
}

/* ---- the position: the key, as it is in memory ---- */

/*
 * Values as stored can be read again in this very database only (an enum's are
 * OIDs), so the position says which one it is.
 */
typedef struct PositionHeader
{
	uint64		system;
	Oid			database;
	Oid			child;
	int32		columns;
} PositionHeader;

static bytea *
store_position(const Merge *m)
{
	PositionHeader header = {.system = GetSystemIdentifier(),.database = MyDatabaseId,.child = m->fk->child,.columns = m->columns};
	Size		size = VARHDRSZ + sizeof(header);
	bytea	   *position;
	char	   *at;

	for (int i = 0; i < m->columns; i++)
		size += datumEstimateSpace(m->key[i], false, m->byval[i], m->len[i]);
	position = palloc0(size);
	SET_VARSIZE(position, size);
	at = VARDATA(position);
	memcpy(at, &header, sizeof(header));
	at += sizeof(header);
	for (int i = 0; i < m->columns; i++)
		datumSerialize(m->key[i], false, m->byval[i], m->len[i], &at);
	return position;
}

/* False: from the beginning. */
static bool
load_position(Merge *m, bytea *position)
{
	PositionHeader header;
	char	   *at;

	if (position == NULL || VARSIZE_ANY_EXHDR(position) < sizeof(header))
		return false;
	at = VARDATA_ANY(position);
	memcpy(&header, at, sizeof(header));
	if (header.system != GetSystemIdentifier() || header.database != MyDatabaseId ||
		header.child != m->fk->child || header.columns < 1 || header.columns > m->fk->nkeys)
		return false;
	at += sizeof(header);
	m->columns = header.columns;
	for (int i = 0; i < m->columns; i++)
	{
		bool		isnull;

		m->key[i] = datumRestore(&at, &isnull);
	}
	return true;
}

/* ---- keys ---- */

/* The key that the children stand on becomes the one being dealt with. */
static void
take_key(Merge *m)
{
	MemoryContext old;

	MemoryContextReset(m->key_mcxt);
	old = MemoryContextSwitchTo(m->key_mcxt);
	m->columns = m->children.columns;
	for (int i = 0; i < m->columns; i++)
		m->key[i] = datumCopy(m->children.key[i], m->byval[i], m->len[i]);
	MemoryContextSwitchTo(old);
}

/*
 * Whether the entry has the key being dealt with, by its bytes: keys that are
 * equal and look different are looked up twice, which does no harm.
 */
static inline bool
same_key(const Merge *m, const ZdmWalk *walk)
{
	for (int i = 0; i < m->columns; i++)
	{
		if (m->byval[i] ? walk->key[i] != m->key[i]
			: !datum_image_eq(walk->key[i], m->key[i], false, m->len[i]))
			return false;
	}
	return true;
}

/* ---- a key without a parent ---- */

static bool
took_too_long(const ZdmChunk *chunk)
{
	ZdmChunk	longer = *chunk;

	longer.stop_ms *= MISSING_KEY_SHARE;
	return zdm_scan_time_is_up(&longer);
}

static void
report_children(Merge *m, Snapshot snapshot)
{
	ZdmWalk		children;
	int64		entries = 0;

	zdm_walk_begin(&children, m->child, m->child_index, snapshot, m->fk->nkeys, m->child_type);
	zdm_walk_seek(&children, m->key, m->fk->nkeys, true);
	while (zdm_walk_next(&children) && children.columns == m->fk->nkeys && same_key(m, &children))
	{
		CHECK_FOR_INTERRUPTS();
		if (zdm_walk_visible(&children, true))
			zdm_scan_report(m->v, m->child, m->chunk, children.slot);
		if (++entries % KEYS_BETWEEN_LOOKS == 0 && took_too_long(m->chunk))
			break;
	}
	zdm_walk_end(&children);
}

/*
 * The snapshot of the chunk shows no parent.  Look again, at parents and
 * children together, under a snapshot of now.
 */
static void
confirm_missing(Merge *m)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	if (zdm_parents_missing(&m->parents, m->key, snapshot))
		report_children(m, snapshot);
	UnregisterSnapshot(snapshot);
}

/* ---- one chunk ---- */

static void
start_children(Merge *m)
{
	if (load_position(m, m->chunk->position))
		zdm_walk_seek(&m->children, m->key, m->columns, false);
	else
		zdm_walk_rewind(&m->children);
}

static bool
chunk_is_full(const Merge *m, int64 keys)
{
	return m->chunk->units_done >= m->chunk->units ||
		(keys % KEYS_BETWEEN_LOOKS == 0 && zdm_scan_time_is_up(m->chunk));
}

/*
 * Go through the children from the position on.  A chunk ends before a key that
 * has not been dealt with.
 */
static void
merge(Merge *m)
{
	int64		keys = 0;
	int			repeated = 0;

	start_children(m);
	while (zdm_walk_next(&m->children))
	{
		m->chunk->units_done++;
		if (m->columns > 0 && m->children.columns >= m->columns && same_key(m, &m->children))
		{
			/* all that there is to do for this key has been done */
			if (++repeated > STEPS_BEFORE_JUMP)
			{
				zdm_walk_seek(&m->children, m->key, m->columns, false);
				repeated = 0;
			}
			continue;
		}
		CHECK_FOR_INTERRUPTS();
		if (keys > 0 && chunk_is_full(m, keys))
			return;
		keys++;
		repeated = 0;
		take_key(m);
		if (m->columns == m->fk->nkeys && !zdm_parents_find(&m->parents, m->key))
			confirm_missing(m);
	}
	m->chunk->last = true;
}

static void
open_merge(Merge *m)
{
	for (int i = 0; i < m->fk->nkeys; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(m->child_index), i);

		m->child_type[i] = m->child_index->rd_opcintype[i];
		m->byval[i] = att->attbyval;
		m->len[i] = att->attlen;
	}
	m->key_mcxt = AllocSetContextCreate(CurrentMemoryContext, "zdm key", ALLOCSET_SMALL_SIZES);
	zdm_walk_begin(&m->children, m->child, m->child_index, GetActiveSnapshot(), m->fk->nkeys,
				   m->child_type);
	zdm_parents_begin(&m->parents, m->fk, GetActiveSnapshot(), m->child_type);
}

static void
run_merge(ZdmValidation *v, Relation child, ZdmChunk *chunk, const ZdmForeignKey *fk, Oid index)
{
	Merge		m = {.v = v,.chunk = chunk,.fk = fk,.child = child};

	m.child_index = relation_open(index, NoLock);
	open_merge(&m);
	merge(&m);
	if (m.columns > 0)
		chunk->position = store_position(&m);
	zdm_parents_end(&m.parents);
	zdm_walk_end(&m.children);
	relation_close(m.child_index, NoLock);
	chunk->rows = chunk->units_done;
	chunk->units_total = (int64) Max(child->rd_rel->reltuples, 0);
}

/* The snapshot is younger than the locks on the tables, for rewrites. */
static ZdmVerdict
merge_chunk(ZdmValidation *v, Relation child, ZdmChunk *chunk)
{
	ZdmForeignKey fk;
	Oid			index;
	bool		not_yet;

	if (!ConditionalLockRelationOid(v->constraint->confrelid, AccessShareLock))
		return ZDM_BUSY;
	zdm_fk_load(v->constraint, &fk);
	if (!zdm_fk_lock_parent(&fk))
		return ZDM_BUSY;
	PushActiveSnapshot(GetTransactionSnapshot());
	index = zdm_fk_find_index(&fk, child, &not_yet);
	if (!OidIsValid(index) && not_yet)
		return ZDM_BUSY;
	if (!OidIsValid(index))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the index on the referencing columns of table \"%s\" is no longer there",
						RelationGetRelationName(child)),
				 errhint("Create it again, then use zdm.retry_job(); or cancel the job and start another.")));
	run_merge(v, child, chunk, &fk, index);
	return ZDM_DONE;
}

const ZdmScanMethod zdm_scan_fk_merge = {
	.name = "fk_merge",
	.contype = CONSTRAINT_FOREIGN,
	.first_units = FIRST_CHUNK_ENTRIES,
	.max_units = LARGEST_CHUNK_ENTRIES,
	.fits = fits,
	.premises = zdm_fk_premises,
	.chunk = merge_chunk
};
