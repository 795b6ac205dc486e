/*
 * require.h
 *	  A mapping as the jobs need it that rest on it: kept by its trigger.
 */
#ifndef ZDM_MAPPING_REQUIRE_H
#define ZDM_MAPPING_REQUIRE_H

#include "mapping/mapping.h"

/* what has become of a mapping that is known */
typedef enum ZdmMappingNews
{
	ZDM_MAPPING_SAME,
	ZDM_MAPPING_OTHER,			/* it has changed */
	ZDM_MAPPING_LOCKED,			/* its table is locked */
	ZDM_MAPPING_GONE			/* ... or dropped */
} ZdmMappingNews;

extern ZdmMapping *zdm_mapping_require(Relation rel, int64 id);
extern ZdmMappingNews zdm_mapping_news(Relation rel, Oid target, int64 id,
									   const ZdmMapping *known, ZdmMapping **now);
extern char *zdm_mapping_describe(const ZdmMapping *mapping);

#endif							/* ZDM_MAPPING_REQUIRE_H */
