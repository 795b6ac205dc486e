/*
 * expression.h
 *	  The expression of a CHECK constraint: from text to text that is safe to
 *	  put into a statement.
 */
#ifndef ZDM_RECIPE_EXPRESSION_H
#define ZDM_RECIPE_EXPRESSION_H

#include "utils/relcache.h"

extern char *zdm_expression_canonical(Relation rel, const char *expression);

#endif							/* ZDM_RECIPE_EXPRESSION_H */
