/*
 * statement.h
 *	  Which statement a row trigger fires for: what the server does not tell
 *	  its triggers.
 */
#ifndef ZDM_SYNC_STATEMENT_H
#define ZDM_SYNC_STATEMENT_H

#include "executor/execdesc.h"
#include "utils/relcache.h"

extern void zdm_sync_statement_init(void);	/* from _PG_init */
extern bool zdm_sync_names_columns(Relation rel);
extern bool zdm_sync_may_move_rows(Relation rel);
extern const QueryDesc *zdm_sync_query(void);

#endif							/* ZDM_SYNC_STATEMENT_H */
