/*
 * batch.h
 *	  One batch: some pages, one stripe of them, one transaction.
 */
#ifndef ZDM_BACKFILL_BATCH_H
#define ZDM_BACKFILL_BATCH_H

#include "backfill/run.h"
#include "run/txn.h"

typedef struct ZdmBatch
{
	/* what to do */
	Oid			leaf;
	BlockNumber from;
	BlockNumber to;				/* exclusive */
	bool		listed;			/* lock the rows first, without waiting */
	bool		check_horizon;	/* the stripe before must be prunable */
	const ZdmRowVersion *row;	/* this row only; implies listed, and leaves
								 * the cursor where it is */
	bool		pass;			/* change no row, only move the cursor on */

	/* what was done */
	uint64		rows;
	uint64		skipped;		/* locked by others */
	int64		hot;
	uint64		wal_bytes;
	double		ms;				/* commit included */
	TransactionId xid;
} ZdmBatch;

extern ZdmVerdict zdm_batch(ZdmBackfillRun *run, ZdmBatch *batch, ZdmError **error);
extern ZdmVerdict zdm_batch_list_rows(ZdmBackfillRun *run, BlockNumber block,
									  ZdmRowVersion **rows, int *nrows,
									  ZdmError **error);

#endif							/* ZDM_BACKFILL_BATCH_H */
