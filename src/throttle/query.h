/*
 * query.h
 *	  The throttle query of the user.
 */
#ifndef ZDM_THROTTLE_QUERY_H
#define ZDM_THROTTLE_QUERY_H

#include "throttle/signal.h"

extern void zdm_throttle_query_run(const char *query, ZdmReading *reading);

#endif							/* ZDM_THROTTLE_QUERY_H */
