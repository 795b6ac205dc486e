/*
 * facts.h
 *	  What pg_constraint says of one constraint of one relation.
 */
#ifndef ZDM_CONSTRAINT_FACTS_H
#define ZDM_CONSTRAINT_FACTS_H

#include "utils/rel.h"

typedef struct ZdmConstraint
{
	Oid			oid;
	Oid			relid;			/* relation that has it */
	char	   *name;
	char		contype;		/* CONSTRAINT_CHECK, ... */
	bool		valid;
	bool		enforced;		/* always, before PostgreSQL 18 */
	bool		no_inherit;
	bool		deferrable;
	bool		deferred;		/* INITIALLY DEFERRED */
	bool		temporal;		/* 18: a foreign key with PERIOD */
	char	   *expression;		/* CHECK: as nodeToString(); others: NULL */

	/* FOREIGN KEY only */
	Oid			confrelid;
	Oid			conindid;		/* unique index of the referenced table; of
								 * UNIQUE and PRIMARY KEY: its own */
	char		matchtype;		/* FKCONSTR_MATCH_SIMPLE, ... */
	Oid			parent;			/* conparentid */
} ZdmConstraint;

extern ZdmConstraint *zdm_constraint_load(Oid relid, const char *name);
extern ZdmConstraint *zdm_constraint_load_below(Oid relid, Oid top);
extern char *zdm_constraint_definition(const ZdmConstraint *constraint);
extern bool zdm_constraint_same(const ZdmConstraint *a, const ZdmConstraint *b);
extern const char *zdm_constraint_type_name(char contype);
extern AttrNumber *zdm_constraint_columns(const ZdmConstraint *constraint, int *count);

#endif							/* ZDM_CONSTRAINT_FACTS_H */
