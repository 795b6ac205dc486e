/*
 * launcher.h
 *	  The process that sees to it that queued jobs get workers.
 */
#ifndef ZDM_WORKER_LAUNCHER_H
#define ZDM_WORKER_LAUNCHER_H

extern void zdm_launcher_register(void);

#endif							/* ZDM_WORKER_LAUNCHER_H */
