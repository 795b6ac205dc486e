/*
 * function_versions.c
 *	  Which versions of functions an expression calls: a scan that takes many
 *	  transactions starts over when one of them is replaced or altered.
 *
 * What such a function calls in turn, or reads from tables, is the user's
 * promise of immutability.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pg_list.h"
#include "scan/function_versions.h"
#include "utils/syscache.h"

static bool
add_function(Oid function, void *arg)
{
	List	  **functions = arg;

	*functions = list_append_unique_oid(*functions, function);
	return false;
}

static bool
find_functions(Node *node, void *arg)
{
	if (node == NULL)
		return false;
	(void) check_functions_in_node(node, add_function, arg);
	return expression_tree_walker(node, find_functions, arg);
}

/*
 * The rows of pg_proc and their versions, built-in functions left out, as text
 * in the current memory context; NULL when there are none.
 */
char *
zdm_function_versions(Node *expression)
{
	List	   *functions = NIL;
	ListCell   *lc;
	StringInfoData buf;

	(void) find_functions(expression, &functions);
	initStringInfo(&buf);
	foreach(lc, functions)
	{
		HeapTuple	tuple;

		if (lfirst_oid(lc) < FirstUnpinnedObjectId)
			continue;
		tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(lfirst_oid(lc)));
		if (!HeapTupleIsValid(tuple))
			continue;
		appendStringInfo(&buf, "function %u:%u:%u/%u ", lfirst_oid(lc),
						 HeapTupleHeaderGetRawXmin(tuple->t_data),
						 ItemPointerGetBlockNumberNoCheck(&tuple->t_self),
						 ItemPointerGetOffsetNumberNoCheck(&tuple->t_self));
		ReleaseSysCache(tuple);
	}
	return buf.len > 0 ? buf.data : NULL;
}
