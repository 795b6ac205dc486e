/*
 * build.c
 *	  Putting the plan of a recipe about one column together: names, steps, and
 *	  the one transaction in which the old column is retired.
 */
#include "postgres.h"

#include "compat/type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "migration/column_plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* The name of a table as statements have it: qualified and quoted. */
char *
zdm_column_plan_table_name(Relation rel)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)), RelationGetRelationName(rel));
}

/* A plan without steps.  id is that of the mapping. */
ZdmColumnPlan *
zdm_column_plan_begin(Relation rel, const char *kind, int64 id)
{
	ZdmColumnPlan *build = palloc0(sizeof(ZdmColumnPlan));

	build->rel = rel;
	build->table = zdm_column_plan_table_name(rel);
	build->id = id;
	build->plan = palloc0(sizeof(ZdmMigrationPlan));
	build->plan->kind = kind;
	return build;
}

/*
 * A name of zdm's own that nothing else has: of what stands in for an object
 * of that name, for a while.
 */
char *
zdm_column_plan_name(ZdmColumnPlan *build, const char *base)
{
	char	   *name = psprintf("~zdm_" INT64_FORMAT "_%d_%s", build->id, ++build->nnames, base);
	int			length = strlen(name);

	name[length < NAMEDATALEN ? length : pg_mbcliplen(name, length, NAMEDATALEN - 1)] = '\0';
	return name;
}

static ZdmStep *
make_step(ZdmPhase phase, ZdmStepKind kind, const char *object, char *statement, char *undo, const char *lock)
{
	ZdmStep    *step = palloc0(sizeof(ZdmStep));

	step->phase = phase;
	step->kind = kind;
	step->object = pstrdup(object);
	step->statement = statement;
	step->undo = undo;
	step->lock = pstrdup(lock);
	return step;
}

/* Add a step to the main stage. */
ZdmStep *
zdm_column_plan_main(ZdmColumnPlan *build, ZdmPhase phase, ZdmStepKind kind, const char *object,
					 char *statement, char *undo, const char *lock)
{
	ZdmStep    *step = make_step(phase, kind, object, statement, undo, lock);

	build->plan->main = lappend(build->plan->main, step);
	return step;
}

/*
 * Add a constraint to a table, NOT VALID, and validate it where that is
 * wanted.  The definition has no NOT VALID.
 */
void
zdm_column_plan_validated(ZdmColumnPlan *build, Oid target, const char *table, const char *name,
						  const char *definition, bool validate, const char *lock)
{
	const char *quoted = quote_identifier(name);

	zdm_column_plan_main(build, ZDM_PHASE_MIGRATE, ZDM_STEP_DDL, name,
						 psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID", table, quoted, definition),
						 psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", table, quoted), lock)->target = target;
	if (validate)
		zdm_column_plan_main(build, ZDM_PHASE_MIGRATE, ZDM_STEP_VALIDATE, name,
							 psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", table, quoted), NULL,
							 ZDM_LOCK_WEAK)->target = target;
}

/*
 * Make a column NOT NULL by way of a CHECK that proves it.  name is the
 * constraint's from 18 on, NULL for a version that has none.
 */
void
zdm_column_plan_not_null(ZdmColumnPlan *build, const char *column, Oid type, const char *name)
{
	char	   *proof = zdm_column_plan_name(build, column);
	const char *quoted = quote_identifier(column);
	char	   *statement;
	char	   *undo;

	zdm_column_plan_validated(build, InvalidOid, build->table, proof,
							  psprintf("CHECK (%s IS %s NULL)", quoted, type_is_rowtype(type) ? "DISTINCT FROM" : "NOT"),
							  true, ZDM_LOCK_STRONG);
	if (name)
	{
		statement = psprintf("ALTER TABLE %s ADD CONSTRAINT %s NOT NULL %s", build->table, quote_identifier(name), quoted);
		undo = psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", build->table, quote_identifier(name));
	}
	else
	{
		statement = psprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL", build->table, quoted);
		undo = psprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", build->table, quoted);
	}
	zdm_column_plan_main(build, ZDM_PHASE_MIGRATE, ZDM_STEP_DDL, column, statement, undo, ZDM_LOCK_STRONG);
	zdm_column_plan_main(build, ZDM_PHASE_MIGRATE, ZDM_STEP_DDL, proof,
						 psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", build->table, quote_identifier(proof)),
						 NULL, ZDM_LOCK_STRONG);
}

/*
 * Add a statement to the transaction that retires the old column, and what
 * undoes it, which runs in reverse order.  Either may be NULL.
 */
void
zdm_column_plan_retire(ZdmColumnPlan *build, char *statement, char *undo)
{
	if (statement)
		build->retire = lappend(build->retire, statement);
	if (undo)
		build->retire_undo = lcons(undo, build->retire_undo);
}

/* Add a step to the stage that retires. */
ZdmStep *
zdm_column_plan_retire_step(ZdmColumnPlan *build, const char *object, char *statement, char *undo, const char *lock)
{
	ZdmStep    *step = make_step(ZDM_PHASE_CONTRACT, ZDM_STEP_DDL, object, statement, undo, lock);

	build->plan->retire = lappend(build->plan->retire, step);
	return step;
}

static ZdmStep *
make_purge_step(Oid target, const char *object, char *statement)
{
	ZdmStep    *step = make_step(ZDM_PHASE_CONTRACT, ZDM_STEP_DDL, object, statement, NULL, ZDM_LOCK_STRONG);

	step->target = target;
	return step;
}

/* Add a step to the last stage, which is never undone. */
void
zdm_column_plan_purge(ZdmColumnPlan *build, Oid target, const char *object, char *statement)
{
	build->plan->purge = lappend(build->plan->purge, make_purge_step(target, object, statement));
}

/*
 * Put the new column's constraint or index in the place of the old one's.
 * That is done in the last stage; but with the old column retired when nothing
 * keeps its values right from then on, so that what is on it would refuse rows
 * of the application.  first: before those that are not, as a foreign key goes
 * before the key that it refers to.
 */
void
zdm_column_plan_hand_over(ZdmColumnPlan *build, Oid target, const char *object, char *statement, bool first)
{
	ZdmStep    *step = make_purge_step(target, object, statement);
	List	  **purge = &build->plan->purge;

	if (build->reversible)
		*purge = first ? lcons(step, *purge) : lappend(*purge, step);
	else
		build->retire = first ? lcons(statement, build->retire) : lappend(build->retire, statement);
}

static char *format(const char *fmt, va_list args) pg_attribute_printf(1, 0);

static char *
format(const char *fmt, va_list args)
{
	StringInfoData buf;
	int			needed;

	initStringInfo(&buf);
	for (;;)
	{
		va_list		again;

		va_copy(again, args);
		needed = appendStringInfoVA(&buf, fmt, again);
		va_end(again);
		if (needed == 0)
			return buf.data;
		enlargeStringInfo(&buf, needed);
	}
}

/* Add what a person has to do or to approve. */
void
zdm_column_plan_manual(ZdmColumnPlan *build, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	build->plan->manual = lappend(build->plan->manual, format(fmt, args));
	va_end(args);
}

/* Add what a person should know. */
void
zdm_column_plan_warn(ZdmColumnPlan *build, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	build->plan->warnings = lappend(build->plan->warnings, format(fmt, args));
	va_end(args);
}

/* Statements as one text; NULL for none. */
char *
zdm_column_plan_join(List *statements)
{
	StringInfoData buf;
	ListCell   *lc;

	if (statements == NIL)
		return NULL;
	initStringInfo(&buf);
	foreach(lc, statements)
		appendStringInfo(&buf, "%s%s", foreach_current_index(lc) > 0 ? "; " : "", (char *) lfirst(lc));
	return buf.data;
}

/* Take a mapping as the plan's.  Errors as zdm_mapping_check(). */
void
zdm_column_plan_take_mapping(ZdmColumnPlan *build, ZdmMapping *mapping)
{
	ZdmMappingColumn new_column = {build->working_name, build->type, build->typmod, build->collation};

	(void) zdm_mapping_check(build->rel, mapping, &new_column);
	build->plan->mapping = mapping;
}

static int
number_steps(List *steps, int number)
{
	ListCell   *lc;

	foreach(lc, steps)
		((ZdmStep *) lfirst(lc))->number = ++number;
	return number;
}

/* What becomes of the old column. */
ZdmColumnFate
zdm_column_plan_fate(const ZdmColumnPlan *build)
{
	if (build->final_name == NULL)
		return ZDM_COLUMN_DROPPED;
	return strcmp(build->final_name, build->old_name) == 0 ? ZDM_COLUMN_SWAPPED : ZDM_COLUMN_RENAMED;
}

/* The plan, its steps numbered through all stages. */
ZdmMigrationPlan *
zdm_column_plan_end(ZdmColumnPlan *build)
{
	ZdmMigrationPlan *plan = build->plan;
	int			number = number_steps(plan->main, 0);

	number = number_steps(plan->retire, number);
	(void) number_steps(plan->purge, number);
	plan->removes = plan->retire != NIL || plan->purge != NIL;
	return plan;
}
