/*
 * expression.h
 *	  An expression that a user gave as text, parsed by itself.
 */
#ifndef ZDM_CORE_EXPRESSION_H
#define ZDM_CORE_EXPRESSION_H

#include "nodes/nodes.h"

extern Node *zdm_expression_parse(const char *source, const char *hint);

#endif							/* ZDM_CORE_EXPRESSION_H */
