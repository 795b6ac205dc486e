/*
 * preview.c
 *	  The steps of a recipe without starting it: as rows, and how long they
 *	  would take.
 *
 * As long as a preview lasts, the functions of recipes hand over their plan to
 * here instead of starting a job.
 */
#include "postgres.h"

#include "backfill/backfill.h"
#include "catalog/pg_inherits.h"
#include "constraint/sample.h"
#include "core/args.h"
#include "core/settings.h"
#include "ddl/statement.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "recipe/preview.h"
#include "recipe/store.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* of a concurrent build besides reading the table twice: measured, a B-tree of one number */
#define BUILD_US_PER_ROW 0.5

enum
{
	OUT_STEP, OUT_KIND, OUT_STATEMENT, OUT_LOCK, OUT_UNDO, OUT_TIME, OUT_BASIS, OUT_PHASE, OUT_STAGE, OUT_COUNT
};

static ReturnSetInfo *preview = NULL;	/* where rows go, while a call is
										 * executed */

/* ---------- how long ---------- */

/* Reads the table twice, whatever the duty, and sorts. */
static double
build_ms(const ZdmScanSample *sample)
{
	double		scan = zdm_sample_ms(sample, sample->pages);

	if (scan <= 0)
		return scan;
	return 2 * scan + BUILD_US_PER_ROW / 1000 * sample->rows / sample->blocks * sample->pages;
}

static double
backfill_ms(const ZdmScanSample *sample, int64 pages)
{
	if (pages == 0)
		return 0;
	return sample->blocks > 0 ? zdm_backfill_expected_ms((double) sample->rows / sample->blocks * pages) : -1;
}

static double
step_ms(const ZdmStep *step, const ZdmScanSample *sample, int64 pages)
{
	switch (step->kind)
	{
		case ZDM_STEP_VALIDATE:
			return zdm_sample_ms(sample, pages) / zdm_duty;
		case ZDM_STEP_VERIFY:
			return step->mapping_id != 0 ? zdm_sample_ms(sample, pages) / zdm_duty : -1;
		case ZDM_STEP_BACKFILL:
			return backfill_ms(sample, pages) / zdm_duty;
		case ZDM_STEP_INDEX:
			return build_ms(sample);
		case ZDM_STEP_WAIT:
		case ZDM_STEP_SQL:
			return step->expected_ms;
		case ZDM_STEP_DDL:
			break;
	}
	return 0;
}

static void
estimate_steps(Relation rel, ZdmRecipe *recipe, ZdmScanSample *sample)
{
	List	   *relids = recipe->scans_children ?
	find_all_inheritors(RelationGetRelid(rel), NoLock, NULL) : list_make1_oid(RelationGetRelid(rel));
	ListCell   *lc;

	zdm_sample_scan(relids, sample);
	foreach(lc, recipe->steps)
	{
		ZdmStep    *step = lfirst(lc);

		step->expected_ms = step_ms(step, sample, step->target_name ? zdm_sample_pages(step->target) : sample->pages);
	}
}

/*
 * Set the expected time of each step.  rel is open; takes as long as
 * zdm_sample_scan(), and needs a snapshot.
 */
void
zdm_recipe_estimate(Relation rel, ZdmRecipe *recipe)
{
	ZdmScanSample sample;

	estimate_steps(rel, recipe, &sample);
}

/* ---------- the plan ---------- */

/* From now on, recipes are only looked at; their steps go to result.  NULL ends it. */
void
zdm_recipe_preview_into(ReturnSetInfo *result)
{
	preview = result;
}

/* Is the recipe that is called only to be looked at? */
bool
zdm_recipe_previewed(void)
{
	return preview != NULL;
}

/*
 * Return the steps as rows, which are those of one stage.  Called instead of
 * starting a job.
 */
void
zdm_recipe_preview(Relation rel, ZdmRecipe *recipe, const char *stage)
{
	static const char *const phases[] = {
		[ZDM_PHASE_NONE] = NULL,
		[ZDM_PHASE_EXPAND] = "expand",
		[ZDM_PHASE_MIGRATE] = "migrate",
		[ZDM_PHASE_CONTRACT] = "contract"
	};
	ZdmScanSample sample;
	ListCell   *lc;

	estimate_steps(rel, recipe, &sample);
	foreach(lc, recipe->steps)
	{
		const ZdmStep *step = lfirst(lc);
		const char *phase = phases[step->phase];
		Datum		values[OUT_COUNT] = {0};
		bool		nulls[OUT_COUNT] = {false};

		values[OUT_STEP] = Int32GetDatum(step->number);
		values[OUT_KIND] = CStringGetTextDatum(zdm_recipe_kind_name(step->kind));
		values[OUT_STATEMENT] = CStringGetTextDatum(step->statement);
		values[OUT_LOCK] = CStringGetTextDatum(step->lock);
		nulls[OUT_UNDO] = step->undo == NULL;
		values[OUT_UNDO] = step->undo ? CStringGetTextDatum(step->undo) : (Datum) 0;
		nulls[OUT_TIME] = step->expected_ms < 0;
		values[OUT_TIME] = IntervalPGetDatum(zdm_sample_interval(step->expected_ms));
		values[OUT_BASIS] = CStringGetTextDatum(step->kind == ZDM_STEP_DDL ? "changes the catalogs only" :
												zdm_sample_basis(&sample));
		nulls[OUT_PHASE] = phase == NULL;
		values[OUT_PHASE] = phase ? CStringGetTextDatum(phase) : (Datum) 0;
		values[OUT_STAGE] = CStringGetTextDatum(stage);
		tuplestore_putvalues(preview->setResult, preview->setDesc, values, nulls);
	}
}
