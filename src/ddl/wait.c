/*
 * wait.c
 *	  A job that waits for a lock says so: in zdm.jobs and for zdm.blockers.
 *
 * zdm.lock_wait has a row for each job that waits, with what it waits for; who
 * is in the way is looked up by zdm.blockers when somebody asks.  A row that
 * outlives its wait in a crash says nothing: the view shows it only while the
 * job's worker is alive, and a worker that begins replaces it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "core/identity.h"
#include "ddl/holders.h"
#include "ddl/wait.h"
#include "run/pause.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* a wait shorter than this is not worth telling */
#define TELL_AFTER_MS 300.0
#define TELL_EVERY_MS 1000.0

/* what to write into zdm.lock_wait */
typedef struct Telling
{
	int64		job_id;
	const ZdmLockTarget *target;
} Telling;

/* Before the first wait. */
void
zdm_lock_wait_init(ZdmLockWait *wait, ZdmRun *run)
{
	wait->run = run;
	wait->tell_at = TELL_AFTER_MS;
	wait->told_relid = InvalidOid;
	wait->told_mode = NoLock;
}

static Datum
conflicting_modes_array(LOCKMODE mode)
{
	Datum		elems[AccessExclusiveLock];
	int			count = 0;

	for (LOCKMODE other = AccessShareLock; other <= AccessExclusiveLock; other++)
	{
		if (DoLockModesConflict(mode, other))
			elems[count++] = CStringGetTextDatum(GetLockmodeName(DEFAULT_LOCKMETHOD, other));
	}
	return PointerGetDatum(construct_array(elems, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
store_step(void *arg)
{
	static const Oid argtypes[] = {INT8OID, OIDOID, TEXTOID, TEXTARRAYOID};
	const Telling *telling = arg;
	Datum		values[lengthof(argtypes)];
	ZdmCatalogScope scope;

	zdm_pin_setting("synchronous_commit", "off");
	values[0] = Int64GetDatum(telling->job_id);
	values[1] = ObjectIdGetDatum(telling->target->relid);
	values[2] = CStringGetTextDatum(GetLockmodeName(DEFAULT_LOCKMETHOD, telling->target->mode));
	values[3] = conflicting_modes_array(telling->target->mode);
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.lock_wait (job_id, relation, mode, conflicts_with)"
						" VALUES ($1, $2, $3, $4)"
						" ON CONFLICT (job_id) DO UPDATE SET relation = EXCLUDED.relation,"
						" mode = EXCLUDED.mode, conflicts_with = EXCLUDED.conflicts_with",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

static void
remove_step(void *arg)
{
	const Telling *telling = arg;
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(telling->job_id);
	ZdmCatalogScope scope;

	zdm_pin_setting("synchronous_commit", "off");
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("DELETE FROM zdm.lock_wait WHERE job_id = $1",
						1, &argtype, &value, NULL, SPI_OK_DELETE);
	zdm_catalog_end(&scope);
}

/* For zdm.blockers: target is what cannot be had. */
void
zdm_lock_wait_note(ZdmLockWait *wait, const ZdmLockTarget *target)
{
	Telling		telling = {.job_id = wait->run->job->id,.target = target};

	if ((target->relid != wait->told_relid || target->mode != wait->told_mode) &&
		zdm_run_try_bookkeep(wait->run, store_step, &telling))
	{
		wait->told_relid = target->relid;
		wait->told_mode = target->mode;
	}
}

/* waited_ms after the start, target is what cannot be had. */
void
zdm_lock_wait_tell(ZdmLockWait *wait, double waited_ms, const ZdmLockTarget *target)
{
	if (waited_ms < wait->tell_at)
		return;
	wait->tell_at = waited_ms + TELL_EVERY_MS;
	/* who waits has not crashed */
	zdm_say_progress(wait->run);
	zdm_say_waiting(wait->run, zdm_holders_describe(wait->run, target));
	zdm_lock_wait_note(wait, target);
}

/* The wait has ended, one way or the other. */
void
zdm_lock_wait_over(ZdmLockWait *wait)
{
	Telling		telling = {.job_id = wait->run->job->id};

	if (OidIsValid(wait->told_relid) && zdm_run_try_bookkeep(wait->run, remove_step, &telling))
		wait->told_relid = InvalidOid;
	if (!wait->run->ended)
		zdm_say_working(wait->run);
}
