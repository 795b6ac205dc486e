/*
 * made.h
 *	  Being told of each index that the current statement makes.
 */
#ifndef ZDM_DDL_MADE_H
#define ZDM_DDL_MADE_H

/* Called in the transaction that makes it; may write to zdm's tables. */
typedef void (*ZdmMadeCallback) (Oid index, void *arg);

extern void zdm_made_watch(ZdmMadeCallback callback, void *arg);
extern void zdm_made_end(void);

#endif							/* ZDM_DDL_MADE_H */
