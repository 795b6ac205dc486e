/*
 * predicate.c
 *	  Which rows a batch takes: the SQL functions that zdm adds to every
 *	  statement of a backfill.
 *
 * zdm.in_stripe(ctid) restricts a batch to one stripe of each page; it sees
 * every row of every page once a stripe, so it is kept as cheap as can be.
 * zdm.batch_takes(ctid, xmin) restricts it to rows that are not in quarantine
 * and, where there is one, to a list of rows that it has locked.  Stripe and
 * lists live in this process and belong to its one job; in any other process
 * both functions are true.
 *
 * zdm.differs(a, b) tells whether two values would be stored differently, as
 * core/image.c compares them.
 */
#include "postgres.h"

#include "backfill/predicate.h"
#include "core/image.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(zdm_in_stripe);
PG_FUNCTION_INFO_V1(zdm_batch_takes);
PG_FUNCTION_INFO_V1(zdm_differs);

typedef struct RowList
{
	ZdmRowVersion *rows;		/* sorted by tid, then xmin */
	int			nrows;
} RowList;

static int	batch_stripes = 1;
static int	batch_stripe = 0;

static RowList only;			/* when active, these rows and no others */
static bool only_active = false;
static RowList held;			/* never these */

static int
compare_rows(const void *a, const void *b)
{
	const ZdmRowVersion *ra = a;
	const ZdmRowVersion *rb = b;
	int			order = ItemPointerCompare(unconstify(ItemPointerData *, &ra->tid),
										   unconstify(ItemPointerData *, &rb->tid));

	if (order != 0)
		return order;
	return ra->xmin < rb->xmin ? -1 : ra->xmin > rb->xmin;
}

static void
set_list(RowList *list, const ZdmRowVersion *rows, int nrows)
{
	if (list->rows)
		pfree(list->rows);
	list->rows = NULL;
	list->nrows = nrows;
	if (nrows == 0)
		return;
	list->rows = MemoryContextAlloc(TopMemoryContext, sizeof(ZdmRowVersion) * nrows);
	memcpy(list->rows, rows, sizeof(ZdmRowVersion) * nrows);
	qsort(list->rows, nrows, sizeof(ZdmRowVersion), compare_rows);
}

static bool
contains(const RowList *list, ItemPointer tid, TransactionId xmin)
{
	ZdmRowVersion key;

	if (list->nrows == 0)
		return false;
	key.tid = *tid;
	key.xmin = xmin;
	return bsearch(&key, list->rows, list->nrows, sizeof(ZdmRowVersion), compare_rows) != NULL;
}

/* From now on a batch takes every row of its stripe. */
void
zdm_predicate_take_all(void)
{
	set_list(&only, NULL, 0);
	only_active = false;
}

/* From now on a batch takes these rows and no others. */
void
zdm_predicate_take_only(const ZdmRowVersion *rows, int nrows)
{
	set_list(&only, rows, nrows);
	only_active = true;
}

/* From now on no batch takes these rows (the quarantine of the relation). */
void
zdm_predicate_hold_back(const ZdmRowVersion *rows, int nrows)
{
	set_list(&held, rows, nrows);
}

/* From now on a batch takes this stripe of that many. */
void
zdm_predicate_set_stripe(int stripes, int stripe)
{
	batch_stripes = stripes;
	batch_stripe = stripe;
}

static inline bool
in_stripe(ItemPointer tid)
{
	return batch_stripes == 1 ||
		ItemPointerGetOffsetNumberNoCheck(tid) % batch_stripes == batch_stripe;
}

static bool
takes_version(ItemPointer tid, TransactionId xmin)
{
	if (only_active && !contains(&only, tid, xmin))
		return false;
	return !contains(&held, tid, xmin);
}

/* Does a batch take this row version? */
bool
zdm_predicate_takes(ItemPointer tid, TransactionId xmin)
{
	return in_stripe(tid) && takes_version(tid, xmin);
}

/* zdm.in_stripe(tid) */
Datum
zdm_in_stripe(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(in_stripe((ItemPointer) PG_GETARG_POINTER(0)));
}

/* zdm.batch_takes(tid, xid) */
Datum
zdm_batch_takes(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(takes_version((ItemPointer) PG_GETARG_POINTER(0),
								 PG_GETARG_TRANSACTIONID(1)));
}

typedef struct TypeStorage
{
	int16		typlen;
	bool		typbyval;
} TypeStorage;

/* zdm.differs(anyelement, anyelement) */
Datum
zdm_differs(PG_FUNCTION_ARGS)
{
	TypeStorage *type = fcinfo->flinfo->fn_extra;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(PG_ARGISNULL(0) != PG_ARGISNULL(1));

	if (type == NULL)
	{
		type = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(TypeStorage));
		get_typlenbyval(get_fn_expr_argtype(fcinfo->flinfo, 0),
						&type->typlen, &type->typbyval);
		fcinfo->flinfo->fn_extra = type;
	}
	PG_RETURN_BOOL(!zdm_image_equal(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1),
									type->typbyval, type->typlen));
}
