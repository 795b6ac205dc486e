/*
 * settings.h
 *	  The settings about load.
 */
#ifndef ZDM_THROTTLE_SETTINGS_H
#define ZDM_THROTTLE_SETTINGS_H

#include "nodes/pg_list.h"

/* thresholds of load; 0: off */
extern int	zdm_max_replay_lag; /* ms */
extern int	zdm_max_replay_bytes;	/* kB */
extern char *zdm_required_standbys; /* names, with commas between */
extern int	zdm_required_standby_timeout;	/* seconds */
extern int	zdm_max_slot_bytes; /* kB */
extern int	zdm_max_archive_backlog;	/* segments */
extern int	zdm_max_wal_rate;	/* kB/s */
extern int	zdm_max_own_wal_rate;	/* kB/s */
extern int	zdm_max_checkpoint_distance;	/* percent */
extern int	zdm_max_active_backends;
extern int	zdm_max_horizon_age;	/* ms */
extern int	zdm_max_dead_rows;	/* percent */
extern int	zdm_wait_for_vacuum;	/* 1: jobs wait */
extern int	zdm_max_commit_latency; /* ms */
extern int	zdm_max_lock_waits; /* percent */
extern char *zdm_work_window;	/* as throttle/window.h reads it; empty: any
								 * time */
extern char *zdm_throttle_query;	/* empty: none */
extern int	zdm_throttle_query_timeout; /* ms */

extern bool zdm_standby_names_parse(const char *text, List **names);
extern void zdm_standby_names_warn(List *names);
extern void zdm_throttle_settings_define(void);

#endif							/* ZDM_THROTTLE_SETTINGS_H */
