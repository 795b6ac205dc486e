/*
 * run.h
 *	  A verification while it runs: what the files of this room share.
 */
#ifndef ZDM_VERIFY_RUN_H
#define ZDM_VERIFY_RUN_H

#include "mapping/mapping.h"
#include "portability/instr_time.h"
#include "run/run.h"
#include "run/txn.h"
#include "throttle/pace.h"
#include "verify/store.h"

typedef struct ZdmVerify
{
	ZdmRun		base;			/* first: a step is given this */
	ZdmVerifySpec *spec;
	ZdmVerifyCursor cursor;		/* as last committed */
	ZdmMapping *mapping;		/* as read from the target's trigger; its
								 * settings are those of each transaction */
	ZdmPace		pace;			/* units are blocks */
	int			listed;			/* rows in zdm.inconsistent_row */

	bool		row_by_row;		/* a row has failed: evaluate each so that its
								 * error is its own */
	ItemPointerData error_row;	/* at which row an error was raised; may be
								 * invalid */

	instr_time	rate_since;		/* of the interval not yet in pace's rates */
} ZdmVerify;

/* rows looked at in one transaction */
typedef struct ZdmLook
{
	/* what is asked for */
	BlockNumber from;
	BlockNumber to;				/* exclusive */
	ZdmPageMark seen;			/* rows that are left out */
	bool		(*stop) (void *arg);	/* asked after each page; may be NULL */
	void	   *stop_arg;

	/* what came of it */
	BlockNumber next;			/* the first block not looked at */
	int64		rows;
	int64		inconsistent;
	int			listed;
} ZdmLook;

/* leaf.c */
extern ZdmVerdict zdm_verify_leaf_lock(ZdmVerify *v, Oid leaf, Relation *rel);
extern ZdmVerdict zdm_verify_mapping_read(ZdmVerify *v, Relation rel);
extern char *zdm_verify_premises(ZdmVerify *v, Relation rel);

/* rows.c */
extern void zdm_verify_look(ZdmVerify *v, Relation rel, ZdmLook *look);

/* proof.c */
typedef enum ZdmVerifyProof
{
	ZDM_VERIFY_PROVED,			/* no row was inconsistent at one instant */
	ZDM_VERIFY_FOUND,			/* some were; the cursor counts them */
	ZDM_VERIFY_LEAF_LEFT,		/* a leaf is to be scanned, perhaps again */
	ZDM_VERIFY_TOO_LONG,		/* it takes too long for one snapshot */
	ZDM_VERIFY_RUN_ENDED
} ZdmVerifyProof;

extern ZdmVerifyProof zdm_verify_proof(ZdmVerify *v);

#endif							/* ZDM_VERIFY_RUN_H */
