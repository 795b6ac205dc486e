/*
 * holds.c
 *	  Is what a recipe that is done has reached still so?  It may have been
 *	  undone since, by its inverse or by hand, or replaced.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_index.h"
#include "constraint/facts.h"
#include "ddl/statement.h"
#include "recipe/plan.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* The step that builds an index; NULL when none does. */
static const ZdmStep *
index_step(const ZdmRecipe *recipe)
{
	ListCell   *lc;

	foreach(lc, recipe->steps)
	{
		const ZdmStep *step = lfirst(lc);

		if (step->kind == ZDM_STEP_INDEX)
			return step;
	}
	return NULL;
}

/*
 * The constraint that a recipe is about; NULL when it has nothing to do.
 * Before it may be those of partitions, after it helpers that are dropped.
 */
static const char *
subject_constraint(const ZdmRecipe *recipe)
{
	const ZdmStep *index = index_step(recipe);
	ListCell   *lc;

	if (index)
		return index->object;
	foreach(lc, recipe->steps)
	{
		const ZdmStep *step = lfirst(lc);

		if (step->target_name == NULL)
			return step->object;
	}
	return NULL;
}

/* As the statement says that adds it; NULL when the step is about something else. */
static const Constraint *
added_by(const ZdmStep *step, const char *name)
{
	AlterTableStmt *stmt;
	AlterTableCmd *cmd;

	if (step->kind != ZDM_STEP_DDL || step->target_name || strcmp(step->object, name) != 0)
		return NULL;
	stmt = castNode(AlterTableStmt, zdm_statement_parse(step->statement)->tree);
	cmd = linitial_node(AlterTableCmd, stmt->cmds);
	return cmd->subtype == AT_AddConstraint ? castNode(Constraint, cmd->def) : NULL;
}

static bool
nulls_are_as_in(const ZdmStep *step, Oid index)
{
	IndexStmt  *stmt = castNode(IndexStmt, zdm_statement_parse(step->statement)->tree);
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_index) GETSTRUCT(tuple))->indnullsnotdistinct == stmt->nulls_not_distinct;
	ReleaseSysCache(tuple);
	return result;
}

/* Is the constraint of that name valid, and checked when and how the recipe says? */
static bool
is_as_added(const ZdmConstraint *there, const ZdmRecipe *recipe)
{
	const ZdmStep *index = index_step(recipe);
	ListCell   *lc;

	if (there == NULL || !there->valid)
		return false;
	if (index && !nulls_are_as_in(index, there->conindid))
		return false;
	foreach(lc, recipe->steps)
	{
		const Constraint *added = added_by(lfirst(lc), there->name);

		if (added && (added->deferrable != there->deferrable || added->initdeferred != there->deferred))
			return false;
	}
	return true;
}

static bool
is_not_null(Relation rel, const char *column)
{
	AttrNumber	attno = get_attnum(RelationGetRelid(rel), column);

	if (attno <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table \"%s\" does not exist", column, RelationGetRelationName(rel)),
				 errhint("Names are compared as they are, without quotes.")));
	return TupleDescAttr(RelationGetDescr(rel), attno - 1)->attnotnull;
}

/* Is what a stored recipe was for, and has reached, still so?  rel is open. */
bool
zdm_plan_holds(Relation rel, const ZdmRecipe *recipe)
{
	const char *name;
	ZdmConstraint *constraint;

	if (strcmp(recipe->recipe, "set_not_null") == 0)
		return is_not_null(rel, recipe->definition);
	if (strcmp(recipe->recipe, "drop_not_null") == 0)
		return !is_not_null(rel, recipe->definition);
	name = subject_constraint(recipe);
	constraint = name ? zdm_constraint_load(RelationGetRelid(rel), name) : NULL;
	if (strcmp(recipe->recipe, "drop_constraint") == 0)
		return constraint == NULL;
	return name == NULL || is_as_added(constraint, recipe);
}
