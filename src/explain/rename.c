/*
 * rename.c
 *	  New names and new schemas: brief, but old clients do not know them.
 */
#include "postgres.h"

#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "explain/facts.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static void
rename_relation(ZdmFacts *facts, Oid relid)
{
	char		relkind = get_rel_relkind(relid);

	if (relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX)
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
	if (get_attnum(relid, stmt->subname) == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", stmt->subname, get_rel_name(relid))));
	zdm_facts_lock_list(facts, zdm_facts_tree(relid, stmt->relation->inh), AccessExclusiveLock);
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
		zdm_facts_lock(facts, indexid, ShareUpdateExclusiveLock);
}

/* RENAME of anything. */
void
zdm_explain_rename(ZdmFacts *facts, RenameStmt *stmt)
{
	Oid			relid;

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
			zdm_facts_lock_list(facts, zdm_facts_tree(relid, get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE),
								AccessExclusiveLock);
			break;
		case OBJECT_RULE:
		case OBJECT_POLICY:
			zdm_facts_lock(facts, relid, AccessExclusiveLock);
			break;
		default:
			/* ALTER TABLE may rename any kind; the others only theirs */
			if (stmt->renameType != OBJECT_TABLE)
				zdm_facts_check_kind(stmt->renameType, get_rel_relkind(relid), relid);
			rename_relation(facts, relid);
			break;
	}
}

/* ALTER ... SET SCHEMA */
void
zdm_explain_set_schema(ZdmFacts *facts, AlterObjectSchemaStmt *stmt)
{
	Oid			relid;

	(void) get_namespace_oid(stmt->newschema, false);
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
	zdm_facts_lock_list(facts, zdm_facts_sequences(relid, 0), AccessExclusiveLock);
	zdm_facts_breaks(facts, relid,
					 "Clients that look for it in the old schema fail. Make a view there, in the same transaction.");
}
