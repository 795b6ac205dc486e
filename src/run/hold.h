/*
 * hold.h
 *	  A job that is held, or slowed, by the load of the server.
 */
#ifndef ZDM_RUN_HOLD_H
#define ZDM_RUN_HOLD_H

#include "run/run.h"

extern bool zdm_hold_for_load(ZdmRun *run);
extern void zdm_hold_count(ZdmRun *run, ZdmSlowedBy by, double ms);
extern void zdm_hold_note_wal(ZdmRun *run, double wal_kb, double elapsed_ms);

#endif							/* ZDM_RUN_HOLD_H */
