/*
 * indexes.c
 *	  Indexes: built, built again, attached.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "commands/tablespace.h"
#include "explain/facts.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_utilcmd.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* Is there a relation with the name that the new index shall have? */
static bool
name_is_taken(const IndexStmt *stmt, Oid relid)
{
	return stmt->idxname && OidIsValid(get_relname_relid(stmt->idxname, get_rel_namespace(relid)));
}

typedef struct KeyColumn
{
	IndexElem  *elem;
	Oid			typid;
	const char *am;
	Oid			amid;
} KeyColumn;

static void
check_opclass(void *arg)
{
	const KeyColumn *key = arg;

	(void) ResolveOpClass(key->elem->opclass, key->typid, key->am, key->amid);
}

/*
 * Has the access method of an index, analyzed, what it takes to index its columns?  Errors with
 * UNDEFINED_OBJECT when it is not there.
 */
void
zdm_facts_require_opclasses(ZdmFacts *facts, Oid relid, const IndexStmt *stmt)
{
	KeyColumn	key = {.am = strcmp(stmt->accessMethod, "rtree") == 0 ? "gist" : stmt->accessMethod};
	ListCell   *lc;

	key.amid = get_index_am_oid(key.am, false);
	foreach(lc, stmt->indexParams)
	{
		key.elem = lfirst_node(IndexElem, lc);
		key.typid = key.elem->name ? get_atttype(relid, get_attnum(relid, key.elem->name)) : exprType(key.elem->expr);
		if (OidIsValid(key.typid))
			zdm_facts_fails_if(facts, relid, check_opclass, &key, "Name an operator class for the type, or use another access method.");
	}
}

static void
create_concurrently(ZdmFacts *facts, Oid relid, IndexStmt *stmt)
{
	zdm_facts_lock(facts, relid, ShareUpdateExclusiveLock);
	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
	{
		zdm_facts_fails(facts, relid, "Fails: an index on a partitioned table cannot be built concurrently. Use zdm.create_index(), which builds it partition by partition.");
		return;
	}
	zdm_facts_scan(facts, relid, "Reads the table twice and waits for old transactions, while others read and write. zdm.create_index() does it in the background and cleans up after a failure.");
}

/* CREATE INDEX.  Errors with what PostgreSQL says of its columns. */
void
zdm_explain_create_index(ZdmFacts *facts, IndexStmt *stmt)
{
	Oid			relid = zdm_facts_lookup(stmt->relation, false);
	List	   *tree;
	ListCell   *lc;

	zdm_facts_require(relid, ZDM_RIGHT_OWNER);
	zdm_facts_require_key_columns(facts, relid, stmt);
	zdm_facts_refuse_virtual_keys(facts, relid, stmt);
	zdm_facts_require_opclasses(facts, relid, transformIndexStmt(relid, copyObject(stmt), facts->sql));
	if (name_is_taken(stmt, relid))
	{
		zdm_facts_lock(facts, relid, stmt->concurrent ? ShareUpdateExclusiveLock : ShareLock);
		if (!stmt->if_not_exists)
			zdm_facts_fails(facts, relid, "Fails: a relation of that name is there already. Choose another name, or add IF NOT EXISTS.");
		else
			zdm_facts_advise(facts, relid, "The index is there already: nothing is done, but the lock is waited for.");
		return;
	}
	if (stmt->concurrent)
	{
		create_concurrently(facts, relid, stmt);
		return;
	}
	tree = zdm_facts_tree(relid, get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE && stmt->relation->inh);
	foreach(lc, tree)
	{
		zdm_facts_lock(facts, lfirst_oid(lc), ShareLock);
		if (zdm_facts_has_storage(lfirst_oid(lc)))
			zdm_facts_scan(facts, lfirst_oid(lc),
						   "Writers wait until the index is built. Use zdm.create_index() with the same statement.");
	}
}

/* Has a list of options this one, switched on? */
static bool
has_option(const List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, name) == 0)
			return defGetBoolean(option);
	}
	return false;
}

static void
reindex_one(ZdmFacts *facts, Oid indexid, bool concurrent)
{
	Oid			tableid = IndexGetRelation(indexid, false);

	if (!zdm_facts_has_storage(indexid))
		return;
	zdm_facts_lock(facts, tableid, concurrent ? ShareUpdateExclusiveLock : ShareLock);
	zdm_facts_lock(facts, indexid, concurrent ? ShareUpdateExclusiveLock : AccessExclusiveLock);
	zdm_facts_rewrite(facts, indexid, NULL);
	zdm_facts_scan(facts, tableid,
				   concurrent ? "Others read and write meanwhile. zdm.reindex() does it in the background and cleans up after a failure." :
				   "Writers wait until the indexes are built, and so does whatever plans a query. Use zdm.reindex(), or REINDEX ... CONCURRENTLY.");
}

static void
reindex_tables(ZdmFacts *facts, Oid relid, bool concurrent)
{
	ListCell   *lc;

	foreach(lc, zdm_facts_leaves(relid, get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE))
	{
		Relation	rel = relation_open(lfirst_oid(lc), AccessShareLock);
		ListCell   *li;

		zdm_facts_lock(facts, lfirst_oid(lc), concurrent ? ShareUpdateExclusiveLock : ShareLock);
		foreach(li, RelationGetIndexList(rel))
			reindex_one(facts, lfirst_oid(li), concurrent);
		relation_close(rel, NoLock);
	}
}

static void
reindex_by_name(ZdmFacts *facts, Oid indexid, bool concurrent)
{
	ListCell   *lc;

	zdm_facts_check_kind(OBJECT_INDEX, get_rel_relkind(indexid), indexid);
	zdm_facts_require(IndexGetRelation(indexid, false), ZDM_RIGHT_MAINTAIN);
	foreach(lc, zdm_facts_tree(indexid, get_rel_relkind(indexid) == RELKIND_PARTITIONED_INDEX))
		reindex_one(facts, lfirst_oid(lc), concurrent);
}

/* REINDEX of an index, a table, a schema, a database. */
void
zdm_explain_reindex(ZdmFacts *facts, ReindexStmt *stmt)
{
	bool		concurrent = has_option(stmt->params, "concurrently");
	Oid			relid;
	ListCell   *lc;

	if (stmt->relation == NULL)
	{
		Oid			schema = stmt->kind == REINDEX_OBJECT_SCHEMA ? get_namespace_oid(stmt->name, false) : InvalidOid;

		foreach(lc, zdm_facts_maintained(schema))
			reindex_tables(facts, lfirst_oid(lc), concurrent);
		return;
	}
	relid = zdm_facts_lookup(stmt->relation, false);
	if (stmt->kind == REINDEX_OBJECT_INDEX)
		reindex_by_name(facts, relid, concurrent);
	else
	{
		zdm_facts_require(relid, ZDM_RIGHT_MAINTAIN);
		reindex_tables(facts, relid, concurrent);
	}
}

/* ALTER INDEX ... ATTACH PARTITION; the lock on the parent is the statement's. */
void
zdm_explain_alter_index_attach(ZdmFacts *facts, Oid relid, const PartitionCmd *cmd)
{
	Oid			indexid = zdm_facts_lookup(cmd->name, false);

	zdm_facts_check_kind(OBJECT_INDEX, get_rel_relkind(indexid), indexid);
	zdm_facts_lock(facts, indexid, AccessExclusiveLock);
	zdm_facts_lock(facts, IndexGetRelation(relid, false), AccessShareLock);
	zdm_facts_lock(facts, IndexGetRelation(indexid, false), AccessShareLock);
}
