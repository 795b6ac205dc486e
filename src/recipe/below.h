/*
 * below.h
 *	  Steps about what is below the table: its partitions and children.
 */
#ifndef ZDM_RECIPE_BELOW_H
#define ZDM_RECIPE_BELOW_H

#include "nodes/parsenodes.h"
#include "recipe/recipe.h"

extern void zdm_below_check_foreign_key(Oid relid);
extern void zdm_below_add_foreign_key(List **steps, Oid relid, const char *statement);
extern List *zdm_below_wanted(const ZdmRecipe *recipe, Oid relid, const ZdmStep *step,
							  const AlterTableStmt *tree);
extern List *zdm_below_kept(const ZdmRecipe *recipe, Oid relid, const ZdmStep *step,
							const AlterTableStmt *tree);
extern bool zdm_below_is_part(Oid relid, Oid top);

#endif							/* ZDM_RECIPE_BELOW_H */
