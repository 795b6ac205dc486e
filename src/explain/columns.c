/*
 * columns.c
 *	  Adding, dropping and constraining columns.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/heap.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_publication.h"
#include "commands/tablecmds.h"
#include "compat/constraint.h"
#include "compat/explain.h"
#include "explain/facts.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#define ADVICE_FILL \
	"Add the column without this, then SET DEFAULT, fill what is there with zdm.start_backfill()"

/* The DEFAULT as it would be stored, or as the type has it; NULL if none. */
static Expr *
default_expression(ZdmFacts *facts, const ColumnDef *def, Oid typid, int32 typmod)
{
	ParseState *pstate;

	if (def->raw_default == NULL)
		return (Expr *) get_typdefault(typid);
	pstate = make_parsestate(NULL);
	pstate->p_sourcetext = facts->sql;
	return (Expr *) cookDefault(pstate, copyObject(def->raw_default), typid, typmod,
								def->colname, '\0');
}

/*
 * As ALTER TABLE decides it: a default that is not volatile after planning is
 * stored once, and every row that was there before has it.
 */
static const char *
why_rewrite(ZdmFacts *facts, const ColumnDef *def, bool is_serial, Oid typid, int32 typmod)
{
	Expr	   *expr;

	if (is_serial || def->identity)
		return "Numbering the rows rewrites the table. " ADVICE_FILL " from a sequence, and use zdm.set_not_null(). ADD GENERATED ... AS IDENTITY is brief then.";
	if (def->generated)
		return zdm_compat_is_virtual(def->generated) ? NULL :
			"A stored generated column rewrites the table. Add a plain column, keep it with a trigger, and fill it with zdm.start_backfill().";
	if (DomainHasConstraints(typid))
		return "A domain with constraints rewrites the table. Give the column the base type, and use zdm.add_check() and zdm.set_not_null().";
	expr = default_expression(facts, def, typid, typmod);
	if (expr && contain_volatile_functions((Node *) expression_planner(expr)))
		return "A volatile default rewrites the table. " ADVICE_FILL ", and use zdm.set_not_null().";
	return NULL;
}

static bool
has_default(ZdmFacts *facts, const ColumnDef *def, bool is_serial, Oid typid, int32 typmod)
{
	Expr	   *expr;

	if (is_serial || def->identity || def->generated)
		return true;
	expr = default_expression(facts, def, typid, typmod);
	return expr && !(IsA(expr, Const) && ((Const *) expr)->constisnull);
}

/*
 * ADD COLUMN.  tree: the tables that get it.  Errors with what PostgreSQL says
 * of the type and the default.
 */
void
zdm_explain_add_column(ZdmFacts *facts, Oid relid, const List *tree, ColumnDef *def, bool is_serial)
{
	const char *why;
	bool		required;
	bool		checked;
	Oid			typid;
	int32		typmod;
	ListCell   *lc;

	typenameTypeIdAndMod(NULL, def->typeName, &typid, &typmod);
	why = why_rewrite(facts, def, is_serial, typid, typmod);
	required = def->is_not_null && !has_default(facts, def, is_serial, typid, typmod);
	checked = def->is_not_null && (required || zdm_compat_is_virtual(def->generated));
	foreach(lc, tree)
	{
		Oid			childid = lfirst_oid(lc);

		if (get_rel_relkind(childid) != RELKIND_RELATION)
			continue;
		if (why)
			zdm_facts_rewrite_with_indexes(facts, childid, why);
		else if (checked)
			zdm_facts_scan(facts, childid, NULL);
		if (required)
			zdm_facts_fails_on_rows(facts, childid,
									psprintf("Fails when there are rows, which would have no value. Add the column without NOT NULL, fill it with zdm.start_backfill(), and use zdm.set_not_null(%s, %s).",
											 zdm_facts_literal(relid), quote_literal_cstr(def->colname)));
	}
}

/* Do the constraints of rel show that the column has no NULLs? */
static bool
is_proved_not_null(Oid relid, AttrNumber attnum)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	NullTest   *test = makeNode(NullTest);
	bool		proved;

	test->arg = (Expr *) makeVar(1, attnum, att->atttypid, att->atttypmod, att->attcollation, 0);
	test->nulltesttype = IS_NOT_NULL;
	test->location = -1;
	proved = PartConstraintImpliedByRelConstraint(rel, list_make1(test));
	relation_close(rel, NoLock);
	return proved;
}

/* Is there a constraint that is to be validated?  No proof is looked for then. */
static bool
has_invalid_not_null(Oid relid, AttrNumber attnum)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	bool		found = zdm_compat_invalid_not_null(rel, attnum) != NULL;

	relation_close(rel, NoLock);
	return found;
}

/*
 * Do constraints of a table and of all below it prove that the column, which
 * is there, has no NULLs?  Then SET NOT NULL scans nothing.  Takes ACCESS SHARE
 * on what is below.
 */
bool
zdm_explain_has_no_nulls(Oid relid, const char *column)
{
	ListCell   *lc;

	foreach(lc, zdm_facts_tree(relid, true))
	{
		AttrNumber	attnum = get_attnum(lfirst_oid(lc), column);

		if (attnum <= 0 || has_invalid_not_null(lfirst_oid(lc), attnum) || !is_proved_not_null(lfirst_oid(lc), attnum))
			return false;
	}
	return true;
}

/*
 * SET NOT NULL, alone or as part of PRIMARY KEY.  Columns that are not there
 * yet are none of its business.
 */
void
zdm_explain_set_not_null(ZdmFacts *facts, Oid relid, const List *tree, const char *column)
{
	ListCell   *lc;

	foreach(lc, tree)
	{
		Oid			childid = lfirst_oid(lc);
		AttrNumber	attnum = get_attnum(childid, column);

		if (get_rel_relkind(childid) != RELKIND_RELATION)
			continue;
		if (attnum == InvalidAttrNumber)
		{
			/* just added in the same statement: its values are looked at */
			zdm_facts_scan(facts, childid, "Write NOT NULL into the definition of the new column: then nothing is scanned.");
			continue;
		}
		if (attnum > 0 && (has_invalid_not_null(childid, attnum) || !is_proved_not_null(childid, attnum)))
			zdm_facts_scan(facts, childid,
						   psprintf("Scans the table under ACCESS EXCLUSIVE. Use zdm.set_not_null(%s, %s) instead.",
									zdm_facts_literal(relid), quote_literal_cstr(column)));
	}
}

typedef struct NewDefault
{
	const ZdmFacts *facts;
	Form_pg_attribute att;
	Node	   *expr;			/* raw */
} NewDefault;

static void
check_default(void *arg)
{
	const NewDefault *what = arg;
	ParseState *pstate = make_parsestate(NULL);

	pstate->p_sourcetext = what->facts->sql;
	(void) cookDefault(pstate, copyObject(what->expr), what->att->atttypid, what->att->atttypmod,
					   NameStr(what->att->attname), '\0');
}

/* SET DEFAULT and DROP DEFAULT. */
void
zdm_explain_column_default(ZdmFacts *facts, Oid relid, const AlterTableCmd *cmd)
{
	HeapTuple	tuple = cmd->name ? SearchSysCacheCopyAttName(relid, cmd->name) : NULL;
	NewDefault	what = {.facts = facts,.expr = cmd->def};

	if (!HeapTupleIsValid(tuple) || !facts->alone)
		return;
	what.att = (Form_pg_attribute) GETSTRUCT(tuple);
	if (what.att->attidentity || what.att->attgenerated)
		zdm_facts_fails(facts, relid, "Fails: the column is an identity column or generated. Use DROP IDENTITY or DROP EXPRESSION first.");
	else if (cmd->def)
		zdm_facts_fails_if(facts, relid, check_default, &what, "Give an expression of the column's type.");
}

/* Must the column of relid be NOT NULL? */
static bool
needs_not_null(Oid relid, const char *column)
{
	HeapTuple	tuple = SearchSysCacheCopyAttName(relid, column);
	Form_pg_attribute att;

	if (!HeapTupleIsValid(tuple))
		return false;
	att = (Form_pg_attribute) GETSTRUCT(tuple);
	return att->attidentity ||
		zdm_facts_oids("SELECT indexrelid FROM pg_index WHERE indrelid = $1 AND (indisprimary OR indisreplident)"
					   " AND $3 = ANY ((indkey::int2[])[0:indnkeyatts - 1])", relid, InvalidOid, att->attnum) != NIL;
}

/* DROP NOT NULL: a primary key, a replica identity or an identity column needs it. */
void
zdm_explain_drop_not_null(ZdmFacts *facts, const List *tree, const char *column)
{
	ListCell   *lc;

	foreach(lc, facts->alone ? tree : NIL)
	{
		if (needs_not_null(lfirst_oid(lc), column))
			zdm_facts_fails(facts, lfirst_oid(lc), "Fails: a primary key, a replica identity, or the column's own identity needs NOT NULL. Drop that first.");
	}
}

/* DROP COLUMN: all that goes with it is locked. */
void
zdm_explain_drop_column(ZdmFacts *facts, Oid relid, const List *tree, const AlterTableCmd *cmd)
{
	ListCell   *lc;

	if (get_attnum(relid, cmd->name) == InvalidAttrNumber)
	{
		if (!cmd->missing_ok)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of relation \"%s\" does not exist",
							cmd->name, get_rel_name(relid))));
		return;
	}
	foreach(lc, tree)
	{
		AttrNumber	attnum = get_attnum(lfirst_oid(lc), cmd->name);

		if (attnum == InvalidAttrNumber)
			continue;
		zdm_explain_drop_object(facts, lfirst_oid(lc), RelationRelationId, lfirst_oid(lc), attnum,
								cmd->behavior == DROP_CASCADE);
		zdm_facts_breaks(facts, lfirst_oid(lc),
						 psprintf("Clients that use the column fail, and its data is gone. Use zdm.drop_column(%s, %s, ...), or make sure that nothing uses it and run zdm.execute_ddl().",
								  zdm_facts_literal(relid), quote_literal_cstr(cmd->name)));
	}
}

/* What is virtual is not stored, so only promises about it are to be kept. */
static void
change_virtual(ZdmFacts *facts, Oid relid, const char *column)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	TupleConstr *constr = RelationGetDescr(rel)->constr;

	if (constr && constr->num_check > 0)
		zdm_facts_fails(facts, relid, "Fails: the table has CHECK constraints. Drop them, change the expression, and use zdm.add_check().");
	else if (GetRelationPublications(relid) != NIL)
		zdm_facts_fails(facts, relid, "Fails: the table is published. Take it out of the publication in the same transaction.");
	else if (zdm_facts_has_storage(relid) && TupleDescAttr(RelationGetDescr(rel), get_attnum(relid, column) - 1)->attnotnull)
		zdm_facts_scan(facts, relid, "Scans the table under ACCESS EXCLUSIVE, because the column is NOT NULL. Drop that before, and use zdm.set_not_null() after.");
	relation_close(rel, NoLock);
}

/* SET EXPRESSION of a generated column (17). */
void
zdm_explain_set_expression(ZdmFacts *facts, Oid relid, const List *tree, const char *column)
{
	ListCell   *lc;

	foreach(lc, tree)
	{
		AttrNumber	attnum = get_attnum(lfirst_oid(lc), column);

		if (attnum == InvalidAttrNumber)
			continue;
		if (zdm_compat_is_virtual(get_attgenerated(lfirst_oid(lc), attnum)))
			change_virtual(facts, lfirst_oid(lc), column);
		else if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_RELATION)
			zdm_facts_rewrite_with_indexes(facts, lfirst_oid(lc),
										   "Rewrites the table. Fill a new column with zdm.start_backfill(), and change over.");
	}
}

/* DROP EXPRESSION: the values stay, so there must be some. */
void
zdm_explain_drop_expression(ZdmFacts *facts, Oid relid, const char *column)
{
	AttrNumber	attnum = get_attnum(relid, column);

	if (attnum > 0 && zdm_compat_is_virtual(get_attgenerated(relid, attnum)))
		zdm_facts_fails(facts, relid, "Fails: the column is virtual and has no values. Fill a new column with zdm.start_backfill(), and change over.");
}
