/*
 * standins.h
 *	  What other rooms are going to provide.
 */
#ifndef ZDM_RECIPE_STANDINS_H
#define ZDM_RECIPE_STANDINS_H

#include "ddl/portal.h"

#define zdm_sync_create_trigger(stmt) zdm_ddl_execute_tree((Node *) stmt, "")

#endif							/* ZDM_RECIPE_STANDINS_H */
