/*
 * other.c
 *	  Statements on a table as a whole that are not ALTER TABLE: triggers,
 *	  rules, policies, maintenance, comments, and what locks no table at all.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/policy.h"
#include "commands/trigger.h"
#include "explain/facts.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "rewrite/rewriteSupport.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static Oid
relation_with(const RangeVar *rv, ZdmRight right)
{
	Oid			relid = zdm_facts_lookup(rv, false);

	zdm_facts_require(relid, right);
	return relid;
}

static Oid
own_relation(const RangeVar *rv)
{
	return relation_with(rv, ZDM_RIGHT_OWNER);
}

#define ADVICE_TAKEN "Fails: the table has one of that name already. Choose another name."

/* Whoever has zdm make a trigger of its own needs no rights in its schema. */
static bool
is_own_function(const List *name)
{
	return list_length(name) == 2 && strcmp(strVal(linitial(name)), "zdm") == 0;
}

/* The function is there and fit for it, and the name is free on each table. */
static void
check_trigger(ZdmFacts *facts, const List *tree, const CreateTrigStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->columns)
		zdm_facts_require_column(facts, linitial_oid(tree), strVal(lfirst(lc)));
	foreach(lc, stmt->replace ? NIL : tree)
	{
		if (OidIsValid(get_trigger_oid(lfirst_oid(lc), stmt->trigname, true)))
			zdm_facts_fails(facts, lfirst_oid(lc), ADVICE_TAKEN);
	}
	if (!is_own_function(stmt->funcname) && get_func_rettype(LookupFuncName(stmt->funcname, 0, NULL, false)) != TRIGGEROID)
		zdm_facts_fails(facts, linitial_oid(tree), "Fails: the function does not return trigger. Name one that does.");
}

static void
create_trigger(ZdmFacts *facts, const CreateTrigStmt *stmt)
{
	Oid			relid = zdm_facts_lookup(stmt->relation, false);
	List	   *tree = zdm_facts_tree(relid, stmt->row && get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE);

	zdm_facts_require(relid, ZDM_RIGHT_TRIGGER);
	if (stmt->constrrel)
		zdm_facts_require(zdm_facts_lookup(stmt->constrrel, false), ZDM_RIGHT_TRIGGER);
	zdm_facts_lock_list(facts, tree, ShareRowExclusiveLock);
	check_trigger(facts, tree, stmt);
}

static void
create_rule(ZdmFacts *facts, const RuleStmt *stmt)
{
	Oid			relid = own_relation(stmt->relation);

	zdm_facts_lock(facts, relid, AccessExclusiveLock);
	if (!stmt->replace && OidIsValid(get_rewrite_oid(relid, stmt->rulename, true)))
		zdm_facts_fails(facts, relid, ADVICE_TAKEN);
}

static void
create_policy(ZdmFacts *facts, const CreatePolicyStmt *stmt)
{
	Oid			relid = own_relation(stmt->table);

	zdm_facts_lock(facts, relid, AccessExclusiveLock);
	if (OidIsValid(get_relation_policy_oid(relid, stmt->policy_name, true)))
		zdm_facts_fails(facts, relid, ADVICE_TAKEN);
}

static void
alter_policy(ZdmFacts *facts, const AlterPolicyStmt *stmt)
{
	Oid			relid = own_relation(stmt->table);

	(void) get_relation_policy_oid(relid, stmt->policy_name, false);
	zdm_facts_lock(facts, relid, AccessExclusiveLock);
}

static bool
is_set(const List *options, const char *name)
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

#define ADVICE_REWRITE \
	"Rewrites the table under ACCESS EXCLUSIVE. VACUUM without FULL, or zdm.reindex() for the indexes, lets others read and write."

static void
cluster_one(ZdmFacts *facts, Oid relid)
{
	ListCell   *lc;

	foreach(lc, zdm_facts_tree(relid, get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE))
	{
		zdm_facts_lock(facts, lfirst_oid(lc), AccessExclusiveLock);
		if (zdm_facts_has_storage(lfirst_oid(lc)))
			zdm_facts_rewrite_with_indexes(facts, lfirst_oid(lc), ADVICE_REWRITE);
	}
}

/* Without a table: those that were clustered before, one after the other. */
static void
cluster(ZdmFacts *facts, const ClusterStmt *stmt)
{
	ListCell   *lc;

	if (stmt->relation)
	{
		Oid			relid = relation_with(stmt->relation, ZDM_RIGHT_MAINTAIN);

		cluster_one(facts, relid);
		if (stmt->indexname)
			zdm_facts_require_cluster_index(facts, relid, stmt->indexname);
		return;
	}
	foreach(lc, zdm_facts_maintained(InvalidOid))
	{
		if (zdm_facts_oids("SELECT indexrelid FROM pg_index WHERE indrelid = $1 AND indisclustered",
						   lfirst_oid(lc), InvalidOid, 0) != NIL)
			cluster_one(facts, lfirst_oid(lc));
	}
}

static void
vacuum_one(ZdmFacts *facts, Oid relid, bool full, bool vacuum)
{
	ListCell   *lc;

	foreach(lc, zdm_facts_tree(relid, get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE))
	{
		zdm_facts_lock(facts, lfirst_oid(lc), full ? AccessExclusiveLock : ShareUpdateExclusiveLock);
		if (full && zdm_facts_has_storage(lfirst_oid(lc)))
			zdm_facts_rewrite_with_indexes(facts, lfirst_oid(lc), ADVICE_REWRITE);
		else if (vacuum && zdm_facts_has_storage(lfirst_oid(lc)))
			zdm_facts_scan(facts, lfirst_oid(lc), NULL);
	}
}

/* Without a table: all, one after the other. */
static void
vacuum(ZdmFacts *facts, const VacuumStmt *stmt)
{
	bool		full = is_set(stmt->options, "full");
	List	   *relids = stmt->rels == NIL ? zdm_facts_maintained(InvalidOid) : NIL;
	ListCell   *lc;

	foreach(lc, stmt->rels)
		relids = lappend_oid(relids, relation_with(lfirst_node(VacuumRelation, lc)->relation, ZDM_RIGHT_MAINTAIN));
	foreach(lc, relids)
		vacuum_one(facts, lfirst_oid(lc), full, stmt->is_vacuumcmd);
}

static void
refresh(ZdmFacts *facts, const RefreshMatViewStmt *stmt)
{
	Oid			relid = relation_with(stmt->relation, ZDM_RIGHT_MAINTAIN);

	zdm_facts_check_kind(OBJECT_MATVIEW, get_rel_relkind(relid), relid);
	zdm_facts_lock(facts, relid, stmt->concurrent ? ExclusiveLock : AccessExclusiveLock);
	if (stmt->concurrent)
	{
		zdm_facts_scan(facts, relid, NULL);
		zdm_facts_lock_indexes(facts, relid, RowExclusiveLock);
		if (zdm_facts_oids("SELECT indexrelid FROM pg_index WHERE indrelid = $1 AND indisunique AND indisvalid"
						   " AND indpred IS NULL AND indexprs IS NULL", relid, InvalidOid, 0) == NIL)
			zdm_facts_fails(facts, relid, "Fails: CONCURRENTLY needs a unique index on columns, without WHERE. Make one with CREATE UNIQUE INDEX.");
	}
	else if (stmt->skipData)
	{
		zdm_facts_empty(facts, relid);
		zdm_facts_breaks(facts, relid, "Readers fail until it is refreshed with data.");
	}
	else
		zdm_facts_rewrite_with_indexes(facts, relid, "Readers wait until it is made again. Use REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index.");
}

static void
lock_tables(ZdmFacts *facts, const LockStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->relations)
	{
		const RangeVar *rv = lfirst_node(RangeVar, lc);
		Oid			relid = zdm_facts_lookup(rv, false);

		zdm_facts_lock_list(facts, zdm_facts_tree(relid, rv->inh), stmt->mode);
		if (stmt->mode >= ShareLock)
			zdm_facts_online(facts, relid, "Held until the end of the transaction. Lock rows, or use an advisory lock.");
	}
}

/* COMMENT and SECURITY LABEL */
static void
describe(ZdmFacts *facts, ObjectType objtype, Node *object)
{
	Relation	rel = NULL;

	(void) get_object_address(objtype, object, &rel, AccessShareLock, false);
	if (rel == NULL)
		return;
	zdm_facts_require(RelationGetRelid(rel), ZDM_RIGHT_OWNER);

	/*
	 * a constraint, trigger, rule or policy is described without a lock on
	 * its table
	 */
	if (objtype != OBJECT_TABCONSTRAINT && objtype != OBJECT_TRIGGER && objtype != OBJECT_RULE &&
		objtype != OBJECT_POLICY)
		zdm_facts_lock(facts, RelationGetRelid(rel), ShareUpdateExclusiveLock);
	relation_close(rel, NoLock);
}

static void
publish(ZdmFacts *facts, const List *objects)
{
	ListCell   *lc;

	foreach(lc, objects)
	{
		const PublicationObjSpec *object = lfirst_node(PublicationObjSpec, lc);

		if (object->pubtable)
			zdm_facts_lock_list(facts,
								zdm_facts_tree(own_relation(object->pubtable->relation),
											   object->pubtable->relation->inh), ShareUpdateExclusiveLock);
	}
}

static void
replace_view(ZdmFacts *facts, const ViewStmt *stmt)
{
	Oid			relid = stmt->replace ? zdm_facts_lookup(stmt->view, true) : InvalidOid;

	if (!stmt->replace && zdm_facts_new_relation_is_taken(stmt->view))
		zdm_facts_note(facts, false, "Fails: a relation of that name is there already. Say CREATE OR REPLACE, or choose another name.");
	if (!OidIsValid(relid))
		return;
	zdm_facts_require(relid, ZDM_RIGHT_OWNER);
	zdm_facts_check_kind(OBJECT_VIEW, get_rel_relkind(relid), relid);
	zdm_facts_lock(facts, relid, AccessExclusiveLock);
}

static void
create_statistics(ZdmFacts *facts, const CreateStatsStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->relations)
	{
		if (IsA(lfirst(lc), RangeVar))
			zdm_facts_lock(facts, own_relation(lfirst(lc)), ShareUpdateExclusiveLock);
	}
}

/* OWNED BY: errors with what PostgreSQL says of the names. */
static void
require_owner_column(const ZdmFacts *facts, const List *options)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		const DefElem *option = lfirst_node(DefElem, lc);
		List	   *names = strcmp(option->defname, "owned_by") == 0 ? defGetQualifiedName((DefElem *) option) : NIL;
		int			count = list_length(names);

		/* one is NONE */
		if (count > 1)
			zdm_facts_require_column(facts,
									 zdm_facts_lookup(makeRangeVarFromNameList(list_truncate(list_copy(names), count - 1)), false),
									 strVal(llast(names)));
	}
}

/* ALTER SEQUENCE, also of an identity column's. */
void
zdm_explain_sequence(ZdmFacts *facts, Oid relid, const AlterSeqStmt *stmt)
{
	ListCell   *lc;

	zdm_facts_lock(facts, relid, ShareRowExclusiveLock);
	foreach(lc, stmt->options)
	{
		if (strcmp(lfirst_node(DefElem, lc)->defname, "owned_by") != 0)
			zdm_facts_replace(facts, relid);
	}
}

static void
alter_sequence(ZdmFacts *facts, const AlterSeqStmt *stmt)
{
	Oid			relid = zdm_facts_lookup(stmt->sequence, stmt->missing_ok);

	if (!OidIsValid(relid))
		return;
	zdm_facts_require(relid, ZDM_RIGHT_OWNER);
	zdm_facts_check_kind(OBJECT_SEQUENCE, get_rel_relkind(relid), relid);
	require_owner_column(facts, stmt->options);
	zdm_explain_sequence(facts, relid, stmt);
}

/* DEPENDS ON EXTENSION; a trigger's table is not locked for it */
static void
depend(ZdmFacts *facts, const AlterObjectDependsStmt *stmt)
{
	if (stmt->objectType == OBJECT_INDEX || stmt->objectType == OBJECT_MATVIEW)
		zdm_facts_lock(facts, own_relation(stmt->relation), AccessExclusiveLock);
}

/* Those that lock a table.  False for others. */
static bool
locks_a_table(ZdmFacts *facts, Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_CreateTrigStmt:
			create_trigger(facts, (CreateTrigStmt *) stmt);
			return true;
		case T_RuleStmt:
			create_rule(facts, (RuleStmt *) stmt);
			return true;
		case T_CreatePolicyStmt:
			create_policy(facts, (CreatePolicyStmt *) stmt);
			return true;
		case T_AlterPolicyStmt:
			alter_policy(facts, (AlterPolicyStmt *) stmt);
			return true;
		case T_ViewStmt:
			replace_view(facts, (ViewStmt *) stmt);
			return true;
		case T_CreateStatsStmt:
			create_statistics(facts, (CreateStatsStmt *) stmt);
			return true;
		case T_AlterSeqStmt:
			alter_sequence(facts, (AlterSeqStmt *) stmt);
			return true;
		case T_AlterObjectDependsStmt:
			depend(facts, (AlterObjectDependsStmt *) stmt);
			return true;
		case T_CommentStmt:
			describe(facts, ((CommentStmt *) stmt)->objtype, ((CommentStmt *) stmt)->object);
			return true;
		case T_SecLabelStmt:
			describe(facts, ((SecLabelStmt *) stmt)->objtype, ((SecLabelStmt *) stmt)->object);
			return true;
		case T_CreatePublicationStmt:
			publish(facts, ((CreatePublicationStmt *) stmt)->pubobjects);
			return true;
		case T_AlterPublicationStmt:
			publish(facts, ((AlterPublicationStmt *) stmt)->pubobjects);
			return true;
		default:
			return false;
	}
}

/* Those that lock nothing, but name something.  False for others. */
static bool
names_something(ZdmFacts *facts, Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_GrantStmt:
			zdm_explain_grant(facts, (GrantStmt *) stmt);
			return true;
		case T_GrantRoleStmt:
			zdm_explain_grant_role((GrantRoleStmt *) stmt);
			return true;
		case T_CreateSeqStmt:
			require_owner_column(facts, ((CreateSeqStmt *) stmt)->options);
			return true;
		default:
			return false;
	}
}

/* Upkeep of tables, and locks for their own sake.  False for others. */
static bool
maintains(ZdmFacts *facts, Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_ClusterStmt:
			cluster(facts, (ClusterStmt *) stmt);
			return true;
		case T_VacuumStmt:
			vacuum(facts, (VacuumStmt *) stmt);
			return true;
		case T_RefreshMatViewStmt:
			refresh(facts, (RefreshMatViewStmt *) stmt);
			return true;
		case T_LockStmt:
			lock_tables(facts, (LockStmt *) stmt);
			return true;
		default:
			return false;
	}
}

/* Those of which we cannot tell what they lock.  False for others. */
static bool
is_beyond_us(ZdmFacts *facts, Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_AlterExtensionStmt:
		case T_CreateExtensionStmt:
			zdm_facts_note(facts, false, "Its script may do anything. Read the script, and try it on a copy.");
			return true;
		case T_CreateSchemaStmt:
			if (((CreateSchemaStmt *) stmt)->schemaElts == NIL)
				return false;
			zdm_facts_note(facts, false, "Only single statements can be told. Give the statements inside CREATE SCHEMA one by one.");
			return true;
		case T_AlterTableMoveAllStmt:
			zdm_facts_note(facts, false, "Copies every relation of the tablespace, each under ACCESS EXCLUSIVE. Move them one by one.");
			return true;
		case T_DropOwnedStmt:
		case T_ReassignOwnedStmt:
		case T_DropdbStmt:
		case T_DropTableSpaceStmt:
			zdm_facts_note(facts, false, "It may lock many relations under ACCESS EXCLUSIVE, or take them away. Drop or alter them one by one.");
			return true;
		default:
			return false;
	}
}

/* Statements of no other family.  False when this is not one of them either. */
bool
zdm_explain_other(ZdmFacts *facts, Node *stmt)
{
	return locks_a_table(facts, stmt) || names_something(facts, stmt) || maintains(facts, stmt) || is_beyond_us(facts, stmt);
}
