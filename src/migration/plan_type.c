/*
 * plan_type.c
 *	  The plan of zdm.change_column_type(): a new column of the new type beside
 *	  the old one.  Under another name both stay until nobody uses the old one;
 *	  or, in a swap, the new one takes the old one's name when that is retired.
 */
#include "postgres.h"

#include "migration/column_plan.h"
#include "migration/plan_columns.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* The type without its modifier: what does not fit shall be an error, and not be cut off. */
static char *
cast_to(const char *column, Oid type)
{
	return psprintf("%s::%s", quote_identifier(column),
					format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
}

static Form_pg_attribute
old_attribute(ZdmColumnPlan *build)
{
	return TupleDescAttr(RelationGetDescr(build->rel), build->attnum - 1);
}

static char *
forward_of(ZdmColumnPlan *build, const ZdmTypeChange *change)
{
	Oid			old_type = old_attribute(build)->atttypid;
	Oid			function;

	if (change->forward)
		return pstrdup(change->forward);
	if (find_coercion_pathway(build->type, old_type, COERCION_EXPLICIT, &function) == COERCION_PATH_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_COERCE),
				 errmsg("cannot cast column \"%s\" of table %s from type %s to type %s", build->old_name, build->table,
						format_type_be(old_type), format_type_be(build->type)),
				 errhint("Say how a value is converted with forward, and how it is converted back with reverse.")));
	return cast_to(build->old_name, build->type);
}

/* What a user writes about the new column in a swap has the name that both will have had. */
static char *
reverse_of(ZdmColumnPlan *build, const ZdmTypeChange *change)
{
	ZdmRenaming renaming = {build->old_name, build->working_name, false};
	Oid			old_type = old_attribute(build)->atttypid;
	Oid			function;

	if (change->reverse)
		return change->new_name ? pstrdup(change->reverse) : zdm_rewrite_expression(change->reverse, &renaming, 1);

	/* what a forward of the user's does, a cast need not undo */
	if (change->forward == NULL &&
		(find_coercion_pathway(old_type, build->type, COERCION_ASSIGNMENT, &function) != COERCION_PATH_NONE ||
		 find_coercion_pathway(old_type, build->type, COERCION_EXPLICIT, &function) == COERCION_PATH_COERCEVIAIO))
		return cast_to(build->working_name, old_type);
	return NULL;
}

static ZdmMapping *
make_mapping(ZdmColumnPlan *build, const ZdmTypeChange *change)
{
	ZdmMapping *mapping = palloc0(sizeof(ZdmMapping));

	mapping->id = build->id;
	mapping->mode = ZDM_MAPPING_SYNC;
	mapping->authority = ZDM_SIDE_OLD;
	mapping->winner = change->winner;
	mapping->on_error = change->on_error;
	mapping->old_column = build->old_name;
	mapping->new_column = build->working_name;
	mapping->forward = forward_of(build, change);
	mapping->reverse = reverse_of(build, change);
	zdm_session_record(&mapping->settings, NULL, 0);
	return mapping;
}

/* The old column's collation stays where the new type can have one. */
static void
take_type(ZdmColumnPlan *build, const ZdmTypeChange *change)
{
	Form_pg_attribute old = old_attribute(build);

	zdm_column_take_type(build, change->type);
	if (OidIsValid(build->collation) && OidIsValid(old->attcollation) && old->attcollation != get_typcollation(old->atttypid))
		build->collation = old->attcollation;
	if (change->forward == NULL && build->type == old->atttypid && build->typmod == old->atttypmod)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column \"%s\" of table %s is of type %s already", build->old_name, build->table,
						format_type_with_typemod(build->type, build->typmod)),
				 errhint("Give another type, or say with forward how values are to be changed.")));
}

static void
take_names(ZdmColumnPlan *build, const ZdmTypeChange *change)
{
	zdm_column_take_old(build, change->column);
	if (change->new_name)
	{
		zdm_column_take_new(build, change->new_name);
		return;
	}
	build->working_name = zdm_column_plan_name(build, psprintf("new_%s", change->column));
	build->final_name = build->old_name;
}

/* See plan_columns.h. */
ZdmMigrationPlan *
zdm_plan_change_column_type(Relation rel, int64 id, const ZdmTypeChange *change)
{
	ZdmColumnPlan *build = zdm_column_plan_begin(rel, "change_column_type", id);

	take_names(build, change);
	take_type(build, change);
	build->retyped = true;
	build->plain_cast = change->forward == NULL;
	zdm_column_plan_take_mapping(build, make_mapping(build, change));
	zdm_column_plan_mapped(build);
	return zdm_column_plan_end(build);
}
