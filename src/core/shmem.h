/*
 * shmem.h
 *	  Areas of shared memory, each with a lock of its own.
 */
#ifndef ZDM_CORE_SHMEM_H
#define ZDM_CORE_SHMEM_H

#include "storage/lwlock.h"

/* called once, in the process that creates the zeroed area */
typedef void (*ZdmShmemInit) (void *area, LWLock *lock);

extern void zdm_shmem_add(const char *name, Size size, void **area, ZdmShmemInit init);

#endif							/* ZDM_CORE_SHMEM_H */
