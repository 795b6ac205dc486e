/*
 * xids.c
 *	  A set of transaction ids that are added in ascending order: those of the
 *	  batches of this run, to recognize rows that it has written itself.
 *
 * It keeps the newest MAX_XIDS; older ones are forgotten.
 */
#include "postgres.h"

#include "access/transam.h"
#include "backfill/xids.h"
#include "utils/memutils.h"

#define FIRST_XIDS 1024
#define MAX_XIDS (1024 * 1024)

static void
make_room(ZdmXids *set)
{
	if (set->xids == NULL)
	{
		set->allocated = FIRST_XIDS;
		set->xids = MemoryContextAlloc(set->mcxt, set->allocated * sizeof(TransactionId));
	}
	else if (set->allocated < MAX_XIDS)
	{
		set->allocated *= 2;
		set->xids = repalloc(set->xids, set->allocated * sizeof(TransactionId));
	}
	else
	{
		set->nxids /= 2;
		memmove(set->xids, set->xids + set->nxids, set->nxids * sizeof(TransactionId));
	}
}

/* Add an id that follows all of the set's. */
void
zdm_xids_add(ZdmXids *set, TransactionId xid)
{
	if (set->nxids == set->allocated)
		make_room(set);
	set->xids[set->nxids++] = xid;
}

/* Is it in the set? */
bool
zdm_xids_contain(const ZdmXids *set, TransactionId xid)
{
	int			low = 0;
	int			high = set->nxids - 1;

	while (low <= high)
	{
		int			middle = low + (high - low) / 2;

		if (set->xids[middle] == xid)
			return true;
		if (TransactionIdPrecedes(set->xids[middle], xid))
			low = middle + 1;
		else
			high = middle - 1;
	}
	return false;
}
