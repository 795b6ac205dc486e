/*
 * hierarchy.c
 *	  The relations that a constraint is to be validated on: the table, and
 *	  its partitions or inheritance children unless it is NO INHERIT.
 *
 * Children have a CHECK under the same name.  A foreign key's below a
 * partitioned table are linked to it, whatever their names; they can be NOT
 * VALID from PostgreSQL 18 on.  A relation is marked
 * after everything below it, so that "valid" always means "valid for all that
 * is below, too"; once it is valid, PostgreSQL attaches nothing to it whose
 * own constraint is not.  They are listed anew for each step, without locks:
 * what must not change is looked at again under the lock of the mark.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "constraint/hierarchy.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static bool
is_inherited(const ZdmConstraint *constraint)
{
	if (constraint->contype == CONSTRAINT_FOREIGN)
		return get_rel_relkind(constraint->relid) == RELKIND_PARTITIONED_TABLE;
	return constraint->contype == CONSTRAINT_CHECK && !constraint->no_inherit;
}

/*
 * The relation of the constraint, then those below it, parents before
 * children.  Takes no lock.
 */
List *
zdm_hierarchy_list(const ZdmConstraint *constraint)
{
	if (!is_inherited(constraint))
		return list_make1_oid(constraint->relid);
	return find_all_inheritors(constraint->relid, NoLock, NULL);
}

/*
 * The constraint of a relation in zdm_hierarchy_list(top); NULL when it has
 * none.  As zdm_constraint_load().
 */
ZdmConstraint *
zdm_hierarchy_member(const ZdmConstraint *top, Oid relid)
{
	if (relid != top->relid && top->contype == CONSTRAINT_FOREIGN)
		return zdm_constraint_load_below(relid, top->oid);
	return zdm_constraint_load(relid, top->name);
}

static ZdmConstraint *
load_below(const ZdmConstraint *top, Oid relid)
{
	ZdmConstraint *constraint = zdm_hierarchy_member(top, relid);

	if (constraint == NULL && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table \"%s\" has no constraint \"%s\", which the table above it has",
						get_rel_name(relid), top->name),
				 errhint("Detach the table, or add the constraint to it.")));
	return constraint;
}

/* Is that relation's OID in the list of those not to look at again? */
static bool
is_left(const char *left_behind, Oid relid)
{
	char		item[16];
	int			len = snprintf(item, sizeof(item), "%u,", relid);
	const char *at = left_behind;

	while (at && (at = strstr(at, item)) != NULL)
	{
		if (at == left_behind || at[-1] == ',')
			return true;
		at += len;
	}
	return false;
}

/* Is everything below the relation valid, or not to be looked at again? */
static bool
below_is_settled(const ZdmConstraint *constraint, const char *left_behind)
{
	ListCell   *lc;

	if (!has_subclass(constraint->relid))
		return true;
	foreach(lc, zdm_hierarchy_list(constraint))
	{
		ZdmConstraint *child;

		if (lfirst_oid(lc) == constraint->relid ||
			is_left(left_behind, lfirst_oid(lc)))
			continue;
		child = load_below(constraint, lfirst_oid(lc));
		if (child && !child->valid)
			return false;
	}
	return true;
}

/* Is everything below the relation valid? */
bool
zdm_hierarchy_below_is_valid(const ZdmConstraint *constraint)
{
	return below_is_settled(constraint, NULL);
}

/* Is something below the relation in the list of those left behind? */
bool
zdm_hierarchy_below_is_left(const ZdmConstraint *constraint, const char *left_behind)
{
	ListCell   *lc;

	foreach(lc, zdm_hierarchy_list(constraint))
	{
		if (lfirst_oid(lc) != constraint->relid && is_left(left_behind, lfirst_oid(lc)))
			return true;
	}
	return false;
}

/*
 * The relation whose turn it is: not valid, not left behind, with everything
 * below it settled.  InvalidOid when there is none.
 */
Oid
zdm_hierarchy_next(const ZdmConstraint *top, const char *left_behind)
{
	List	   *all = zdm_hierarchy_list(top);

	for (int i = list_length(all) - 1; i >= 0; i--)
	{
		Oid			relid = list_nth_oid(all, i);
		ZdmConstraint *constraint;

		CHECK_FOR_INTERRUPTS();
		if (is_left(left_behind, relid))
			continue;
		constraint = relid == top->relid ? zdm_constraint_load(relid, top->name) :
			load_below(top, relid);
		if (constraint && !constraint->valid && below_is_settled(constraint, left_behind))
			return relid;
	}
	return InvalidOid;
}

/*
 * What there is to scan, in blocks and by the statistics' rows: relations with
 * storage that are not valid yet.  One that somebody has locked is left out.
 */
void
zdm_hierarchy_size(const ZdmConstraint *top, int64 *blocks, int64 *rows)
{
	ListCell   *lc;

	*blocks = *rows = 0;
	foreach(lc, zdm_hierarchy_list(top))
	{
		ZdmConstraint *constraint = zdm_hierarchy_member(top, lfirst_oid(lc));
		Relation	rel;

		if (constraint == NULL || constraint->valid ||
			!ConditionalLockRelationOid(lfirst_oid(lc), AccessShareLock))
			continue;
		rel = try_relation_open(lfirst_oid(lc), NoLock);
		if (rel == NULL)
			continue;
		if (rel->rd_rel->relkind == RELKIND_RELATION)
		{
			BlockNumber now = RelationGetNumberOfBlocks(rel);

			*blocks += now;
			if (rel->rd_rel->relpages > 0 && rel->rd_rel->reltuples > 0)
				*rows += (int64) (rel->rd_rel->reltuples / rel->rd_rel->relpages * now);
		}
		relation_close(rel, NoLock);
	}
}
