/*
 * row_key.h
 *	  The primary key of a row as text, for people who look for the row.
 */
#ifndef ZDM_CORE_ROW_KEY_H
#define ZDM_CORE_ROW_KEY_H

#include "executor/tuptable.h"
#include "utils/relcache.h"

extern char *zdm_row_key(Relation rel, TupleTableSlot *slot);

#endif							/* ZDM_CORE_ROW_KEY_H */
