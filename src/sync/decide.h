/*
 * decide.h
 *	  What the sync trigger does with a row: a table, and nothing else.
 */
#ifndef ZDM_SYNC_DECIDE_H
#define ZDM_SYNC_DECIDE_H

#include "mapping/mapping.h"

typedef enum ZdmSyncEvent
{
	ZDM_SYNC_INSERT,
	ZDM_SYNC_MOVED,				/* the INSERT half of an UPDATE that moves a
								 * row to another partition, or may be */
	ZDM_SYNC_UPDATE
} ZdmSyncEvent;

/* what is known of a row before anything is computed */
typedef struct ZdmSyncFacts
{
	ZdmSyncEvent event;
	bool		old_changed;	/* UPDATE: a column of the old side has
								 * another value */
	bool		new_changed;
	bool		old_named;		/* UPDATE: it is in the SET list */
	bool		new_named;
	bool		old_is_null;
	bool		new_is_null;
	bool		was_there;		/* INSERT, MOVED: an UPDATE is known to have
								 * moved it */
} ZdmSyncFacts;

typedef enum ZdmSyncAction
{
	ZDM_SYNC_NOTHING,
	ZDM_SYNC_FORWARD,			/* new := forward(row) */
	ZDM_SYNC_REVERSE,			/* old := reverse(row) */
	ZDM_SYNC_LEAVE				/* nothing can be done, but it is counted */
} ZdmSyncAction;

typedef enum ZdmSyncCount
{
	ZDM_COUNT_CONFLICT,
	ZDM_COUNT_DRIFT,
	ZDM_COUNT_ERROR,
	ZDM_COUNT_NONE
} ZdmSyncCount;

typedef struct ZdmSyncDecision
{
	ZdmSyncAction action;
	bool		if_inconsistent;	/* only when the row is not consistent */
	bool		tolerant;		/* what cannot be computed is counted, and the
								 * row left as it is: the statement did not
								 * write the value that is in the way */
	ZdmSyncCount count;			/* as what it is counted when it is done */
} ZdmSyncDecision;

extern ZdmSyncDecision zdm_sync_decide(const ZdmMapping *mapping, const ZdmSyncFacts *facts);

#endif							/* ZDM_SYNC_DECIDE_H */
