/*
 * destructive.c
 *	  Statements that take something away: DROP, TRUNCATE, and what goes with
 *	  them.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "explain/facts.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "partitioning/partdesc.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/*
 * The dependents of an object ($1 class, $2 object, $3 column), as DROP finds
 * them; those that need CASCADE only if asked for.  With those the whole goes
 * of which a part must go: the view with its rule.
 */
#define GONE_BY(dependents) \
	"WITH RECURSIVE gone(classid, objid, objsubid) AS (VALUES ($1, $2, $3) UNION" \
	" SELECT s.* FROM gone g CROSS JOIN LATERAL (" dependents ") s) "
#define DEPENDENTS(how) \
	"SELECT d.classid, d.objid, d.objsubid FROM pg_depend d" \
	" WHERE d.refclassid = g.classid AND d.refobjid = g.objid AND g.objsubid IN (0, d.refobjsubid)" \
	" AND d.deptype IN ('a', 'i', 'P', 'S'" how ")"
#define GONE GONE_BY(DEPENDENTS(""))
#define GONE_CASCADE \
	GONE_BY(DEPENDENTS(", 'n'") \
			" UNION ALL SELECT d.refclassid, d.refobjid, d.refobjsubid FROM pg_depend d" \
			" WHERE d.classid = g.classid AND d.objid = g.objid AND d.deptype = 'i'")

/*
 * The relations on which a dependent that goes is locked with ACCESS
 * EXCLUSIVE.
 */
#define LOCKED \
	"SELECT DISTINCT r.relid FROM gone g CROSS JOIN LATERAL (" \
	" SELECT g.objid WHERE g.classid = 'pg_class'::regclass" \
	" UNION ALL SELECT indrelid FROM pg_index WHERE g.classid = 'pg_class'::regclass AND g.objsubid = 0 AND indexrelid = g.objid" \
	" UNION ALL SELECT inhparent FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid AND c.relispartition AND c.relkind NOT IN ('i', 'I')" \
	"  WHERE g.classid = 'pg_class'::regclass AND g.objsubid = 0 AND inhrelid = g.objid" \
	" UNION ALL SELECT conrelid FROM pg_constraint WHERE g.classid = 'pg_constraint'::regclass AND oid = g.objid" \
	" UNION ALL SELECT tgrelid FROM pg_trigger WHERE g.classid = 'pg_trigger'::regclass AND oid = g.objid" \
	" UNION ALL SELECT ev_class FROM pg_rewrite WHERE g.classid = 'pg_rewrite'::regclass AND oid = g.objid" \
	" UNION ALL SELECT polrelid FROM pg_policy WHERE g.classid = 'pg_policy'::regclass AND oid = g.objid" \
	" UNION ALL SELECT adrelid FROM pg_attrdef WHERE g.classid = 'pg_attrdef'::regclass AND oid = g.objid" \
	") r(relid) JOIN pg_class k ON k.oid = r.relid WHERE k.relkind NOT IN ('t', 'c')" \
	" AND k.relnamespace <> 'pg_toast'::regnamespace ORDER BY 1"

/* dependents that stay, and so keep the object from going */
#define HOLDERS \
	"SELECT d.objid FROM gone g JOIN pg_depend d ON d.refclassid = g.classid AND d.refobjid = g.objid" \
	" AND g.objsubid IN (0, d.refobjsubid) WHERE d.deptype = 'n'" \
	" AND NOT EXISTS (SELECT FROM gone h WHERE h.classid = d.classid AND h.objid = d.objid AND h.objsubid IN (0, d.objsubid))" \
	" AND NOT EXISTS (SELECT FROM pg_depend i JOIN gone h ON i.refclassid = h.classid AND i.refobjid = h.objid" \
	"                 WHERE i.classid = d.classid AND i.objid = d.objid AND i.deptype IN ('a', 'i', 'P', 'S') AND h.objsubid IN (0, i.refobjsubid))"

/* tables and the like that go, or lose a column */
#define LOST \
	"SELECT DISTINCT objid FROM gone JOIN pg_class k ON k.oid = objid WHERE classid = 'pg_class'::regclass" \
	" AND k.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1"

/* What goes with an object is locked; clients of all but relid are told here. */
static void
drop_dependents(ZdmFacts *facts, Oid relid, Oid classid, Oid objid, int subid, bool cascade)
{
	ListCell   *lc;

	zdm_facts_lock_list(facts,
						cascade ? zdm_facts_oids(GONE_CASCADE LOCKED, classid, objid, subid) :
						zdm_facts_oids(GONE LOCKED, classid, objid, subid),
						AccessExclusiveLock);
	foreach(lc, cascade ? zdm_facts_oids(GONE_CASCADE LOST, classid, objid, subid) :
			zdm_facts_oids(GONE LOST, classid, objid, subid))
	{
		if (lfirst_oid(lc) != relid)
			zdm_facts_breaks(facts, lfirst_oid(lc),
							 "It is dropped, too, or loses a column: clients that use that fail.");
	}
}

/*
 * An object is dropped: relid, the table it is told of, and what goes with it
 * are locked.
 */
void
zdm_explain_drop_object(ZdmFacts *facts, Oid relid, Oid classid, Oid objid, int subid, bool cascade)
{
	drop_dependents(facts, relid, classid, objid, subid, cascade);
	if (!cascade && zdm_facts_oids(GONE HOLDERS, classid, objid, subid) != NIL)
		zdm_facts_fails(facts, relid,
						"Fails: other objects depend on it. See zdm.dependents(), and drop those first, or say CASCADE.");
}

/* A default partition's constraint changes when a partition goes. */
static void
lock_default_partition(ZdmFacts *facts, Oid relid)
{
	Oid			parent = InvalidOid;
	Oid			defaultid;

	if (get_rel_relispartition(relid))
		parent = get_partition_parent(relid, true);
	if (!OidIsValid(parent))
		return;
	zdm_facts_lock(facts, parent, AccessExclusiveLock);
	defaultid = get_default_partition_oid(parent);
	if (OidIsValid(defaultid))
		zdm_facts_lock(facts, defaultid, AccessExclusiveLock);
}

static void
drop_relation(ZdmFacts *facts, Oid relid, bool cascade)
{
	bool		is_view = get_rel_relkind(relid) == RELKIND_VIEW;

	zdm_facts_lock(facts, relid, AccessExclusiveLock);
	zdm_explain_drop_object(facts, relid, RelationRelationId, relid, 0, cascade);
	lock_default_partition(facts, relid);
	if (get_rel_relispartition(relid))
		zdm_facts_online(facts, relid,
						 "Locks the whole partitioned table. DETACH PARTITION ... CONCURRENTLY first, then drop the table.");
	zdm_facts_breaks(facts, relid,
					 is_view ? "Clients that use the view fail. Make sure that nothing uses it, and run zdm.execute_ddl()." :
					 "Clients that use the relation fail, and what is in it is gone. Make sure that nothing uses it, and run zdm.execute_ddl().");
}

static void
drop_index(ZdmFacts *facts, Oid relid, bool concurrent, bool cascade)
{
	Oid			tableid = IndexGetRelation(relid, false);

	if (concurrent)
	{
		zdm_facts_lock(facts, tableid, ShareUpdateExclusiveLock);
		zdm_facts_lock(facts, relid, ShareUpdateExclusiveLock);
		zdm_facts_advise(facts, relid, "Waits for old transactions, while others read and write. zdm.drop_index() does it in the background.");
		if (get_rel_relkind(relid) == RELKIND_PARTITIONED_INDEX)
			zdm_facts_fails(facts, relid, "Fails: the index of a partitioned table cannot be dropped concurrently. Leave out CONCURRENTLY, and run it with zdm.execute_ddl().");
		return;
	}
	zdm_facts_lock(facts, relid, AccessExclusiveLock);
	zdm_facts_lock(facts, tableid, AccessExclusiveLock);
	zdm_explain_drop_object(facts, relid, RelationRelationId, relid, 0, cascade);
	if (OidIsValid(get_index_constraint(relid)))
		zdm_facts_fails(facts, relid, "Fails: the index belongs to a constraint. Use ALTER TABLE ... DROP CONSTRAINT.");
	else if (get_rel_relkind(relid) == RELKIND_INDEX)
	{
		char	   *advice = psprintf("Locks the table against reads and writes. Use zdm.drop_index(%s), or DROP INDEX CONCURRENTLY.",
									  zdm_facts_literal(relid));

		zdm_facts_online(facts, relid, advice);
		zdm_facts_online(facts, tableid, advice);
	}
}

/* DROP TABLE, INDEX, VIEW and the like. */
static void
drop_relations(ZdmFacts *facts, DropStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->objects)
	{
		Oid			relid = zdm_facts_lookup(makeRangeVarFromNameList(lfirst(lc)), stmt->missing_ok);
		char		relkind;

		if (!OidIsValid(relid))
			continue;
		relkind = get_rel_relkind(relid);
		zdm_facts_check_kind(stmt->removeType, relkind, relid);
		zdm_facts_require(relid, ZDM_RIGHT_DROP);
		if (stmt->removeType == OBJECT_INDEX)
			drop_index(facts, relid, stmt->concurrent, stmt->behavior == DROP_CASCADE);
		else
			drop_relation(facts, relid, stmt->behavior == DROP_CASCADE);
	}
}

/* A trigger, rule or policy: the lock is on its table; a trigger's also on the partitions that have it. */
static void
drop_part_of(ZdmFacts *facts, Relation rel, const ObjectAddress *address)
{
	Oid			relid = RelationGetRelid(rel);

	zdm_facts_require(relid, ZDM_RIGHT_OWNER);
	zdm_facts_lock(facts, relid, AccessExclusiveLock);
	relation_close(rel, NoLock);
	drop_dependents(facts, relid, address->classId, address->objectId, 0, false);
}

/* A type, function, schema and the like. */
static void
drop_object(ZdmFacts *facts, const DropStmt *stmt, const ObjectAddress *address, Node *name)
{
	bool		cascade = stmt->behavior == DROP_CASCADE;

	check_object_ownership(GetUserId(), stmt->removeType, *address, name, NULL);
	drop_dependents(facts, InvalidOid, address->classId, address->objectId, 0, cascade);
	if (!cascade && zdm_facts_oids(GONE HOLDERS, address->classId, address->objectId, 0) != NIL)
		zdm_facts_note(facts, false, "Fails: other objects depend on it. Drop those first, or say CASCADE.");
	else if (stmt->removeType == OBJECT_STATISTIC_EXT)
		zdm_facts_lock_list(facts, zdm_facts_oids("SELECT stxrelid FROM pg_statistic_ext WHERE oid = $1",
												  address->objectId, InvalidOid, 0), ShareUpdateExclusiveLock);
	else
		zdm_facts_note(facts, false, "Clients that use the object fail. Make sure that nothing uses it, and run zdm.execute_ddl().");
}

static void
drop_others(ZdmFacts *facts, DropStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->objects)
	{
		Relation	rel = NULL;
		ObjectAddress address = get_object_address(stmt->removeType, lfirst(lc), &rel,
												   AccessShareLock, stmt->missing_ok);

		if (rel)
			drop_part_of(facts, rel, &address);
		else if (OidIsValid(address.objectId))
			drop_object(facts, stmt, &address, lfirst(lc));
	}
}

/* DROP of any kind of object. */
void
zdm_explain_drop(ZdmFacts *facts, DropStmt *stmt)
{
	switch (stmt->removeType)
	{
		case OBJECT_TABLE:
		case OBJECT_INDEX:
		case OBJECT_VIEW:
		case OBJECT_MATVIEW:
		case OBJECT_SEQUENCE:
		case OBJECT_FOREIGN_TABLE:
			drop_relations(facts, stmt);
			break;
		default:
			drop_others(facts, stmt);
			break;
	}
}

static void
truncate_one(ZdmFacts *facts, Oid relid)
{
	zdm_facts_lock(facts, relid, AccessExclusiveLock);
	if (zdm_facts_has_storage(relid))
		zdm_facts_empty(facts, relid);
	zdm_facts_breaks(facts, relid,
					 "The rows are gone, and readers wait meanwhile. Delete in batches, or drop a partition.");
}

#define REFERENCING \
	"WITH RECURSIVE r(relid) AS (SELECT $1 UNION SELECT conrelid FROM r JOIN pg_constraint" \
	" ON confrelid = relid AND contype = 'f') SELECT relid FROM r"

/* TRUNCATE: tables below it, and with CASCADE those that refer to it. */
void
zdm_explain_truncate(ZdmFacts *facts, TruncateStmt *stmt)
{
	List	   *named = NIL;
	List	   *all = NIL;
	ListCell   *lc;

	foreach(lc, stmt->relations)
	{
		RangeVar   *rv = lfirst_node(RangeVar, lc);
		Oid			relid = zdm_facts_lookup(rv, false);

		zdm_facts_require(relid, ZDM_RIGHT_TRUNCATE);
		named = list_concat_unique_oid(named, zdm_facts_tree(relid, rv->inh));
	}
	foreach(lc, named)
		all = list_concat_unique_oid(all, zdm_facts_oids(REFERENCING, lfirst_oid(lc), InvalidOid, 0));
	foreach(lc, stmt->behavior == DROP_CASCADE ? all : named)
		truncate_one(facts, lfirst_oid(lc));
	if (stmt->behavior == DROP_RESTRICT && list_difference_oid(all, named) != NIL)
		zdm_facts_fails(facts, linitial_oid(named),
						"Fails: another table has a foreign key to it. Name both tables in the statement, or say CASCADE.");
}
