/*
 * txn.h
 *	  One transaction of a running job, and what came of it.
 */
#ifndef ZDM_RUN_TXN_H
#define ZDM_RUN_TXN_H

#include "run/run.h"

typedef enum ZdmVerdict
{
	/* committed */
	ZDM_DONE,					/* did what it was for */
	ZDM_STOP,					/* the job's state is no longer running */
	ZDM_BUSY,					/* someone has or wants a strong lock on the
								 * leaf */
	ZDM_GONE,					/* the leaf is no longer part of the target */
	ZDM_REWRITTEN,				/* the leaf has other storage than the cursor
								 * says */
	ZDM_OTHER_OWNER,			/* the leaf has another owner than the job */
	ZDM_HORIZON,				/* the stripe before is not below the horizon
								 * yet */
	ZDM_FOUND,					/* proof: a row is left */
	ZDM_SLOW,					/* proof: took longer than a snapshot may live */

	/* rolled back */
	ZDM_ROWS_LOCKED,			/* lock_timeout, deadlock, serialization */
	ZDM_TOO_LONG,				/* our own timer */
	ZDM_ROW_ERROR,				/* a row cannot be converted */
	ZDM_NO_RESOURCE,			/* disk full, out of memory, too many
								 * connections */
	ZDM_CANCELLED,				/* pg_cancel_backend */
	ZDM_FAILED					/* anything else: the job fails */
} ZdmVerdict;

typedef ZdmVerdict (*ZdmTxnBody) (ZdmRun *run, void *arg);

extern void zdm_txn_init(void);
extern ZdmVerdict zdm_txn_classify(const ZdmRun *run, const ZdmError *error);
extern ZdmVerdict zdm_txn(ZdmRun *run, int cap_ms, ZdmTxnBody body, void *arg,
						  ZdmError **error);

#endif							/* ZDM_RUN_TXN_H */
