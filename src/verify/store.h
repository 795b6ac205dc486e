/*
 * store.h
 *	  The tables of the verifications: zdm.verification, its cursor, and which
 *	  leaves are done.
 */
#ifndef ZDM_VERIFY_STORE_H
#define ZDM_VERIFY_STORE_H

#include "scan/page_scan.h"
#include "storage/block.h"
#include "storage/itemptr.h"

/* What was asked for. */
typedef struct ZdmVerifySpec
{
	Oid			target;
	int64		mapping_id;
} ZdmVerifySpec;

typedef enum ZdmVerifyPhase
{
	ZDM_VERIFY_SCAN,
	ZDM_VERIFY_PROOF,
	ZDM_VERIFY_ENDED			/* the next start begins anew */
} ZdmVerifyPhase;

/* How far it is. */
typedef struct ZdmVerifyCursor
{
	int64		job_id;
	ItemPointerData row;		/* where its row is */
	bool		foreign_place;	/* as loaded: it is a place in another cluster
								 * or database */

	ZdmVerifyPhase phase;
	int			pass;			/* from 1; 0: not begun */

	/* the scan of a leaf; leaf invalid: none has begun */
	Oid			leaf;
	Oid			leaf_filenode;
	char	   *leaf_premises;	/* what its scan relies on */
	ZdmPageMark leaf_mark;		/* taken when this scan began */
	ZdmPageMark leaf_seen;		/* ... when the scan of the pass before did */
	BlockNumber leaf_blocks;	/* where it ends */
	BlockNumber next_block;
	int64		leaf_rows;
	int64		leaf_inconsistent;

	int64		total;			/* blocks of all leaves, when it began */
	int64		done;			/* blocks of leaves left behind in this pass */
	int64		rows;			/* looked at in the first pass */
	int64		rows_again;		/* ... and later */
	int64		rows_estimated;
	int64		inconsistent;
	int64		chunks;
	int64		restarts;		/* scans of a leaf started over */
	int64		retries;
	double		work_ms;
	double		longest_ms;		/* of a chunk */
	double		rows_per_second;
	double		seconds_left;	/* < 0: not known */
} ZdmVerifyCursor;

/* A leaf that a pass has gone through. */
typedef struct ZdmVerifiedLeaf
{
	Oid			leaf;
	Oid			filenode;
	char	   *premises;
	int			pass;
	ZdmPageMark mark;			/* taken before the pass began with it */
} ZdmVerifiedLeaf;

/* What a verification has come to. */
typedef struct ZdmVerifyResult
{
	bool		clean;
	bool		at_one_instant; /* seen under one snapshot */
} ZdmVerifyResult;

extern void zdm_verify_store(int64 job_id, const ZdmVerifySpec *spec);
extern void zdm_verify_discard(int64 job_id);
extern ZdmVerifySpec *zdm_verify_load(int64 job_id);
extern void zdm_verify_store_begin(int64 job_id, const char *definition);
extern void zdm_verify_store_result(const ZdmVerifyCursor *cursor, const ZdmVerifyResult *result);
extern void zdm_verify_cursor_load(int64 job_id, ZdmVerifyCursor *cursor, MemoryContext mcxt);
extern void zdm_verify_cursor_store(ZdmVerifyCursor *cursor);
extern bool zdm_verified_leaf_load(int64 job_id, Oid leaf, ZdmVerifiedLeaf *found);
extern void zdm_verified_leaf_store(int64 job_id, const ZdmVerifiedLeaf *leaf);
extern void zdm_verified_leaf_forget(int64 job_id, Oid leaf);

#endif							/* ZDM_VERIFY_STORE_H */
