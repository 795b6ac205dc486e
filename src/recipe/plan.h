/*
 * plan.h
 *	  The steps of each recipe.
 */
#ifndef ZDM_RECIPE_PLAN_H
#define ZDM_RECIPE_PLAN_H

#include "recipe/recipe.h"

typedef struct ZdmForeignKeyClause
{
	List	   *columns;		/* of char *, of the referencing table */
	Oid			referenced;
	List	   *referenced_columns; /* NIL: its primary key */
	const char *on_delete;
	const char *on_update;
	bool		match_full;
	const char *deferral;
	const char *name;			/* of the constraint, once one is chosen */
} ZdmForeignKeyClause;

typedef struct ZdmKeyClause
{
	List	   *columns;		/* of char * */
	bool		nulls_not_distinct; /* UNIQUE only */
	const char *deferral;
} ZdmKeyClause;

/*
 * The table is open with ACCESS SHARE and has been checked.  name is that of
 * the constraint, NULL to have one chosen.  Errors: UNDEFINED_COLUMN,
 * DUPLICATE_OBJECT, FEATURE_NOT_SUPPORTED, SYNTAX_ERROR, and what PostgreSQL
 * says of an expression.
 */
extern ZdmRecipe *zdm_plan_add_check(Relation rel, const char *expression, const char *name);
extern void zdm_plan_check_referenced(Relation referenced, const ZdmForeignKeyClause *clause);
extern ZdmRecipe *zdm_plan_add_foreign_key(Relation rel, const ZdmForeignKeyClause *clause,
										   const char *name);
extern ZdmRecipe *zdm_plan_set_not_null(Relation rel, const char *column);
extern ZdmRecipe *zdm_plan_add_unique(Relation rel, const ZdmKeyClause *clause, const char *name);
extern ZdmRecipe *zdm_plan_add_primary_key(Relation rel, const ZdmKeyClause *clause, const char *name);
extern ZdmRecipe *zdm_plan_drop_constraint(Relation rel, const char *name);
extern ZdmRecipe *zdm_plan_drop_not_null(Relation rel, const char *column);

extern void zdm_plan_check(Relation rel, const ZdmRecipe *recipe);

/* holds.c */
extern bool zdm_plan_holds(Relation rel, const ZdmRecipe *recipe);

/* foreign_key.c */
extern bool zdm_foreign_key_can_refer(Relation referenced, const List *columns);
extern void zdm_foreign_key_check(Relation rel, const ZdmForeignKeyClause *clause);

#endif							/* ZDM_RECIPE_PLAN_H */
