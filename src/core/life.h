/*
 * life.h
 *	  Since when this server runs, with its shared memory, as a primary.
 */
#ifndef ZDM_CORE_LIFE_H
#define ZDM_CORE_LIFE_H

extern void zdm_life_init(void);	/* from _PG_init */
extern void zdm_life_begin(void);

#endif							/* ZDM_CORE_LIFE_H */
