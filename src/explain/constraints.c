/*
 * constraints.c
 *	  Constraints of tables: added, validated, dropped.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "compat/constraint.h"
#include "compat/explain.h"
#include "explain/facts.h"
#include "parser/parse_coerce.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* What PostgreSQL says of the expression; new columns are beyond it. */
static void
check_expression(const ZdmFacts *facts, Oid relid, const Constraint *con)
{
	ParseState *pstate;
	ParseNamespaceItem *nsitem;
	Relation	rel;

	if (con->raw_expr == NULL || facts->new_columns != NIL)
		return;
	rel = relation_open(relid, AccessShareLock);
	pstate = make_parsestate(NULL);
	pstate->p_sourcetext = facts->sql;
	nsitem = addRangeTableEntryForRelation(pstate, rel, AccessShareLock, NULL, false, true);
	addNSItemToQuery(pstate, nsitem, true, true, true);
	(void) coerce_to_boolean(pstate, transformExpr(pstate, copyObject(con->raw_expr), EXPR_KIND_CHECK_CONSTRAINT),
							 "CHECK");
	relation_close(rel, NoLock);
}

/* The index of a constraint is a relation, and there is one primary key. */
static void
refuse_second_key(ZdmFacts *facts, Oid relid, const IndexStmt *stmt)
{
	Oid			taken = stmt->idxname ? get_relname_relid(stmt->idxname, get_rel_namespace(relid)) : InvalidOid;

	if (facts->frees_names)
		return;
	if (OidIsValid(taken) && taken != stmt->indexOid)
		zdm_facts_fails(facts, relid, "Fails: a relation of that name is there already. Choose another name.");
	zdm_facts_refuse_taken_constraint(facts, relid, stmt->idxname, false);
	if (stmt->primary && zdm_facts_oids("SELECT indexrelid FROM pg_index WHERE indrelid = $1 AND indisprimary",
										relid, InvalidOid, 0) != NIL)
		zdm_facts_fails(facts, relid, "Fails: the table has a primary key already. Drop it in the same statement, or add a unique constraint.");
}

static void
add_check(ZdmFacts *facts, Oid relid, bool recurse, const Constraint *con)
{
	bool		down = recurse && !con->is_no_inherit;

	check_expression(facts, relid, con);
	zdm_facts_refuse_taken_constraint(facts, relid, con->conname, true);
	zdm_facts_lock_list(facts, zdm_facts_tree(relid, down), AccessExclusiveLock);
	if (!con->skip_validation)
		zdm_facts_scan_list(facts, zdm_facts_leaves(relid, down),
							psprintf("Scans the table under ACCESS EXCLUSIVE. Use zdm.add_check(%s, ...), or add it NOT VALID and then zdm.validate_constraint().",
									 zdm_facts_literal(relid)));
}

static void
add_not_null(ZdmFacts *facts, Oid relid, bool recurse, const Constraint *con)
{
	bool		down = recurse && !con->is_no_inherit;
	const char *column = strVal(linitial(con->keys));

	zdm_facts_require_column(facts, relid, column);
	zdm_facts_lock_list(facts, zdm_facts_tree(relid, down), AccessExclusiveLock);
	/* of a new column, it has been judged with its default */
	if (!con->skip_validation && get_attnum(relid, column) != InvalidAttrNumber)
		zdm_explain_set_not_null(facts, relid, zdm_facts_tree(relid, down), column);
}

/* ADD CONSTRAINT; index constraints come as indexes. */
void
zdm_explain_add_constraint(ZdmFacts *facts, Oid relid, bool recurse, Constraint *con)
{
	switch (con->contype)
	{
		case CONSTR_CHECK:
			add_check(facts, relid, recurse, con);
			break;
		case CONSTR_FOREIGN:
			zdm_explain_add_foreign_key(facts, relid, con);
			break;
		case CONSTR_NOTNULL:
			add_not_null(facts, relid, recurse, con);
			break;
		default:
			break;
	}
}

static const char *
index_constraint_advice(Oid relid, const IndexStmt *stmt)
{
	if (zdm_compat_is_without_overlaps(stmt))
		return "Builds an index under ACCESS EXCLUSIVE. A key WITHOUT OVERLAPS has no online form: make it on a new table that is filled by triggers and zdm.start_backfill(), and rename.";
	if (stmt->primary)
		return psprintf("Builds an index under ACCESS EXCLUSIVE. Use zdm.add_primary_key(%s, ...), or build a unique index with zdm.create_index() and add the key with USING INDEX.",
						zdm_facts_literal(relid));
	if (stmt->excludeOpNames)
		return "Builds an index under ACCESS EXCLUSIVE. An exclusion constraint has no online form: make it on a new table that is filled by triggers and zdm.start_backfill(), and rename.";
	return psprintf("Builds an index under ACCESS EXCLUSIVE. Use zdm.add_unique(%s, ...), or build a unique index with zdm.create_index() and add the constraint with USING INDEX.",
					zdm_facts_literal(relid));
}

/* A key is refused as long as the NOT NULL of a column is NOT VALID. */
static void
refuse_invalid_not_null(ZdmFacts *facts, Oid relid, const char *column)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	AttrNumber	attnum = get_attnum(relid, column);

	if (attnum > 0 && zdm_compat_invalid_not_null(rel, attnum))
		zdm_facts_fails(facts, relid,
						psprintf("Fails: the NOT NULL constraint of column %s is NOT VALID. Use zdm.set_not_null(%s, %s) first.",
								 quote_identifier(column), zdm_facts_literal(relid), quote_literal_cstr(column)));
	relation_close(rel, NoLock);
}

/* ADD UNIQUE, PRIMARY KEY, EXCLUDE: builds an index. */
void
zdm_explain_add_index(ZdmFacts *facts, Oid relid, IndexStmt *stmt)
{
	List	   *tree = zdm_facts_tree(relid, get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE);
	const char *advice = index_constraint_advice(relid, stmt);
	ListCell   *lc;

	zdm_facts_require_key_columns(facts, relid, stmt);
	zdm_facts_refuse_virtual_keys(facts, relid, stmt);
	refuse_second_key(facts, relid, stmt);
	if (facts->alone)
		zdm_facts_require_opclasses(facts, relid, stmt);
	foreach(lc, stmt->primary ? stmt->indexParams : NIL)
		refuse_invalid_not_null(facts, relid, lfirst_node(IndexElem, lc)->name);
	zdm_facts_lock_list(facts, tree, stmt->primary ? AccessExclusiveLock : ShareLock);
	foreach(lc, tree)
	{
		if (zdm_facts_has_storage(lfirst_oid(lc)))
			zdm_facts_scan(facts, lfirst_oid(lc), advice);
	}
}

/* The columns of a primary key become NOT NULL. */
static void
require_not_null(ZdmFacts *facts, Oid relid, Oid indexid)
{
	Relation	index = index_open(indexid, AccessShareLock);

	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
	{
		char	   *column = get_attname(relid, index->rd_index->indkey.values[i], true);

		if (column)
		{
			zdm_explain_set_not_null(facts, relid, list_make1_oid(relid), column);
			refuse_invalid_not_null(facts, relid, column);
		}
	}
	index_close(index, NoLock);
}

/* ADD UNIQUE or PRIMARY KEY ... USING INDEX: the index is there. */
void
zdm_explain_use_index(ZdmFacts *facts, Oid relid, IndexStmt *stmt)
{
	refuse_second_key(facts, relid, stmt);
	/* renamed like the constraint */
	if (stmt->idxname && strcmp(stmt->idxname, get_rel_name(stmt->indexOid)) != 0)
		zdm_facts_lock(facts, stmt->indexOid, ShareUpdateExclusiveLock);
	zdm_facts_lock(facts, stmt->indexOid, AccessShareLock);
	zdm_facts_lock(facts, relid, AccessExclusiveLock);
	if (stmt->primary)
		require_not_null(facts, relid, stmt->indexOid);
}

/* A copy of the row of pg_constraint; errors with UNDEFINED_OBJECT. */
static HeapTuple
constraint_named(Oid relid, const char *name, bool missing_ok)
{
	Oid			conid = get_relation_constraint_oid(relid, name, true);

	if (!OidIsValid(conid) && missing_ok)
		return NULL;
	if (!OidIsValid(conid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("constraint \"%s\" of relation \"%s\" does not exist", name, get_rel_name(relid)),
				 errhint("\\d %s in psql lists the constraints.", zdm_facts_name(relid))));
	return SearchSysCacheCopy1(CONSTROID, ObjectIdGetDatum(conid));
}

/* DROP CONSTRAINT: what goes with it is locked. */
void
zdm_explain_drop_constraint(ZdmFacts *facts, Oid relid, bool recurse, const AlterTableCmd *cmd)
{
	HeapTuple	tuple = constraint_named(relid, cmd->name, cmd->missing_ok);
	Form_pg_constraint con;

	if (tuple == NULL)
		return;
	con = (Form_pg_constraint) GETSTRUCT(tuple);
	if (con->contype == CONSTRAINT_FOREIGN)
	{
		zdm_facts_lock(facts, con->confrelid, AccessExclusiveLock);
		zdm_facts_advise(facts, relid,
						 "The lock is brief once it is granted, but is taken on both tables. Run the statement with zdm.execute_ddl().");
	}
	zdm_explain_drop_object(facts, relid, ConstraintRelationId, con->oid, 0,
							cmd->behavior == DROP_CASCADE);
}

/* The other table of a foreign key gets its triggers, or loses them. */
static void
alter_enforcement(ZdmFacts *facts, Oid relid, Form_pg_constraint con, bool enforce)
{
	bool		partitioned = get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE;

	zdm_facts_lock(facts, con->confrelid, enforce ? ShareRowExclusiveLock : AccessExclusiveLock);
	if (enforce)
		zdm_facts_check_foreign_key(facts, zdm_facts_leaves(relid, partitioned), con->confrelid,
									psprintf("Reads the whole table under ACCESS EXCLUSIVE. Use zdm.drop_constraint(%s, %s), and zdm.add_foreign_key().",
											 zdm_facts_literal(relid), quote_literal_cstr(NameStr(con->conname))));
}

/* Children get the NOT NULL constraint, or keep theirs for themselves. */
static void
alter_inheritance(ZdmFacts *facts, Oid relid, HeapTuple tuple, bool inherit)
{
	List	   *below = zdm_facts_oids("SELECT inhrelid FROM pg_inherits WHERE inhparent = $1", relid, InvalidOid, 0);
	char	   *column = zdm_compat_not_null_column(tuple);

	zdm_facts_lock_list(facts, below, AccessExclusiveLock);
	if (inherit && column)
		zdm_explain_set_not_null(facts, relid, list_delete_oid(zdm_facts_tree(relid, true), relid), column);
}

/* ALTER CONSTRAINT, but for DEFERRABLE, which concerns the table itself alone. */
void
zdm_explain_alter_constraint(ZdmFacts *facts, Oid relid, const AlterTableCmd *cmd)
{
	ZdmAlterConstraint what = {0};
	HeapTuple	tuple;
	Form_pg_constraint con;
	bool		enforced;

	if (!zdm_compat_alter_constraint(cmd, &what))
		return;
	tuple = constraint_named(relid, what.name, false);
	con = (Form_pg_constraint) GETSTRUCT(tuple);
	enforced = zdm_compat_constraint_enforced(con);
	if (con->contype == CONSTRAINT_FOREIGN && ((what.enforce && !enforced) || (what.unenforce && enforced)))
		alter_enforcement(facts, relid, con, what.enforce);
	if ((what.inherit && con->connoinherit) || (what.no_inherit && !con->connoinherit))
		alter_inheritance(facts, relid, tuple, what.inherit);
}

static char *
validation_advice(ZdmFacts *facts, Oid relid, const char *name)
{
	const char *call = psprintf("zdm.validate_constraint(%s, %s)", zdm_facts_literal(relid), quote_literal_cstr(name));

	if (zdm_facts_mode(facts, relid) > ShareUpdateExclusiveLock)
		return psprintf("Scans the table under the lock that the other subcommands take. Use %s in a transaction of its own, after this one.", call);
	return psprintf("Scans the table in one transaction, while others read and write. %s does it in small pieces and can be paused.", call);
}

/* VALIDATE CONSTRAINT: a scan that lets others read and write. */
void
zdm_explain_validate_constraint(ZdmFacts *facts, Oid relid, bool recurse, const char *name)
{
	HeapTuple	tuple = constraint_named(relid, name, false);
	Form_pg_constraint con = (Form_pg_constraint) GETSTRUCT(tuple);
	bool		down = recurse && (con->contype != CONSTRAINT_FOREIGN ||
								   get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE);
	char	   *advice;

	if (!zdm_compat_constraint_enforced(con))
	{
		zdm_facts_fails(facts, relid, "Fails: the constraint is not enforced. " ZDM_HINT_NOT_ENFORCED);
		return;
	}
	if (con->convalidated)
	{
		zdm_facts_advise(facts, relid, "The constraint is valid already: nothing is done.");
		return;
	}
	advice = validation_advice(facts, relid, name);
	zdm_facts_lock_list(facts, zdm_facts_tree(relid, down), ShareUpdateExclusiveLock);
	if (con->contype == CONSTRAINT_FOREIGN)
	{
		zdm_facts_lock(facts, con->confrelid, RowShareLock);
		zdm_facts_check_foreign_key(facts, zdm_facts_leaves(relid, down), con->confrelid, advice);
	}
	else
		zdm_facts_scan_list(facts, zdm_facts_leaves(relid, down), advice);
}
