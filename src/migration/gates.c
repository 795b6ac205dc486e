/*
 * gates.c
 *	  The conditions under which a migration may be contracted: zdm.gates().
 *
 * Each is a function that says why its gate is closed, or NULL.  All are looked
 * at anew whenever somebody asks: nothing about a gate is stored.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "core/args.h"
#include "core/catalog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "job/queue.h"
#include "migration/freeze.h"
#include "migration/gates.h"
#include "migration/own_trigger.h"
#include "migration/plan_columns.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(zdm_gates);

enum
{
	OUT_GATE, OUT_OPEN, OUT_REASON, OUT_COUNT
};

typedef char *(*GateFunction) (const ZdmMigration *migration);

/* ---------- what several gates use ---------- */

/* Of a query about the migration, $1 being its id. */
static char *
ask(const ZdmMigration *migration, const char *sql)
{
	return zdm_catalog_ask(sql, migration->id);
}

static TimestampTz
later_by(TimestampTz start, const Interval *interval)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(start),
												   IntervalPGetDatum(interval)));
}

static char *
interval_text(const Interval *interval)
{
	return DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(interval)));
}

static char *
time_text(TimestampTz time)
{
	/* no fractions of a second */
	return pstrdup(timestamptz_to_str(time - time % USECS_PER_SEC));
}

/* ---------- the gates ---------- */

static char *
gate_steps(const ZdmMigration *migration)
{
	if (migration->state == ZDM_MIGRATION_PLANNED)
		return pstrdup("it is planned and has not been started");
	return ask(migration,
			   "SELECT format('step %s of phase %s is not done: %s', s.step, s.phase, s.statement)"
			   " FROM zdm.migration m JOIN zdm.migration_step s USING (migration_id)"
			   " LEFT JOIN zdm.recipe_step r ON r.job_id = m.main_job AND r.step = s.step"
			   " WHERE migration_id = $1 AND s.stage = 'main' AND r.state IS DISTINCT FROM 'done' AND s.kind <> 'backfill'"
			   " ORDER BY s.step LIMIT 1");
}

static char *
gate_backfill(const ZdmMigration *migration)
{
	return ask(migration,
			   "SELECT CASE WHEN r.state IS DISTINCT FROM 'done' THEN format('step %s has not filled all rows yet', s.step)"
			   " ELSE q.rows || ' rows could not be converted: zdm.quarantine lists them' END"
			   " FROM zdm.migration m JOIN zdm.migration_step s USING (migration_id)"
			   " LEFT JOIN zdm.recipe_step r ON r.job_id = m.main_job AND r.step = s.step,"
			   " LATERAL (SELECT count(*) AS rows FROM zdm.quarantined_row q WHERE q.job_id = m.main_job) q"
			   " WHERE migration_id = $1 AND s.kind = 'backfill' AND (r.state IS DISTINCT FROM 'done' OR q.rows > 0)"
			   " ORDER BY s.step LIMIT 1");
}

/* What the mapping is about is there, and of the types that it was made for. */
static char *
gate_columns(const ZdmMigration *migration)
{
	if (migration->state > ZDM_MIGRATION_READY)
		return NULL;
	return ask(migration,
			   "SELECT CASE WHEN c.oid IS NULL THEN format('table %I.%I does not exist any more', m.target_schema, m.target_name)"
			   " WHEN t.is_now IS NULL THEN format('column %I does not exist any more', t.name)"
			   " ELSE format('column %I is of type %s now, and was %s when the migration began: zdm.abort() takes all back',"
			   "  t.name, t.is_now, t.was) END"
			   " FROM zdm.migration m LEFT JOIN pg_class c ON c.oid = m.target LEFT JOIN zdm.mapping p USING (migration_id)"
			   " LEFT JOIN LATERAL ROWS FROM (unnest(ARRAY[m.column_name, p.new_column]), unnest(p.column_types),"
			   "  unnest(" ZDM_COLUMN_TYPES_SQL ")) WITH ORDINALITY AS t (name, was, is_now, n) ON true"
			   " WHERE migration_id = $1 AND m.target <> 0"
			   " AND (c.oid IS NULL OR (p.column_types IS NOT NULL AND t.was IS DISTINCT FROM t.is_now)) ORDER BY t.n LIMIT 1");
}

/* By the catalogs as they are now: somebody may have changed them since. */
static char *
gate_constraints(const ZdmMigration *migration)
{
	return ask(migration,
			   "SELECT CASE WHEN o.oid IS NULL THEN format('%s %I, which step %s has made, does not exist any more', o.what, s.object, s.step)"
			   " ELSE format('%s %I is not valid', o.what, s.object) END"
			   " FROM zdm.migration m JOIN zdm.migration_step s USING (migration_id)"
			   " JOIN zdm.recipe_step r ON r.job_id = m.main_job AND r.step = s.step AND r.state = 'done',"
			   " LATERAL (SELECT coalesce(s.target, m.target) AS oid) t,"
			   " LATERAL (SELECT 'constraint' AS what, c.oid, c.convalidated AS valid FROM (SELECT) AS one"
			   "           LEFT JOIN pg_constraint c ON c.conrelid = t.oid AND c.conname = s.object WHERE s.kind = 'validate'"
			   "          UNION ALL"
			   "          SELECT 'index', c.oid, i.indisvalid FROM (SELECT) AS one"
			   "           LEFT JOIN (pg_class c JOIN pg_index i ON i.indexrelid = c.oid)"
			   "             ON i.indrelid = t.oid AND c.relname = s.object WHERE s.kind = 'index') o"
			   " WHERE migration_id = $1 AND o.valid IS NOT TRUE"
	/* a proof that a later step drops, an index that one renames */
			   " AND NOT EXISTS (SELECT FROM zdm.migration_step l WHERE l.migration_id = s.migration_id"
			   "   AND l.stage = 'main' AND l.step > s.step AND l.kind IN ('ddl', 'sql') AND l.object = s.object)"
			   " ORDER BY s.step LIMIT 1");
}

/*
 * By the last verification that was clean, the plan's own or a repeated one: it
 * must not be older than two repetitions, and twice as long as it took, nor than
 * what is known of the rows that the trigger has met since.
 */
#define LAST_VERIFICATION \
	" FROM zdm.migration m JOIN zdm.mapping p USING (migration_id), LATERAL (" \
	"  SELECT v.since, v.at FROM (VALUES (m.verified_from, m.verified_at)," \
	"   ((SELECT coalesce(r.began_at, r.finished_at) FROM zdm.recipe_step r WHERE r.job_id = m.main_job AND r.kind = 'verify'" \
	"     AND r.state = 'done' ORDER BY r.step DESC LIMIT 1)," \
	"    (SELECT r.finished_at FROM zdm.recipe_step r WHERE r.job_id = m.main_job AND r.kind = 'verify'" \
	"     AND r.state = 'done' ORDER BY r.step DESC LIMIT 1))) AS v (since, at)" \
	"  ORDER BY v.at DESC NULLS LAST LIMIT 1) v" \
	" WHERE m.migration_id = $1"

static char *
gate_verification(const ZdmMigration *migration)
{
	return ask(migration,
			   "SELECT * FROM (SELECT CASE WHEN m.verify_error IS NOT NULL THEN"
			   "  m.verify_error || ': zdm.inconsistent_rows lists them, zdm.repair() mends them'"
			   " WHEN v.at IS NULL THEN 'the rows have not been verified'"
			   " WHEN v.at < clock_timestamp() - interval '2 hours' - 2 * (v.at - v.since) THEN"
			   "  format('the last verification ended at %s', v.at::timestamptz(0))"
			   " WHEN v.since < zdm.running_since() THEN"
			   "  format('the server runs since %s, and no longer knows what the trigger met before: the rows are verified again',"
			   "   zdm.running_since()::timestamptz(0)) END AS reason"
			   LAST_VERIFICATION ") r WHERE reason IS NOT NULL");
}

/* What the trigger could not keep in step counts until a verification has come after it. */
static char *
gate_sync(const ZdmMigration *migration)
{
	return ask(migration,
			   "SELECT format('%s rows could not be converted, and %s were changed on the new side only or before another trigger, the last at %s:"
			   " zdm.sync_samples has some; mended, they are verified within the hour, or at once by zdm.retry(%L)', c.errors, c.drift, c.last_fault_at::timestamptz(0), v.name)"
			   " FROM (SELECT m.name, p.mapping_id, v.since" LAST_VERIFICATION ") v, zdm.sync_counts(v.mapping_id) c"
			   " WHERE c.errors + c.drift > 0 AND c.last_fault_at >= coalesce(v.since, '-infinity')");
}

/* Whoever may write the table runs the mapping's functions. */
static char *
gate_rights(const ZdmMigration *migration)
{
	return ask(migration,
			   "SELECT format('role %s may write the table, and not execute %s, which its mapping uses',"
			   "  pg_get_userbyid(r.role), r.function::regprocedure)"
			   " FROM zdm.migration m JOIN zdm.mapping p USING (migration_id)"
			   " JOIN pg_trigger t ON t.tgrelid = m.target AND t.tgname = '~zdm_sync_' || p.mapping_id,"
			   " zdm.sync_missing_rights(m.target, p.mapping_id) r WHERE migration_id = $1 LIMIT 1");
}

/* while it is what keeps the other column right */
#define TRIGGER_HAS_TO_FIRE "(m.stage = 'ready' OR (p.mode = 'sync' AND p.reverse IS NOT NULL))"

/* as it is named in messages: s: of ZDM_SYNC_TRIGGERS_SQL */
#define TRIGGER_NAME \
	"format(CASE WHEN s.relid = m.target THEN 'trigger %I' ELSE 'trigger %I of partition %s' END, '~zdm_sync_' || p.mapping_id, s.relid::regclass)"

/* Is it gone, or does it not fire for every writer? */
static char *
trigger_is_off(const ZdmMigration *migration)
{
	return ask(migration,
			   "SELECT " TRIGGER_NAME " || CASE WHEN s.version IS NULL THEN ' does not exist any more' ELSE ' is not ENABLE ALWAYS any more' END"
			   " FROM zdm.migration m JOIN zdm.mapping p USING (migration_id) CROSS JOIN LATERAL " ZDM_SYNC_TRIGGERS_SQL " s"
			   " WHERE migration_id = $1 AND s.tgenabled IS DISTINCT FROM 'A'"
			   " AND " TRIGGER_HAS_TO_FIRE " LIMIT 1");
}

/* Has somebody else had a hand in the trigger since the rows were compared, or attached a partition? */
static char *
trigger_was_changed(const ZdmMigration *migration)
{
	return ask(migration,
			   "SELECT " TRIGGER_NAME " || CASE WHEN s.relid = m.target THEN ' was altered by somebody' ELSE ' was altered by somebody, or the partition attached,' END"
			   "  || format(' after the rows were last verified, which they are again within the hour, or at once by zdm.retry(%L)', m.name)"
			   " FROM zdm.migration m JOIN zdm.mapping p USING (migration_id) CROSS JOIN LATERAL " ZDM_SYNC_TRIGGERS_SQL " s"
			   " WHERE migration_id = $1 AND " TRIGGER_HAS_TO_FIRE
			   " AND s.version <> ALL (string_to_array(concat_ws(',', p.trigger_made, m.verified_trigger), ',')) LIMIT 1");
}

/*
 * Why it is not known that both columns of a migration have been kept in step
 * by its trigger, in the current memory context; NULL when they have, or need
 * not be.  What was written meanwhile is in one of the columns only.
 */
char *
zdm_gates_trigger_doubt(const ZdmMigration *migration)
{
	char	   *reason;

	if (migration->state != ZDM_MIGRATION_READY && migration->state != ZDM_MIGRATION_RETIRED)
		return NULL;
	reason = trigger_is_off(migration);
	return reason ? reason : trigger_was_changed(migration);
}

/*
 * It has to be there and to fire for everybody, and to have been so; and a
 * BEFORE trigger that fires after the mapping's may change a row behind it.
 */
static char *
gate_triggers(const ZdmMigration *migration)
{
	char	   *reason = zdm_gates_trigger_doubt(migration);

	return reason ? reason : ask(migration,
								 "SELECT format('trigger %s fires after the one that keeps both columns in step', l)"
								 " FROM zdm.migration m JOIN zdm.mapping p USING (migration_id)"
								 " JOIN pg_trigger t ON t.tgrelid = m.target AND t.tgname = '~zdm_sync_' || p.mapping_id,"
								 " zdm.sync_later_triggers(m.target, p.mapping_id) l WHERE migration_id = $1 LIMIT 1");
}

/* One that does not run, or has not for long, says nothing. */
static char *
gate_invariants(const ZdmMigration *migration)
{
	return ask(migration,
			   "SELECT CASE WHEN last_run_at IS NULL THEN format('%s has not run yet', i.name)"
			   " WHEN i.last_error IS NOT NULL THEN format('%s could not be run: %s', i.name, i.last_error)"
			   " WHEN j.state NOT IN ('queued', 'running') THEN format('the job of %s is %s', i.name, j.state)"
			   " WHEN clean_since IS NULL THEN format('%s returns %s rows, as of %s', i.name, last_rows, last_run_at::timestamptz(0))"
			   " WHEN clean_since > clock_timestamp() - m.soak THEN"
			   "  format('%s is clean since %s only, and has to be for %s', i.name, clean_since::timestamptz(0), m.soak)"
			   " ELSE format('%s was last run at %s', i.name, last_run_at::timestamptz(0)) END"
			   " FROM zdm.migration m JOIN zdm.invariant i USING (migration_id) LEFT JOIN zdm.job j ON j.job_id = i.job_id"
			   " WHERE m.migration_id = $1 AND (clean_since IS NULL OR i.last_error IS NOT NULL"
			   "  OR j.state NOT IN ('queued', 'running') OR clean_since > clock_timestamp() - m.soak"
			   "  OR last_run_at < clock_timestamp() - 2 * runs_every - time_limit - interval '1 minute')"
			   " ORDER BY clean_since NULLS FIRST, i.name LIMIT 1");
}

static char *
gate_approval(const ZdmMigration *migration)
{
	bool		is_for_start = migration->state == ZDM_MIGRATION_PLANNED && migration->manual_expand != NIL;

	if ((migration->approved_by && !is_for_start) || (!migration->needs_approval && migration->nmanual == 0))
		return NULL;
	if (migration->nmanual > 0)
		return psprintf("%d thing(s) of zdm.plan() are left to a person, who calls zdm.approve() when they are done",
						migration->nmanual);
	return psprintf("nobody has called zdm.approve()%s",
					migration->approved_by_other ? ", which its creator cannot" : "");
}

/*
 * While the old column has its name, others can still be made to use the new
 * one, and it is as the plan has found it.
 */
static char *
gate_dependents(const ZdmMigration *migration)
{
	char	   *reason;

	if (migration->column == NULL || migration->state > ZDM_MIGRATION_READY)
		return NULL;
	reason = zdm_dependents_left(migration);
	return reason ? reason : zdm_record_difference(migration);
}

static char *
gate_freeze(const ZdmMigration *migration)
{
	char	   *reason = zdm_freeze_reason();

	return reason ? reason : zdm_stop_reason();
}

static char *
gate_age(const ZdmMigration *migration)
{
	TimestampTz due;

	if (migration->started_at == 0)
		return NULL;
	due = later_by(migration->started_at, &migration->minimum_age);
	if (due <= GetCurrentTimestamp())
		return NULL;
	return psprintf("it must be %s old, which it is at %s", interval_text(&migration->minimum_age), time_text(due));
}

typedef struct GateKind
{
	const char *name;
	GateFunction why_closed;
} GateKind;

static const GateKind kinds[] = {
	{"steps", gate_steps},
	{"backfill", gate_backfill},
	{"columns", gate_columns},
	{"constraints", gate_constraints},
	{"verification", gate_verification},
	{"sync", gate_sync},
	{"rights", gate_rights},
	{"triggers", gate_triggers},
	{"invariants", gate_invariants},
	{"dependents", gate_dependents},
	{"approval", gate_approval},
	{"freeze", gate_freeze},
	{"age", gate_age}
};

/*
 * Why the gate is closed; NULL: it is open.  One that cannot be looked at is
 * closed, too: somebody has dropped or renamed what the mapping is about.
 */
static char *
look_at(const GateKind *kind, const ZdmMigration *migration)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char	   *volatile reason = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		reason = kind->why_closed(migration);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(mcxt);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED)
			ReThrowError(edata);
		reason = psprintf("it cannot be looked at: %s", edata->message);
		FreeErrorData(edata);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(mcxt);
	CurrentResourceOwner = owner;
	return reason;
}

/* All gates of a migration, of ZdmGate, in the current memory context. */
List *
zdm_gates_of(const ZdmMigration *migration)
{
	List	   *gates = NIL;

	for (int i = 0; i < lengthof(kinds); i++)
	{
		ZdmGate    *gate = palloc(sizeof(ZdmGate));

		gate->name = kinds[i].name;
		gate->closed = look_at(&kinds[i], migration);
		gates = lappend(gates, gate);
	}
	return gates;
}

/* zdm.gates(name text) */
Datum
zdm_gates(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	zdm_args_not_null(fcinfo, 0, "name");
	InitMaterializedSRF(fcinfo, 0);
	/* without a launcher, someone has to ask for what is due now and then */
	if (!RecoveryInProgress())
		zdm_queue_request();
	foreach(lc, zdm_gates_of(zdm_migration_load_visible(zdm_args_text(fcinfo, 0))))
	{
		const ZdmGate *gate = lfirst(lc);
		Datum		values[OUT_COUNT] = {0};
		bool		nulls[OUT_COUNT] = {false};

		values[OUT_GATE] = CStringGetTextDatum(gate->name);
		values[OUT_OPEN] = BoolGetDatum(gate->closed == NULL);
		nulls[OUT_REASON] = gate->closed == NULL;
		values[OUT_REASON] = gate->closed ? CStringGetTextDatum(gate->closed) : (Datum) 0;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
