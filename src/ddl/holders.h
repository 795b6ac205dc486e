/*
 * holders.h
 *	  Who is in the way of a lock, seen without asking for it.
 */
#ifndef ZDM_DDL_HOLDERS_H
#define ZDM_DDL_HOLDERS_H

#include "ddl/lock.h"

/* What a look at the holders of conflicting locks has found. */
typedef struct ZdmHolders
{
	int			first_blocked;	/* index of a target that is not free; -1: all
								 * are free */
	bool		lasting;		/* a holder is a prepared transaction, or has
								 * ended just now */
	double		oldest_ms;		/* age of the oldest holder's transaction */
} ZdmHolders;

extern void zdm_holders_look(List *targets, ZdmHolders *holders);
extern const char *zdm_holders_describe(ZdmRun *run, const ZdmLockTarget *target);

#endif							/* ZDM_DDL_HOLDERS_H */
