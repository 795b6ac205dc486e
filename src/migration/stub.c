/*
 * stub.c
 *	  Stands in for rooms that are not there yet.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mapping/mapping.h"
#include "migration/column_plan.h"
#include "utils/builtins.h"

ZdmMappingFacts *
zdm_mapping_check(Relation rel, const ZdmMapping *mapping, const ZdmMappingColumn *new_column)
{
	return palloc0(sizeof(ZdmMappingFacts));
}

char *
zdm_mapping_trigger_sql(Relation rel, const ZdmMapping *mapping)
{
	return psprintf("CREATE OR REPLACE TRIGGER \"~zdm_sync_" INT64_FORMAT "\" BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION zdm.sync('%s', %s, %s, %s, %s)",
					mapping->id, zdm_column_plan_table_name(rel), mapping->authority == ZDM_SIDE_NEW ? "new" : "old",
					quote_literal_cstr(mapping->old_column ? mapping->old_column : ""), quote_literal_cstr(mapping->new_column),
					quote_literal_cstr(mapping->forward), quote_literal_cstr(mapping->reverse ? mapping->reverse : ""));
}

char *
zdm_mapping_drop_trigger_sql(Relation rel, int64 id)
{
	return psprintf("DROP TRIGGER IF EXISTS \"~zdm_sync_" INT64_FORMAT "\" ON %s", id, zdm_column_plan_table_name(rel));
}
