/*
 * plan.c
 *	  zdm.plan_constraint(): what the validation of a constraint would do, and
 *	  how long it would take.
 *
 * The speed is measured: pages at several places of the largest relation are
 * read and their rows taken apart.  Nothing of the user's is evaluated.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "constraint/hierarchy.h"
#include "constraint/native.h"
#include "constraint/target.h"
#include "core/args.h"
#include "core/settings.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define SAMPLE_PLACES 8
#define SAMPLE_BLOCKS 64		/* at each place */
#define SAMPLE_MS 200			/* at most, in all */

PG_FUNCTION_INFO_V1(zdm_plan_constraint);

enum
{
	ARG_TARGET, ARG_CONSTRAINT, ARG_METHOD
};

enum
{
	OUT_STATEMENT, OUT_METHOD, OUT_REASON, OUT_LOCKS, OUT_PAGES, OUT_ROWS, OUT_TIME, OUT_BASIS, OUT_COUNT
};

/* what reading a sample has shown */
typedef struct Sample
{
	BlockNumber blocks;			/* read */
	double		ms;
} Sample;

static double
ms_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
}

static void
read_range(Relation rel, BlockNumber from, BlockNumber count)
{
	TableScanDesc scan = table_beginscan_strat(rel, GetActiveSnapshot(), 0, NULL, true, false);
	TupleTableSlot *slot = table_slot_create(rel, NULL);

	heap_setscanlimits(scan, from, count);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
}

static void
read_sample(Relation rel, Sample *sample)
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
		read_range(rel, from, count);
		sample->blocks += count;
		sample->ms = ms_since(start);
	}
}

/* The largest relation with storage, open; NULL when there is none to be had. */
static Relation
open_largest(const ZdmConstraint *top)
{
	Relation	largest = NULL;
	ListCell   *lc;

	foreach(lc, zdm_hierarchy_list(top))
	{
		Relation	rel;

		if (get_rel_relkind(lfirst_oid(lc)) != RELKIND_RELATION ||
			!ConditionalLockRelationOid(lfirst_oid(lc), AccessShareLock))
			continue;
		rel = try_relation_open(lfirst_oid(lc), NoLock);
		if (rel == NULL)
			continue;
		if (largest && RelationGetNumberOfBlocks(largest) >= RelationGetNumberOfBlocks(rel))
		{
			relation_close(rel, NoLock);
			continue;
		}
		if (largest)
			relation_close(largest, NoLock);
		largest = rel;
	}
	return largest;
}

static Interval *
interval_of_ms(double ms)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = (TimeOffset) Min(ms * 1000, 9e18);
	return interval;
}

/* How it would be done. */
static void
fill_method(const ZdmConstraint *top, char *asked, Datum *values, bool *nulls)
{
	const char *method;
	const char *why;
	bool		native;

	if (!zdm_target_choose(top, asked, &method, &why))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("a part of table \"%s\" is locked", get_rel_name(top->relid)),
				 errhint("Try again.")));
	native = zdm_scan_method_find(method) == NULL;
	nulls[OUT_STATEMENT] = !native;
	values[OUT_STATEMENT] = native ? CStringGetTextDatum(zdm_native_text(top)) : (Datum) 0;
	values[OUT_METHOD] = CStringGetTextDatum(method);
	values[OUT_REASON] = CStringGetTextDatum(why);
	values[OUT_LOCKS] = CStringGetTextDatum(native ?
											"SHARE UPDATE EXCLUSIVE from the beginning to the end" :
											"ACCESS SHARE for one chunk at a time; SHARE UPDATE EXCLUSIVE for an instant at the end");
}

/* What there is to read, and how long that takes. */
static void
fill_costs(const ZdmConstraint *top, Datum *values)
{
	Sample		sample = {0};
	Relation	rel = open_largest(top);
	int64		blocks;
	int64		rows;
	double		ms = 0;

	zdm_hierarchy_size(top, &blocks, &rows);
	if (rel)
	{
		read_sample(rel, &sample);
		relation_close(rel, NoLock);
	}
	if (sample.blocks > 0)
		ms = sample.ms / sample.blocks * blocks / zdm_duty;
	values[OUT_PAGES] = Int64GetDatum(blocks);
	values[OUT_ROWS] = Int64GetDatum(rows);
	values[OUT_TIME] = IntervalPGetDatum(interval_of_ms(ms));
	values[OUT_BASIS] = CStringGetTextDatum(psprintf("%u pages read and taken apart in %.1f ms, at a duty of %g",
													 sample.blocks, sample.ms, zdm_duty));
}

/*
 * zdm.plan_constraint(target regclass, constraint_name name, method text)
 */
Datum
zdm_plan_constraint(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[OUT_COUNT] = {0};
	bool		nulls[OUT_COUNT] = {false};
	Relation	rel;
	ZdmConstraint *constraint;
	char	   *method;

	zdm_args_not_null(fcinfo, ARG_TARGET, "target");
	zdm_args_not_null(fcinfo, ARG_CONSTRAINT, "constraint_name");
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	method = zdm_validation_method_arg(fcinfo, ARG_METHOD);
	rel = zdm_validation_target_open(PG_GETARG_OID(ARG_TARGET));
	zdm_validation_target_check(rel);
	constraint = zdm_validation_target_constraint(rel, NameStr(*PG_GETARG_NAME(ARG_CONSTRAINT)));
	if (constraint->valid)
	{
		memset(nulls, true, sizeof(nulls));
		nulls[OUT_REASON] = false;
		values[OUT_REASON] = CStringGetTextDatum("the constraint is valid already");
	}
	else
	{
		fill_method(constraint, method, values, nulls);
		fill_costs(constraint, values);
	}
	relation_close(rel, NoLock);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
