/*
 * statement.h
 *	  A statement that zdm.execute_ddl() may run: parsed, and what kind it is.
 */
#ifndef ZDM_DDL_STATEMENT_H
#define ZDM_DDL_STATEMENT_H

#include "nodes/parsenodes.h"
#include "tcop/cmdtag.h"

typedef struct ZdmStatement
{
	const char *text;
	Node	   *tree;			/* raw: not analyzed */
	CommandTag	tag;
	bool		toplevel;		/* cannot run in a transaction block */
	bool		harmless;		/* what it locks is in nobody's way, however
								 * long it takes */
	bool		sets_sequence;	/* no DDL: it locks nothing else than what the
								 * statements before it have */
} ZdmStatement;

/* what to run under zdm_statement_errors() */
typedef void (*ZdmStatementStep) (void *arg);

extern ZdmStatement *zdm_statement_parse(const char *text);
extern List *zdm_statement_parse_list(const char *text);
extern bool zdm_statement_sets_sequence(const Node *tree);
extern void zdm_statement_errors(ZdmStatementStep step, void *arg, const char *text);
extern const RangeVar *zdm_statement_object(const ZdmStatement *statement);

#endif							/* ZDM_DDL_STATEMENT_H */
