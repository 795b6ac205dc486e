/*
 * cursor_row.h
 *	  The one row of a job in a table of cursors, written by ctid.
 */
#ifndef ZDM_CORE_CURSOR_ROW_H
#define ZDM_CORE_CURSOR_ROW_H

#include "executor/spi.h"
#include "storage/itemptr.h"

/* a table with a row for each job, and how to write one */
typedef struct ZdmCursorTable
{
	const char *name;			/* with its schema */
	const char *update;			/* $1 is job_id, the last argument ctid;
								 * RETURNING ctid */
	int			nargs;
	Oid		   *argtypes;
	SPIPlanPtr	plan;			/* made when first used */
} ZdmCursorTable;

extern void zdm_cursor_row_store(ZdmCursorTable *table, ItemPointer row, Datum *values, const char *nulls);

#endif							/* ZDM_CORE_CURSOR_ROW_H */
