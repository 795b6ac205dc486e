/*
 * migration.c
 *	  Migrations: one row of zdm.migration each, and the one function that
 *	  changes the phase of one.
 *
 * The row is locked FOR NO KEY UPDATE before its phase is changed: events
 * refer to it, and need not wait.  Every transition writes a row of zdm.event
 * and a NOTIFY on channel "zdm" in the same transaction.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "core/args.h"
#include "core/catalog.h"
#include "migration/migration.h"
#include "migration/side.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define MIGRATION_COLUMNS \
	"migration_id, name, kind, definition, target, target_schema, target_name, column_name, new_column_name," \
	" runs_as_id, runs_as, owner, contract_by, phase, stage, phase_since, coalesce(current_job, 0)," \
	" coalesce(main_job, 0), coalesce(retire_job, 0), coalesce(purge_job, 0), removes, hold, soak, minimum_age," \
	" needs_approval, approved_by_other, approved_by, coalesce(cardinality(manual), 0), manual_expand, adds_column, settings," \
	" created_by_id," \
	" created_session_id, started_at, last_error, cluster_id, database_id"

#define APPROVAL_ENDS \
	"$2 IN ('reverting', 'aborting') OR ($2 = 'aborted' AND phase <> 'planned')" \
	" OR ($2 = 'expand' AND manual_expand <> '{}')"

typedef struct StateName
{
	const char *phase;
	const char *stage;			/* NULL: none */
} StateName;

static const StateName state_names[] = {
	[ZDM_MIGRATION_PLANNED] = {"planned", NULL},
	[ZDM_MIGRATION_EXPAND] = {"expand", NULL},
	[ZDM_MIGRATION_MIGRATE] = {"migrate", NULL},
	[ZDM_MIGRATION_READY] = {"contract", "ready"},
	[ZDM_MIGRATION_RETIRING] = {"contract", "retiring"},
	[ZDM_MIGRATION_RETIRED] = {"contract", "retired"},
	[ZDM_MIGRATION_PURGING] = {"contract", "purging"},
	[ZDM_MIGRATION_DONE] = {"done", NULL},
	[ZDM_MIGRATION_ABORTING] = {"aborting", NULL},
	[ZDM_MIGRATION_ABORTED] = {"aborted", NULL},
	[ZDM_MIGRATION_REVERTING] = {"reverting", NULL}
};

#define TO(state) (1 << ZDM_MIGRATION_##state)

/* bit n: the state may change to state n */
static const int next_states[] = {
	[ZDM_MIGRATION_PLANNED] = TO(EXPAND) | TO(ABORTED),
	[ZDM_MIGRATION_EXPAND] = TO(MIGRATE) | TO(READY) | TO(DONE) | TO(ABORTING) | TO(ABORTED),
	[ZDM_MIGRATION_MIGRATE] = TO(READY) | TO(DONE) | TO(ABORTING) | TO(ABORTED),
	[ZDM_MIGRATION_READY] = TO(RETIRING) | TO(PURGING) | TO(ABORTING),
	[ZDM_MIGRATION_RETIRING] = TO(RETIRED) | TO(DONE) | TO(REVERTING) | TO(ABORTING),
	[ZDM_MIGRATION_RETIRED] = TO(PURGING) | TO(REVERTING) | TO(ABORTING),
	[ZDM_MIGRATION_PURGING] = TO(DONE) | TO(ABORTED),
	[ZDM_MIGRATION_DONE] = 0,
	[ZDM_MIGRATION_ABORTING] = TO(ABORTED) | TO(EXPAND),
	[ZDM_MIGRATION_ABORTED] = TO(EXPAND),
	[ZDM_MIGRATION_REVERTING] = TO(READY) | TO(ABORTING)
};

/* those in which the trigger of its mapping is made anew, or dropped */
#define TRIGGER_CHANGES (TO(RETIRING) | TO(PURGING) | TO(REVERTING) | TO(ABORTING))

/* ---------- states ---------- */

/* As users see it. */
const char *
zdm_migration_phase_name(ZdmMigrationState state)
{
	return state_names[state].phase;
}

/* Within phase contract; NULL in any other. */
const char *
zdm_migration_stage_name(ZdmMigrationState state)
{
	return state_names[state].stage;
}

static const char *
describe_state(ZdmMigrationState state)
{
	const StateName *name = &state_names[state];

	return name->stage ? psprintf("%s (%s)", name->phase, name->stage) : name->phase;
}

/* Its phase and stage in words. */
const char *
zdm_migration_describe(const ZdmMigration *migration)
{
	return describe_state(migration->state);
}

/* Has it come to its end, one way or the other? */
bool
zdm_migration_is_over(const ZdmMigration *migration)
{
	return migration->state == ZDM_MIGRATION_DONE || migration->state == ZDM_MIGRATION_ABORTED;
}

static ZdmMigrationState
parse_state(const char *phase, const char *stage)
{
	for (int i = 0; i < lengthof(state_names); i++)
	{
		const StateName *name = &state_names[i];

		if (strcmp(name->phase, phase) == 0 &&
			(name->stage && stage ? strcmp(name->stage, stage) == 0 : name->stage == stage))
			return (ZdmMigrationState) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("unknown phase \"%s\" in zdm.migration", phase)));
	return ZDM_MIGRATION_PLANNED;	/* keep the compiler quiet */
}

/* ---------- rows ---------- */

/* The columns of one row, one after the other. */
typedef struct RowReader
{
	MemoryContext mcxt;
	int			column;
} RowReader;

static char *
next_text(RowReader *reader)
{
	return zdm_catalog_text(0, ++reader->column, reader->mcxt);
}

static Datum
next_value(RowReader *reader)
{
	bool		isnull;
	Datum		value = zdm_catalog_value(0, ++reader->column, &isnull);

	return isnull ? (Datum) 0 : value;
}

static int64
next_int64(RowReader *reader)
{
	return DatumGetInt64(next_value(reader));
}

static Interval
next_interval(RowReader *reader)
{
	return *DatumGetIntervalP(next_value(reader));
}

/* Texts as an array, as zdm.migration has them. */
Datum
zdm_migration_texts(List *texts)
{
	Datum	   *elems = palloc(sizeof(Datum) * Max(list_length(texts), 1));
	ListCell   *lc;

	foreach(lc, texts)
		elems[foreach_current_index(lc)] = CStringGetTextDatum(lfirst(lc));
	return PointerGetDatum(construct_array(elems, list_length(texts), TEXTOID, -1, false, TYPALIGN_INT));
}

static List *
next_texts(RowReader *reader)
{
	ArrayType  *array = DatumGetArrayTypeP(next_value(reader));
	MemoryContext old = MemoryContextSwitchTo(reader->mcxt);
	List	   *texts = NIL;
	Datum	   *elems;
	int			count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elems, NULL, &count);
	for (int i = 0; i < count; i++)
		texts = lappend(texts, TextDatumGetCString(elems[i]));
	MemoryContextSwitchTo(old);
	return texts;
}

static void
read_plan_columns(RowReader *reader, ZdmMigration *migration)
{
	MemoryContext old;
	Datum		settings;

	migration->removes = DatumGetBool(next_value(reader));
	migration->hold = next_interval(reader);
	migration->soak = next_interval(reader);
	migration->minimum_age = next_interval(reader);
	migration->needs_approval = DatumGetBool(next_value(reader));
	migration->approved_by_other = DatumGetBool(next_value(reader));
	migration->approved_by = next_text(reader);
	migration->nmanual = DatumGetInt32(next_value(reader));
	migration->manual_expand = next_texts(reader);
	migration->adds_column = next_text(reader);
	settings = next_value(reader);
	old = MemoryContextSwitchTo(reader->mcxt);
	migration->settings = datumCopy(settings, false, -1);
	MemoryContextSwitchTo(old);
}

static void
read_state_columns(RowReader *reader, ZdmMigration *migration)
{
	char	   *phase = next_text(reader);
	char	   *stage = next_text(reader);

	migration->state = parse_state(phase, stage);
	migration->state_since = DatumGetTimestampTz(next_value(reader));
	migration->current_job = next_int64(reader);
	migration->main_job = next_int64(reader);
	migration->retire_job = next_int64(reader);
	migration->purge_job = next_int64(reader);
}

static ZdmMigration *
migration_from_result(MemoryContext mcxt)
{
	ZdmMigration *migration = MemoryContextAllocZero(mcxt, sizeof(ZdmMigration));
	RowReader	reader = {.mcxt = mcxt};
	char	   *cluster;

	migration->id = next_int64(&reader);
	migration->name = next_text(&reader);
	migration->kind = next_text(&reader);
	migration->definition = next_text(&reader);
	migration->target = DatumGetObjectId(next_value(&reader));
	migration->target_schema = next_text(&reader);
	migration->target_name = next_text(&reader);
	migration->column = next_text(&reader);
	migration->new_column = next_text(&reader);
	migration->runs_as_id = DatumGetObjectId(next_value(&reader));
	migration->runs_as = next_text(&reader);
	migration->owner = next_text(&reader);
	(void) zdm_catalog_value(0, reader.column + 1, &migration->has_contract_by);
	migration->has_contract_by = !migration->has_contract_by;
	migration->contract_by = DatumGetDateADT(next_value(&reader));
	read_state_columns(&reader, migration);
	read_plan_columns(&reader, migration);
	migration->created_by_id = DatumGetObjectId(next_value(&reader));
	migration->created_session_id = DatumGetObjectId(next_value(&reader));
	migration->started_at = DatumGetTimestampTz(next_value(&reader));
	migration->last_error = next_text(&reader);
	cluster = next_text(&reader);
	migration->is_local = zdm_job_is_local(cluster, DatumGetObjectId(next_value(&reader)));
	migration->runs_as_id = zdm_job_owner(migration->is_local, migration->runs_as_id, migration->runs_as);
	return migration;
}

static ZdmMigration *
select_migration(const char *sql, Oid argtype, Datum arg)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ZdmMigration *migration = NULL;
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute(sql, 1, &argtype, &arg, NULL, SPI_OK_SELECT) > 0)
		migration = migration_from_result(mcxt);
	zdm_catalog_end(&scope);
	return migration;
}

/* The migration of that id, in the current memory context; NULL when there is none. */
ZdmMigration *
zdm_migration_load(int64 id)
{
	return select_migration("SELECT " MIGRATION_COLUMNS " FROM zdm.migration WHERE migration_id = $1",
							INT8OID, Int64GetDatum(id));
}

/* The same by its name. */
ZdmMigration *
zdm_migration_load_by_name(const char *name)
{
	return select_migration("SELECT " MIGRATION_COLUMNS " FROM zdm.migration WHERE name = $1",
							TEXTOID, CStringGetTextDatum(name));
}

/*
 * The same for somebody who asks: one that the views do not show to the
 * current role does not exist for it.  Errors with UNDEFINED_OBJECT.
 */
ZdmMigration *
zdm_migration_load_visible(const char *name)
{
	ZdmMigration *migration = zdm_migration_load_by_name(name);

	if (migration == NULL || !zdm_job_is_visible(migration->runs_as_id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("migration \"%s\" does not exist", name),
				 errhint("The migrations of this database are in zdm.migrations.")));
	return migration;
}

/* The migration that a job works for; NULL when there is none. */
ZdmMigration *
zdm_migration_of_job(int64 job_id)
{
	return select_migration("SELECT " MIGRATION_COLUMNS " FROM zdm.migration"
							" WHERE migration_id = (SELECT migration_id FROM zdm.job WHERE job_id = $1)",
							INT8OID, Int64GetDatum(job_id));
}

/* As zdm_migration_load(), with the row locked to the end of the transaction. */
ZdmMigration *
zdm_migration_lock(int64 id)
{
	return select_migration("SELECT " MIGRATION_COLUMNS " FROM zdm.migration WHERE migration_id = $1 FOR NO KEY UPDATE",
							INT8OID, Int64GetDatum(id));
}

static void
lock_jobs(const ZdmMigration *migration)
{
	int64		jobs[] = {migration->main_job, migration->retire_job, migration->purge_job};

	for (int i = 0; i < lengthof(jobs); i++)
	{
		if (jobs[i] != 0)
			(void) zdm_job_lock(jobs[i], true);
	}
}

static bool
has_same_jobs(const ZdmMigration *a, const ZdmMigration *b)
{
	return a->main_job == b->main_job && a->retire_job == b->retire_job && a->purge_job == b->purge_job;
}

/*
 * The migration that somebody gives an order to, with the rows of its jobs and
 * its own locked.  Who adds a job has the one before locked: so once all that
 * are there are locked, none comes, and its own row comes last.  Errors as
 * zdm_migration_load_visible().
 */
ZdmMigration *
zdm_migration_lock_with_jobs(const char *name)
{
	ZdmMigration *seen = zdm_migration_load_visible(name);
	ZdmMigration *now;

	for (;;)
	{
		lock_jobs(seen);
		now = zdm_migration_load(seen->id);
		if (now && has_same_jobs(now, seen))
			now = zdm_migration_lock(seen->id);
		if (now == NULL)
			return zdm_migration_load_visible(name);
		if (has_same_jobs(now, seen))
			return now;
		seen = now;
	}
}

/*
 * Errors with INSUFFICIENT_PRIVILEGE unless the caller has the rights of the
 * role as which the migration runs.
 */
void
zdm_migration_require_rights(const ZdmMigration *migration)
{
	if (OidIsValid(migration->runs_as_id))
		zdm_require_owner_rights(migration->runs_as_id, psprintf("migration \"%s\"", migration->name));
	else if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\", as which migration \"%s\" runs, no longer exists", migration->runs_as,
						migration->name),
				 errhint("Call it as a superuser.")));
}

/* ---------- transitions ---------- */

/* Write a row of zdm.event; message may be NULL. */
void
zdm_migration_note(const ZdmMigration *migration, const char *event, const char *message)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(migration->id);
	values[1] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	values[2] = CStringGetTextDatum(event);
	isnull[3] = message == NULL;
	values[3] = message ? CStringGetTextDatum(message) : (Datum) 0;
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.event (migration_id, actor, event, message) VALUES ($1, $2, $3, $4)",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

/* Tell listeners: channel zdm, a small JSON object. */
static void
notify(const ZdmMigration *migration, ZdmMigrationState to)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"migration_id\": " INT64_FORMAT ", \"migration\": ", migration->id);
	escape_json(&buf, migration->name);
	appendStringInfoString(&buf, ", \"owner\": ");
	escape_json(&buf, migration->owner);
	appendStringInfo(&buf, ", \"from\": \"%s\", \"phase\": \"%s\"", state_names[migration->state].phase,
					 state_names[to].phase);
	if (state_names[to].stage)
		appendStringInfo(&buf, ", \"stage\": \"%s\"", state_names[to].stage);
	appendStringInfoChar(&buf, '}');
	Async_Notify("zdm", buf.data);
	pfree(buf.data);
}

/*
 * An approval is for one start, where that needs one, or else for one
 * contract: started, reverted, aborted, it is no more.
 */
static void
update_state(const ZdmMigration *migration, ZdmMigrationState to, int64 current_job)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTOID, INT8OID};
	const StateName *name = &state_names[to];
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(migration->id);
	values[1] = CStringGetTextDatum(name->phase);
	isnull[2] = name->stage == NULL;
	values[2] = name->stage ? CStringGetTextDatum(name->stage) : (Datum) 0;
	isnull[3] = current_job == 0;
	values[3] = Int64GetDatum(current_job);
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.migration SET phase = $2, stage = $3, phase_since = clock_timestamp(),"
						" current_job = $4, last_error = NULL,"
						" started_at = CASE WHEN $2 = 'expand' THEN clock_timestamp() ELSE started_at END,"
						" retired_at = CASE WHEN $3 = 'retired' THEN clock_timestamp()"
						"  WHEN $3 = 'purging' OR $2 = 'done' THEN retired_at END,"
						" approved_by = CASE WHEN NOT (" APPROVAL_ENDS ") THEN approved_by END,"
						" approved_at = CASE WHEN NOT (" APPROVAL_ENDS ") THEN approved_at END,"
						" finished_at = CASE WHEN $2 IN ('done', 'aborted') THEN clock_timestamp() END"
						" WHERE migration_id = $1",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/*
 * The one place where a migration's phase and stage change.  The caller has
 * its row locked by zdm_migration_lock() in this transaction.  current_job is
 * the job that is at work for it from now on, 0 for none; why (may be NULL)
 * goes into the event.  Errors with OBJECT_NOT_IN_PREREQUISITE_STATE when the
 * state may not follow.
 */
void
zdm_migration_transition(ZdmMigration *migration, ZdmMigrationState to, int64 current_job, const char *why)
{
	if ((next_states[migration->state] & (1 << to)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration \"%s\" is in phase %s and cannot enter %s", migration->name,
						zdm_migration_describe(migration), describe_state(to)),
				 errhint("Its state and history are in zdm.migrations and zdm.events.")));

	update_state(migration, to, current_job);
	zdm_migration_note(migration, describe_state(to), why);
	notify(migration, to);
	migration->state = to;
	migration->current_job = current_job;
	if (zdm_migration_is_over(migration))
		zdm_side_stop(migration);
	else if ((TRIGGER_CHANGES & (1 << to)) != 0)
		zdm_side_stop_trigger(migration);
}

/* Record the job of a stage, and that it works for the migration. */
void
zdm_migration_set_job(ZdmMigration *migration, ZdmStage stage, int64 job_id)
{
	static const char *const sql[] = {
		[ZDM_STAGE_MAIN] = "UPDATE zdm.migration SET main_job = $2 WHERE migration_id = $1",
		[ZDM_STAGE_RETIRE] = "UPDATE zdm.migration SET retire_job = $2 WHERE migration_id = $1",
		[ZDM_STAGE_PURGE] = "UPDATE zdm.migration SET purge_job = $2 WHERE migration_id = $1"
	};

	zdm_catalog_set(sql[stage], migration->id, INT8OID, Int64GetDatum(job_id), false);
	*(stage == ZDM_STAGE_MAIN ? &migration->main_job :
	  stage == ZDM_STAGE_RETIRE ? &migration->retire_job : &migration->purge_job) = job_id;
	zdm_side_belongs(migration, job_id);
}

/* Say why undoing it has failed; NULL: it has not. */
void
zdm_migration_set_error(ZdmMigration *migration, const char *message)
{
	zdm_catalog_set("UPDATE zdm.migration SET last_error = $2 WHERE migration_id = $1", migration->id,
					TEXTOID, message ? CStringGetTextDatum(message) : (Datum) 0, message == NULL);
}
