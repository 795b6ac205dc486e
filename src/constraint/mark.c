/*
 * mark.c
 *	  Marking a constraint as valid, once a scan has shown that it is.
 *
 * A false mark would be believed: by the planner, by SET NOT NULL, by a dump.
 * So this can be reached from the worker only, never from SQL, and everything
 * that the scan relied on is looked at again under SHARE UPDATE EXCLUSIVE,
 * which keeps out every command that could change it: ALTER TABLE in all its
 * forms that touch constraints or storage, VACUUM FULL, CLUSTER, CREATE
 * TRIGGER, ATTACH PARTITION and INHERIT (they lock the parent in it).
 *
 *	- the constraint has the OID and the stored expression of every chunk, is
 *	  enforced, and not valid yet
 *	- the storage is the one of every chunk (relfilenumber)
 *	- the method's premises are those of every chunk
 *	- everything below it is valid: a partition attached between the last
 *	  chunk and the mark is found here
 *
 * The lock is tried, and waited for only in moments that concern neither reads
 * nor writes (zdm_step_lock()).
 *
 * A partitioned table has no storage and is left to the native command, which
 * has nothing to scan when all below is valid.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "constraint/hierarchy.h"
#include "constraint/mark.h"
#include "constraint/native.h"
#include "constraint/step.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* What VALIDATE CONSTRAINT does to the catalog when it has found no wrong row. */
static void
set_validated(Relation rel, Oid constraint)
{
	Relation	catalog = table_open(ConstraintRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy1(CONSTROID, ObjectIdGetDatum(constraint));
	Form_pg_constraint con;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for constraint %u", constraint);
	con = (Form_pg_constraint) GETSTRUCT(tuple);
	if (con->conrelid != RelationGetRelid(rel) || con->convalidated)
		elog(ERROR, "constraint %u is not one to be marked", constraint);
	con->convalidated = true;
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	InvokeObjectPostAlterHook(ConstraintRelationId, constraint, 0);
	heap_freetuple(tuple);
	table_close(catalog, RowExclusiveLock);

	/* sessions that plan with it, or that cache it, have to look again */
	CacheInvalidateRelcache(rel);
}

/*
 * Body of the transaction that marks the constraint of cursor.leaf, whose scan
 * has come to its end and found nothing.  ZDM_DONE: marked.  ZDM_GONE: other
 * relations have to be marked first, or there is nothing to mark.
 * ZDM_REWRITTEN: start over.  ZDM_FOUND: the method has more to look at.
 * ZDM_BUSY: the lock was refused.
 */
ZdmVerdict
zdm_mark_scanned(ZdmRun *base, void *arg)
{
	ZdmValidation *v = (ZdmValidation *) base;
	Relation	rel;
	ZdmVerdict	verdict;

	if (!v->cursor.scanned || v->cursor.leaf_violations > 0)
		elog(ERROR, "the scan of relation %u has not come to its end", v->cursor.leaf);
	PushActiveSnapshot(GetTransactionSnapshot());
	verdict = zdm_step_open(v, ShareUpdateExclusiveLock, &rel);
	if (verdict != ZDM_DONE)
		return verdict;
	if (rel->rd_rel->relkind != RELKIND_RELATION)
		elog(ERROR, "relation %u is not a table", v->cursor.leaf);
	if (!zdm_hierarchy_below_is_valid(v->constraint))
		verdict = ZDM_GONE;
	else if (v->method->before_mark)
		verdict = v->method->before_mark(v, rel);
	if (verdict == ZDM_DONE)
		set_validated(rel, v->constraint->oid);
	relation_close(rel, NoLock);
	return verdict;
}

/*
 * Body of the transaction that marks the constraint of the partitioned table
 * *arg (an Oid), with all partitions locked and valid.  Verdicts as above.
 */
ZdmVerdict
zdm_mark_parent(ZdmRun *base, void *arg)
{
	ZdmValidation *v = (ZdmValidation *) base;
	Oid			relid = *(Oid *) arg;
	ZdmConstraint *constraint;

	PushActiveSnapshot(GetTransactionSnapshot());
	if (!zdm_native_lock(v, relid))
		return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)) ? ZDM_BUSY : ZDM_GONE;
	constraint = zdm_step_constraint(v, relid);
	if (constraint == NULL || constraint->valid || !zdm_hierarchy_below_is_valid(constraint))
		return ZDM_GONE;
	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return ZDM_GONE;
	if (OidIsValid(constraint->confrelid) && !ConditionalLockRelationOid(constraint->confrelid, RowShareLock))
		return ZDM_BUSY;
	zdm_native_statement(constraint);
	return ZDM_DONE;
}
