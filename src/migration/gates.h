/*
 * gates.h
 *	  The conditions under which a migration may be contracted.
 */
#ifndef ZDM_MIGRATION_GATES_H
#define ZDM_MIGRATION_GATES_H

#include "migration/migration.h"

typedef struct ZdmGate
{
	const char *name;
	char	   *closed;			/* why it is closed; NULL: it is open */
} ZdmGate;

extern List *zdm_gates_of(const ZdmMigration *migration);
extern char *zdm_gates_trigger_doubt(const ZdmMigration *migration);

#endif							/* ZDM_MIGRATION_GATES_H */
