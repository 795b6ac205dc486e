/*
 * run.h
 *	  A backfill while it runs: what the files of this room share.
 */
#ifndef ZDM_BACKFILL_RUN_H
#define ZDM_BACKFILL_RUN_H

#include "backfill/cursor.h"
#include "backfill/predicate.h"
#include "backfill/query.h"
#include "backfill/spec.h"
#include "backfill/xids.h"
#include "portability/instr_time.h"
#include "run/run.h"
#include "throttle/pace.h"

typedef struct ZdmBackfillRun
{
	ZdmRun		base;			/* first: a step is given this */
	ZdmBackfillSpec *spec;
	ZdmCursor	cursor;			/* as last committed */
	ZdmPace		pace;

	bool		leaves_known;	/* the cursor's leaf is one of the target's */
	Oid			next_leaf;
	ZdmStatements *statements;	/* of statements_leaf */
	Oid			statements_leaf;
	int			quarantined;	/* rows in quarantine, all leaves */

	/* the end */
	bool		whole_sweep;	/* this run began the current sweep */
	ZdmXids		own_xids;		/* of batches that changed rows */
	int64		sweep_rewrites; /* rows of them that this sweep wrote again */
	int			unsettled_sweeps;	/* in a row, made mostly of those */

	/* striping, see stripes.c */
	int			leaf_stripes;	/* of the cursor's leaf; 0: not known yet */
	BlockNumber window_blocks;	/* size of the next window */
	TransactionId stripe_xid;	/* first transaction of the stripe before */
	TransactionId this_stripe_xid;	/* first transaction of this stripe */
	TransactionId stuck_xid;	/* invalid: the horizon moves */
	double		horizon_wait_ms;	/* for the current stripe */
	int64		window_rows;	/* updated in the window */
	int64		late_rows;		/* ... after its first stripe */
	int64		late_hot;		/* ... and were HOT */

	/* after a row error: no batch larger than this until it is behind us */
	int			suspect_blocks;

	/* rates */
	instr_time	rate_since;		/* of the interval not yet in pace's rates */
	double		rate_rows;
	double		rate_blocks;
	instr_time	stored_at;		/* when the cursor was last written */
} ZdmBackfillRun;

#endif							/* ZDM_BACKFILL_RUN_H */
