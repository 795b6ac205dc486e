/*
 * named_columns.c
 *	  Columns that a statement names: are they there, and fit for it?
 */
#include "postgres.h"

#include "compat/explain.h"
#include "explain/facts.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Errors with UNDEFINED_COLUMN unless relid has the column, or the statement adds it. */
void
zdm_facts_require_column(const ZdmFacts *facts, Oid relid, const char *column)
{
	ListCell   *lc;

	if (get_attnum(relid, column) != InvalidAttrNumber)
		return;
	foreach(lc, facts->new_columns)
	{
		if (strcmp(strVal(lfirst(lc)), column) == 0)
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of relation \"%s\" does not exist", column, get_rel_name(relid)),
			 errhint("\\d %s in psql lists the columns.", zdm_facts_name(relid))));
}

/* The same for the columns of an index. */
void
zdm_facts_require_key_columns(const ZdmFacts *facts, Oid relid, const IndexStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->indexParams)
	{
		const IndexElem *elem = lfirst_node(IndexElem, lc);

		if (elem->name)
			zdm_facts_require_column(facts, relid, elem->name);
	}
	foreach(lc, stmt->indexIncludingParams)
	{
		const IndexElem *elem = lfirst_node(IndexElem, lc);

		if (elem->name)
			zdm_facts_require_column(facts, relid, elem->name);
	}
}

/* Columns of an index must be stored. */
void
zdm_facts_refuse_virtual_keys(ZdmFacts *facts, Oid relid, const IndexStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->indexParams)
	{
		const IndexElem *elem = lfirst_node(IndexElem, lc);
		AttrNumber	attnum = elem->name ? get_attnum(relid, elem->name) : InvalidAttrNumber;

		if (attnum != InvalidAttrNumber && zdm_compat_is_virtual(get_attgenerated(relid, attnum)))
			zdm_facts_fails(facts, relid, psprintf("Fails: column %s is virtual, which cannot be indexed. Index its expression on the columns that are stored.",
												   quote_identifier(elem->name)));
	}
}
