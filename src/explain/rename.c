/*
 * rename.c
 *	  New names and new schemas: brief, but old clients do not know them.
 */
#include "postgres.h"

#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "commands/policy.h"
#include "commands/trigger.h"
#include "explain/facts.h"
#include "rewrite/rewriteSupport.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define ADVICE_TAKEN "Fails: there is one of that name already. Choose another name."

static void
rename_relation(ZdmFacts *facts, Oid relid, const char *name)
{
	char		relkind = get_rel_relkind(relid);
	bool		is_index = relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX;

	if (zdm_facts_relation_is_taken(get_rel_namespace(relid), name, !is_index && relkind != RELKIND_SEQUENCE))
		zdm_facts_fails(facts, relid, ADVICE_TAKEN);
	if (is_index)
	{
		zdm_facts_lock(facts, relid, ShareUpdateExclusiveLock);
		return;
	}
	zdm_facts_lock(facts, relid, AccessExclusiveLock);
	zdm_facts_breaks(facts, relid,
					 "Clients that use the old name fail. Rename, and make a view of the old name, in one transaction.");
}

static void
rename_column(ZdmFacts *facts, Oid relid, const RenameStmt *stmt)
{
	List	   *tree = zdm_facts_tree(relid, stmt->relation->inh);
	ListCell   *lc;

	if (get_attnum(relid, stmt->subname) == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", stmt->subname, get_rel_name(relid))));
	foreach(lc, tree)
	{
		if (get_attnum(lfirst_oid(lc), stmt->newname) != InvalidAttrNumber)
			zdm_facts_fails(facts, lfirst_oid(lc), ADVICE_TAKEN);
	}
	zdm_facts_lock_list(facts, tree, AccessExclusiveLock);
	zdm_facts_breaks(facts, relid,
					 psprintf("Clients that use the old name fail. Use zdm.rename_column(%s, %s, %s, ...).",
							  zdm_facts_literal(relid), quote_literal_cstr(stmt->subname),
							  quote_literal_cstr(stmt->newname)));
}

static void
rename_constraint(ZdmFacts *facts, Oid relid, const RenameStmt *stmt)
{
	Oid			conid = get_relation_constraint_oid(relid, stmt->subname, false);
	Oid			indexid = get_constraint_index(conid);
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(conid));
	Form_pg_constraint con;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for constraint %u", conid);
	con = (Form_pg_constraint) GETSTRUCT(tuple);
	/* those that children have under the same name */
	zdm_facts_lock_list(facts,
						zdm_facts_tree(relid, stmt->relation->inh && !con->connoinherit &&
									   con->contype != CONSTRAINT_FOREIGN && !OidIsValid(indexid)),
						AccessExclusiveLock);
	ReleaseSysCache(tuple);
	zdm_facts_refuse_taken_constraint(facts, relid, stmt->newname, false);
	if (OidIsValid(indexid))
	{
		zdm_facts_lock(facts, indexid, ShareUpdateExclusiveLock);
		if (zdm_facts_relation_is_taken(get_rel_namespace(indexid), stmt->newname, false))
			zdm_facts_fails(facts, relid, ADVICE_TAKEN);
	}
}

/* Of a trigger, rule or policy: the old name must be there, the new one not. */
static void
rename_on_table(ZdmFacts *facts, Oid relid, const RenameStmt *stmt, Oid (*find) (Oid, const char *, bool))
{
	(void) find(relid, stmt->subname, false);
	/* a trigger may get the name that it has */
	if (OidIsValid(find(relid, stmt->newname, true)) &&
		!(stmt->renameType == OBJECT_TRIGGER && strcmp(stmt->subname, stmt->newname) == 0))
		zdm_facts_fails(facts, relid, ADVICE_TAKEN);
}

/* RENAME of anything. */
void
zdm_explain_rename(ZdmFacts *facts, RenameStmt *stmt)
{
	Oid			relid;

	if (stmt->relation == NULL && zdm_facts_object_is_taken(stmt->renameType, stmt->newname))
	{
		zdm_facts_note(facts, false, ADVICE_TAKEN);
		return;
	}
	if (stmt->relation == NULL)
	{
		zdm_facts_note(facts, stmt->renameType == OBJECT_DOMCONSTRAINT,
					   stmt->renameType == OBJECT_DOMCONSTRAINT ? NULL :
					   "It locks no table, but clients that use the old name fail. Make the new object beside the old one, and drop that later.");
		return;
	}
	relid = zdm_facts_lookup(stmt->relation, stmt->missing_ok);
	if (!OidIsValid(relid))
		return;
	zdm_facts_require(relid, ZDM_RIGHT_OWNER);
	switch (stmt->renameType)
	{
		case OBJECT_COLUMN:
		case OBJECT_ATTRIBUTE:
			rename_column(facts, relid, stmt);
			break;
		case OBJECT_TABCONSTRAINT:
			rename_constraint(facts, relid, stmt);
			break;
		case OBJECT_TRIGGER:
			rename_on_table(facts, relid, stmt, get_trigger_oid);
			zdm_facts_lock_list(facts, zdm_facts_tree(relid, get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE),
								AccessExclusiveLock);
			break;
		case OBJECT_RULE:
		case OBJECT_POLICY:
			rename_on_table(facts, relid, stmt, stmt->renameType == OBJECT_RULE ? get_rewrite_oid : get_relation_policy_oid);
			zdm_facts_lock(facts, relid, AccessExclusiveLock);
			break;
		default:
			/* ALTER TABLE may rename any kind; the others only theirs */
			if (stmt->renameType != OBJECT_TABLE)
				zdm_facts_check_kind(stmt->renameType, get_rel_relkind(relid), relid);
			rename_relation(facts, relid, stmt->newname);
			break;
	}
}

/* ALTER ... SET SCHEMA */
void
zdm_explain_set_schema(ZdmFacts *facts, AlterObjectSchemaStmt *stmt)
{
	Oid			relid;
	Oid			schema = get_namespace_oid(stmt->newschema, false);

	if (stmt->relation == NULL)
	{
		zdm_facts_note(facts, false, "It locks no table, but clients that use the old name fail.");
		return;
	}
	relid = zdm_facts_lookup(stmt->relation, stmt->missing_ok);
	if (!OidIsValid(relid))
		return;
	zdm_facts_require(relid, ZDM_RIGHT_OWNER);
	zdm_facts_lock(facts, relid, AccessExclusiveLock);
	if (schema != get_rel_namespace(relid) && zdm_facts_relation_is_taken(schema, get_rel_name(relid), true))
		zdm_facts_fails(facts, relid, "Fails: there is one of that name in the new schema. Rename one of them first.");
	zdm_facts_lock_list(facts, zdm_facts_sequences(relid, 0), AccessExclusiveLock);
	zdm_facts_breaks(facts, relid,
					 "Clients that look for it in the old schema fail. Make a view there, in the same transaction.");
}
