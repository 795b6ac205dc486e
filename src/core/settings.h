/*
 * settings.h
 *	  The zdm.* settings (GUCs).
 */
#ifndef ZDM_CORE_SETTINGS_H
#define ZDM_CORE_SETTINGS_H

extern bool zdm_autostart;
extern int	zdm_max_workers;
extern int	zdm_launcher_interval;	/* seconds */
extern double zdm_duty;			/* share of time at work, (0, 1] */
extern double zdm_contended_duty;	/* share of time at work while others want
									 * the processor */
extern int	zdm_batch_time;		/* ms, what a batch aims at */
extern int	zdm_max_batch_time; /* ms, hard cap of a batch */
extern int	zdm_batch_wal;		/* kB, what a batch aims at */
extern int	zdm_wal_flush_after;	/* kB; 0: never */
extern int	zdm_row_lock_timeout;	/* ms, wait of a batch for a row lock */
extern int	zdm_max_snapshot_age;	/* ms */
extern int	zdm_guarded_scan_from;	/* kB, a table is guarded from */
extern int	zdm_lock_timeout;	/* ms, longest wait in a table's lock queue */
extern int	zdm_max_stall;		/* ms, from a strong lock to its release */
extern int	zdm_ddl_deadline;	/* seconds, 0: none */

extern void zdm_settings_define(void);

#endif							/* ZDM_CORE_SETTINGS_H */
