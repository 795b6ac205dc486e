/*
 * cursor.h
 *	  How far a backfill is: the row of zdm.backfill_cursor.
 */
#ifndef ZDM_BACKFILL_CURSOR_H
#define ZDM_BACKFILL_CURSOR_H

#include "storage/block.h"
#include "storage/itemptr.h"

typedef enum ZdmPhase
{
	ZDM_PHASE_SWEEP,			/* converting rows, window by window */
	ZDM_PHASE_PROOF				/* looking for rows that are left */
} ZdmPhase;

typedef struct ZdmCursor
{
	int64		job_id;
	ItemPointerData row;		/* where the row is now */

	ZdmPhase	phase;
	int			sweep;			/* from 1 */
	Oid			leaf;			/* relation being swept, 0 before the first */
	Oid			leaf_filenode;	/* its storage when the sweep entered it */
	BlockNumber leaf_blocks;	/* its size then: the end of its sweep */
	BlockNumber window_start;
	BlockNumber window_end;		/* window_start: no window yet */
	BlockNumber next_block;		/* next batch starts here */
	int			stripes;
	int			stripe;

	int64		blocks_total;	/* of all leaves, when the sweep began */
	int64		blocks_done;	/* of leaves that the sweep has left behind */
	int64		sweep_rows;		/* updated in this sweep */
	int64		sweep_skipped;	/* left out in this sweep: locked by others */

	int64		rows_done;
	int64		rows_estimated;
	int64		rows_hot;
	int64		batches;
	int64		retries;		/* batches rolled back */
	int64		wal_bytes;
	double		work_ms;
	double		rows_per_second;
	double		seconds_left;	/* < 0: unknown */
	char	   *note;			/* what is out of the ordinary; may be NULL */
} ZdmCursor;

extern void zdm_cursor_load(int64 job_id, ZdmCursor *cursor, MemoryContext mcxt);
extern void zdm_cursor_store(ZdmCursor *cursor);
extern void zdm_cursor_advance(ZdmCursor *cursor, BlockNumber to);
extern void zdm_cursor_begin_leaf(ZdmCursor *cursor, Oid leaf, Oid filenode,
								  BlockNumber blocks);
extern void zdm_cursor_begin_sweep(ZdmCursor *cursor, int64 blocks_total);
extern double zdm_cursor_fraction(const ZdmCursor *cursor);

#endif							/* ZDM_BACKFILL_CURSOR_H */
