/*
 * statement.h
 *	  Which statement a row trigger fires for: what the server does not tell
 *	  its triggers.
 */
#ifndef ZDM_SYNC_STATEMENT_H
#define ZDM_SYNC_STATEMENT_H

#include "executor/execdesc.h"
#include "utils/relcache.h"

typedef enum ZdmSyncMove
{
	ZDM_SYNC_MOVES_NO,
	ZDM_SYNC_MOVES_PERHAPS,
	ZDM_SYNC_MOVES
} ZdmSyncMove;

extern void zdm_sync_statement_init(void);	/* from _PG_init */
extern bool zdm_sync_names_columns(Relation rel);
extern ZdmSyncMove zdm_sync_moves_rows(Relation rel);
extern const QueryDesc *zdm_sync_query(void);

#endif							/* ZDM_SYNC_STATEMENT_H */
