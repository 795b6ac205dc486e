/*
 * program.h
 *	  A mapping compiled for one trigger of one table: what the sync trigger
 *	  needs for a row, kept for the session.
 */
#ifndef ZDM_SYNC_PROGRAM_H
#define ZDM_SYNC_PROGRAM_H

#include "core/image.h"
#include "access/attnum.h"
#include "core/pinned.h"
#include "commands/trigger.h"
#include "mapping/mapping.h"
#include "nodes/execnodes.h"

/* a column as far as its values are compared */
typedef struct ZdmSyncColumn
{
	AttrNumber	attno;
	ZdmImageType *image;
} ZdmSyncColumn;

/* one direction */
typedef struct ZdmSyncExpr
{
	ExprState  *state;			/* NULL: there is no such expression */
	const char *source;
	ZdmSyncColumn target;		/* what it is assigned to */
	int			ninputs;
	AttrNumber *inputs;			/* columns that it reads */
	bool		strict;			/* NULL when one of them is */
	bool		infallible;		/* no value of a row makes it fail */
	bool		alone;			/* reads nothing but the other side's column */
	ZdmPinned  *pinned;			/* NULL: no setting matters */
} ZdmSyncExpr;

typedef struct ZdmSyncProgram
{
	/* managed by program.c */
	MemoryContext mcxt;
	struct ZdmSyncEntry *entry;
	struct ZdmSyncProgram *next;	/* of the same trigger */
	struct ZdmSyncProgram *below;	/* taken before this one */
	bool		valid;
	bool		taken;
	int			level;			/* of the transaction that has taken it */
	bool		has_domain;
	List	   *inval_items;	/* of PlanInvalItem */
	Oid			role;			/* who may execute its functions */

	ZdmMapping *mapping;
	ZdmSyncColumn new_column;
	ZdmSyncColumn old_column;	/* attno 0: none */
	int			nold;
	ZdmSyncColumn *old_side;	/* all that forward reads, and old_column */
	AttrNumber	max_attno;		/* of both sides */
	Bitmapset  *sides;			/* all columns of both, as in tg_updatedcols */
	bool		only_trigger;	/* no other BEFORE UPDATE row trigger */
	bool		is_followed;	/* by a BEFORE row trigger that is not ours */
	ZdmSyncExpr forward;
	ZdmSyncExpr reverse;
	ExprContext *econtext;
	Datum	   *values;			/* room for a row */
	bool	   *nulls;
} ZdmSyncProgram;

extern void zdm_sync_program_init(void);	/* from _PG_init */
extern ZdmSyncProgram *zdm_sync_program(FunctionCallInfo fcinfo, const TriggerData *data);
extern ZdmSyncProgram *zdm_sync_take(ZdmSyncProgram *program, const TriggerData *data);
extern void zdm_sync_give_back(ZdmSyncProgram *program);

#endif							/* ZDM_SYNC_PROGRAM_H */
