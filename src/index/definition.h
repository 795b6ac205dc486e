/*
 * definition.h
 *	  CREATE INDEX statements: from text to trees.
 */
#ifndef ZDM_INDEX_DEFINITION_H
#define ZDM_INDEX_DEFINITION_H

#include "nodes/parsenodes.h"
#include "utils/relcache.h"

extern IndexStmt *zdm_index_parse(const char *definition);
extern IndexStmt *zdm_index_analyze(const IndexStmt *stmt, Oid table, const char *definition);
extern char *zdm_index_choose_name(const IndexStmt *stmt, Oid table);
extern IndexStmt *zdm_index_statement(const IndexStmt *stmt, Oid table, const char *name,
									  bool concurrent);
extern RangeVar *zdm_index_range_var(Oid relid);

/* check.c */
extern IndexStmt *zdm_index_analyze_as_owner(const IndexStmt *stmt, Relation rel, const char *definition,
											 const char *search_path);

#endif							/* ZDM_INDEX_DEFINITION_H */
