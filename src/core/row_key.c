/*
 * row_key.c
 *	  The primary key of a row as text, for people who look for the row.
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/pg_index.h"
#include "compat/tree.h"
#include "core/row_key.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/*
 * {"id": "1", ...} of the primary key's columns, in the current context; NULL
 * without a key.  rel is open.  The output functions of the key's types run as
 * the current user.
 */
char *
zdm_row_key(Relation rel, TupleTableSlot *slot)
{
	Oid			pkey = zdm_compat_primary_key(rel);
	Relation	index;
	StringInfoData buf;

	if (!OidIsValid(pkey))
		return NULL;
	index = index_open(pkey, AccessShareLock);
	initStringInfo(&buf);
	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
	{
		AttrNumber	attno = index->rd_index->indkey.values[i];
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attno - 1);
		bool		isnull;
		Datum		value = slot_getattr(slot, attno, &isnull);
		Oid			output;
		bool		is_varlena;

		getTypeOutputInfo(att->atttypid, &output, &is_varlena);
		appendStringInfoString(&buf, i == 0 ? "{" : ", ");
		escape_json(&buf, NameStr(att->attname));
		appendStringInfoString(&buf, ": ");
		escape_json(&buf, isnull ? "" : OidOutputFunctionCall(output, value));
	}
	appendStringInfoChar(&buf, '}');
	index_close(index, AccessShareLock);
	return buf.data;
}
