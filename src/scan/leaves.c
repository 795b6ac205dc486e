/*
 * leaves.c
 *	  The relations with storage that a table consists of: itself, its
 *	  partitions, its inheritance children.
 *
 * They are listed anew for each step, so that partitions may come and go.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "scan/leaves.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* OIDs in ascending order.  Takes no lock.  Empty when the target is gone. */
List *
zdm_leaf_list(Oid target)
{
	List	   *all;
	List	   *leaves = NIL;
	ListCell   *lc;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(target)))
		return NIL;
	all = find_all_inheritors(target, NoLock, NULL);
	foreach(lc, all)
	{
		char		relkind = get_rel_relkind(lfirst_oid(lc));

		if (relkind == RELKIND_FOREIGN_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("table \"%s\" has become part of the target and is a foreign table",
							get_rel_name(lfirst_oid(lc))),
					 errhint("Detach it, then use zdm.retry_job().")));
		if (relkind == RELKIND_RELATION)
			leaves = lappend_oid(leaves, lfirst_oid(lc));
	}
	list_sort(leaves, list_oid_cmp);
	return leaves;
}

/*
 * Size of all leaves now, in blocks.  A leaf that someone has locked counts
 * by what pg_class says.
 */
int64
zdm_leaf_total_blocks(Oid target)
{
	int64		total = 0;
	ListCell   *lc;

	foreach(lc, zdm_leaf_list(target))
	{
		Relation	rel;

		CHECK_FOR_INTERRUPTS();
		if (!ConditionalLockRelationOid(lfirst_oid(lc), AccessShareLock))
			continue;
		rel = try_relation_open(lfirst_oid(lc), NoLock);
		if (rel == NULL)
			continue;
		total += RelationGetNumberOfBlocks(rel);
		relation_close(rel, AccessShareLock);
	}
	return total;
}
