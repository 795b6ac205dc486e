/*
 * sample.h
 *	  Rows that are not consistent, as they are told: zdm.inconsistent_row.
 */
#ifndef ZDM_VERIFY_SAMPLE_H
#define ZDM_VERIFY_SAMPLE_H

#include "core/errors.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

/* rows that are listed for one job; the others are counted */
#define ZDM_SAMPLE_LIMIT 100

/* bytes of one value that are kept */
#define ZDM_SAMPLE_VALUE_LIMIT 200

typedef struct ZdmRowSample
{
	char	   *row_key;		/* each may be NULL */
	char	   *old_value;
	char	   *new_value;
	char	   *expected;
} ZdmRowSample;

extern void zdm_sample_store(int64 job_id, Relation rel, ItemPointer tid,
							 const ZdmRowSample *sample, const ZdmError *error);
extern int	zdm_sample_count(int64 job_id);

#endif							/* ZDM_VERIFY_SAMPLE_H */
