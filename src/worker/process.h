/*
 * process.h
 *	  What zdm's background processes have in common.
 */
#ifndef ZDM_WORKER_PROCESS_H
#define ZDM_WORKER_PROCESS_H

#include "core/errors.h"

extern void zdm_process_init(void);
extern void zdm_process_pin_settings(const char *application_name);

extern bool zdm_process_wait(long timeout_ms, uint32 wait_event);
extern uint32 zdm_process_wait_event(const char *name);

extern bool zdm_process_extension_fits(void);
extern void zdm_process_log_error(const char *what, const ZdmError *error);

#endif							/* ZDM_WORKER_PROCESS_H */
