/*
 * leaf.c
 *	  What each transaction of a verification begins with: the lock tried
 *	  rather than waited for, and everything that was believed before, looked at
 *	  again under it.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/partition.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "mapping/require.h"
#include "scan/function_versions.h"
#include "scan/leaves.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "verify/run.h"

static bool
is_part_of_target(const ZdmVerify *v, Relation rel)
{
	Oid			relid = RelationGetRelid(rel);

	if (relid == v->spec->target)
		return true;
	if (rel->rd_rel->relispartition)
		return list_member_oid(get_partition_ancestors(relid), v->spec->target);
	return list_member_oid(zdm_leaf_list(v->spec->target), relid);
}

/*
 * In a transaction: read the mapping that rel, which is locked, is kept by.
 * ZDM_BUSY when it has changed: settings are those of a transaction from its
 * start, so it has to be another one.  Errors as zdm_mapping_news().
 */
ZdmVerdict
zdm_verify_mapping_read(ZdmVerify *v, Relation rel)
{
	MemoryContext old = MemoryContextSwitchTo(v->base.run_mcxt);
	ZdmVerdict	verdict = ZDM_BUSY;
	ZdmMapping *now = NULL;

	switch (zdm_mapping_news(rel, v->spec->target, v->spec->mapping_id, v->mapping, &now))
	{
		case ZDM_MAPPING_SAME:
			verdict = ZDM_DONE;
			break;
		case ZDM_MAPPING_OTHER:
			v->mapping = now;
			break;
		case ZDM_MAPPING_GONE:
			verdict = ZDM_GONE;
			break;
		case ZDM_MAPPING_LOCKED:
			break;
	}
	MemoryContextSwitchTo(old);
	return verdict;
}

static ZdmVerdict
check_leaf(ZdmVerify *v, Relation rel)
{
	if (!is_part_of_target(v, rel))
		return ZDM_GONE;
	if (rel->rd_rel->relowner != v->base.owner)
		return ZDM_OTHER_OWNER;
	if (rel->rd_tableam != GetHeapamTableAmRoutine())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"%s\" cannot be verified: its access method is not heap",
						RelationGetRelationName(rel)),
				 errhint("Detach it, then use zdm.retry_job().")));
	return zdm_verify_mapping_read(v, rel);
}

/*
 * In a transaction: lock and open a leaf, without waiting, and look whether it
 * can be verified.  *rel is set on ZDM_DONE only.  Other verdicts: ZDM_BUSY,
 * ZDM_GONE, ZDM_OTHER_OWNER.
 */
ZdmVerdict
zdm_verify_leaf_lock(ZdmVerify *v, Oid leaf, Relation *rel)
{
	Relation	opened;
	ZdmVerdict	verdict;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(leaf)))
		return ZDM_GONE;
	if (!ConditionalLockRelationOid(leaf, AccessShareLock))
		return ZDM_BUSY;
	opened = try_relation_open(leaf, NoLock);
	if (opened == NULL)
		return ZDM_GONE;
	verdict = check_leaf(v, opened);
	if (verdict == ZDM_DONE)
		*rel = opened;
	else
		relation_close(opened, NoLock);
	return verdict;
}

/*
 * What decides whether a row of rel is consistent, beside its values, as a
 * text to compare; in the current memory context.  A function that is inlined
 * into the expression is in it as it is now.  Needs an active snapshot.
 */
char *
zdm_verify_premises(ZdmVerify *v, Relation rel)
{
	Node	   *expr = (Node *) zdm_mapping_consistent_expr(rel, v->mapping, 1);
	char	   *functions = zdm_function_versions(expr);
	const ZdmSessionSettings *settings = &v->mapping->settings;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%s\n%s\n", nodeToString(expr), functions ? functions : "");
	for (int i = 0; i < settings->count; i++)
		appendStringInfo(&buf, "%s=%s\n", settings->names[i], settings->values[i]);
	return psprintf("%016llx%016llx",
					(unsigned long long) hash_bytes_extended((const unsigned char *) buf.data, buf.len, 0),
					(unsigned long long) hash_bytes_extended((const unsigned char *) buf.data, buf.len, UINT64CONST(0x7a646d)));
}
