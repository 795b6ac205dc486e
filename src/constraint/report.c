/*
 * report.c
 *	  Rows that break a constraint, as a scan finds them.
 */
#include "postgres.h"

#include "catalog/pg_constraint.h"
#include "constraint/scan.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "violation/violation.h"

/* The columns of the constraint that are columns of the user's. */
static AttrNumber *
user_columns(const ZdmConstraint *constraint, int *count)
{
	int			all;
	AttrNumber *columns = zdm_constraint_columns(constraint, &all);

	*count = 0;
	for (int i = 0; i < all; i++)
	{
		if (columns[i] > 0)
			columns[(*count)++] = columns[i];
	}
	return columns;
}

/*
 * Take note of a row that breaks v->constraint, in the transaction of a
 * chunk, outside of a catalog scope: it is counted, and listed in
 * zdm.violations while there is room.  slot holds a row of rel.  What row
 * security hides from the owner of the table is not told.
 *
 * A page that is read twice has rows that are listed already: these stay
 * listed once.  They break the constraint all the same, so chunk->violations,
 * on which the mark depends, has them each time.
 */
void
zdm_scan_report(ZdmValidation *v, Relation rel, ZdmChunk *chunk, TupleTableSlot *slot)
{
	ZdmViolation violation = {0};

	chunk->violations++;
	if (v->list_is_full)
	{
		chunk->unlisted++;
		return;
	}
	violation.constraint_name = v->spec->constraint_name;
	violation.schema_name = get_namespace_name(RelationGetNamespace(rel));
	violation.table_name = RelationGetRelationName(rel);
	violation.row_ctid = &slot->tts_tid;
	violation.occurrences = 1;
	if (check_enable_rls(RelationGetRelid(rel), InvalidOid, true) != RLS_ENABLED)
	{
		int			count;
		AttrNumber *columns = user_columns(v->constraint, &count);

		violation.row_key = zdm_violation_key(rel, slot);
		violation.row_values = zdm_violation_values(rel, slot, columns, count);
	}
	if (zdm_violation_find(v->base.job->id, &violation))
		chunk->again++;
	else
		v->list_is_full = !zdm_violation_add(v->base.job->id, &violation);
}

/* Whether the chunk has taken as long as it may. */
bool
zdm_scan_time_is_up(const ZdmChunk *chunk)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, chunk->start);
	return INSTR_TIME_GET_MILLISEC(now) >= chunk->stop_ms;
}
