/*
 * shmem.c
 *	  Areas of shared memory, each with a lock of its own: one request to the
 *	  server for all rooms that have one.
 *
 * They exist only when zdm is in shared_preload_libraries.
 */
#include "postgres.h"

#include "core/shmem.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#define MAX_AREAS 4
#define TRANCHE "zdm"

typedef struct ShmemArea
{
	const char *name;
	Size		size;
	void	  **area;
	ZdmShmemInit init;
} ShmemArea;

static ShmemArea areas[MAX_AREAS];
static int	nareas = 0;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void
request_shmem(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	for (int i = 0; i < nareas; i++)
		RequestAddinShmemSpace(MAXALIGN(areas[i].size));
	RequestNamedLWLockTranche(TRANCHE, nareas);
}

static void
startup_shmem(void)
{
	LWLockPadded *locks;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	locks = GetNamedLWLockTranche(TRANCHE);
	for (int i = 0; i < nareas; i++)
	{
		bool		found;
		void	   *area = ShmemInitStruct(areas[i].name, areas[i].size, &found);

		if (!found)
		{
			memset(area, 0, areas[i].size);
			areas[i].init(area, &locks[i].lock);
		}
		*areas[i].area = area;
	}
	LWLockRelease(AddinShmemInitLock);
}

/*
 * From _PG_init only: have an area made when the server starts, and *area
 * point to it.  Nothing happens when the library is not being preloaded.
 */
void
zdm_shmem_add(const char *name, Size size, void **area, ZdmShmemInit init)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	if (nareas == 0)
	{
		prev_shmem_request_hook = shmem_request_hook;
		shmem_request_hook = request_shmem;
		prev_shmem_startup_hook = shmem_startup_hook;
		shmem_startup_hook = startup_shmem;
	}
	if (nareas == MAX_AREAS)
		elog(ERROR, "too many areas of shared memory");
	areas[nareas].name = name;
	areas[nareas].size = size;
	areas[nareas].area = area;
	areas[nareas].init = init;
	nareas++;
}
