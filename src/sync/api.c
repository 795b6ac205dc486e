/*
 * api.c
 *	  SQL functions on sync triggers.
 */
#include "postgres.h"

#include "access/table.h"
#include "commands/trigger.h"
#include "core/args.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mapping/arguments.h"
#include "mapping/rights.h"
#include "nodes/value.h"
#include "parser/parser.h"
#include "sync/sync.h"
#include "utils/builtins.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(zdm_create_sync);
PG_FUNCTION_INFO_V1(zdm_sync_missing_rights);
PG_FUNCTION_INFO_V1(zdm_sync_later_triggers_of);

static Oid
create_by_statement(const char *statement)
{
	List	   *stmts = raw_parser(statement, RAW_PARSE_DEFAULT);

	return zdm_sync_create_trigger(castNode(CreateTrigStmt, linitial_node(RawStmt, stmts)->stmt));
}

static char *
argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? pstrdup("") : text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

/*
 * zdm.create_sync(target regclass, mapping_id bigint, new_column text, forward
 * text, old_column text, reverse text, mode text, authority text, winner text,
 * on_error text)
 */
Datum
zdm_create_sync(PG_FUNCTION_ARGS)
{
	static const char *const required[] = {"target", "mapping_id", "new_column", "forward"};

	/* which of ours each argument of the trigger after the version is */
	static const int order[] = {6, 7, 8, 9, 4, 2, 3, 5};
	Relation	rel;
	Trigger		trigger = {0};
	ZdmSessionSettings settings;
	ZdmMapping *mapping;
	char	   *statement;
	int			n = 0;

	for (int i = 0; i < lengthof(required); i++)
		zdm_args_not_null(fcinfo, i, required[i]);
	zdm_require_writable("zdm.create_sync");
	rel = table_open(PG_GETARG_OID(0), ShareRowExclusiveLock);
	trigger.tgname = zdm_sync_trigger_name(PG_GETARG_INT64(1));
	zdm_session_record(&settings, NULL, 0);
	trigger.tgargs = palloc(sizeof(char *) * (2 + lengthof(order) + 2 * settings.count));
	trigger.tgargs[n++] = psprintf(INT64_FORMAT, PG_GETARG_INT64(1));
	trigger.tgargs[n++] = "1";
	for (int i = 0; i < lengthof(order); i++)
		trigger.tgargs[n++] = argument(fcinfo, order[i]);
	for (int i = 0; i < settings.count; i++)
	{
		trigger.tgargs[n++] = settings.names[i];
		trigger.tgargs[n++] = settings.values[i];
	}
	trigger.tgnargs = n;
	mapping = zdm_mapping_parse(&trigger);
	(void) zdm_mapping_check(rel, mapping, NULL);
	statement = zdm_mapping_trigger_sql(rel, mapping);
	(void) create_by_statement(statement);
	table_close(rel, NoLock);
	PG_RETURN_TEXT_P(cstring_to_text(statement));
}

static ZdmMapping *
mapping_of(Relation rel, int64 id)
{
	ZdmMapping *mapping = zdm_mapping_of(rel, id);

	if (mapping == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table \"%s\" has no sync trigger of mapping " INT64_FORMAT,
						RelationGetRelationName(rel), id),
				 errhint("zdm.sync_activity lists the tables that have one.")));
	return mapping;
}

/* zdm.sync_missing_rights(target regclass, mapping_id bigint) */
Datum
zdm_sync_missing_rights(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	rel = table_open(PG_GETARG_OID(0), AccessShareLock);
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, zdm_mapping_missing_rights(rel, mapping_of(rel, PG_GETARG_INT64(1)), NULL))
	{
		ZdmMissingRight *right = lfirst(lc);
		Datum		values[2] = {ObjectIdGetDatum(right->role), ObjectIdGetDatum(right->function)};
		bool		nulls[2] = {false, false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	table_close(rel, NoLock);
	return (Datum) 0;
}

/* zdm.sync_later_triggers(target regclass, mapping_id bigint) */
Datum
zdm_sync_later_triggers_of(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	rel = table_open(PG_GETARG_OID(0), AccessShareLock);
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	foreach(lc, zdm_sync_later_triggers(rel, PG_GETARG_INT64(1)))
	{
		Datum		value = CStringGetTextDatum(strVal(lfirst(lc)));
		bool		isnull = false;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
	}
	table_close(rel, NoLock);
	return (Datum) 0;
}
