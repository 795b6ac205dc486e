/*
 * tracking.c
 *	  What a migration is tracked by: owner, dates, hold, approval.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/args.h"
#include "core/catalog.h"
#include "job/queue.h"
#include "lib/stringinfo.h"
#include "migration/publications.h"
#include "migration/tracking.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(zdm_approve);
PG_FUNCTION_INFO_V1(zdm_set_migration);

/*
 * The migration that argument 0 names, its row and its jobs' locked, after all
 * checks on the caller.
 */
ZdmMigration *
zdm_migration_for_order(FunctionCallInfo fcinfo, const char *funcname)
{
	ZdmMigration *migration;

	zdm_args_not_null(fcinfo, 0, "name");
	zdm_require_writable(funcname);
	migration = zdm_migration_lock_with_jobs(zdm_args_text(fcinfo, 0));
	zdm_migration_require_rights(migration);
	return migration;
}

/* Errors with INVALID_PARAMETER_VALUE when the date is past, or would never come. */
void
zdm_tracking_check_contract_by(DateADT contract_by)
{
	DateADT		today = DatumGetDateADT(DirectFunctionCall1(timestamptz_date,
															TimestampTzGetDatum(GetCurrentTimestamp())));

	if (DATE_IS_NOEND(contract_by))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("contract_by must be a date that comes"),
				 errdetail("It is infinity."),
				 errhint("Give the date by which the old shape is to be gone; zdm.set_migration() changes it.")));
	if (contract_by < today)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("contract_by must not be in the past"),
				 errdetail("It is %s.", DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(contract_by)))),
				 errhint("Give the date by which the old shape is to be gone; zdm.set_migration() changes it.")));
}

/* Errors with INVALID_PARAMETER_VALUE when there is no name in it. */
void
zdm_tracking_check_owner(const char *owner)
{
	if (strspn(owner, " \t\n") == strlen(owner))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("owner must not be empty"),
				 errhint("Name the team or the person that answers for the migration.")));
}

static void
check_interval(const Interval *interval, const char *argname)
{
	Interval	zero = {0};

	if (DatumGetBool(DirectFunctionCall2(interval_lt, IntervalPGetDatum(interval), IntervalPGetDatum(&zero))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", argname),
				 errhint("0 is none at all.")));
}

/* When the purge of a retired migration begins: an expression over its job j and itself, m. */
static void
set_purge_time(const ZdmMigration *migration, const char *expression)
{
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(migration->id);
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute(psprintf("UPDATE zdm.job j SET not_before = %s FROM zdm.migration m"
								 " WHERE m.migration_id = $1 AND j.job_id = m.purge_job AND m.stage = 'retired'", expression),
						1, &argtype, &value, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/* A purge that waits for the end of the hold waits for the one that there is now. */
void
zdm_tracking_move_purge(const ZdmMigration *migration)
{
	set_purge_time(migration, "m.retired_at + m.hold");
	zdm_queue_request();
}

/* A purge that is queued again does not begin before the end of the hold. */
void
zdm_tracking_keep_hold(const ZdmMigration *migration)
{
	set_purge_time(migration, "greatest(j.not_before, m.retired_at + m.hold)");
}

/* What a purge waits for while the hold lasts, in the current memory context; NULL when it is over. */
char *
zdm_tracking_hold_reason(const ZdmMigration *migration)
{
	return zdm_catalog_ask("SELECT format('the end of the hold at %s', (retired_at + hold)::timestamptz(0)) FROM zdm.migration"
						   " WHERE migration_id = $1 AND stage = 'retired' AND retired_at + hold > clock_timestamp()",
						   migration->id);
}

/*
 * Set the time between retire and purge, of one that is retired already too.
 * Errors with INVALID_PARAMETER_VALUE.
 */
void
zdm_tracking_set_hold(ZdmMigration *migration, const Interval *hold)
{
	static const Oid argtypes[] = {INT8OID, INTERVALOID};
	Datum		values[] = {Int64GetDatum(migration->id), IntervalPGetDatum(hold)};
	ZdmCatalogScope scope;

	check_interval(hold, "hold");
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.migration SET hold = $2 WHERE migration_id = $1",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
	migration->hold = *hold;
	zdm_tracking_move_purge(migration);
}

/* ---------- approval ---------- */

static void
require_other(const ZdmMigration *migration)
{
	if (migration->approved_by_other &&
		(GetUserId() == migration->created_by_id || GetSessionUserId() == migration->created_session_id))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("migration \"%s\" must be approved by another role than its creator", migration->name),
				 errhint("Have somebody else call zdm.approve(%s) who has the rights of role \"%s\".",
						 quote_literal_cstr(migration->name), migration->runs_as)));
}

/* ---------- before the start ---------- */

static bool
contains(List *texts, const char *wanted)
{
	ListCell   *lc;

	foreach(lc, texts)
	{
		if (strcmp(lfirst(lc), wanted) == 0)
			return true;
	}
	return false;
}

/* Those that the plan does not have: publications may come after it was made. */
static List *
not_in_plan(const ZdmMigration *migration, List *items)
{
	List	   *others = NIL;
	ListCell   *lc;

	foreach(lc, items)
	{
		if (!contains(migration->manual_expand, lfirst(lc)))
			others = lappend(others, lfirst(lc));
	}
	return others;
}

/* What has to be done, as publications are now, before it is started; NIL when it may be. */
static List *
left_before_start(const ZdmMigration *migration)
{
	List	   *items = zdm_publications_before_expand(migration);

	return migration->approved_by && not_in_plan(migration, items) == NIL ? NIL : items;
}

static char *
as_lines(List *items)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, items)
		appendStringInfo(&buf, "%s%s.", foreach_current_index(lc) > 0 ? "\n" : "", (char *) lfirst(lc));
	return buf.data;
}

static char *
how_to_start(const ZdmMigration *migration)
{
	const char *quoted = quote_literal_cstr(migration->name);

	return psprintf("When that is done, call zdm.approve(%s) and then zdm.%s(%s).", quoted,
					migration->state == ZDM_MIGRATION_PLANNED ? "start" : "retry", quoted);
}

/*
 * Errors with OBJECT_NOT_IN_PREREQUISITE_STATE when something has to be done
 * before the migration enters phase expand, and nobody has said that it is.
 */
void
zdm_tracking_require_start(const ZdmMigration *migration)
{
	List	   *left = left_before_start(migration);

	if (left)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_plural("migration \"%s\" cannot be started: %d thing has to be done before",
							   "migration \"%s\" cannot be started: %d things have to be done before",
							   list_length(left), migration->name, list_length(left)),
				 errdetail("%s", as_lines(left)),
				 errhint("%s", how_to_start(migration))));
}

/* The same for one that is called for: true, and a NOTICE that it is not started. */
bool
zdm_tracking_notice_before_start(const ZdmMigration *migration)
{
	List	   *left = left_before_start(migration);

	if (left == NIL)
		return false;
	ereport(NOTICE,
			(errmsg_plural("migration \"%s\" is planned and not started: %d thing has to be done before",
						   "migration \"%s\" is planned and not started: %d things have to be done before",
						   list_length(left), migration->name, list_length(left)),
			 errdetail("%s", as_lines(left)),
			 errhint("%s", how_to_start(migration))));
	return true;
}

/*
 * An approval is for what there is to be done now: the plan gets it.  True when
 * the plan did not have something of it.
 */
static bool
renew_items(ZdmMigration *migration)
{
	List	   *items = zdm_publications_before_expand(migration);
	List	   *new = not_in_plan(migration, items);

	if (new == NIL)
		return false;
	ereport(NOTICE,
			(errmsg("publications have come since migration \"%s\" was planned", migration->name),
			 errdetail("%s", as_lines(new)),
			 errhint("If that is not done, do it before zdm.start(%s).", quote_literal_cstr(migration->name))));
	zdm_catalog_set("UPDATE zdm.migration SET manual_expand = $2 WHERE migration_id = $1", migration->id,
					TEXTARRAYOID, zdm_migration_texts(items), false);
	migration->manual_expand = items;
	return true;
}

/* ---------- approve ---------- */

/* Also of one that was aborted, when it cannot be retried without. */
static void
require_open(const ZdmMigration *migration)
{
	bool		is_aborted = migration->state == ZDM_MIGRATION_ABORTED;

	if (is_aborted && zdm_publications_before_expand(migration) != NIL)
		return;
	if (zdm_migration_is_over(migration) || migration->state == ZDM_MIGRATION_ABORTING)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration \"%s\" cannot be approved: it is in phase %s", migration->name,
						zdm_migration_describe(migration)),
				 errhint("There is nothing to approve any more.")));
}

static void
approve(const ZdmMigration *migration)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(migration->id), CStringGetTextDatum(GetUserNameFromId(GetUserId(), false))};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.migration SET approved_by = $2, approved_at = clock_timestamp()"
						" WHERE migration_id = $1",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
	zdm_migration_note(migration, "approved", NULL);
}

/* zdm.approve(name text) */
Datum
zdm_approve(PG_FUNCTION_ARGS)
{
	ZdmMigration *migration = zdm_migration_for_order(fcinfo, "zdm.approve()");
	bool		is_before_start = migration->state == ZDM_MIGRATION_PLANNED || migration->state == ZDM_MIGRATION_ABORTED;
	bool		has_more;

	require_open(migration);
	has_more = is_before_start && renew_items(migration);
	if (migration->approved_by && !has_more)
		ereport(NOTICE,
				(errmsg("migration \"%s\" is already approved by %s", migration->name, migration->approved_by)));
	else
	{
		require_other(migration);
		approve(migration);
	}
	PG_RETURN_VOID();
}

/* ---------- what can be set ---------- */

enum
{
	ARG_NAME, ARG_HOLD, ARG_SOAK, ARG_MINIMUM_AGE, ARG_NEEDS_APPROVAL, ARG_APPROVED_BY_OTHER, ARG_OWNER,
	ARG_CONTRACT_BY, ARG_COUNT
};

static void
check_settings(FunctionCallInfo fcinfo)
{
	static const char *const names[] = {[ARG_HOLD] = "hold",[ARG_SOAK] = "soak",[ARG_MINIMUM_AGE] = "minimum_age"};

	for (int i = ARG_HOLD; i <= ARG_MINIMUM_AGE; i++)
	{
		if (!PG_ARGISNULL(i))
			check_interval(PG_GETARG_INTERVAL_P(i), names[i]);
	}
	if (!PG_ARGISNULL(ARG_OWNER))
		zdm_tracking_check_owner(zdm_args_text(fcinfo, ARG_OWNER));
	if (!PG_ARGISNULL(ARG_CONTRACT_BY))
		zdm_tracking_check_contract_by(PG_GETARG_DATEADT(ARG_CONTRACT_BY));
}

/* Whoever could take the need of another's approval away could approve it himself. */
static void
require_right_to_loosen(FunctionCallInfo fcinfo, const ZdmMigration *migration)
{
	bool		loosens = (!PG_ARGISNULL(ARG_APPROVED_BY_OTHER) && !PG_GETARG_BOOL(ARG_APPROVED_BY_OTHER)) ||
	(!PG_ARGISNULL(ARG_NEEDS_APPROVAL) && !PG_GETARG_BOOL(ARG_NEEDS_APPROVAL));

	if (loosens)
		require_other(migration);
}

/*
 * zdm.set_migration(name text, hold interval, soak interval, minimum_age
 * interval, needs_approval boolean, approved_by_other boolean, owner text,
 * contract_by date)
 */
Datum
zdm_set_migration(PG_FUNCTION_ARGS)
{
	static const Oid argtypes[ARG_COUNT] = {INT8OID, INTERVALOID, INTERVALOID, INTERVALOID, BOOLOID, BOOLOID, TEXTOID,
	DATEOID};
	ZdmMigration *migration = zdm_migration_for_order(fcinfo, "zdm.set_migration()");
	Datum		values[ARG_COUNT];
	bool		isnull[ARG_COUNT] = {false};
	ZdmCatalogScope scope;

	check_settings(fcinfo);
	require_right_to_loosen(fcinfo, migration);
	values[ARG_NAME] = Int64GetDatum(migration->id);
	for (int i = ARG_HOLD; i < ARG_COUNT; i++)
	{
		isnull[i] = PG_ARGISNULL(i);
		values[i] = PG_GETARG_DATUM(i);
	}
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.migration SET hold = coalesce($2, hold), soak = coalesce($3, soak),"
						" minimum_age = coalesce($4, minimum_age),"
						" needs_approval = coalesce($5, $6 OR needs_approval, needs_approval),"
						" approved_by_other = coalesce($6, approved_by_other), owner = coalesce($7, owner),"
						" contract_by = coalesce($8, contract_by) WHERE migration_id = $1",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
	zdm_migration_note(migration, "changed", "by zdm.set_migration()");
	if (!isnull[ARG_HOLD])
		zdm_tracking_move_purge(migration);
	PG_RETURN_VOID();
}
