/*
 * portal.h
 *	  Running one statement of text or tree in a worker, as a client's would
 *	  run.
 */
#ifndef ZDM_DDL_PORTAL_H
#define ZDM_DDL_PORTAL_H

#include "nodes/parsenodes.h"

extern void zdm_ddl_execute(const char *sql);
extern void zdm_ddl_execute_tree(const Node *stmt, const char *sql);
extern void zdm_ddl_execute_toplevel(const char *sql);
extern void zdm_ddl_execute_tree_toplevel(const Node *stmt, const char *sql);

#endif							/* ZDM_DDL_PORTAL_H */
