/*
 * args.h
 *	  Checks that several SQL functions make on their call.
 */
#ifndef ZDM_CORE_ARGS_H
#define ZDM_CORE_ARGS_H

#include "fmgr.h"
#include "nodes/pg_list.h"

extern void zdm_args_not_null(FunctionCallInfo fcinfo, int argno, const char *argname);
extern char *zdm_args_text(FunctionCallInfo fcinfo, int argno);
extern char *zdm_args_name(FunctionCallInfo fcinfo, int argno);
extern char *zdm_args_required_name(FunctionCallInfo fcinfo, int argno, const char *argname);
extern char *zdm_args_reason(FunctionCallInfo fcinfo, int argno);
extern void zdm_require_writable(const char *funcname);
extern void zdm_require_owner_rights(Oid owner, const char *what);
extern void zdm_require_database_rights(const char *funcname);
extern void zdm_require_references(Oid relid, const List *columns, Oid role);

#endif							/* ZDM_CORE_ARGS_H */
