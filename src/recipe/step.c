/*
 * step.c
 *	  Making a step of a recipe: its words.
 *
 * Every statement is complete and qualified: it means the same in any session.
 */
#include "postgres.h"

#include "recipe/step.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* The name of a relation, for a statement. */
char *
zdm_step_table(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

/* The statement that undoes the adding of a constraint. */
char *
zdm_step_drop_constraint(Oid relid, const char *name)
{
	return psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", zdm_step_table(relid), quote_identifier(name));
}

/* One more step, about the table of the job, numbered as the last one. */
ZdmStep *
zdm_step_append(List **steps, ZdmStepKind kind, const char *object, char *statement, char *undo,
				const char *lock)
{
	ZdmStep    *step = palloc0(sizeof(ZdmStep));

	step->number = list_length(*steps) + 1;
	step->kind = kind;
	step->statement = statement;
	step->undo = undo;
	step->object = pstrdup(object);
	step->lock = pstrdup(lock);
	*steps = lappend(*steps, step);
	return step;
}

/* The step is about another relation than its job. */
void
zdm_step_set_target(ZdmStep *step, Oid relid)
{
	step->target = relid;
	step->target_schema = get_namespace_name(get_rel_namespace(relid));
	step->target_name = get_rel_name(relid);
}
