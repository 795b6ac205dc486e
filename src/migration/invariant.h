/*
 * invariant.h
 *	  Queries that must return no rows while a migration is open, and the kind
 *	  of job "invariant" that runs one again and again.
 */
#ifndef ZDM_MIGRATION_INVARIANT_H
#define ZDM_MIGRATION_INVARIANT_H

#include "job/kind.h"
#include "migration/migration.h"

#define ZDM_INVARIANT_SAMPLES 10

typedef struct ZdmInvariant
{
	int64		id;
	int64		migration_id;
	char	   *name;
	char	   *query;
	ZdmSessionSettings settings;
	int			time_limit;		/* ms */
	Interval	runs_every;
	bool		is_clean;		/* the last run returned no rows */
	bool		has_run;
} ZdmInvariant;

/* What came of a run. */
typedef struct ZdmInvariantResult
{
	TimestampTz began_at;
	int64		rows;
	List	   *samples;		/* of char *, of the first rows */
	const char *error;			/* NULL: it could be run */
} ZdmInvariantResult;

extern ZdmRunOutcome zdm_invariant_run(const ZdmJob *job);

/* Each needs a transaction; none of them commits. */
extern void zdm_invariant_start_all(const ZdmMigration *migration);
extern ZdmInvariant *zdm_invariant_load(int64 job_id);
extern void zdm_invariant_record(const ZdmInvariant *invariant, const ZdmInvariantResult *result);

#endif							/* ZDM_MIGRATION_INVARIANT_H */
