/*
 * fk.c
 *	  What all scans for orphans of a foreign key share: what the catalogs say
 *	  of it, whether it can be validated in chunks at all, and the premise that
 *	  its triggers are at work.
 *
 * Why chunks under different snapshots prove something about a foreign key:
 *
 * 1. The constraint was added, NOT VALID, under SHARE ROW EXCLUSIVE on both
 *	  tables, so whoever wrote before had ended.  Since then a row that is
 *	  inserted, or whose key is changed, is checked by core at the end of its
 *	  statement or transaction, and whoever deletes a parent or changes its key
 *	  looks for children among ALL rows, whether validated or not.
 * 2. So when a parent of key K is visible to some snapshot taken since, key K
 *	  stays found: the parent cannot go while a child refers to it.  A key seen
 *	  once is proved for every child that has it, now and later.
 * 3. A miss proves nothing by itself: it is looked at again under a fresh
 *	  snapshot, together with the children, before it is reported.
 * 4. What is left to show is that each child has been looked at.  An UPDATE that
 *	  leaves the key alone is not checked by core and can move a child anywhere;
 *	  how that is dealt with is what the methods differ in (fk_merge.c,
 *	  fk_pages.c).
 *
 * 1 and 2 rest on the triggers of the constraint.  zdm_fk_premises() is the
 * version of their rows in pg_trigger: disabled and enabled again is another
 * version, and the scan starts over.  Writers with session_replication_role =
 * replica run no triggers; the apply of a subscription is such a writer, and
 * tables that are part of one are left to native.  Other such writers can break
 * a valid foreign key at any time, and so can a BEFORE trigger or a rule that
 * suppresses an action of the constraint: native, too, marks what was so under
 * its snapshot, however long ago that was taken.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/indexing.h"
#include "catalog/partition.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_subscription_rel.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "constraint/fk.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"

/*
 * Read the definition.  In a transaction, with the referenced table locked.
 * Raises when the constraint is gone.
 */
void
zdm_fk_load(const ZdmConstraint *constraint, ZdmForeignKey *fk)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint->oid));
	AttrNumber	conkey[INDEX_MAX_KEYS];
	AttrNumber	confkey[INDEX_MAX_KEYS];
	Oid			equal[INDEX_MAX_KEYS];
	HeapTuple	index;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for constraint %u", constraint->oid);
	memset(fk, 0, sizeof(*fk));
	fk->constraint = constraint->oid;
	fk->child = constraint->relid;
	fk->parent = constraint->confrelid;
	fk->parent_index = constraint->conindid;
	fk->match_full = constraint->matchtype == FKCONSTR_MATCH_FULL;
	DeconstructFkConstraintRow(tuple, &fk->nkeys, conkey, confkey, equal, NULL, NULL, NULL, NULL);
	ReleaseSysCache(tuple);

	index = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(fk->parent_index));
	if (!HeapTupleIsValid(index))
		elog(ERROR, "cache lookup failed for index %u", fk->parent_index);
	for (int i = 0; i < fk->nkeys; i++)
	{
		fk->parent_att[i] = ((Form_pg_index) GETSTRUCT(index))->indkey.values[i];
		for (int j = 0; j < fk->nkeys; j++)
		{
			if (confkey[j] != fk->parent_att[i])
				continue;
			fk->child_att[i] = conkey[j];
			fk->equal[i] = equal[j];
		}
		if (fk->child_att[i] == InvalidAttrNumber)
			elog(ERROR, "index %u is not what the foreign key rests on", fk->parent_index);
	}
	ReleaseSysCache(index);
}

/* Lock the referenced table and its index for reading, unless that would wait. */
bool
zdm_fk_lock_parent(const ZdmForeignKey *fk)
{
	return ConditionalLockRelationOid(fk->parent, AccessShareLock) &&
		ConditionalLockRelationOid(fk->parent_index, AccessShareLock);
}

/* How many enabled triggers of each side the constraint has. */
typedef struct TriggerCount
{
	int			child;
	int			parent;
} TriggerCount;

static void
add_trigger(StringInfo buf, HeapTuple tuple, const ZdmConstraint *constraint, TriggerCount *count)
{
	Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);
	int			type = RI_FKey_trigger_type(trigger->tgfoid);
	bool		enabled;

	enabled = trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN ||
		trigger->tgenabled == TRIGGER_FIRES_ALWAYS;
	if (type == RI_TRIGGER_FK && trigger->tgrelid == constraint->relid)
		count->child += enabled;
	else if (type == RI_TRIGGER_PK && trigger->tgrelid == constraint->confrelid)
		count->parent += enabled;
	else
		return;
	appendStringInfo(buf, "%u%c:%u:%u/%u ", trigger->oid, trigger->tgenabled,
					 HeapTupleHeaderGetRawXmin(tuple->t_data),
					 ItemPointerGetBlockNumberNoCheck(&tuple->t_self),
					 ItemPointerGetOffsetNumberNoCheck(&tuple->t_self));
}

static void
add_triggers(StringInfo buf, Relation pg_trigger, Oid oid, const ZdmConstraint *constraint,
			 TriggerCount *count)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_trigger_tgconstraint, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(oid));
	scan = systable_beginscan(pg_trigger, TriggerConstraintIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		add_trigger(buf, tuple, constraint, count);
	systable_endscan(scan);
}

static Oid
parent_constraint(Oid oid)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(oid));
	Oid			parent = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		parent = ((Form_pg_constraint) GETSTRUCT(tuple))->conparentid;
		ReleaseSysCache(tuple);
	}
	return parent;
}

static bool
is_in_subscription(Oid relid)
{
	Relation	rel = table_open(SubscriptionRelRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&key, Anum_pg_subscription_rel_srrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, SubscriptionRelSrrelidSrsubidIndexId, true, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * Does a subscription write the table?  One that has a partitioned table
 * writes its partitions.
 */
static bool
is_subscribed(Oid relid)
{
	ListCell   *lc;

	if (is_in_subscription(relid))
		return true;
	if (!get_rel_relispartition(relid))
		return false;
	foreach(lc, get_partition_ancestors(relid))
	{
		if (is_in_subscription(lfirst_oid(lc)))
			return true;
	}
	return false;
}

static void
refuse_subscribed(const ZdmConstraint *constraint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a subscription has begun to write a table of foreign key \"%s\"", constraint->name),
			 errdetail("It writes without checking foreign keys."),
			 errhint("Cancel the job and validate with method => 'native'.")));
}

/*
 * The versions of the rows of the constraint's triggers: two on either side.
 * A partition's constraint has those of the referenced table with its parent.
 * Raises when one is missing or disabled, or when a subscription writes.
 */
char *
zdm_fk_premises(const ZdmConstraint *constraint, Relation child)
{
	Relation	pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	TriggerCount count = {0};
	StringInfoData buf;

	if (is_subscribed(constraint->relid) || is_subscribed(constraint->confrelid))
		refuse_subscribed(constraint);
	initStringInfo(&buf);
	for (Oid oid = constraint->oid; OidIsValid(oid); oid = parent_constraint(oid))
		add_triggers(&buf, pg_trigger, oid, constraint, &count);
	table_close(pg_trigger, AccessShareLock);

	if (count.child < 2 || count.parent < 2)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("triggers of foreign key \"%s\" are disabled on table \"%s\"", constraint->name,
						count.child < 2 ? RelationGetRelationName(child) : get_rel_name(constraint->confrelid)),
				 errdetail("Without them nothing checks what is written."),
				 errhint("Enable them with ALTER TABLE ... ENABLE TRIGGER ALL, then use zdm.retry_job().")));
	return buf.data;
}

static bool
may_read(const ZdmForeignKey *fk, Oid role)
{
	if (pg_class_aclcheck(fk->parent, role, ACL_SELECT) == ACLCHECK_OK)
		return true;
	for (int i = 0; i < fk->nkeys; i++)
	{
		if (pg_attribute_aclcheck(fk->parent, fk->parent_att[i], role, ACL_SELECT) != ACLCHECK_OK)
			return false;
	}
	return true;
}

static const char *
obstacle(const ZdmConstraint *constraint, Relation child, Relation parent)
{
	Oid			owner = child->rd_rel->relowner;
	const char *parent_name = RelationGetRelationName(parent);
	ZdmForeignKey fk;

	if (parent->rd_rel->relkind != RELKIND_RELATION)
		return psprintf("the referenced table \"%s\" is partitioned", parent_name);
	if (child->rd_tableam != GetHeapamTableAmRoutine() ||
		parent->rd_tableam != GetHeapamTableAmRoutine())
		return "the access method of one of the tables is not heap";
	zdm_fk_load(constraint, &fk);
	if (!may_read(&fk, owner))
		return psprintf("the owner of the table may not read \"%s\"", parent_name);
	if (check_enable_rls(fk.parent, owner, true) == RLS_ENABLED)
		return psprintf("row security applies to its owner on \"%s\"", parent_name);
	if (is_subscribed(fk.parent) || is_subscribed(fk.child))
		return "a subscription writes one of the tables without checking";
	return NULL;
}

/*
 * Whether a foreign key can be validated in chunks at all.  As fits() in
 * scan.h; *why is set when it cannot.
 */
bool
zdm_fk_fits(const ZdmConstraint *constraint, Relation child, const char **why)
{
	Relation	parent;

	if (constraint->temporal)
	{
		*why = "it is temporal (PERIOD)";
		return false;
	}
	if (child->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		*why = psprintf("\"%s\" is partitioned", RelationGetRelationName(child));
		return false;
	}
	if (child->rd_rel->relkind != RELKIND_RELATION)
	{
		*why = psprintf("\"%s\" has no storage here", RelationGetRelationName(child));
		return false;
	}
	parent = relation_open(constraint->confrelid, AccessShareLock);
	*why = obstacle(constraint, child, parent);
	relation_close(parent, NoLock);
	return *why == NULL;
}
