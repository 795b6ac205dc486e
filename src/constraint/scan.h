/*
 * scan.h
 *	  The seam between the validation of a constraint and the ways to scan for
 *	  rows that break it.
 *
 * The frame (validation.c) owns the job: which relation is next, transactions,
 * pace, cursor, counters, the mark.  A method owns what a chunk is and why a
 * relation whose last chunk found nothing may be marked.
 */
#ifndef ZDM_CONSTRAINT_SCAN_H
#define ZDM_CONSTRAINT_SCAN_H

#include "constraint/facts.h"
#include "constraint/store.h"
#include "executor/tuptable.h"
#include "portability/instr_time.h"
#include "run/run.h"
#include "run/txn.h"
#include "throttle/pace.h"

struct ZdmScanMethod;

/* A validation while it runs. */
typedef struct ZdmValidation
{
	ZdmRun		base;			/* first: a step is given this */
	ZdmValidationSpec *spec;	/* what was asked for */
	ZdmValidationCursor cursor; /* as last committed */
	ZdmValidationCursor next_cursor;	/* as stored by the chunk's
										 * transaction */
	const struct ZdmScanMethod *method; /* NULL: native */
	ZdmPace		pace;			/* units are the method's */

	bool		list_is_full;	/* further violations are only counted */
	bool		begin_anew;		/* the end of this run forgets the scan */

	/* of the relation being scanned, cursor.leaf */
	MemoryContext scan_mcxt;	/* reset when another scan begins */
	void	   *state;			/* the method's own, in scan_mcxt */
	char	   *leaf_name;		/* in scan_mcxt */
	ZdmConstraint *constraint;	/* of that relation, in scan_mcxt */

	ItemPointerData error_row;	/* in a chunk: at which row an error was
								 * raised; may be invalid */

	instr_time	rate_since;		/* of the interval not yet in pace's rates */
} ZdmValidation;

/* One chunk: one transaction, one snapshot, at most a second. */
typedef struct ZdmChunk
{
	/* what is asked for */
	int			units;			/* at most; keys or blocks, as the method
								 * counts */
	double		stop_ms;		/* end the chunk at the next place where that
								 * is possible, once it has taken this long */
	instr_time	start;

	/*
	 * The position after it.  Given: the position before it.  Both belong to
	 * the method and are stored with the chunk; at the start of a relation
	 * next_block is 0 and position NULL.
	 */
	BlockNumber next_block;
	bytea	   *position;

	/* what came of it */
	int64		units_done;
	int64		units_total;	/* of the whole relation, as now estimated */
	int64		rows;
	int64		violations;		/* counted by zdm_scan_report() */
	int64		unlisted;		/* of them, not in zdm.violations */
	int64		again;			/* of them, in zdm.violations since before */
	bool		last;			/* nothing is left to scan */
} ZdmChunk;

/*
 * Verdicts that a method may give from chunk() and before_mark(), on top of
 * errors, which the frame classifies: ZDM_DONE, ZDM_BUSY (a lock refused: try
 * again), ZDM_REWRITTEN (a premise no longer holds: start over; say why with
 * zdm_note_event() from prepare()), ZDM_FOUND (before_mark() only: not yet,
 * call chunk() again).
 */
typedef struct ZdmScanMethod
{
	const char *name;			/* in zdm.validations.method */
	char		contype;		/* CONSTRAINT_CHECK, CONSTRAINT_FOREIGN */
	int			first_units;	/* of the first chunk */
	int			max_units;

	/*
	 * Whether it can validate this constraint on this relation.  In a
	 * transaction with a snapshot, rel open with ACCESS SHARE.  *why gets the
	 * reason for the choice, or against it, in CurrentMemoryContext.  Methods
	 * are asked in the order of methods.c; the first that fits is taken,
	 * native otherwise.
	 */
	bool		(*fits) (const ZdmConstraint *constraint, Relation rel, const char **why);

	/*
	 * The premises that must be the same from the first chunk to the mark, as
	 * text: compared by the frame in every chunk and under the lock of the
	 * mark; a difference starts the scan over.  In a transaction, rel open.
	 * For example: OIDs and xmin of the functions or triggers relied on.
	 * NULL: none.  In CurrentMemoryContext.
	 */
	char	   *(*premises) (const ZdmConstraint *constraint, Relation rel);

	/*
	 * Outside of any transaction, before the first chunk that this worker
	 * does of a relation, and again when it starts over (cursor.fresh).  Runs
	 * transactions of its own with zdm_txn().  False when the run has ended.
	 * May be NULL.
	 */
	bool		(*prepare) (ZdmValidation *v);

	/*
	 * Do one chunk.  In its transaction, as the owner, rel open with ACCESS
	 * SHARE, constraint and storage verified, no snapshot pushed: it pushes
	 * one (which the end of the transaction pops) after it has taken what
	 * locks it needs, conditionally.
	 */
	ZdmVerdict	(*chunk) (ZdmValidation *v, Relation rel, ZdmChunk *chunk);

	/*
	 * In the transaction of the mark, rel locked in SHARE UPDATE EXCLUSIVE,
	 * constraint, storage and premises verified under it: whether it may be
	 * marked.  May be NULL.
	 */
	ZdmVerdict	(*before_mark) (ZdmValidation *v, Relation rel);

	/*
	 * Outside of any transaction, when the run leaves the relation: marked,
	 * or the run has ended (v->base.ended), or violations were found.  Not
	 * called when the worker dies.  May end the run.  May be NULL.
	 */
	void		(*finish) (ZdmValidation *v);
} ZdmScanMethod;

/* methods.c */
extern const ZdmScanMethod *zdm_scan_method_find(const char *name);
extern const ZdmScanMethod *zdm_scan_method_choose(const ZdmConstraint *constraint,
												   Relation rel, const char **why);

/* report.c */
extern void zdm_scan_report(ZdmValidation *v, Relation rel, ZdmChunk *chunk,
							TupleTableSlot *slot);
extern bool zdm_scan_time_is_up(const ZdmChunk *chunk);

/* the methods */
extern const ZdmScanMethod zdm_scan_check;
extern const ZdmScanMethod zdm_scan_fk_merge;
extern const ZdmScanMethod zdm_scan_fk_pages;

#endif							/* ZDM_CONSTRAINT_SCAN_H */
