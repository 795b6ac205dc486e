/*
 * run.h
 *	  A job on an index while it runs.
 */
#ifndef ZDM_INDEX_RUN_H
#define ZDM_INDEX_RUN_H

#include "ddl/wait.h"
#include "index/store.h"
#include "nodes/parsenodes.h"
#include "run/txn.h"

typedef struct ZdmIndexRun
{
	ZdmRun		base;
	ZdmIndexSpec *spec;
	IndexStmt  *stmt;			/* raw tree of the definition; NULL unless
								 * created */
	bool		if_not_exists;	/* it says so */
	ZdmLockWait lock_wait;		/* of the lock that a concurrent statement
								 * begins with */
	MemoryContext look_mcxt;	/* reset with every look */
	List	   *parts;			/* ZdmIndexPart, as of the last look */
	bool		is_partitioned; /* the table, as of the last look */
	bool		has_dropped;	/* a DROP of the job's has got through */
	int			leaves_done;
	int			leaves_total;
} ZdmIndexRun;

/* A statement of the job, at top level. */
typedef struct ZdmIndexStatement
{
	const IndexStmt *tree;		/* or else */
	const char *sql;			/* or else */
	Oid			drops;			/* the index to drop, or else */
	Oid			replaces;		/* the index to rebuild */
	Oid			table;			/* that gets an index; whatever the tree has
								 * as its name */
	List	   *targets;		/* ZdmLockTarget, in run_mcxt: what a
								 * statement that is done in an instant locks;
								 * NIL for one that is concurrent */
} ZdmIndexStatement;

/* steps.c */
extern bool zdm_index_look(ZdmIndexRun *run);
extern const ZdmIndexPart *zdm_index_part_of(const ZdmIndexRun *run, Oid table);
extern void zdm_index_say_phase(ZdmIndexRun *run, const char *phase, Oid leaf);
extern ZdmVerdict zdm_index_execute(ZdmIndexRun *run, const ZdmIndexStatement *statement,
									ZdmError **error);
extern bool zdm_index_try_again(ZdmIndexRun *run, Oid table, ZdmVerdict verdict, ZdmError *error);
extern bool zdm_index_exists(ZdmIndexRun *run, Oid relid, bool *exists);
extern bool zdm_index_drop(ZdmIndexRun *run, Oid index, Oid table, bool at_once);

/* create.c */
extern bool zdm_index_name_is_free(ZdmIndexRun *run);
extern bool zdm_index_build(ZdmIndexRun *run, Oid table, const IndexStmt *tree);

/* partitions.c */
extern bool zdm_index_create_partitioned(ZdmIndexRun *run);

/* rebuild.c */
extern bool zdm_index_rebuild(ZdmIndexRun *run);
extern bool zdm_index_remove(ZdmIndexRun *run);

/* duplicates.c */
extern bool zdm_index_check_duplicates(ZdmIndexRun *run, Oid table, const IndexStmt *tree);
extern void zdm_index_report_duplicates(ZdmIndexRun *run, Oid table, const IndexStmt *tree,
										const ZdmError *cause);

#endif							/* ZDM_INDEX_RUN_H */
