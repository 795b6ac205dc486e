/*
 * plan_rename.c
 *	  The plan of zdm.rename_column(): both names are there, and equal, until
 *	  nobody uses the old one.
 */
#include "postgres.h"

#include "migration/column_plan.h"
#include "migration/plan_columns.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static ZdmMapping *
make_mapping(ZdmColumnPlan *build)
{
	ZdmMapping *mapping = palloc0(sizeof(ZdmMapping));

	mapping->id = build->id;
	mapping->mode = ZDM_MAPPING_SYNC;
	mapping->authority = ZDM_SIDE_OLD;
	mapping->winner = ZDM_SIDE_NEW;
	mapping->on_error = ZDM_ON_ERROR_FAIL;
	mapping->old_column = build->old_name;
	mapping->new_column = build->working_name;
	mapping->forward = pstrdup(quote_identifier(build->old_name));
	mapping->reverse = pstrdup(quote_identifier(build->working_name));
	zdm_session_record(&mapping->settings, NULL, 0);
	return mapping;
}

/* See plan_columns.h. */
ZdmMigrationPlan *
zdm_plan_rename_column(Relation rel, int64 id, const char *column, const char *new_name)
{
	ZdmColumnPlan *build = zdm_column_plan_begin(rel, "rename_column", id);

	zdm_column_take_old(build, column);
	zdm_column_take_new(build, new_name);
	get_atttypetypmodcoll(RelationGetRelid(rel), build->attnum, &build->type, &build->typmod, &build->collation);
	zdm_column_plan_take_mapping(build, make_mapping(build));
	zdm_column_plan_mapped(build);
	return zdm_column_plan_end(build);
}
