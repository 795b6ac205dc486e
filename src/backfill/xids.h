/*
 * xids.h
 *	  A set of transaction ids that are added in ascending order.
 */
#ifndef ZDM_BACKFILL_XIDS_H
#define ZDM_BACKFILL_XIDS_H

typedef struct ZdmXids
{
	MemoryContext mcxt;
	TransactionId *xids;
	int			nxids;
	int			allocated;
} ZdmXids;

extern void zdm_xids_add(ZdmXids *set, TransactionId xid);
extern bool zdm_xids_contain(const ZdmXids *set, TransactionId xid);

#endif							/* ZDM_BACKFILL_XIDS_H */
