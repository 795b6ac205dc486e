/*
 * arguments.h
 *	  A mapping as the arguments of a trigger.
 */
#ifndef ZDM_MAPPING_ARGUMENTS_H
#define ZDM_MAPPING_ARGUMENTS_H

#include "mapping/mapping.h"
#include "utils/reltrigger.h"

extern ZdmMapping *zdm_mapping_parse(const Trigger *trigger);
extern Oid	zdm_sync_function(void);
extern char *zdm_sync_trigger_name(int64 id);

#endif							/* ZDM_MAPPING_ARGUMENTS_H */
