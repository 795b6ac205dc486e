/*
 * mapped.c
 *	  What rename_column and change_column_type have in common: a new column
 *	  that a mapping keeps equal to the old one, gets all that the old one has,
 *	  and takes its place.
 *
 * Expand adds the column and, in a transaction of its own, the sync trigger:
 * its commit is the fence after which no row is written without it.  Migrate
 * fills the rows, compares them, and only then makes indexes and constraints,
 * so that filling stays cheap and cannot violate them.  Retire moves what can
 * only be in one place, in one transaction of catalog changes; the old column
 * stays, hidden and kept right.  Purge drops it.
 */
#include "postgres.h"

#include "backfill/target.h"
#include "lib/stringinfo.h"
#include "migration/column_plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static char *
rename_column(ZdmColumnPlan *build, const char *from, const char *to)
{
	return psprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", build->table, quote_identifier(from), quote_identifier(to));
}

static bool
changes_name(ZdmColumnPlan *build)
{
	return strcmp(build->working_name, build->final_name) != 0;
}

/* ---------- expand and migrate ---------- */

static void
plan_expand(ZdmColumnPlan *build)
{
	ZdmMapping *mapping = build->plan->mapping;
	List	   *undo = list_make2(zdm_mapping_drop_trigger_sql(build->rel, mapping->id),
								  psprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", build->table,
										   quote_identifier(build->working_name)));

	zdm_column_plan_main(build, ZDM_PHASE_EXPAND, ZDM_STEP_DDL, build->working_name, zdm_carry_add_column(build),
						 zdm_column_plan_join(undo), ZDM_LOCK_STRONG);

	/*
	 * undone with the column: one without it would take values that the old
	 * one never gets
	 */
	zdm_column_plan_main(build, ZDM_PHASE_EXPAND, ZDM_STEP_DDL, build->working_name,
						 zdm_mapping_trigger_sql(build->rel, mapping), NULL, ZDM_LOCK_TRIGGER);
}

/*
 * The steps that fill the new column by the plan's mapping, and compare it.
 * Errors as zdm_target_check().
 */
void
zdm_column_plan_fill(ZdmColumnPlan *build)
{
	ZdmMapping *mapping = build->plan->mapping;
	const char *column = quote_identifier(build->working_name);
	ZdmStep    *step;

	zdm_target_check(build->rel);
	step = zdm_column_plan_main(build, ZDM_PHASE_MIGRATE, ZDM_STEP_BACKFILL, build->working_name,
								psprintf("UPDATE %s SET %s = %s", build->table, column, mapping->forward), NULL,
								ZDM_LOCK_WRITE);
	step->mapping_id = mapping->id;
	step = zdm_column_plan_main(build, ZDM_PHASE_MIGRATE, ZDM_STEP_VERIFY, build->working_name,
								psprintf("SELECT count(*) FROM %s WHERE %s IS DISTINCT FROM (%s)", build->table, column,
										 mapping->forward), NULL, ZDM_LOCK_READ);
	step->mapping_id = mapping->id;
}

/* ---------- contract ---------- */

static char *
rewrite(ZdmColumnPlan *build, const char *expression)
{
	ZdmRenaming renamings[] = {
		{build->old_name, build->hidden_name, false},
		{build->working_name, build->final_name, false}
	};

	return expression ? zdm_rewrite_expression(expression, renamings, lengthof(renamings)) : NULL;
}

/* The mapping from the moment on in which the old column is retired. */
static ZdmMapping *
retired_mapping(ZdmColumnPlan *build)
{
	ZdmMapping *mapping = palloc(sizeof(ZdmMapping));

	*mapping = *build->plan->mapping;
	mapping->authority = ZDM_SIDE_NEW;
	mapping->old_column = build->hidden_name;
	mapping->new_column = build->final_name;
	mapping->forward = rewrite(build, mapping->forward);
	mapping->reverse = rewrite(build, mapping->reverse);
	return mapping;
}

static void
plan_retire(ZdmColumnPlan *build)
{
	bool		is_not_null = TupleDescAttr(RelationGetDescr(build->rel), build->attnum - 1)->attnotnull;
	List	   *triggers = NIL;
	char	   *undo;

	zdm_column_plan_retire(build, rename_column(build, build->old_name, build->hidden_name),
						   rename_column(build, build->hidden_name, build->old_name));
	if (changes_name(build))
	{
		zdm_column_plan_retire(build, rename_column(build, build->working_name, build->final_name),
							   rename_column(build, build->final_name, build->working_name));
		triggers = zdm_carry_triggers(build);
	}
	zdm_carry_default(build);
	zdm_carry_policies(build);
	if (is_not_null && !build->reversible)
		zdm_column_plan_retire(build, psprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", build->table,
											   quote_identifier(build->hidden_name)), NULL);

	/* triggers name columns: they follow their renaming either way */
	triggers = lappend(triggers, zdm_mapping_trigger_sql(build->rel, retired_mapping(build)));
	build->retire = list_concat(build->retire, triggers);
	llast(triggers) = zdm_mapping_trigger_sql(build->rel, build->plan->mapping);
	build->retire_undo = list_concat(build->retire_undo, triggers);
	undo = build->reversible ? zdm_column_plan_join(build->retire_undo) : NULL;
	(void) zdm_column_plan_retire_step(build, build->old_name, zdm_column_plan_join(build->retire), undo, ZDM_LOCK_STRONG);
}

static void
plan_purge(ZdmColumnPlan *build)
{
	List	   *statements = list_make2(zdm_mapping_drop_trigger_sql(build->rel, build->plan->mapping->id),
										psprintf("ALTER TABLE %s DROP COLUMN %s", build->table,
												 quote_identifier(build->hidden_name)));

	zdm_column_plan_purge(build, InvalidOid, build->hidden_name,
						  zdm_column_plan_join(list_concat(statements, build->not_null_renames)));
}

/*
 * Plan all steps.  The columns, the new one's type and the mapping are set,
 * and the mapping is checked.  Errors for what cannot be carried over.
 */
void
zdm_column_plan_mapped(ZdmColumnPlan *build)
{
	zdm_column_check_type(build, build->final_name);
	build->reversible = build->plan->mapping->reverse != NULL;
	plan_expand(build);
	zdm_column_plan_fill(build);
	zdm_carry_indexes(build);
	zdm_carry_constraints(build);
	zdm_carry_referencing_keys(build);
	zdm_carry_statistics(build);
	plan_retire(build);
	plan_purge(build);
	zdm_column_list_dependents(build);
	zdm_column_plan_record(build);
	if (!build->reversible)
		zdm_column_plan_warn(build, "there is no expression for the way back: from the moment on in which column \"%s\" is retired, its values are not kept right, and zdm.revert() is refused",
							 build->old_name);
}
