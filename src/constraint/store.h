/*
 * store.h
 *	  The tables zdm.validation and zdm.validation_cursor.
 */
#ifndef ZDM_CONSTRAINT_STORE_H
#define ZDM_CONSTRAINT_STORE_H

#include "core/session.h"
#include "storage/block.h"
#include "storage/itemptr.h"

/* What was asked for. */
typedef struct ZdmValidationSpec
{
	Oid			target;
	char	   *target_schema;	/* NULL: it is the target of the job; */
	char	   *target_name;	/* otherwise that of a step of it */
	char	   *constraint_name;
	char	   *constraint_type;	/* CHECK, FOREIGN KEY, NOT NULL */
	char	   *definition;		/* of the constraint at submit, deparsed */
	char	   *method;			/* chunked, native */
	ZdmSessionSettings settings;	/* of the session that submitted it */
} ZdmValidationSpec;

typedef enum ZdmValidationPhase
{
	ZDM_VALIDATION_SCAN,
	ZDM_VALIDATION_NATIVE,
	ZDM_VALIDATION_ENDED		/* the next start begins anew */
} ZdmValidationPhase;

/* How far it is. */
typedef struct ZdmValidationCursor
{
	int64		job_id;
	ItemPointerData row;		/* where its row is */
	bool		foreign_place;	/* as loaded: it is a place in another cluster
								 * or database */

	ZdmValidationPhase phase;
	char	   *method;			/* chosen; NULL: not yet */
	char	   *method_reason;

	/* the scan; leaf invalid: none has begun */
	Oid			leaf;
	Oid			leaf_filenode;
	Oid			leaf_constraint;
	char	   *premises;		/* the method's, may be NULL */
	BlockNumber next_block;
	bytea	   *position;		/* may be NULL */
	bool		scanned;		/* the leaf's last chunk is done */
	bool		fresh;			/* no chunk of the leaf is done */
	int64		leaf_total;		/* units */
	int64		leaf_done;
	int64		leaf_violations;

	/* the job */
	char	   *left_behind;	/* OIDs of relations not to look at again,
								 * each followed by a comma; may be NULL */
	int64		total;			/* units of all leaves, when it began */
	int64		done;			/* units of leaves left behind */
	int64		rows;
	int64		rows_estimated;
	int64		violations;
	int64		chunks;
	int64		restarts;		/* scans started over */
	int64		retries;
	double		work_ms;
	double		longest_ms;		/* of a chunk */
	double		rows_per_second;
	double		seconds_left;	/* < 0: not known */
} ZdmValidationCursor;

extern void zdm_validation_store(int64 job_id, const ZdmValidationSpec *spec);
extern void zdm_validation_discard(int64 job_id);
extern ZdmValidationSpec *zdm_validation_load(int64 job_id);
extern void zdm_validation_cursor_load(int64 job_id, ZdmValidationCursor *cursor,
									   MemoryContext mcxt);
extern void zdm_validation_cursor_store(ZdmValidationCursor *cursor);

#endif							/* ZDM_CONSTRAINT_STORE_H */
