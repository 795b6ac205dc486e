/*
 * sample.c
 *	  How fast a table can be read, measured now.
 *
 * Pages at several places of the largest relation are read and their rows
 * taken apart.  Nothing of the user's is evaluated, and nothing is waited for:
 * a relation that somebody has locked is left out.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "constraint/sample.h"
#include "core/settings.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define SAMPLE_PLACES 8
#define SAMPLE_BLOCKS 64		/* at each place */
#define SAMPLE_MS 200			/* at most, in all */

static double
ms_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
}

/* Returns the number of rows. */
static int64
read_range(Relation rel, BlockNumber from, BlockNumber count)
{
	TableScanDesc scan = table_beginscan_strat(rel, GetActiveSnapshot(), 0, NULL, true, false);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	int64		rows = 0;

	heap_setscanlimits(scan, from, count);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		rows++;
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	return rows;
}

static void
read_sample(Relation rel, ZdmScanSample *sample)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(rel);
	BlockNumber count = Min(SAMPLE_BLOCKS, Max(blocks / SAMPLE_PLACES, 1));
	instr_time	start;

	if (rel->rd_tableam != GetHeapamTableAmRoutine())
		return;
	INSTR_TIME_SET_CURRENT(start);
	for (int i = 0; i < SAMPLE_PLACES && sample->ms < SAMPLE_MS; i++)
	{
		BlockNumber from = (BlockNumber) ((uint64) blocks * i / SAMPLE_PLACES);

		if (from + count > blocks)
			break;
		sample->rows += read_range(rel, from, count);
		sample->blocks += count;
		sample->ms = ms_since(start);
	}
}

/* Open with ACCESS SHARE; NULL when it has no storage, is gone, or is locked. */
static Relation
try_open(Oid relid)
{
	Relation	rel;

	if (get_rel_relkind(relid) != RELKIND_RELATION || !ConditionalLockRelationOid(relid, AccessShareLock))
		return NULL;
	rel = try_relation_open(relid, NoLock);
	if (rel == NULL)
		UnlockRelationOid(relid, AccessShareLock);
	return rel;
}

/*
 * Add up the sizes of the relations and read a sample of the largest one.
 * Needs an active snapshot; keeps no lock.
 */
void
zdm_sample_scan(List *relids, ZdmScanSample *sample)
{
	Relation	largest = NULL;
	ListCell   *lc;

	memset(sample, 0, sizeof(*sample));
	foreach(lc, relids)
	{
		Relation	rel = try_open(lfirst_oid(lc));
		Relation	smaller = rel;

		if (rel == NULL)
			continue;
		sample->pages += RelationGetNumberOfBlocks(rel);
		if (largest == NULL || RelationGetNumberOfBlocks(largest) < RelationGetNumberOfBlocks(rel))
		{
			smaller = largest;
			largest = rel;
		}
		if (smaller)
			relation_close(smaller, AccessShareLock);
	}
	if (largest)
	{
		read_sample(largest, sample);
		relation_close(largest, AccessShareLock);
	}
}

/* Pages of a relation; 0 when it has no storage, is gone, or is locked.  Keeps no lock. */
int64
zdm_sample_pages(Oid relid)
{
	Relation	rel = try_open(relid);
	int64		pages = 0;

	if (rel)
	{
		pages = RelationGetNumberOfBlocks(rel);
		relation_close(rel, AccessShareLock);
	}
	return pages;
}

/* Time to read so many pages, in ms, without pauses; negative when it is not known. */
double
zdm_sample_ms(const ZdmScanSample *sample, int64 pages)
{
	if (pages == 0)
		return 0;
	return sample->blocks > 0 ? sample->ms / sample->blocks * pages : -1;
}

/* The same as an interval; what is not known is 0. */
Interval *
zdm_sample_interval(double ms)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = (TimeOffset) Min(Max(ms, 0) * 1000, 9e18);
	return interval;
}

/* On what an estimate rests, for the user. */
char *
zdm_sample_basis(const ZdmScanSample *sample)
{
	return psprintf("%u pages read and taken apart in %.1f ms, at a duty of %g",
					sample->blocks, sample->ms, zdm_duty);
}
