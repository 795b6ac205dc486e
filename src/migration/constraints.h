/*
 * constraints.h
 *	  The recipes that change constraints.
 */
#ifndef ZDM_MIGRATION_CONSTRAINTS_H
#define ZDM_MIGRATION_CONSTRAINTS_H

#include "fmgr.h"

extern bool zdm_recipe_is_function(PGFunction function);

#endif							/* ZDM_MIGRATION_CONSTRAINTS_H */
