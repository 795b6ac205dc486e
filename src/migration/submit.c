/*
 * submit.c
 *	  What the functions that create a migration have in common: the one that
 *	  is there already, what must hold of a new one, its rows.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "core/args.h"
#include "core/catalog.h"
#include "job/submit.h"
#include "migration/estimate.h"
#include "migration/open.h"
#include "migration/stage.h"
#include "migration/steps.h"
#include "migration/tracking.h"
#include "miscadmin.h"
#include "recipe/plan.h"
#include "recipe/preview.h"
#include "recipe/stage.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* What a call asks for. */
typedef struct Request
{
	Relation	rel;			/* NULL: none */
	const ZdmMigrationPlan *plan;
	const ZdmMigrationArgs *args;
} Request;

static Oid
target_of(const Request *request)
{
	return request->rel ? RelationGetRelid(request->rel) : InvalidOid;
}

static Oid
role_of(const Request *request)
{
	return request->rel ? request->rel->rd_rel->relowner : GetUserId();
}

/* The next value of the sequence of mappings: names of triggers and columns have it. */
int64
zdm_migration_next_mapping_id(void)
{
	ZdmCatalogScope scope;
	int64		id;
	bool		isnull;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("SELECT nextval('zdm.mapping_mapping_id_seq')", 0, NULL, NULL, NULL, SPI_OK_SELECT);
	id = DatumGetInt64(zdm_catalog_value(0, 1, &isnull));
	zdm_catalog_end(&scope);
	return id;
}

/* ---------- the one that is there ---------- */

static bool
is_of_target(const ZdmMigration *migration, const Request *request)
{
	if (migration->is_local || request->rel == NULL)
		return migration->target == target_of(request);
	return migration->target_name && strcmp(migration->target_name, RelationGetRelationName(request->rel)) == 0;
}

/* Is what it has reached gone again? */
static bool
is_outdated(const ZdmMigration *migration, const Request *request)
{
	const ZdmMigrationPlan *plan = request->plan;

	return migration->state == ZDM_MIGRATION_DONE && plan->holds && strcmp(migration->kind, plan->kind) == 0 &&
		!plan->holds(request->rel, migration->main_job);
}

/* What differs, as a sentence; NULL when nothing does. */
static char *
differs(const ZdmMigration *migration, const Request *request)
{
	const ZdmMigrationPlan *plan = request->plan;

	if (strcmp(migration->kind, plan->kind) != 0)
		return psprintf("It is a call of zdm.%s().",
						strcmp(migration->kind, ZDM_RECIPE_CUSTOM) == 0 ? "create_migration" : migration->kind);
	if (!is_of_target(migration, request))
		return migration->target_name ?
			psprintf("Its table was another one, named \"%s.%s\".", migration->target_schema, migration->target_name) :
			pstrdup("It has no table.");
	if (strcmp(migration->definition, plan->definition) != 0)
		return psprintf("It was called with: %s", migration->definition);
	if (is_outdated(migration, request))
		return pstrdup("It is done, and what it did has been undone since.");
	return NULL;
}

static void
notice_existing(const ZdmMigration *migration)
{
	const char *quoted = quote_literal_cstr(migration->name);
	ZdmJob	   *job = migration->current_job != 0 ? zdm_job_load(migration->current_job, true) : NULL;

	if (migration->state == ZDM_MIGRATION_DONE)
		ereport(NOTICE,
				(errmsg("migration \"%s\" is already done", migration->name),
				 errhint("Give another name to run the same again.")));
	else if (migration->state == ZDM_MIGRATION_ABORTED || (job && job->state == ZDM_JOB_FAILED))
		ereport(NOTICE,
				(errmsg("migration \"%s\" exists and %s", migration->name,
						migration->state == ZDM_MIGRATION_ABORTED ? "was aborted" : "has failed"),
				 errhint("Use zdm.retry(%s) to continue it.", quoted)));
	else if (job && job->state == ZDM_JOB_PAUSED)
		ereport(NOTICE,
				(errmsg("migration \"%s\" exists and is paused", migration->name),
				 errhint("Use zdm.resume_migration(%s) to continue it.", quoted)));
}

/*
 * The migration that has the name, if it is what is asked for; NULL when there
 * is none.  Errors with DUPLICATE_OBJECT when the name is another's.
 */
static ZdmMigration *
existing(const char *name, const Request *request)
{
	ZdmMigration *migration = zdm_migration_load_by_name(name);
	char	   *difference;

	if (migration == NULL)
		return NULL;
	if (OidIsValid(migration->runs_as_id) && !has_privs_of_role(GetUserId(), migration->runs_as_id))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("migration \"%s\" exists and belongs to another role", name),
				 errhint("Give another name.")));
	difference = differs(migration, request);
	if (difference)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("migration \"%s\" exists with another definition", name),
				 errdetail("%s", difference),
				 errhint("Give another name, or repeat its definition.")));
	notice_existing(migration);
	return migration;
}

static void
require_free_name(const char *name)
{
	ZdmJob	   *job = zdm_job_load_by_name(name);

	if (job)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("job \"%s\" exists with another definition", name),
				 errdetail("It is a job of kind \"%s\".", job->kind),
				 errhint("Give another name.")));
}

/* The name that is given, or a derived one that no outdated migration has. */
static char *
choose_name(const Request *request)
{
	const ZdmMigrationPlan *plan = request->plan;
	char	   *definition;
	char	   *base;
	char	   *name;

	zdm_submit_check_name(request->args->name);
	if (request->args->name)
		return request->args->name;
	definition = psprintf("%u\n%s\n%s", target_of(request), plan->kind, plan->definition);
	base = zdm_submit_derive_name(plan->subject, definition);
	name = base;
	for (int n = 2;; n++)
	{
		ZdmMigration *migration = zdm_migration_load_by_name(name);

		if (migration == NULL || !is_outdated(migration, request))
			return name;
		name = psprintf("%s#%d", base, n);
	}
}

/* ---------- what must hold of a new one ---------- */

static void
check_owner(const ZdmMigrationPlan *plan, const ZdmMigrationArgs *args)
{
	if (args->owner == NULL && plan->removes)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"owner\" must not be null"),
				 errhint("Name the team or the person that answers for the migration until the old shape is gone.")));
	if (args->owner)
		zdm_tracking_check_owner(args->owner);
}

static void
check_date(const ZdmMigrationPlan *plan, const ZdmMigrationArgs *args)
{
	if (args->has_contract_by)
		zdm_tracking_check_contract_by(args->contract_by);
	else if (plan->removes)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"contract_by\" must not be null"),
				 errhint("Give the date by which the old shape is to be gone.")));
}

static void
check_steps(List *steps)
{
	ListCell   *lc;

	foreach(lc, steps)
		zdm_recipe_check_step(lfirst(lc));
}

static void
check_new(const char *name, const Request *request)
{
	const ZdmMigrationPlan *plan = request->plan;

	check_owner(plan, request->args);
	check_date(plan, request->args);
	require_free_name(name);
	if (plan->recipe)
		zdm_plan_check(request->rel, plan->recipe);
	check_steps(plan->main);
	check_steps(plan->retire);
	check_steps(plan->purge);
}

/* ---------- its rows ---------- */

/* Steps of other tables than the migration's know those by their names, too. */
static int
complete_steps(List *steps, Oid target, ZdmPhase phase, int number)
{
	ListCell   *lc;

	foreach(lc, steps)
	{
		ZdmStep    *step = lfirst(lc);

		step->number = ++number;
		if (step->phase == ZDM_PHASE_NONE)
			step->phase = phase;
		if (step->target_name)
			continue;
		if (!OidIsValid(step->target) || step->target == target)
			step->target = InvalidOid;
		else
		{
			step->target_schema = get_namespace_name(get_rel_namespace(step->target));
			step->target_name = get_rel_name(step->target);
		}
	}
	return number;
}

static void
complete_plan(const ZdmMigrationPlan *plan, Oid target)
{
	int			number = complete_steps(plan->main, target, ZDM_PHASE_EXPAND, 0);

	number = complete_steps(plan->retire, target, ZDM_PHASE_CONTRACT, number);
	(void) complete_steps(plan->purge, target, ZDM_PHASE_CONTRACT, number);
}

static Datum
settings_of(const ZdmMigrationPlan *plan)
{
	ZdmSessionSettings settings;

	if (plan->mapping)
		return zdm_session_to_array(&plan->mapping->settings);
	zdm_session_record(&settings, NULL, 0);
	return zdm_session_to_array(&settings);
}

static void
set_text(Datum *value, bool *isnull, const char *text)
{
	*isnull = text == NULL;
	*value = text ? CStringGetTextDatum(text) : (Datum) 0;
}

static Datum
cluster_id(void)
{
	return CStringGetTextDatum(psprintf(UINT64_FORMAT, GetSystemIdentifier()));
}

/* 0 when the name is taken, perhaps by a transaction that committed only just now. */
static int64
insert_row(const char *name, const Request *request)
{
	static const Oid argtypes[] = {TEXTOID, TEXTOID, TEXTOID, OIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, OIDOID,
		TEXTOID, TEXTOID, DATEOID, BOOLOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTOID, OIDOID, OIDOID, TEXTOID, OIDOID,
	TEXTARRAYOID, TEXTOID, TEXTOID};
	const ZdmMigrationPlan *plan = request->plan;
	const char *me = GetUserNameFromId(GetUserId(), false);
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	ZdmCatalogScope scope;
	int64		id = 0;
	bool		is_null;

	values[0] = CStringGetTextDatum(name);
	values[1] = CStringGetTextDatum(plan->kind);
	values[2] = CStringGetTextDatum(plan->definition);
	values[3] = ObjectIdGetDatum(target_of(request));
	set_text(&values[4], &isnull[4],
			 request->rel ? get_namespace_name(RelationGetNamespace(request->rel)) : NULL);
	set_text(&values[5], &isnull[5], request->rel ? RelationGetRelationName(request->rel) : NULL);
	set_text(&values[6], &isnull[6], plan->column);
	set_text(&values[7], &isnull[7], plan->new_column);
	values[8] = ObjectIdGetDatum(role_of(request));
	values[9] = CStringGetTextDatum(GetUserNameFromId(role_of(request), false));
	values[10] = CStringGetTextDatum(request->args->owner ? request->args->owner : me);
	isnull[11] = !request->args->has_contract_by;
	values[11] = DateADTGetDatum(request->args->contract_by);
	values[12] = BoolGetDatum(plan->removes);
	values[13] = zdm_migration_texts(plan->manual);
	values[14] = zdm_migration_texts(plan->warnings);
	values[15] = settings_of(plan);
	values[16] = CStringGetTextDatum(me);
	values[17] = ObjectIdGetDatum(GetUserId());
	values[18] = ObjectIdGetDatum(GetSessionUserId());
	values[19] = cluster_id();
	values[20] = ObjectIdGetDatum(MyDatabaseId);
	values[21] = zdm_migration_texts(plan->manual_expand);
	set_text(&values[22], &isnull[22], plan->adds_column);
	set_text(&values[23], &isnull[23], plan->carries);
	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("INSERT INTO zdm.migration (name, kind, definition, target, target_schema, target_name,"
							" column_name, new_column_name, runs_as_id, runs_as, owner, contract_by, removes, manual,"
							" warnings, settings, created_by, created_by_id, created_session_id, cluster_id, database_id,"
							" manual_expand, adds_column, carries)"
							" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,"
							" $19, $20, $21, $22, $23, $24::jsonb) ON CONFLICT (name) DO NOTHING RETURNING migration_id",
							lengthof(argtypes), argtypes, values, isnull, SPI_OK_INSERT_RETURNING) > 0)
		id = DatumGetInt64(zdm_catalog_value(0, 1, &is_null));
	zdm_catalog_end(&scope);
	return id;
}

/* NULL when another session was faster. */
static ZdmMigration *
create(const char *name, const Request *request)
{
	ZdmMigration *migration;
	int64		id;

	check_new(name, request);
	complete_plan(request->plan, target_of(request));
	zdm_migration_estimate(request->rel, request->plan);
	id = insert_row(name, request);
	if (id == 0)
		return NULL;
	zdm_steps_store(id, request->plan);
	migration = zdm_migration_lock(id);
	zdm_migration_note(migration, "planned", NULL);
	return migration;
}

/* ---------- the call ---------- */

/* At commit, unless something has to be done before. */
static void
start(ZdmMigration *migration, const char *why)
{
	if (zdm_tracking_notice_before_start(migration))
		return;
	zdm_stage_start_main(migration, why);
	zdm_submit_notice_no_preload(migration->main_job);
}

/* One that was only planned is started when it is called for in earnest. */
static void
start_existing(ZdmMigration *migration, const Request *request)
{
	if (migration->state != ZDM_MIGRATION_PLANNED || request->args->dry_run)
		return;
	migration = zdm_migration_lock(migration->id);
	if (migration->state == ZDM_MIGRATION_PLANNED)
		start(migration, "called without dry_run");
}

static void
preview(const Request *request)
{
	const ZdmMigrationPlan *plan = request->plan;
	ZdmRecipe	recipe = {.recipe = plan->kind,.scans_children = plan->scans_children};

	if (plan->recipe)
		zdm_plan_check(request->rel, plan->recipe);
	complete_plan(plan, target_of(request));
	recipe.steps = plan->main;
	zdm_recipe_preview(request->rel, &recipe, "main");
	recipe.steps = plan->retire;
	zdm_recipe_preview(request->rel, &recipe, "retire");
	recipe.steps = plan->purge;
	zdm_recipe_preview(request->rel, &recipe, "purge");
}

/* See plan.h. */
char *
zdm_migration_find(Relation rel, const ZdmMigrationPlan *plan, const ZdmMigrationArgs *args)
{
	Request		request = {rel, plan, args};
	char	   *name = choose_name(&request);
	ZdmMigration *migration = existing(name, &request);

	if (migration == NULL)
	{
		check_owner(plan, args);
		check_date(plan, args);
		return NULL;
	}
	start_existing(migration, &request);
	return name;
}

/* See plan.h. */
char *
zdm_migration_submit(Relation rel, ZdmMigrationPlan *plan, const ZdmMigrationArgs *args)
{
	Request		request = {rel, plan, args};
	char	   *name = choose_name(&request);
	ZdmMigration *migration;

	if (zdm_recipe_previewed())
	{
		preview(&request);
		return name;
	}
	migration = existing(name, &request);
	if (migration)
	{
		start_existing(migration, &request);
		return name;
	}
	migration = create(name, &request);
	if (migration && !args->dry_run)
		start(migration, NULL);
	else if (migration == NULL && existing(name, &request) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("migration \"%s\" was created by a concurrent transaction", name),
				 errhint("Try again.")));
	return name;
}
