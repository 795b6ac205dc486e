/*
 * expression.h
 *	  One expression of a mapping, analyzed.
 */
#ifndef ZDM_MAPPING_EXPRESSION_H
#define ZDM_MAPPING_EXPRESSION_H

#include "mapping/mapping.h"

typedef struct ZdmMappingExpr
{
	Expr	   *expr;			/* coerced to the type of what it is assigned
								 * to, and planned; its Vars are of varno 1 */
	List	   *columns;		/* of char *: what it reads */
	List	   *functions;		/* of Oid: who computes it must be allowed to
								 * execute them */
	List	   *inval_items;	/* of PlanInvalItem, as of a plan */
	bool		is_stable;		/* not immutable */
} ZdmMappingExpr;

extern ZdmMappingExpr *zdm_mapping_analyze(Relation rel, const ZdmMapping *mapping,
										   ZdmMappingSide assigned,
										   const ZdmMappingColumn *new_column);
extern void zdm_mapping_column(Relation rel, const char *name, ZdmMappingColumn *column);

#endif							/* ZDM_MAPPING_EXPRESSION_H */
