/*
 * partitions.c
 *	  Partitions: made, attached, detached.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "catalog/index.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "commands/tablecmds.h"
#include "compat/explain.h"
#include "explain/facts.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_utilcmd.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"

#define ADVICE_DEFAULT \
	"Scans the default partition, unless a valid CHECK excludes the new partition's values: add one with zdm.add_check() first."

static Oid
default_partition(Relation parent)
{
	return get_default_oid_from_partdesc(RelationGetPartitionDesc(parent, true));
}

/* Those below relid whose rows must be looked at to see that qual holds. */
static void
scan_unless_proved(ZdmFacts *facts, Relation parent, Oid relid, List *qual, const char *advice)
{
	ListCell   *lc;

	foreach(lc, zdm_facts_leaves(relid, true))
	{
		Relation	rel = relation_open(lfirst_oid(lc), AccessShareLock);

		if (!PartConstraintImpliedByRelConstraint(rel, map_partition_varattnos(copyObject(qual), 1, rel, parent)))
			zdm_facts_scan(facts, lfirst_oid(lc), advice);
		relation_close(rel, NoLock);
	}
}

/* The default partition must have no row that belongs into the new one. */
static void
check_default_partition(ZdmFacts *facts, Relation parent, List *bound_qual)
{
	Oid			defaultid = default_partition(parent);

	if (!OidIsValid(defaultid))
		return;
	zdm_facts_lock_list(facts, zdm_facts_tree(defaultid, true), AccessExclusiveLock);
	scan_unless_proved(facts, parent, defaultid,
					   get_proposed_default_constraint(copyObject(bound_qual)), ADVICE_DEFAULT);
}

static bool
same_index(Relation a, Relation b, AttrMap *map)
{
	return CompareIndexInfo(BuildIndexInfo(b), BuildIndexInfo(a),
							b->rd_indcollation, a->rd_indcollation,
							b->rd_opfamily, a->rd_opfamily, map);
}

static bool
has_index_like(Relation child, Relation parent_index, AttrMap *map)
{
	bool		found = false;
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(child))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		found = found || (!index->rd_rel->relispartition && same_index(parent_index, index, map));
		index_close(index, NoLock);
	}
	return found;
}

/* Indexes of the parent that the new partition lacks are built. */
static void
build_missing_indexes(ZdmFacts *facts, Relation parent, Relation child)
{
	AttrMap    *map = zdm_compat_attrmap(child, parent);
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(parent))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (!has_index_like(child, index, map))
			zdm_facts_scan_list(facts, zdm_facts_leaves(RelationGetRelid(child), true),
								psprintf("Builds an index like %s on the new partition. Build it with zdm.create_index() first: it is adopted then.",
										 RelationGetRelationName(index)));
		index_close(index, NoLock);
	}
}

/* the referenced tables of the foreign keys of $1 that $2 has not, or ($3 = 1) has, under a condition on its own, c */
#define FOREIGN_KEYS(condition) \
	"SELECT p.confrelid FROM pg_constraint p WHERE p.conrelid = $1 AND p.contype = 'f' AND ($3 = 1) = EXISTS (" \
	" SELECT FROM pg_constraint c WHERE c.conrelid = $2 AND c.contype = 'f' AND c.confrelid = p.confrelid AND " condition \
	" AND c.confkey = p.confkey" \
	" AND (SELECT array_agg(attname ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k(a, n) JOIN pg_attribute ON attrelid = $2 AND attnum = k.a)" \
	"   = (SELECT array_agg(attname ORDER BY k.n) FROM unnest(p.conkey) WITH ORDINALITY k(a, n) JOIN pg_attribute ON attrelid = $1 AND attnum = k.a))"

/* Foreign keys of the parent come to the partition, checked unless it has the same. */
static void
adopt_foreign_keys(ZdmFacts *facts, Oid parentid, Oid childid)
{
	List	   *missing = zdm_facts_oids(FOREIGN_KEYS(ZDM_FOREIGN_KEY_IS_ADOPTED), parentid, childid, 0);
	List	   *adopted = zdm_facts_oids(FOREIGN_KEYS(ZDM_FOREIGN_KEY_IS_ADOPTED), parentid, childid, 1);
	List	   *made = zdm_facts_oids(FOREIGN_KEYS(ZDM_FOREIGN_KEY_IS_ADOPTED) ZDM_AND_FOREIGN_KEY_IS_ENFORCED,
									  parentid, childid, 0);
	List	   *promised = zdm_facts_oids(FOREIGN_KEYS("c.convalidated") " AND p.convalidated", parentid, childid, 0);
	ListCell   *lc;

	zdm_facts_lock_list(facts, missing, ShareRowExclusiveLock);
	zdm_facts_lock_list(facts, adopted, AccessExclusiveLock);
	foreach(lc, list_concat_unique_oid(made, promised))
		zdm_facts_check_foreign_key(facts, zdm_facts_leaves(childid, true), lfirst_oid(lc),
									"Checks a foreign key of the parent. Use zdm.add_foreign_key() on the new partition first.");
}

typedef struct NewBound
{
	char	   *name;
	Relation	parent;
	PartitionBoundSpec *bound;	/* analyzed */
} NewBound;

static void
check_bound(void *arg)
{
	const NewBound *what = arg;

	check_new_partition_bound(what->name, what->parent, what->bound, make_parsestate(NULL));
}

/* It must be a bound at all, and no other partition's. */
static void
require_free_bound(ZdmFacts *facts, Relation parent, char *name, PartitionBoundSpec *bound)
{
	NewBound	what = {name, parent, bound};

	zdm_facts_fails_if(facts, RelationGetRelid(parent), check_bound, &what, "Choose other bounds, or detach the other partition first.");
}

static void
attach(ZdmFacts *facts, Relation parent, Relation child, PartitionBoundSpec *bound)
{
	List	   *bound_qual = get_qual_from_partbound(parent, bound);
	List	   *qual = list_concat(copyObject(bound_qual), copyObject(RelationGetPartitionQual(parent)));

	require_free_bound(facts, parent, RelationGetRelationName(child), bound);
	zdm_facts_lock_indexes(facts, RelationGetRelid(parent), ShareUpdateExclusiveLock);
	build_missing_indexes(facts, parent, child);
	adopt_foreign_keys(facts, RelationGetRelid(parent), RelationGetRelid(child));
	if (qual != NIL)
		scan_unless_proved(facts, parent, RelationGetRelid(child),
						   list_make1(make_ands_explicit((List *) eval_const_expressions(NULL, (Node *) qual))),
						   psprintf("Scans the new partition under ACCESS EXCLUSIVE. Give it a CHECK with its bound, and IS NOT NULL for the key, by zdm.add_check(%s, ...) first, and drop it after.",
									zdm_facts_literal(RelationGetRelid(child))));
	if (!bound->is_default)
		check_default_partition(facts, parent, bound_qual);
}

/* ATTACH PARTITION; the lock on the parent is the statement's. */
void
zdm_explain_attach(ZdmFacts *facts, Oid relid, PartitionCmd *cmd)
{
	Oid			childid = zdm_facts_lookup(cmd->name, false);
	Relation	parent;
	Relation	child;

	zdm_facts_require(childid, ZDM_RIGHT_OWNER);
	zdm_facts_lock_list(facts, zdm_facts_tree(childid, true), AccessExclusiveLock);
	if (cmd->bound == NULL)
		return;
	parent = relation_open(relid, AccessShareLock);
	child = relation_open(childid, AccessShareLock);
	attach(facts, parent, child, cmd->bound);
	relation_close(child, NoLock);
	relation_close(parent, NoLock);
}

static void
detach_indexes(ZdmFacts *facts, Oid childid)
{
	Relation	child = relation_open(childid, AccessShareLock);
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(child))
	{
		if (get_rel_relispartition(lfirst_oid(lc)))
			zdm_facts_lock(facts, lfirst_oid(lc), AccessExclusiveLock);
	}
	relation_close(child, NoLock);
}

/* DETACH PARTITION, plain, CONCURRENTLY or FINALIZE. */
void
zdm_explain_detach(ZdmFacts *facts, Oid relid, const PartitionCmd *cmd)
{
	Oid			childid = zdm_facts_lookup(cmd->name, false);
	Relation	parent = relation_open(relid, AccessShareLock);
	Oid			defaultid = default_partition(parent);

	relation_close(parent, NoLock);
	zdm_facts_lock_list(facts, zdm_facts_tree(childid, true), AccessExclusiveLock);
	detach_indexes(facts, childid);
	zdm_facts_lock_list(facts,
						zdm_facts_oids("SELECT DISTINCT confrelid FROM pg_constraint WHERE conrelid = $1 AND contype = 'f' AND conparentid <> 0",
									   childid, InvalidOid, 0), ShareRowExclusiveLock);
	if (OidIsValid(defaultid) && cmd->concurrent)
		zdm_facts_fails(facts, relid, "Fails: a partition cannot be detached concurrently as long as there is a default partition. Detach without CONCURRENTLY, through zdm.execute_ddl().");
	else if (OidIsValid(defaultid))
		zdm_facts_lock(facts, defaultid, AccessExclusiveLock);
	else if (!cmd->concurrent)
		zdm_facts_online(facts, relid,
						 "Locks the whole partitioned table. Use DETACH PARTITION ... CONCURRENTLY.");
}

static void
create_partition(ZdmFacts *facts, CreateStmt *stmt)
{
	Oid			parentid = zdm_facts_lookup(linitial_node(RangeVar, stmt->inhRelations), false);
	Relation	parent;
	PartitionBoundSpec *bound;
	ParseState *pstate = make_parsestate(NULL);

	zdm_facts_require(parentid, ZDM_RIGHT_OWNER);
	zdm_facts_lock(facts, parentid, AccessExclusiveLock);
	if (!IsA(stmt, CreateForeignTableStmt))
		zdm_facts_lock_indexes(facts, parentid, ShareUpdateExclusiveLock);
	zdm_facts_lock_list(facts,
						zdm_facts_oids("SELECT confrelid FROM pg_constraint WHERE conrelid = $1 AND contype = 'f'",
									   parentid, InvalidOid, 0), ShareRowExclusiveLock);
	zdm_facts_advise(facts, parentid,
					 "Locks the whole partitioned table. CREATE TABLE ... (LIKE ...) and ATTACH PARTITION lets others read and write.");
	parent = relation_open(parentid, AccessShareLock);
	pstate->p_sourcetext = facts->sql;
	if (parent->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not partitioned", RelationGetRelationName(parent)),
				 errhint("Name a table that was made with PARTITION BY.")));
	bound = transformPartitionBound(pstate, parent, stmt->partbound);
	require_free_bound(facts, parent, stmt->relation->relname, bound);
	if (!bound->is_default)
		check_default_partition(facts, parent, get_qual_from_partbound(parent, bound));
	relation_close(parent, NoLock);
}

static void
lock_referenced(ZdmFacts *facts, const List *constraints, const char *own_name)
{
	ListCell   *lc;

	foreach(lc, constraints)
	{
		Constraint *con = lfirst(lc);
		Oid			pkid;

		if (!IsA(con, Constraint) || con->contype != CONSTR_FOREIGN ||
			strcmp(con->pktable->relname, own_name) == 0)
			continue;
		pkid = zdm_facts_lookup(con->pktable, false);
		zdm_facts_require_references(pkid, con->pk_attrs);
		zdm_facts_lock_list(facts, zdm_facts_tree(pkid, get_rel_relkind(pkid) == RELKIND_PARTITIONED_TABLE),
							ShareRowExclusiveLock);
	}
}

/* CREATE TABLE: what it locks are its parents and those that it refers to. */
void
zdm_explain_create_table(ZdmFacts *facts, CreateStmt *stmt)
{
	ListCell   *lc;

	if (zdm_facts_new_relation_is_taken(stmt->relation))
	{
		zdm_facts_note(facts, stmt->if_not_exists,
					   stmt->if_not_exists ? "The relation is there already: nothing is done." :
					   "Fails: a relation of that name is there already. Choose another name, or add IF NOT EXISTS.");
		return;
	}
	if (stmt->partbound)
		create_partition(facts, stmt);
	else
	{
		foreach(lc, stmt->inhRelations)
		{
			Oid			parentid = zdm_facts_lookup(lfirst_node(RangeVar, lc), false);

			zdm_facts_require(parentid, ZDM_RIGHT_OWNER);
			zdm_facts_lock(facts, parentid, ShareUpdateExclusiveLock);
		}
	}
	lock_referenced(facts, stmt->tableElts, stmt->relation->relname);
	lock_referenced(facts, stmt->constraints, stmt->relation->relname);
	foreach(lc, stmt->tableElts)
	{
		if (IsA(lfirst(lc), ColumnDef))
			lock_referenced(facts, lfirst_node(ColumnDef, lc)->constraints, stmt->relation->relname);
	}
}
