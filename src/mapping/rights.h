/*
 * rights.h
 *	  Roles that write a table and may not execute what its mapping needs.
 */
#ifndef ZDM_MAPPING_RIGHTS_H
#define ZDM_MAPPING_RIGHTS_H

#include "mapping/mapping.h"

typedef struct ZdmMissingRight
{
	Oid			role;
	Oid			function;
} ZdmMissingRight;

extern List *zdm_mapping_missing_rights(Relation rel, const ZdmMapping *mapping,
										const ZdmMappingColumn *new_column);
extern void zdm_mapping_require_rights(const List *functions);

#endif							/* ZDM_MAPPING_RIGHTS_H */
