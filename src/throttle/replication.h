/*
 * replication.h
 *	  Standbys by their names.
 */
#ifndef ZDM_THROTTLE_REPLICATION_H
#define ZDM_THROTTLE_REPLICATION_H

#include "nodes/pg_list.h"

extern List *zdm_replication_missing(List *names);

#endif							/* ZDM_THROTTLE_REPLICATION_H */
