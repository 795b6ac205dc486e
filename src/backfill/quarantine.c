/*
 * quarantine.c
 *	  Rows that a backfill could not convert: zdm.quarantined_row.
 *
 * A row in quarantine is one version of a row: its ctid and xmin in one
 * storage of the table.  When the application updates the row, or the table is
 * rewritten, it is not in quarantine any more and gets its turn again.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "backfill/leaf.h"
#include "backfill/quarantine.h"
#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "core/row_key.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/*
 * The key of a row, read as the owner of the table.  False when that version
 * of the row is gone.
 */
static bool
row_key(Relation rel, const ZdmRowVersion *row, char **key)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	ItemPointerData tid = row->tid;
	bool		isnull;
	bool		found;

	found = table_tuple_fetch_row_version(rel, &tid, GetActiveSnapshot(), slot) &&
		DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber,
											  &isnull)) == row->xmin;
	if (found)
		*key = zdm_row_key(rel, slot);
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

static void
delete_row(int64 job_id, Oid leaf, const ZdmRowVersion *row)
{
	static const Oid argtypes[] = {INT8OID, OIDOID, TIDOID};
	Datum		values[] = {Int64GetDatum(job_id), ObjectIdGetDatum(leaf),
	PointerGetDatum(&row->tid)};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("DELETE FROM zdm.quarantined_row"
						" WHERE job_id = $1 AND leaf = $2 AND row_ctid = $3",
						3, argtypes, values, NULL, SPI_OK_DELETE);
	zdm_catalog_end(&scope);
}

static void
insert_row(ZdmBackfillRun *run, Relation rel, const ZdmRowVersion *row, char *key,
		   const ZdmError *cause)
{
	static const Oid argtypes[] = {INT8OID, OIDOID, TEXTOID, TEXTOID, TIDOID,
	XIDOID, JSONBOID, TEXTOID, TEXTOID, OIDOID};
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(run->base.job->id);
	values[1] = ObjectIdGetDatum(RelationGetRelid(rel));
	values[2] = CStringGetTextDatum(get_namespace_name(RelationGetNamespace(rel)));
	values[3] = CStringGetTextDatum(RelationGetRelationName(rel));
	values[4] = PointerGetDatum(&row->tid);
	values[5] = TransactionIdGetDatum(row->xmin);
	isnull[6] = key == NULL;
	values[6] = key ? DirectFunctionCall1(jsonb_in, CStringGetDatum(key)) : (Datum) 0;
	values[7] = CStringGetTextDatum(zdm_error_sqlstate(cause));
	values[8] = CStringGetTextDatum(cause->message);
	values[9] = ObjectIdGetDatum(rel->rd_rel->relfilenode);

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.quarantined_row (job_id, leaf, leaf_schema, leaf_name,"
						" row_ctid, row_xmin, row_key, sqlstate, message, leaf_filenode)"
						" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

typedef struct AddState
{
	Oid			leaf;
	const ZdmRowVersion *row;
	const ZdmError *cause;
} AddState;

static ZdmVerdict
add_body(ZdmRun *base, void *arg)
{
	ZdmBackfillRun *run = (ZdmBackfillRun *) base;
	AddState   *add = arg;
	Relation	rel;
	char	   *key = NULL;
	ZdmVerdict	verdict = zdm_leaf_open(run, add->leaf, &rel);

	if (verdict != ZDM_DONE)
		return verdict;
	delete_row(run->base.job->id, add->leaf, add->row);
	if (row_key(rel, add->row, &key))
		insert_row(run, rel, add->row, key, add->cause);
	relation_close(rel, NoLock);
	return ZDM_DONE;
}

/*
 * Put a row into quarantine, or change what is said of one that is there; in
 * a transaction.  zdm_quarantine_load() is the caller's next step.
 */
ZdmVerdict
zdm_quarantine_add(ZdmBackfillRun *run, Oid leaf, const ZdmRowVersion *row,
				   const ZdmError *cause, ZdmError **error)
{
	AddState	add = {leaf, row, cause};

	return zdm_txn(&run->base, 0, add_body, &add, error);
}

static ZdmRowVersion *
rows_from_result(int nrows)
{
	ZdmRowVersion *rows = palloc(sizeof(ZdmRowVersion) * Max(nrows, 1));
	bool		isnull;

	for (int i = 0; i < nrows; i++)
	{
		rows[i].tid = *(ItemPointer) DatumGetPointer(zdm_catalog_value(i, 1, &isnull));
		rows[i].xmin = DatumGetTransactionId(zdm_catalog_value(i, 2, &isnull));
	}
	return rows;
}

/*
 * Let no statement take the leaf's quarantined rows, forget those of a former
 * storage of it, and count those of the whole job.  In a transaction.
 */
void
zdm_quarantine_hold_back(ZdmBackfillRun *run, Oid leaf, Oid filenode)
{
	static const Oid argtypes[] = {INT8OID, OIDOID, OIDOID};
	Datum		values[] = {Int64GetDatum(run->base.job->id), ObjectIdGetDatum(leaf),
	ObjectIdGetDatum(filenode)};
	ZdmCatalogScope scope;
	bool		isnull;
	int			nrows;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("DELETE FROM zdm.quarantined_row"
						" WHERE job_id = $1 AND leaf = $2 AND leaf_filenode <> $3",
						3, argtypes, values, NULL, SPI_OK_DELETE);
	nrows = zdm_catalog_execute("SELECT row_ctid, row_xmin FROM zdm.quarantined_row"
								" WHERE job_id = $1 AND leaf = $2",
								2, argtypes, values, NULL, SPI_OK_SELECT);
	zdm_predicate_hold_back(rows_from_result(nrows), nrows);
	zdm_catalog_execute("SELECT count(*) FROM zdm.quarantined_row WHERE job_id = $1",
						1, argtypes, values, NULL, SPI_OK_SELECT);
	run->quarantined = (int) DatumGetInt64(zdm_catalog_value(0, 1, &isnull));
	zdm_catalog_end(&scope);
}

static void
load_step(void *arg)
{
	ZdmBackfillRun *run = arg;

	zdm_quarantine_hold_back(run, run->cursor.leaf, run->cursor.leaf_filenode);
}

/* The same for the cursor's leaf, in a transaction of its own. */
void
zdm_quarantine_load(ZdmBackfillRun *run)
{
	(void) zdm_run_bookkeep(&run->base, load_step, run);
}

typedef struct NextState
{
	int64		job_id;
	Oid		   *leaf;
	ZdmRowVersion *row;
	bool		found;
} NextState;

static void
next_step(void *arg)
{
	NextState  *state = arg;
	static const Oid argtypes[] = {INT8OID, OIDOID, TIDOID};
	Datum		values[] = {Int64GetDatum(state->job_id), ObjectIdGetDatum(*state->leaf),
	PointerGetDatum(&state->row->tid)};
	ZdmCatalogScope scope;
	bool		isnull;

	zdm_catalog_begin(&scope);
	state->found = zdm_catalog_execute("SELECT row_ctid, row_xmin, leaf FROM zdm.quarantined_row"
									   " WHERE job_id = $1 AND (leaf, row_ctid) > ($2, $3)"
									   " ORDER BY leaf, row_ctid LIMIT 1",
									   3, argtypes, values, NULL, SPI_OK_SELECT) > 0;
	if (state->found)
	{
		*state->row = rows_from_result(1)[0];
		*state->leaf = DatumGetObjectId(zdm_catalog_value(0, 3, &isnull));
	}
	zdm_catalog_end(&scope);
}

/*
 * The quarantined row that follows the place (*leaf, row->tid), which it
 * becomes; false when there is none.  In a transaction of its own.
 */
bool
zdm_quarantine_next(ZdmBackfillRun *run, Oid *leaf, ZdmRowVersion *row)
{
	NextState	state = {.job_id = run->base.job->id,.leaf = leaf,.row = row};

	return zdm_run_bookkeep(&run->base, next_step, &state) && state.found;
}

typedef struct RemoveState
{
	Oid			leaf;
	const ZdmRowVersion *row;
} RemoveState;

static ZdmVerdict
remove_body(ZdmRun *base, void *arg)
{
	ZdmBackfillRun *run = (ZdmBackfillRun *) base;
	RemoveState *remove = arg;

	delete_row(run->base.job->id, remove->leaf, remove->row);
	return ZDM_DONE;
}

/* Take a row out of quarantine, in a transaction. */
ZdmVerdict
zdm_quarantine_remove(ZdmBackfillRun *run, Oid leaf, const ZdmRowVersion *row, ZdmError **error)
{
	RemoveState remove = {leaf, row};

	return zdm_txn(&run->base, 0, remove_body, &remove, error);
}
