/*
 * proof.h
 *	  The proof that a backfill has left nothing.
 */
#ifndef ZDM_BACKFILL_PROOF_H
#define ZDM_BACKFILL_PROOF_H

#include "backfill/run.h"

typedef enum ZdmProof
{
	ZDM_PROOF_CLEAN,			/* no row matches */
	ZDM_PROOF_LEFT,				/* some row does */
	ZDM_PROOF_TOO_LONG,			/* the target is too large for one snapshot */
	ZDM_PROOF_ENDED				/* the run has ended */
} ZdmProof;

extern ZdmProof zdm_proof(ZdmBackfillRun *run);

#endif							/* ZDM_BACKFILL_PROOF_H */
