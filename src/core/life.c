/*
 * life.c
 *	  Since when this server runs, with its shared memory, as a primary.
 *
 * What is counted in shared memory is known from then on only.  That is not
 * when the postmaster was started: it makes new shared memory after a crash of
 * a process, and a standby that is promoted keeps its own, which knows nothing
 * of what the primary before had met.
 */
#include "postgres.h"

#include "core/life.h"
#include "core/shmem.h"
#include "fmgr.h"
#include "port/atomics.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(zdm_running_since);

typedef struct LifeShared
{
	pg_atomic_uint64 since;		/* a TimestampTz; 0: not yet */
} LifeShared;

static LifeShared *shared = NULL;

static void
init_shared(void *area, LWLock *lock)
{
	pg_atomic_init_u64(&((LifeShared *) area)->since, 0);
}

/* Have room made for it when the server starts. */
void
zdm_life_init(void)
{
	zdm_shmem_add("zdm life", sizeof(LifeShared), (void **) &shared, init_shared);
}

/* It runs, and is no standby.  From the launcher, whenever that starts; the first time counts. */
void
zdm_life_begin(void)
{
	uint64		none = 0;

	(void) pg_atomic_compare_exchange_u64(&shared->since, &none, (uint64) GetCurrentTimestamp());
}

/* zdm.running_since(): NULL without preload, and on a standby. */
Datum
zdm_running_since(PG_FUNCTION_ARGS)
{
	uint64		since = shared ? pg_atomic_read_u64(&shared->since) : 0;

	if (since == 0)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ((TimestampTz) since);
}
