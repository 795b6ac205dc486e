/*
 * retarget.h
 *	  The relations that a statement names, and what they are called now.
 */
#ifndef ZDM_RECIPE_RETARGET_H
#define ZDM_RECIPE_RETARGET_H

#include "nodes/parsenodes.h"

/* A relation by OID, and what statements call it, whatever its name is now. */
typedef struct ZdmNamedRelation
{
	Oid			relid;
	const char *schema;
	const char *name;
} ZdmNamedRelation;

extern void zdm_retarget(Node *stmt, List *relations);
extern List *zdm_retarget_relations(Node *stmt);

#endif							/* ZDM_RECIPE_RETARGET_H */
