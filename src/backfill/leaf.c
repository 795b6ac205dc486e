/*
 * leaf.c
 *	  The relations with storage that a target consists of, as a backfill
 *	  works on them.
 *
 * They are taken in the order of their OIDs: the sweep misses one that is
 * attached behind it, the proof does not.
 */
#include "postgres.h"

#include <math.h>

#include "access/relation.h"
#include "backfill/leaf.h"
#include "backfill/mapped.h"
#include "backfill/stripe_scan.h"
#include "backfill/target.h"
#include "compat/tree.h"
#include "storage/lmgr.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#define MAX_STRIPES 16
#define SMALL_LEAF_BLOCKS 16

/* The first leaf after that one, InvalidOid after the last. */
Oid
zdm_leaf_next(Oid target, Oid after)
{
	ListCell   *lc;

	foreach(lc, zdm_leaf_list(target))
	{
		if (lfirst_oid(lc) > after)
			return lfirst_oid(lc);
	}
	return InvalidOid;
}

static ZdmVerdict
check_leaf(ZdmBackfillRun *run, Relation rel)
{
	if (rel->rd_rel->relowner != run->base.owner)
		return ZDM_OTHER_OWNER;
	zdm_target_check_access_method(rel);
	if (RelationGetRelid(rel) == run->cursor.leaf &&
		OidIsValid(run->cursor.leaf_filenode) &&
		rel->rd_rel->relfilenode != run->cursor.leaf_filenode)
		return ZDM_REWRITTEN;
	return ZDM_DONE;
}

/*
 * Plans of the leaf that hold now.  A change of the catalogs may also have
 * taken the leaf out of the target.
 */
static ZdmVerdict
prepare_statements(ZdmBackfillRun *run, Relation rel)
{
	Oid			leaf = RelationGetRelid(rel);
	ZdmVerdict	verdict;

	if (run->statements && run->statements_leaf == leaf &&
		!zdm_statement_is_stale(run->statements))
		return ZDM_DONE;

	zdm_statement_free(run->statements);
	run->statements = NULL;
	if (!list_member_oid(zdm_leaf_list(run->spec->target), leaf))
		return ZDM_GONE;
	verdict = zdm_mapped_read(run, rel);
	if (verdict != ZDM_DONE)
		return verdict;
	run->statements = zdm_query_prepare(run->spec, rel);
	run->statements_leaf = leaf;
	if (!run->spec->fire_triggers)
		zdm_target_check_foreign_keys(rel, run->statements->assigned);
	return ZDM_DONE;
}

/*
 * In a transaction: lock and open a leaf and have the statements ready, with
 * everything that they read locked.  Never waits for the leaf, nor passes one
 * who waits for a stronger lock on it.  *rel is set on ZDM_DONE only.
 */
ZdmVerdict
zdm_leaf_lock(ZdmBackfillRun *run, Oid leaf, Relation *rel)
{
	bool		has_snapshot = ActiveSnapshotSet();
	Relation	opened;
	ZdmVerdict	verdict;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(leaf)))
		return ZDM_GONE;
	if (!ConditionalLockRelationOid(leaf, RowExclusiveLock))
		return ZDM_BUSY;
	opened = try_relation_open(leaf, NoLock);
	if (opened == NULL)
		return ZDM_GONE;

	verdict = check_leaf(run, opened);
	if (verdict == ZDM_DONE)
	{
		if (!has_snapshot)
			PushActiveSnapshot(GetTransactionSnapshot());
		verdict = prepare_statements(run, opened);
		if (!has_snapshot)
			PopActiveSnapshot();
	}
	if (verdict == ZDM_DONE)
		*rel = opened;
	else
		relation_close(opened, NoLock);
	return verdict;
}

/*
 * zdm_leaf_lock(), and a snapshot that is younger than all locks: what an
 * older one would see of a table that was rewritten in between is nothing.
 */
ZdmVerdict
zdm_leaf_open(ZdmBackfillRun *run, Oid leaf, Relation *rel)
{
	ZdmVerdict	verdict = zdm_leaf_lock(run, leaf, rel);

	if (verdict == ZDM_DONE)
		PushActiveSnapshot(GetTransactionSnapshot());
	return verdict;
}

static double
rows_per_page(Relation rel)
{
	if (rel->rd_rel->relpages > 0 && rel->rd_rel->reltuples > 0)
		return rel->rd_rel->reltuples / rel->rd_rel->relpages;
	return MAX_STRIPES;
}

/*
 * Into how many transactions to split the rows of each page of an open leaf.
 * One when no update can be HOT, or the leaf is so small that each transaction
 * would be waited for longer than it takes.  Otherwise as many as it takes for the new
 * versions of one stripe to find room: a page has fillfactor's worth of it,
 * or what the stripe before has left behind.
 */
int
zdm_leaf_stripes(ZdmBackfillRun *run, Relation rel)
{
	double		room = (100 - RelationGetFillFactor(rel, HEAP_DEFAULT_FILLFACTOR)) / 100.0;
	int			stripes = MAX_STRIPES;

	if (!zdm_stripe_scan_can_read(rel) || RelationGetNumberOfBlocks(rel) < SMALL_LEAF_BLOCKS)
		return 1;
	if (bms_overlap(zdm_compat_hot_blocking_columns(rel), run->statements->assigned))
		return 1;
	if (room > 0)
		stripes = (int) Min(stripes, ceil(1.0 / room) + 1);
	return (int) Max(Min(stripes, ceil(rows_per_page(rel))), 1);
}
