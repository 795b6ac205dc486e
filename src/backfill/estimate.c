/*
 * estimate.c
 *	  zdm.estimate_backfill(): what a backfill would cost.
 *
 * Time and WAL a row are those of the backfills that ran in this database;
 * where there were none, those of a table with two indexes on one core.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/relation.h"
#include "backfill/backfill.h"
#include "backfill/leaf.h"
#include "backfill/target.h"
#include "catalog/pg_class.h"
#include "core/args.h"
#include "core/catalog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* without experience of its own: measured, a row in microseconds and bytes */
#define DEFAULT_US_PER_ROW 4.0
#define DEFAULT_WAL_PER_ROW 250.0

/* pages of a batch, and stripes, of a table with nothing special */
#define USUAL_WINDOW_BLOCKS 512
#define USUAL_STRIPES 16

/* share of the table that the first stripe puts onto new pages */
#define USUAL_GROWTH 0.1

PG_FUNCTION_INFO_V1(zdm_estimate_backfill);

typedef struct Experience
{
	double		us_per_row;
	double		wal_per_row;
	int64		jobs;
} Experience;

static void
load_experience(Experience *experience)
{
	ZdmCatalogScope scope;
	bool		isnull;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("SELECT count(*), (sum(work_ms) * 1000 / sum(rows_done))::float8,"
						" (sum(wal_bytes) / sum(rows_done))::float8"
						" FROM zdm.backfill_cursor WHERE rows_done > 10000",
						0, NULL, NULL, NULL, SPI_OK_SELECT);
	experience->jobs = DatumGetInt64(zdm_catalog_value(0, 1, &isnull));
	if (experience->jobs > 0)
	{
		experience->us_per_row = DatumGetFloat8(zdm_catalog_value(0, 2, &isnull));
		experience->wal_per_row = DatumGetFloat8(zdm_catalog_value(0, 3, &isnull));
	}
	else
	{
		experience->us_per_row = DEFAULT_US_PER_ROW;
		experience->wal_per_row = DEFAULT_WAL_PER_ROW;
	}
	zdm_catalog_end(&scope);
}

/* The time that a backfill of so many rows is at work, in ms. */
double
zdm_backfill_expected_ms(double rows)
{
	Experience	experience;

	load_experience(&experience);
	return rows * experience.us_per_row / 1000;
}

/* Does the planner know nothing of the number of rows in some of it? */
static bool
is_unanalyzed(Oid target)
{
	ListCell   *lc;

	foreach(lc, zdm_leaf_list(target))
	{
		HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(lfirst_oid(lc)));
		bool		unknown;

		if (!HeapTupleIsValid(tuple))
			continue;
		unknown = ((Form_pg_class) GETSTRUCT(tuple))->reltuples < 0;
		ReleaseSysCache(tuple);
		if (unknown)
			return true;
	}
	return false;
}

/* On what the figures rest, in words. */
static char *
describe_basis(const Experience *experience, bool unanalyzed)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%.1f us and %.0f bytes of WAL a row, ",
					 experience->us_per_row, experience->wal_per_row);
	if (experience->jobs > 0)
		appendStringInfo(&buf, "as in " INT64_FORMAT " backfill(s) of this database",
						 experience->jobs);
	else
		appendStringInfoString(&buf, "a default: no backfill has run in this database yet");
	if (unanalyzed)
		appendStringInfoString(&buf, "; the number of rows is a guess before the table's first ANALYZE");
	return buf.data;
}

static Interval *
interval_of_us(double us)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = (TimeOffset) Min(us, 9e18);
	return interval;
}

/* zdm.estimate_backfill(target regclass, set_clause text, filter text) */
Datum
zdm_estimate_backfill(PG_FUNCTION_ARGS)
{
	ZdmBackfillSpec *spec = palloc0(sizeof(ZdmBackfillSpec));
	Experience	experience;
	TupleDesc	desc;
	Datum		values[7];
	bool		nulls[7] = {false};
	Relation	rel;
	double		rows;
	int64		pages;

	zdm_args_not_null(fcinfo, 0, "target");
	zdm_args_not_null(fcinfo, 1, "set_clause");
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	rel = zdm_target_open(PG_GETARG_OID(0));
	zdm_target_check(rel);
	spec->target = RelationGetRelid(rel);
	spec->target_name = pstrdup(RelationGetRelationName(rel));
	spec->set_clause = text_to_cstring(PG_GETARG_TEXT_PP(1));
	spec->filter = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	spec->fire_triggers = true;
	zdm_session_record(&spec->settings, NULL, 0);
	(void) zdm_target_check_clauses(spec, rel, &rows);

	pages = zdm_leaf_total_blocks(spec->target);
	load_experience(&experience);
	relation_close(rel, NoLock);

	values[0] = Int64GetDatum((int64) rows);
	values[1] = Int64GetDatum(pages);
	values[2] = Int64GetDatum((int64) ceil((double) pages / USUAL_WINDOW_BLOCKS) * USUAL_STRIPES);
	values[3] = IntervalPGetDatum(interval_of_us(rows * experience.us_per_row));
	values[4] = Int64GetDatum((int64) (rows * experience.wal_per_row));
	values[5] = Int64GetDatum((int64) (pages * (double) BLCKSZ * USUAL_GROWTH));
	values[6] = CStringGetTextDatum(describe_basis(&experience, is_unanalyzed(spec->target)));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
