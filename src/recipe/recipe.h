/*
 * recipe.h
 *	  A recipe: a change of a constraint as a sequence of steps.
 */
#ifndef ZDM_RECIPE_RECIPE_H
#define ZDM_RECIPE_RECIPE_H

#include "core/session.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

/* the name of the recipes whose steps are the user's own */
#define ZDM_RECIPE_CUSTOM "custom"

typedef enum ZdmStepKind
{
	ZDM_STEP_DDL,				/* statements under their locks, in the
								 * transaction that notes that it is done */
	ZDM_STEP_INDEX,				/* CREATE UNIQUE INDEX, built concurrently */
	ZDM_STEP_VALIDATE,			/* a constraint that is NOT VALID, in chunks */
	ZDM_STEP_BACKFILL,			/* rows filled by a mapping, or by set_clause
								 * and filter */
	ZDM_STEP_VERIFY,			/* rows compared by a mapping */
	ZDM_STEP_SQL,				/* statements, in a transaction as the job's
								 * role */
	ZDM_STEP_WAIT				/* for a time, or until a query returns true */
} ZdmStepKind;

typedef enum ZdmPhase
{
	ZDM_PHASE_NONE,				/* not a step of a migration */
	ZDM_PHASE_EXPAND,
	ZDM_PHASE_MIGRATE,
	ZDM_PHASE_CONTRACT
} ZdmPhase;

typedef struct ZdmStep
{
	int			number;			/* from 1 */
	ZdmStepKind kind;
	char	   *statement;
	char	   *undo;			/* NULL: nothing to undo, or another step's
								 * undo does it */
	char	   *object;			/* constraint, column or index */
	char	   *lock;			/* as zdm.steps shows it */
	ZdmPhase	phase;
	int64		mapping_id;		/* backfill, verify: 0 for none */
	char	   *set_clause;		/* backfill without a mapping */
	char	   *filter;			/* the same, may be NULL; wait: the query */
	double		wait_ms;		/* wait: at least so long */
	bool		done;
	TimestampTz began_at;		/* as loaded: when it began, 0: not begun; not
								 * of every kind */
	double		expected_ms;	/* negative: not known */

	/*
	 * The relation that it is about, when that is another one than the job's.
	 * target_name is NULL otherwise.  target is invalid when it is gone.
	 */
	Oid			target;
	char	   *target_schema;
	char	   *target_name;	/* as the statement calls it */
	bool		is_below;		/* as loaded: it was a partition or child of
								 * the job's when the step was stored */
} ZdmStep;

typedef struct ZdmRecipe
{
	const char *recipe;			/* the function's name */
	char	   *definition;		/* its arguments, for comparison */
	char	   *subject;		/* for the job's name */
	ZdmSessionSettings settings;	/* for functions in expressions */
	char	   *target_schema;	/* what the statements call the job's table */
	char	   *target_name;	/* ... NULL: what it was called when the job
								 * was made */
	List	   *steps;			/* of ZdmStep */
	bool		scans_children; /* what it validates includes children and
								 * partitions */

	/* what must hold when it begins: an error otherwise; may be NULL */
	const void *checked;
	void		(*check) (Relation rel, const void *checked);
} ZdmRecipe;

#endif							/* ZDM_RECIPE_RECIPE_H */
