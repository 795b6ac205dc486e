/*
 * step.h
 *	  Making a step of a recipe: its words.
 */
#ifndef ZDM_RECIPE_STEP_H
#define ZDM_RECIPE_STEP_H

#include "recipe/recipe.h"

#define ZDM_LOCK_STRONG "ACCESS EXCLUSIVE"
#define ZDM_LOCK_FOREIGN_KEY "SHARE ROW EXCLUSIVE"
#define ZDM_LOCK_WEAK "SHARE UPDATE EXCLUSIVE"

extern char *zdm_step_table(Oid relid);
extern char *zdm_step_drop_constraint(Oid relid, const char *name);
extern ZdmStep *zdm_step_append(List **steps, ZdmStepKind kind, const char *object, char *statement,
								char *undo, const char *lock);
extern void zdm_step_set_target(ZdmStep *step, Oid relid);

#endif							/* ZDM_RECIPE_STEP_H */
