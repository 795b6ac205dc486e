/*
 * evaluate.h
 *	  Evaluating the expressions of a mapping over a row.
 */
#ifndef ZDM_SYNC_EVALUATE_H
#define ZDM_SYNC_EVALUATE_H

#include "sync/program.h"

typedef struct ZdmSyncValue
{
	Datum		value;
	bool		isnull;
	ErrorData  *error;			/* NULL unless it could not be computed */
} ZdmSyncValue;

extern ZdmSyncValue zdm_sync_evaluate(ZdmSyncProgram *program, const ZdmSyncExpr *expr,
									  TupleTableSlot *slot, Relation rel);
extern ZdmSyncValue zdm_sync_try_evaluate(ZdmSyncProgram *program, const ZdmSyncExpr *expr,
										  TupleTableSlot *slot, Relation rel);

/* Has the row that value already? */
extern bool zdm_sync_has_value(TupleTableSlot *slot, const ZdmSyncColumn *column,
							   const ZdmSyncValue *value);

#endif							/* ZDM_SYNC_EVALUATE_H */
