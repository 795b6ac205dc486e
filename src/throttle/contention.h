/*
 * contention.h
 *	  Whether clients are at work, and want the processor that this process is on.
 */
#ifndef ZDM_THROTTLE_CONTENTION_H
#define ZDM_THROTTLE_CONTENTION_H

extern void zdm_contention_look(void);
extern bool zdm_clients_at_work(void);
extern bool zdm_processor_contended(void);

#endif							/* ZDM_THROTTLE_CONTENTION_H */
