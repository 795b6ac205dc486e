/*
 * pause.h
 *	  Between two transactions of a job: pausing, waiting, leaving.
 */
#ifndef ZDM_RUN_PAUSE_H
#define ZDM_RUN_PAUSE_H

#include "run/run.h"
#include "throttle/pace.h"

extern bool zdm_pause(ZdmRun *run, double ms);
extern bool zdm_pause_for_duty(ZdmRun *run, const ZdmPaceSample *sample);
extern void zdm_pause_read_orders(ZdmRun *run);
extern void zdm_pause_target(const ZdmRun *run, ZdmPaceTarget *target);
extern void zdm_say_waiting(ZdmRun *run, const char *why);
extern void zdm_say_working(ZdmRun *run);
extern void zdm_say_progress(ZdmRun *run);
extern void zdm_note_event(ZdmRun *run, const char *event, const char *message);

#endif							/* ZDM_RUN_PAUSE_H */
