/*
 * recipe.h
 *	  A recipe: a change of a constraint as a sequence of steps.
 */
#ifndef ZDM_RECIPE_RECIPE_H
#define ZDM_RECIPE_RECIPE_H

#include "core/session.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

typedef enum ZdmStepKind
{
	ZDM_STEP_DDL,				/* one statement under its locks, in the
								 * transaction that notes that it is done */
	ZDM_STEP_INDEX,				/* CREATE UNIQUE INDEX, built concurrently */
	ZDM_STEP_VALIDATE			/* a constraint that is NOT VALID, in chunks */
} ZdmStepKind;

typedef struct ZdmStep
{
	int			number;			/* from 1 */
	ZdmStepKind kind;
	char	   *statement;
	char	   *undo;			/* NULL: nothing to undo, or another step's
								 * undo does it */
	char	   *object;			/* constraint, column or index */
	char	   *lock;			/* as zdm.steps shows it */
	bool		done;
	double		expected_ms;	/* negative: not known */

	/*
	 * The relation that it is about, when that is another one than the job's:
	 * a partition or a child.  target_name is NULL otherwise.  target is
	 * invalid when it is gone.
	 */
	Oid			target;
	char	   *target_schema;
	char	   *target_name;
} ZdmStep;

typedef struct ZdmRecipe
{
	const char *recipe;			/* the function's name */
	char	   *definition;		/* its arguments, for comparison */
	char	   *subject;		/* for the job's name */
	ZdmSessionSettings settings;	/* for functions in expressions */
	List	   *steps;			/* of ZdmStep */
	bool		scans_children; /* what it validates includes children and
								 * partitions */

	/* what must hold when it begins: an error otherwise; may be NULL */
	const char *object;
	void		(*check) (Relation rel, const char *object);
} ZdmRecipe;

#endif							/* ZDM_RECIPE_RECIPE_H */
