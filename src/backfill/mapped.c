/*
 * mapped.c
 *	  A backfill that is told by a mapping what to assign.
 *
 * What the mapping is says the trigger of the target, and the trigger of each
 * leaf must say the same.  Both are read whenever statements are planned, and
 * a change of a trigger makes plans stale; so no row is written by another
 * mapping than the one the trigger keeps it by.  Where a trigger is missing or
 * does not always fire, the backfill ends: rows would be written behind it.
 */
#include "postgres.h"

#include "access/relation.h"
#include "backfill/mapped.h"
#include "mapping/require.h"
#include "run/verdict.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

static void
adopt(ZdmBackfillRun *run, ZdmMapping *mapping)
{
	ZdmBackfillSpec *spec = run->spec;

	spec->mapping = mapping;
	spec->settings = mapping->settings;
	spec->set_clause = zdm_mapping_describe(mapping);
	run->base.activity = spec->set_clause;
	run->whole_sweep = false;	/* part of it was by the one before */
}

/*
 * In a transaction, before statements for rel, which is locked, are planned.
 * ZDM_BUSY: they have to be planned in another transaction, since settings are
 * those of a transaction from its start.  Errors as zdm_mapping_news().
 */
ZdmVerdict
zdm_mapped_read(ZdmBackfillRun *run, Relation rel)
{
	ZdmBackfillSpec *spec = run->spec;
	MemoryContext old;
	ZdmMapping *now = NULL;
	ZdmVerdict	verdict = ZDM_BUSY;

	if (spec->mapping_id == 0)
		return ZDM_DONE;
	old = MemoryContextSwitchTo(run->base.run_mcxt);
	switch (zdm_mapping_news(rel, spec->target, spec->mapping_id, spec->mapping, &now))
	{
		case ZDM_MAPPING_SAME:
			verdict = ZDM_DONE;
			break;
		case ZDM_MAPPING_OTHER:
			adopt(run, now);
			break;
		case ZDM_MAPPING_GONE:
			verdict = ZDM_GONE;
			break;
		case ZDM_MAPPING_LOCKED:
			break;
	}
	MemoryContextSwitchTo(old);
	if (now)
		zdm_spec_store_set_clause(run->base.job->id, spec->set_clause);
	return verdict;
}

static ZdmVerdict
load_body(ZdmRun *base, void *arg)
{
	ZdmBackfillRun *run = (ZdmBackfillRun *) base;
	Relation	target;
	ZdmVerdict	verdict = ZDM_OTHER_OWNER;

	if (!ConditionalLockRelationOid(run->spec->target, AccessShareLock))
		return ZDM_BUSY;
	target = try_relation_open(run->spec->target, NoLock);
	if (target == NULL)
		return ZDM_GONE;
	if (target->rd_rel->relowner == base->owner)
		verdict = zdm_mapped_read(run, target);
	relation_close(target, NoLock);
	return run->spec->mapping ? ZDM_DONE : verdict;
}

/* Read the mapping for the first time, in a transaction.  False when the run has ended. */
bool
zdm_mapped_load(ZdmBackfillRun *run)
{
	ZdmVerdict	verdict;
	ZdmError   *error;

	while ((verdict = zdm_txn(&run->base, 0, load_body, NULL, &error)) != ZDM_DONE)
	{
		if (verdict == ZDM_GONE && zdm_run_target_is_gone(&run->base))
			return false;
		if (verdict != ZDM_GONE && !zdm_verdict_try_again(&run->base, run->spec->target, verdict, error))
			return false;
	}
	return true;
}
