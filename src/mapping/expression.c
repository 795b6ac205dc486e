/*
 * expression.c
 *	  One expression of a mapping: from text to a planned expression over the
 *	  row, of exactly the type of the column that it is assigned to.
 *
 * It is parsed alone, under the settings recorded with the mapping and as the
 * owner of the table, so that its names mean the same whoever writes the row,
 * and coerced as an assignment does it.  The new column may not exist yet; its
 * Var then has the number after the table's last column.
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "compat/compat.h"
#include "core/expression.h"
#include "core/identity.h"
#include "core/pinned.h"
#include "core/text_errors.h"
#include "core/time_dependence.h"
#include "mapping/expression.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"

#define HINT "It is computed from columns of the same row, by functions that are stable or immutable; names are resolved with the search_path recorded with the mapping."

typedef struct Analysis
{
	Relation	rel;
	const char *source;
	const ZdmMappingColumn *target;
	const ZdmMappingColumn *new_column; /* NULL: it exists */
	ZdmMappingExpr *result;
} Analysis;

pg_noreturn static void refuse(int sqlerrcode, const char *why, const char *hint);

static void
refuse(int sqlerrcode, const char *why, const char *hint)
{
	ereport(ERROR,
			(errcode(sqlerrcode), errmsg("%s", why), errhint("%s", hint)));
}

/* ---- what the text must not have ---- */

static void
check_name(const Analysis *analysis, const ColumnRef *ref)
{
	const char *name;

	if (list_length(ref->fields) > 1)
		refuse(ERRCODE_INVALID_COLUMN_REFERENCE, "it names a column together with a table",
			   "Give the column's name alone; for a field of a composite type, put the column in parentheses.");
	name = strVal(linitial(ref->fields));
	if (strcmp(name, RelationGetRelationName(analysis->rel)) == 0 &&
		get_attnum(RelationGetRelid(analysis->rel), name) == InvalidAttrNumber &&
		(analysis->new_column == NULL || strcmp(name, analysis->new_column->name) != 0))
		refuse(ERRCODE_INVALID_COLUMN_REFERENCE, "it refers to the whole row",
			   "Name the columns that it reads.");
}

/* A partition has another name than the table that the user had in mind. */
static bool
check_names(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, ColumnRef))
		check_name(context, (ColumnRef *) node);
	return raw_expression_tree_walker(node, check_names, context);
}

static const char *
column_name(const Analysis *analysis, AttrNumber attno)
{
	TupleDesc	desc = RelationGetDescr(analysis->rel);

	if (attno > desc->natts)
		return analysis->new_column->name;
	return NameStr(TupleDescAttr(desc, attno - 1)->attname);
}

static void
check_column(const Analysis *analysis, const Var *var)
{
	TupleDesc	desc = RelationGetDescr(analysis->rel);

	if (var->varattno == 0)
		refuse(ERRCODE_INVALID_COLUMN_REFERENCE, "it refers to the whole row",
			   "Name the columns that it reads.");
	if (var->varattno < 0)
		refuse(ERRCODE_INVALID_COLUMN_REFERENCE, "it reads a system column",
			   "Only the table's own columns can be read.");
	if (var->varattno <= desc->natts && TupleDescAttr(desc, var->varattno - 1)->attgenerated)
		refuse(ERRCODE_INVALID_COLUMN_REFERENCE,
			   psprintf("it reads the generated column \"%s\"", column_name(analysis, var->varattno)),
			   "A generated column is computed after triggers; read what it is computed from.");
}

static bool
collect_columns(Node *node, Analysis *analysis)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		check_column(analysis, (Var *) node);
		analysis->result->columns =
			list_append_unique(analysis->result->columns,
							   makeString(pstrdup(column_name(analysis, ((Var *) node)->varattno))));
		return false;
	}
	return expression_tree_walker(node, collect_columns, analysis);
}

static bool
note_function(Oid function, void *context)
{
	List	  **functions = context;

	*functions = list_append_unique_oid(*functions, function);
	return false;
}

static bool
collect_functions(Node *node, List **functions)
{
	if (node == NULL)
		return false;
	(void) check_functions_in_node(node, note_function, functions);
	return expression_tree_walker(node, collect_functions, functions);
}

static void
refuse_volatile(const List *functions)
{
	ListCell   *lc;

	foreach(lc, functions)
	{
		if (func_volatile(lfirst_oid(lc)) == PROVOLATILE_VOLATILE)
			refuse(ERRCODE_INVALID_OBJECT_DEFINITION,
				   psprintf("function %s is volatile", format_procedure(lfirst_oid(lc))),
				   "Trigger, backfill and verification must all compute the same: use functions that are stable or immutable, or fill the column with a default.");
	}
	refuse(ERRCODE_INVALID_OBJECT_DEFINITION, "it is volatile", HINT);
}

/* ---- analysis ---- */

/* A column that does not exist yet. */
static Node *
resolve_new_column(ParseState *pstate, ColumnRef *cref, Node *var)
{
	const Analysis *analysis = pstate->p_ref_hook_state;
	const ZdmMappingColumn *column = analysis->new_column;

	if (var != NULL || column == NULL || list_length(cref->fields) != 1 ||
		!IsA(linitial(cref->fields), String) ||
		strcmp(strVal(linitial(cref->fields)), column->name) != 0)
		return NULL;
	return (Node *) makeVar(1, RelationGetDescr(analysis->rel)->natts + 1, column->type,
							column->typmod, column->collation, 0);
}

static Node *
coerce(ParseState *pstate, Node *expr, const ZdmMappingColumn *target)
{
	Oid			type = exprType(expr);
	Node	   *result = coerce_to_target_type(pstate, expr, type, target->type, target->typmod,
											   COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);

	if (result == NULL)
		refuse(ERRCODE_DATATYPE_MISMATCH,
			   psprintf("column \"%s\" is of type %s, and it is of type %s", target->name,
						format_type_with_typemod(target->type, target->typmod), format_type_be(type)),
			   "Cast it to the type of the column.");
	return result;
}

static void
analyze_step(void *arg)
{
	Analysis   *analysis = arg;
	ZdmMappingExpr *result = analysis->result;
	Node	   *raw = zdm_expression_parse(analysis->source, HINT);
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item;
	List	   *relations = NIL;
	Node	   *expr;

	(void) check_names(raw, analysis);
	pstate->p_sourcetext = analysis->source;
	pstate->p_post_columnref_hook = resolve_new_column;
	pstate->p_ref_hook_state = analysis;
	item = addRangeTableEntryForRelation(pstate, analysis->rel, AccessShareLock, NULL, false, true);
	addNSItemToQuery(pstate, item, true, true, true);
	expr = transformExpr(pstate, raw, EXPR_KIND_GENERATED_COLUMN);
	(void) collect_columns(expr, analysis);
	expr = coerce(pstate, expr, analysis->target);
	assign_expr_collations(pstate, expr);
	free_parsestate(pstate);

	(void) collect_functions(expr, &result->functions);
	if (zdm_depends_on_time(raw, expr))
		refuse(ERRCODE_INVALID_OBJECT_DEFINITION, "it depends on when it is computed",
			   "Trigger, backfill and verification must all compute the same: read a column that holds the time.");
	if (contain_volatile_functions(expr))
		refuse_volatile(result->functions);
	result->expr = expression_planner_with_deps((Expr *) expr, &relations, &result->inval_items);
	/* defaults of arguments are there only now */
	if (contain_volatile_functions((Node *) result->expr))
		refuse_volatile(NIL);
	result->is_stable = contain_mutable_functions(expr) ||
		contain_mutable_functions((Node *) result->expr);
}

/*
 * Type and name of a column of rel.  Errors with UNDEFINED_COLUMN.
 */
void
zdm_mapping_column(Relation rel, const char *name, ZdmMappingColumn *column)
{
	AttrNumber	attno = get_attnum(RelationGetRelid(rel), name);
	Form_pg_attribute att;

	if (attno <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table \"%s\" does not exist", name, RelationGetRelationName(rel)),
				 errhint("If it was renamed or dropped by hand while a migration needs it, give it its name back, or abort the migration.")));
	att = TupleDescAttr(RelationGetDescr(rel), attno - 1);
	if (att->attgenerated)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				 errmsg("column \"%s\" of table \"%s\" is a generated column", name, RelationGetRelationName(rel)),
				 errhint("Nothing can be written into it; use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION first.")));
	column->name = pstrdup(name);
	column->type = att->atttypid;
	column->typmod = att->atttypmod;
	column->collation = att->attcollation;
}

/* The settings of the mapping, with temporary objects searched last. */
static int
override_settings(const ZdmMapping *mapping)
{
	ZdmSessionSettings settings = mapping->settings;
	char	   *path = psprintf("%s, pg_temp", zdm_session_search_path(&settings));

	settings.values = palloc(sizeof(char *) * settings.count);
	memcpy(settings.values, mapping->settings.values, sizeof(char *) * settings.count);
	settings.values[0] = path;
	return zdm_session_override(&settings);
}

/*
 * Analyze and plan the expression that is assigned to one side, in the current
 * context.  rel is open and locked; new_column may be NULL when rel has that
 * column.  Errors: what PostgreSQL says of columns, functions and types;
 * INVALID_OBJECT_DEFINITION (volatile, depends on the time),
 * INVALID_COLUMN_REFERENCE (generated or system column, whole row, a table's
 * name), DATATYPE_MISMATCH, UNDEFINED_COLUMN.
 */
ZdmMappingExpr *
zdm_mapping_analyze(Relation rel, const ZdmMapping *mapping, ZdmMappingSide assigned,
					const ZdmMappingColumn *new_column)
{
	bool		forward = assigned == ZDM_SIDE_NEW;
	bool		exists = get_attnum(RelationGetRelid(rel), mapping->new_column) > 0;
	Analysis	analysis = {.rel = rel,.source = forward ? mapping->forward : mapping->reverse};
	ZdmText		given = {.source = analysis.source,.hint = HINT};
	ZdmMappingColumn target;
	ZdmBorrowedIdentity borrowed;
	int			nestlevel;

	if (forward && !exists && new_column)
		target = *new_column;
	else
		zdm_mapping_column(rel, forward ? mapping->new_column : mapping->old_column, &target);
	analysis.target = &target;
	analysis.new_column = exists ? NULL : new_column;
	analysis.result = palloc0(sizeof(ZdmMappingExpr));
	given.subject = mapping->mode == ZDM_MAPPING_FILL ? "fill expression" : forward ? "forward expression" : "reverse expression";

	zdm_identity_borrow(&borrowed, rel->rd_rel->relowner, "pg_catalog, pg_temp");
	nestlevel = override_settings(mapping);
	zdm_text_errors(analyze_step, &analysis, &given);
	zdm_session_restore(nestlevel);
	zdm_identity_give_back(&borrowed);
	return analysis.result;
}
