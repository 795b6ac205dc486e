/*
 * horizon.h
 *	  Who holds the xmin horizon.
 */
#ifndef ZDM_RUN_HORIZON_H
#define ZDM_RUN_HORIZON_H

#include "run/run.h"

extern const char *zdm_run_horizon_holder(ZdmRun *run);

#endif							/* ZDM_RUN_HORIZON_H */
