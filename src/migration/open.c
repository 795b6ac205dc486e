/*
 * open.c
 *	  Which migrations of a table are open: no two on one column or on an index
 *	  or constraint of both, and none that reads the column of another.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "migration/column_plan.h"
#include "migration/open.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"

/*
 * Sessions that start migrations of one table do so one after the other: an
 * object lock on zdm.migration and the table's OID, to the end of the
 * transaction.  No application waits for it.
 */
static void
lock_table_for_migrations(Oid target)
{
	LockDatabaseObject(zdm_own_relation("migration", false), target, 0, ExclusiveLock);
}

/* what a migration is about */
typedef struct Work
{
	int64		id;
	char	   *name;
	List	   *changed;		/* names of columns, as C strings */
	List	   *used;			/* those, and what its mapping reads */
} Work;

static void
add_column(Work *work, char *column)
{
	if (column == NULL)
		return;
	work->changed = lappend(work->changed, column);
	work->used = lappend(work->used, column);
}

static void
add_expression(Work *work, const char *expression)
{
	if (expression)
		work->used = list_concat(work->used, zdm_rewrite_columns_read(expression));
}

/* Of this migration, and of all open ones of its table: of Work. */
static List *
load_works(const ZdmMigration *migration)
{
	static const Oid argtypes[] = {OIDOID, INT8OID};
	Datum		values[] = {ObjectIdGetDatum(migration->target), Int64GetDatum(migration->id)};
	MemoryContext mcxt = CurrentMemoryContext;
	List	   *works = NIL;
	ZdmCatalogScope scope;
	char	   *(*texts)[6];
	int			n;

	zdm_catalog_begin(&scope);
	n = zdm_catalog_execute("SELECT m.migration_id::text, m.name, m.column_name, m.new_column_name, p.forward, p.reverse"
							" FROM zdm.migration m LEFT JOIN zdm.mapping p USING (migration_id)"
							" WHERE m.target = $1 AND m.phase NOT IN ('planned', 'done', 'aborted') OR migration_id = $2"
							" ORDER BY m.migration_id",
							lengthof(argtypes), argtypes, values, NULL, SPI_OK_SELECT);
	texts = MemoryContextAlloc(mcxt, sizeof(*texts) * Max(n, 1));
	for (int row = 0; row < n; row++)
	{
		for (int i = 0; i < lengthof(texts[row]); i++)
			texts[row][i] = zdm_catalog_text(row, i + 1, mcxt);
	}
	zdm_catalog_end(&scope);

	for (int row = 0; row < n; row++)
	{
		Work	   *work = palloc0(sizeof(Work));

		work->id = pg_strtoint64(texts[row][0]);
		work->name = texts[row][1];
		add_column(work, texts[row][2]);
		add_column(work, texts[row][3]);
		add_expression(work, texts[row][4]);
		add_expression(work, texts[row][5]);
		works = lappend(works, work);
	}
	return works;
}

/* The first of these columns that is used, too; NULL for none. */
static const char *
first_used(List *changed, List *used)
{
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, changed)
	{
		foreach(lc2, used)
		{
			if (strcmp(lfirst(lc), lfirst(lc2)) == 0 || strcmp(lfirst(lc2), "*") == 0)
				return lfirst(lc);
		}
	}
	return NULL;
}

static void
require_apart(const ZdmMigration *migration, const Work *ours, const Work *other)
{
	const char *changed = first_used(other->changed, ours->used);
	const char *used = first_used(ours->changed, other->used);

	if (changed == NULL && used == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 changed ?
			 errmsg("migration \"%s\" is at work on column \"%s\" of table \"%s\"", other->name, changed,
					migration->target_name) :
			 errmsg("migration \"%s\" reads column \"%s\" of table \"%s\"", other->name, used,
					migration->target_name),
			 errdetail("No two open migrations can be about one column, nor can one read what the other is about."),
			 errhint("Bring it to its end with zdm.contract() or zdm.abort() first.")));
}

/*
 * What is about the columns of two migrations each would make anew with its own
 * column only, and drop together with the other's.
 */
static void
require_nothing_shared(const ZdmMigration *migration)
{
	char	   *shared = zdm_catalog_ask("SELECT format('migration \"%s\" is about %s, too', other.name, key)"
										 " FROM zdm.migration m JOIN zdm.migration other USING (target),"
										 " LATERAL jsonb_object_keys(m.carries) key"
										 " WHERE m.migration_id = $1 AND other.migration_id <> $1"
										 " AND other.phase NOT IN ('planned', 'done', 'aborted')"
										 " AND other.carries ? key AND NOT " ZDM_RECORD_OWN_SQL
										 " ORDER BY other.migration_id, key LIMIT 1", migration->id);

	if (shared)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("%s", shared),
				 errdetail("Each of both would make it anew for its own column only."),
				 errhint("Bring that migration to its end with zdm.contract() or zdm.abort() first.")));
}

/*
 * Errors with OBJECT_IN_USE when another migration has begun on the old or the
 * new column, or computes its column from one of them, or is about a column
 * that this one's mapping reads, or carries over what this one does, and has not
 * come to its end.  Of two triggers the one that fires first would not see what
 * the other one writes.
 */
void
zdm_open_require_columns(const ZdmMigration *migration)
{
	const Work *ours = NULL;
	List	   *works;
	ListCell   *lc;

	if (migration->column == NULL && migration->new_column == NULL)
		return;
	lock_table_for_migrations(migration->target);
	works = load_works(migration);
	foreach(lc, works)
	{
		if (((const Work *) lfirst(lc))->id == migration->id)
			ours = lfirst(lc);
	}
	foreach(lc, works)
	{
		if (ours && lfirst(lc) != ours)
			require_apart(migration, ours, lfirst(lc));
	}
	require_nothing_shared(migration);
}
