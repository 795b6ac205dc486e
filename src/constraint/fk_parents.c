/*
 * fk_parents.c
 *	  Looking for parents by key, in the index that the foreign key rests on.
 *
 * Keys come in ascending order, as a rule: the walk steps from parent to
 * parent, and jumps where none of many is wanted.
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/relation.h"
#include "constraint/fk_parents.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* parents that nobody refers to, in a row, after which a jump is cheaper */
#define STEPS_BEFORE_JUMP 48

/*
 * Open a search under a snapshot, which is registered or active while it
 * lasts; the referenced table and index are locked.  child_type, of the keys
 * that will be looked for, lasts as long; zdm_walk_can_seek() has approved it.
 */
void
zdm_parents_begin(ZdmParents *parents, const ZdmForeignKey *fk, Snapshot snapshot,
				  const Oid *child_type)
{
	memset(parents, 0, sizeof(*parents));
	parents->fk = fk;
	parents->child_type = child_type;
	parents->heap = relation_open(fk->parent, NoLock);
	parents->index = relation_open(fk->parent_index, NoLock);
	for (int i = 0; i < fk->nkeys; i++)
		fmgr_info(get_opfamily_proc(parents->index->rd_opfamily[i],
									parents->index->rd_opcintype[i], child_type[i], BTORDER_PROC),
				  &parents->compare[i]);
	zdm_walk_begin(&parents->walk, parents->heap, parents->index, snapshot, fk->nkeys, child_type);
}

/* Needed before a key that is not at or behind the one before. */
void
zdm_parents_unposition(ZdmParents *parents)
{
	parents->positioned = false;
	parents->walk.at_end = false;
}

/* The entry that a walk stands on against a key: as strcmp(). */
static int
compare(ZdmParents *parents, const ZdmWalk *walk, const Datum *key)
{
	for (int i = 0; i < parents->fk->nkeys; i++)
	{
		Datum		result = FunctionCall2Coll(&parents->compare[i], walk->index->rd_indcollation[i],
											   walk->key[i], key[i]);

		if (DatumGetInt32(result) != 0)
			return DatumGetInt32(result);
	}
	return 0;
}

/*
 * Step to the first entry that is not before the key; false at the end.
 * Entries with a NULL are nobody's parent.
 */
static bool
advance(ZdmParents *parents, const Datum *key)
{
	int			steps = 0;

	while (!parents->walk.at_end)
	{
		if (parents->positioned && parents->walk.columns == parents->fk->nkeys &&
			compare(parents, &parents->walk, key) >= 0)
			return true;
		if (!parents->positioned || ++steps == STEPS_BEFORE_JUMP)
			zdm_walk_seek(&parents->walk, key, parents->fk->nkeys, true);
		parents->positioned = true;
		parents->is_visible = false;
		(void) zdm_walk_next(&parents->walk);
	}
	return false;
}

/* Whether a parent with that key is visible to the snapshot of the search. */
bool
zdm_parents_find(ZdmParents *parents, const Datum *key)
{
	while (advance(parents, key) && compare(parents, &parents->walk, key) == 0)
	{
		if (parents->is_visible || zdm_walk_visible(&parents->walk, false))
		{
			parents->is_visible = true;
			return true;
		}
		(void) zdm_walk_next(&parents->walk);
	}
	return false;
}

/* Whether no parent with that key is visible to another snapshot. */
bool
zdm_parents_missing(ZdmParents *parents, const Datum *key, Snapshot snapshot)
{
	ZdmWalk		walk;
	bool		missing = true;

	zdm_walk_begin(&walk, parents->heap, parents->index, snapshot, parents->fk->nkeys,
				   parents->child_type);
	zdm_walk_seek(&walk, key, parents->fk->nkeys, true);
	while (missing && zdm_walk_next(&walk))
	{
		if (walk.columns < parents->fk->nkeys)
			continue;
		if (compare(parents, &walk, key) != 0)
			break;
		missing = !zdm_walk_visible(&walk, false);
	}
	zdm_walk_end(&walk);
	return missing;
}

/* Locks stay. */
void
zdm_parents_end(ZdmParents *parents)
{
	zdm_walk_end(&parents->walk);
	relation_close(parents->index, NoLock);
	relation_close(parents->heap, NoLock);
}
