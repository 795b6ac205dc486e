/*
 * plan.c
 *	  zdm.plan_constraint(): what the validation of a constraint would do, and
 *	  how long it would take.
 *
 * The speed is measured (sample.c).
 */
#include "postgres.h"

#include "access/relation.h"
#include "constraint/hierarchy.h"
#include "constraint/native.h"
#include "constraint/sample.h"
#include "constraint/target.h"
#include "core/args.h"
#include "core/settings.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(zdm_plan_constraint);

enum
{
	ARG_TARGET, ARG_CONSTRAINT, ARG_METHOD
};

enum
{
	OUT_STATEMENT, OUT_METHOD, OUT_REASON, OUT_LOCKS, OUT_PAGES, OUT_ROWS, OUT_TIME, OUT_BASIS, OUT_COUNT
};

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
	values[OUT_STATEMENT] = CStringGetTextDatum(zdm_native_text(top));
	values[OUT_METHOD] = CStringGetTextDatum(method);
	values[OUT_REASON] = CStringGetTextDatum(why);
	values[OUT_LOCKS] = CStringGetTextDatum(native ?
											"SHARE UPDATE EXCLUSIVE from the beginning to the end" :
											"ACCESS SHARE for one chunk at a time; SHARE UPDATE EXCLUSIVE for an instant at the end");
}

/* What there is to read, and how long that takes. */
static void
fill_costs(const ZdmConstraint *top, Datum *values, bool *nulls)
{
	ZdmScanSample sample;
	int64		blocks;
	int64		rows;
	double		ms;

	zdm_sample_scan(zdm_hierarchy_list(top), &sample);
	zdm_hierarchy_size(top, &blocks, &rows);
	ms = zdm_sample_ms(&sample, blocks) / zdm_duty;
	values[OUT_PAGES] = Int64GetDatum(blocks);
	values[OUT_ROWS] = Int64GetDatum(rows);
	nulls[OUT_TIME] = ms < 0;
	values[OUT_TIME] = IntervalPGetDatum(zdm_sample_interval(ms));
	values[OUT_BASIS] = CStringGetTextDatum(zdm_sample_basis(&sample));
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
		fill_costs(constraint, values, nulls);
	}
	relation_close(rel, NoLock);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
