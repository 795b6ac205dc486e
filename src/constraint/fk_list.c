/*
 * fk_list.c
 *	  Listing the orphans of a foreign key that cannot be scanned in chunks,
 *	  after PostgreSQL's own command has found that there are some.
 *
 * This only tells: what it finds has no say in whether the constraint is valid.
 * So it is one query, as the owner, that gives up after a while or when
 * anything fails.  Periods are the exception: for them the same query is what
 * decides, see zdm_fk_require_periods().
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_operator.h"
#include "constraint/fk.h"
#include "constraint/fk_list.h"
#include "constraint/step.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "run/txn.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "violation/violation.h"

/* rows listed, as in zdm.violations, and the longest time for finding them */
#define MOST_ROWS 100
#define LONGEST_MS 5000

static char *
name_of(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

/* "ONLY", but for a partitioned table, where it would be empty */
static const char *
only(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE ? "" : "ONLY ";
}

static char *
column(Oid relid, AttrNumber attnum)
{
	return pstrdup(quote_identifier(get_attname(relid, attnum, false)));
}

static char *
operator_name(Oid op)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(op));
	Form_pg_operator form;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", op);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	name = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
					NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return name;
}

/*
 * The parents of c.  Of a period, the last column, those that overlap it, if
 * together they cover it.
 */
static char *
parents(const ZdmForeignKey *fk, const char *match, bool temporal)
{
	if (!temporal)
		return psprintf("SELECT FROM %s%s p WHERE %s", only(fk->parent), name_of(fk->parent), match);
	return psprintf("SELECT FROM (SELECT p.%s AS period FROM %s%s p WHERE %s) AS parents"
					" HAVING c.%s OPERATOR(pg_catalog.<@) pg_catalog.range_agg(parents.period)",
					column(fk->parent, fk->parent_att[fk->nkeys - 1]), only(fk->parent), name_of(fk->parent),
					match, column(fk->child, fk->child_att[fk->nkeys - 1]));
}

/* Rows of the constraint's table that break it, by its own operators. */
static char *
query(const ZdmConstraint *constraint, int limit)
{
	ZdmForeignKey fk;
	StringInfoData match;
	StringInfoData all;
	StringInfoData some;

	zdm_fk_load(constraint, &fk);
	initStringInfo(&match);
	initStringInfo(&all);
	initStringInfo(&some);
	for (int i = 0; i < fk.nkeys; i++)
	{
		char	   *child = column(fk.child, fk.child_att[i]);

		appendStringInfo(&match, "%sp.%s %s c.%s", i > 0 ? " AND " : "",
						 column(fk.parent, fk.parent_att[i]), operator_name(fk.equal[i]), child);
		appendStringInfo(&all, "%sc.%s IS NOT NULL", i > 0 ? " AND " : "", child);
		appendStringInfo(&some, "%sc.%s IS NOT NULL", i > 0 ? " OR " : "", child);
	}
	return psprintf("SELECT c.tableoid, c.ctid FROM %s%s c WHERE (%s AND NOT EXISTS (%s))"
					" OR (%s AND (%s) AND NOT (%s)) LIMIT %d",
					only(fk.child), name_of(fk.child), all.data, parents(&fk, match.data, constraint->temporal),
					fk.match_full ? "true" : "false", some.data, all.data, limit);
}

/*
 * VALIDATE CONSTRAINT of PostgreSQL 18 takes a row with PERIOD for valid when
 * some parent overlaps it.  So before that command every row is looked at here,
 * under a snapshot taken now.  Sound as the command itself: what is written
 * since the constraint is there is checked by its triggers.  In a transaction,
 * as the owner, with the locks of the command.  Errors with
 * FOREIGN_KEY_VIOLATION; and when row security would hide a row.
 */
void
zdm_fk_require_periods(const ZdmConstraint *constraint)
{
	uint64		found;

	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute(query(constraint, 1), false, 1) != SPI_OK_SELECT)
		elog(ERROR, "periods could not be checked");
	found = SPI_processed;
	SPI_finish();
	if (found > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("rows of table \"%s\" violate foreign key constraint \"%s\"",
						get_rel_name(constraint->relid), constraint->name)));
}

static void
report_row(ZdmValidation *v, ZdmChunk *chunk, Oid relid, ItemPointer tid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);

	if (table_tuple_fetch_row_version(rel, tid, GetActiveSnapshot(), slot))
		zdm_scan_report(v, rel, chunk, slot);
	ExecDropSingleTupleTableSlot(slot);
	relation_close(rel, NoLock);
}

static ZdmVerdict
list_body(ZdmRun *base, void *arg)
{
	ZdmValidation *v = (ZdmValidation *) base;
	ZdmChunk	chunk = {0};
	ZdmConstraint *top;

	PushActiveSnapshot(GetTransactionSnapshot());
	top = zdm_step_top(v);
	if (top == NULL || top->contype != CONSTRAINT_FOREIGN)
		return ZDM_GONE;
	v->constraint = top;
	v->list_is_full = false;
	zdm_violation_clear(v->base.job->id);
	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute(query(top, MOST_ROWS), true, 0) != SPI_OK_SELECT)
		elog(ERROR, "orphans could not be listed");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;
		Oid			relid = DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		Datum		tid = SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull);

		report_row(v, &chunk, relid, (ItemPointer) DatumGetPointer(tid));
	}
	SPI_finish();
	return ZDM_DONE;
}

/*
 * Outside of any transaction, after the native validation of a foreign key has
 * failed: list some of its orphans in zdm.violations, if that is possible
 * within a few seconds.  False when it was not.  The next run forgets them.
 */
bool
zdm_fk_list_orphans(ZdmValidation *v)
{
	ZdmError   *error;
	ZdmVerdict	verdict;

	v->begin_anew = true;
	verdict = zdm_txn(&v->base, LONGEST_MS, list_body, NULL, &error);
	v->constraint = NULL;
	return verdict == ZDM_DONE;
}
