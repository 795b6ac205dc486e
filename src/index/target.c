/*
 * target.c
 *	  What a table or an index must be for a job on an index.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "core/args.h"
#include "index/target.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

static char *
qualified_name(Oid relid)
{
	Oid			nsp = get_rel_namespace(relid);

	if (isAnyTempNamespace(nsp))
		return get_rel_name(relid);
	return psprintf("%s.%s", get_namespace_name(nsp), get_rel_name(relid));
}

static void
refuse(Oid relid, int sqlerrcode, const char *why, const char *hint)
{
	ereport(ERROR,
			(errcode(sqlerrcode),
			 errmsg("cannot work on indexes of \"%s\": %s", qualified_name(relid), why),
			 errhint("%s", hint)));
}

static void
check_kind(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);

	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_MATVIEW:
		case RELKIND_PARTITIONED_TABLE:
			break;
		case RELKIND_FOREIGN_TABLE:
			refuse(relid, ERRCODE_WRONG_OBJECT_TYPE, "it is a foreign table",
				   "Create the index on the server that holds the data, or detach the foreign partition.");
			break;
		case RELKIND_VIEW:
			refuse(relid, ERRCODE_WRONG_OBJECT_TYPE, "it is a view",
				   "Give the table under the view.");
			break;
		default:
			refuse(relid, ERRCODE_WRONG_OBJECT_TYPE, "it is not a table",
				   "Give the name of a table or a materialized view.");
	}
}

static void
check_storage(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);

	if (IsSystemRelation(rel))
		refuse(relid, ERRCODE_INSUFFICIENT_PRIVILEGE, "it is a system catalog",
			   "Give the name of a table of yours.");
	if (RelationGetNamespace(rel) == get_namespace_oid("zdm", true))
		refuse(relid, ERRCODE_INSUFFICIENT_PRIVILEGE, "it is a table of zdm's own",
			   "Give the name of a table of yours.");
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		refuse(relid, ERRCODE_FEATURE_NOT_SUPPORTED, "it is a temporary table, which a background worker cannot see",
			   "Use the plain statement: nobody else waits for it.");
}

/* A job runs as one role. */
static void
check_partitions(Relation rel)
{
	ListCell   *lc;

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return;
	foreach(lc, find_all_inheritors(RelationGetRelid(rel), AccessShareLock, NULL))
	{
		Relation	child = relation_open(lfirst_oid(lc), NoLock);

		check_kind(child);
		if (child->rd_rel->relowner != rel->rd_rel->relowner)
			refuse(RelationGetRelid(child), ERRCODE_FEATURE_NOT_SUPPORTED,
				   "it has another owner than the table of which it is a partition",
				   "Use ALTER TABLE ... OWNER TO.");
		relation_close(child, NoLock);
	}
}

/* The owner is checked before anything is locked. */
static Relation
open_table(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Relation	rel = NULL;

	if (HeapTupleIsValid(tuple))
	{
		Oid			owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;

		ReleaseSysCache(tuple);
		zdm_require_owner_rights(owner, psprintf("table \"%s\"", qualified_name(relid)));
		rel = try_relation_open(relid, AccessShareLock);
	}
	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table with OID %u does not exist", relid),
				 errhint("Give the name of a table, with its schema.")));
	check_kind(rel);
	check_storage(rel);
	check_partitions(rel);
	return rel;
}

/*
 * The table of a definition, with ACCESS SHARE on it and its partitions.
 * Errors: UNDEFINED_TABLE, INSUFFICIENT_PRIVILEGE, WRONG_OBJECT_TYPE,
 * FEATURE_NOT_SUPPORTED.
 */
Relation
zdm_index_open_table(const RangeVar *name)
{
	Oid			relid = RangeVarGetRelid(name, NoLock, true);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s\" does not exist",
						name->schemaname ? psprintf("%s.%s", name->schemaname, name->relname) : name->relname),
				 errhint("Give the name of a table, with its schema.")));
	return open_table(relid);
}

static void
refuse_index(Oid index, int sqlerrcode, const char *why, const char *hint)
{
	ereport(ERROR,
			(errcode(sqlerrcode),
			 errmsg("cannot work on index \"%s\": %s", qualified_name(index), why),
			 errhint("%s", hint)));
}

static void
check_droppable(Oid index, bool is_replica_identity)
{
	Oid			constraint = get_index_constraint(index);

	if (OidIsValid(constraint))
		refuse_index(index, ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
					 psprintf("constraint \"%s\" needs it", get_constraint_name(constraint)),
					 "Drop the constraint instead, with ALTER TABLE ... DROP CONSTRAINT.");
	if (is_replica_identity)
		refuse_index(index, ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
					 "it is the replica identity of its table, without which updates of published tables fail",
					 "Use ALTER TABLE ... REPLICA IDENTITY to choose another one first.");
	if (get_rel_relispartition(index))
		refuse_index(index, ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
					 "it is a part of the index of a partitioned table",
					 "Drop that index instead.");
}

/*
 * The same for the table of an index that is to be rebuilt or dropped; also
 * DEPENDENT_OBJECTS_STILL_EXIST.
 */
Relation
zdm_index_open_table_of(Oid index, ZdmIndexAction action)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	Oid			table;
	bool		is_exclusion;
	bool		is_replica_identity;
	Relation	rel;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(get_rel_name(index) ? ERRCODE_WRONG_OBJECT_TYPE : ERRCODE_UNDEFINED_OBJECT),
				 get_rel_name(index) ? errmsg("\"%s\" is not an index", qualified_name(index)) :
				 errmsg("index with OID %u does not exist", index),
				 errhint("Give the name of an index, with its schema.")));
	table = ((Form_pg_index) GETSTRUCT(tuple))->indrelid;
	is_exclusion = ((Form_pg_index) GETSTRUCT(tuple))->indisexclusion;
	is_replica_identity = ((Form_pg_index) GETSTRUCT(tuple))->indisreplident;
	ReleaseSysCache(tuple);

	rel = open_table(table);
	if (action == ZDM_INDEX_DROP)
		check_droppable(index, is_replica_identity);
	else if (is_exclusion)
		refuse_index(index, ERRCODE_FEATURE_NOT_SUPPORTED,
					 "indexes of exclusion constraints cannot be rebuilt concurrently",
					 "Create another constraint and drop this one, or use REINDEX INDEX, which blocks writes.");
	return rel;
}
