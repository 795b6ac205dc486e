/*
 * explain.h
 *	  What a statement would lock, read and write: for zdm.explain_ddl() and
 *	  for those who must take the locks of a statement before they run it.
 */
#ifndef ZDM_EXPLAIN_EXPLAIN_H
#define ZDM_EXPLAIN_EXPLAIN_H

#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"

/* what a statement does to one relation that exists */
typedef struct ZdmDdlFact
{
	Oid			relid;			/* InvalidOid: no relation is locked, or one
								 * that is not there yet */
	char	   *relation;		/* as regclass prints it; NULL without a
								 * relation */
	LOCKMODE	mode;			/* the strongest it takes there; NoLock
								 * without a relation */
	bool		rewrites;		/* it gets new storage */
	bool		scans;			/* its rows, or for an index those of its
								 * table, are read from end to end */
	uint64		bytes;			/* to be read, or read and written, at its
								 * present size */
	bool		safe;
	char	   *advice;			/* NULL when there is none */
} ZdmDdlFact;

/* what a partition has of a foreign key of the table above it */
typedef struct ZdmPartitionKey
{
	Oid			relid;
	char	   *own;			/* name of an equal one of its own; NULL: none */
	bool		valid;			/* that one */
} ZdmPartitionKey;

extern List *zdm_partition_keys(Oid relid, Oid referenced, const Constraint *con);
extern List *zdm_ddl_facts(RawStmt *stmt, const char *sql);
extern List *zdm_ddl_locks(RawStmt *stmt, const char *sql);

#endif							/* ZDM_EXPLAIN_EXPLAIN_H */
