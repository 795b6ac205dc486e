/*
 * check.c
 *	  The scan for rows that break a CHECK constraint: by ranges of pages, each
 *	  in a transaction and under a snapshot of its own.
 *
 * Why a relation may be marked when each of its pages was scanned once, at
 * whatever moment and by whatever snapshot, and no row was found to be wrong:
 *
 * 1. When the constraint was added, NOT VALID, the relation was locked in
 *	  ACCESS EXCLUSIVE.  So whoever wrote before had ended, and every row version
 *	  written since was evaluated against the constraint by its writer: INSERT,
 *	  UPDATE, COPY and the apply of logical replication evaluate every CHECK,
 *	  also when the columns it names have not changed, and no setting turns that
 *	  off.  A row version that breaks it is therefore older than the constraint.
 * 2. Such a version stays in its place until it is dead.  An UPDATE makes a new
 *	  version, which is evaluated and refused; so a wrong row cannot move from a
 *	  page not yet scanned to one that was.  (It is different for a foreign key.)
 *	  Only commands that write all of the relation anew move versions, and they
 *	  give it another relfilenumber: a premise that the frame compares in every
 *	  chunk and under the lock of the mark.
 * 3. Pages added since the constraint hold new versions only.
 * 4. A version that is alive at the mark was alive when its page was scanned,
 *	  and is older than the snapshot of the scan, which was taken after the
 *	  constraint had been seen: so it was visible, and looked at.
 * 5. What was evaluated is what the mark is for: the frame compares the OID and
 *	  the stored expression of the constraint, and this file the rows of pg_proc
 *	  of the functions in the expression.  When one is replaced the scan starts
 *	  over.  What such a function calls in turn, or reads from tables, is the
 *	  user's promise of immutability, as it is for VALIDATE CONSTRAINT.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "catalog/pg_constraint.h"
#include "compat/constraint.h"
#include "constraint/scan.h"
#include "executor/executor.h"
#include "scan/function_versions.h"
#include "scan/page_scan.h"
#include "storage/bufmgr.h"
#include "utils/snapmgr.h"

#define FIRST_CHUNK_BLOCKS 1024
#define LARGEST_CHUNK_BLOCKS (1 << 20)

static Node *
expression(const ZdmConstraint *constraint, Relation rel)
{
	return zdm_compat_expand_check(stringToNode(constraint->expression), rel);
}

static bool
fits(const ZdmConstraint *constraint, Relation rel, const char **why)
{
	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		*why = "its partitions are scanned";
		return true;
	}
	if (rel->rd_rel->relkind != RELKIND_RELATION)
	{
		*why = psprintf("\"%s\" has no storage here", RelationGetRelationName(rel));
		return false;
	}
	if (rel->rd_tableam != GetHeapamTableAmRoutine())
	{
		*why = psprintf("the access method of \"%s\" is not heap", RelationGetRelationName(rel));
		return false;
	}
	*why = "a row that breaks a CHECK cannot move, so each page is scanned once";
	return true;
}

/* Which version of the functions that it calls. */
static char *
premises(const ZdmConstraint *constraint, Relation rel)
{
	return zdm_function_versions(stringToNode(constraint->expression));
}

/* what an error in the expression is told with */
typedef struct Place
{
	ZdmValidation *v;
	TupleTableSlot *slot;
} Place;

static void
note_place(void *arg)
{
	Place	   *place = arg;

	if (!TTS_EMPTY(place->slot))
		place->v->error_row = place->slot->tts_tid;
}

/*
 * Evaluate the rows of the scan, up to its end or until the time is up.
 * Returns the first block that was not looked at.
 */
static BlockNumber
scan_rows(ZdmValidation *v, Relation rel, ZdmChunk *chunk, ZdmPageScan *scan,
		  BlockNumber end, EState *estate)
{
	ExprState  *check = ExecPrepareExpr((Expr *) expression(v->constraint, rel), estate);
	ExprContext *econtext = GetPerTupleExprContext(estate);
	Place		place = {.v = v,.slot = scan->slot};
	ErrorContextCallback callback = {.callback = note_place,.arg = &place,.previous = error_context_stack};

	econtext->ecxt_scantuple = scan->slot;
	error_context_stack = &callback;
	while (zdm_page_scan_next_page(scan))
	{
		while (zdm_page_scan_next_row(scan))
		{
			chunk->rows++;
			if (!ExecCheck(check, econtext))
				zdm_scan_report(v, rel, chunk, scan->slot);
			if (!econtext->ecxt_per_tuple_memory->isReset)
				ResetExprContext(econtext);
		}
		if (zdm_scan_time_is_up(chunk))
		{
			end = scan->block + 1;
			break;
		}
	}
	error_context_stack = callback.previous;
	return end;
}

static ZdmVerdict
scan_chunk(ZdmValidation *v, Relation rel, ZdmChunk *chunk)
{
	BlockNumber blocks;
	BlockNumber end;
	ZdmPageScan *scan;
	EState	   *estate;

	PushActiveSnapshot(GetTransactionSnapshot());
	blocks = RelationGetNumberOfBlocks(rel);
	chunk->units_total = blocks;
	end = (BlockNumber) Min((int64) chunk->next_block + chunk->units, (int64) blocks);
	if (chunk->next_block < end)
	{
		estate = CreateExecutorState();
		scan = zdm_page_scan_begin(rel, GetActiveSnapshot(), chunk->next_block, end);
		end = scan_rows(v, rel, chunk, scan, end, estate);
		zdm_page_scan_end(scan);
		FreeExecutorState(estate);
		chunk->units_done = end - chunk->next_block;
		chunk->next_block = end;
	}
	chunk->last = chunk->next_block >= blocks;
	return ZDM_DONE;
}

const ZdmScanMethod zdm_scan_check = {
	.name = "check_pages",
	.contype = CONSTRAINT_CHECK,
	.first_units = FIRST_CHUNK_BLOCKS,
	.max_units = LARGEST_CHUNK_BLOCKS,
	.fits = fits,
	.premises = premises,
	.chunk = scan_chunk
};
