/*
 * estimate.c
 *	  How long the steps of a plan take.
 */
#include "postgres.h"

#include "core/settings.h"
#include "migration/estimate.h"
#include "recipe/preview.h"

/*
 * Set the expected time of each step of a new plan.  rel is open, or NULL:
 * then nothing that reads rows is known.  Takes as long as zdm_sample_scan(),
 * and needs a snapshot.
 */
void
zdm_migration_estimate(Relation rel, const ZdmMigrationPlan *plan)
{
	ZdmRecipe	recipe = {.recipe = plan->kind,.scans_children = plan->scans_children};

	recipe.steps = list_concat(list_concat(list_copy(plan->main), plan->retire), plan->purge);
	if (rel && recipe.steps)
		zdm_recipe_estimate(rel, &recipe);
}
