/*
 * spec.h
 *	  The definition of a job of kind "ddl", and how far it is: zdm.ddl.
 */
#ifndef ZDM_DDL_SPEC_H
#define ZDM_DDL_SPEC_H

#include "core/session.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

typedef enum ZdmDdlPhase
{
	ZDM_DDL_WAITING,			/* not executed */
	ZDM_DDL_STARTED,			/* a statement that commits in its middle was
								 * begun; what it has left is not known */
	ZDM_DDL_EXECUTED
} ZdmDdlPhase;

typedef struct ZdmDdlSpec
{
	char	   *statement;
	ZdmSessionSettings settings;
	int64		deadline_ms;	/* 0: none, -1: zdm.ddl_deadline */
	TimestampTz since;			/* from when the deadline counts: the job has
								 * its state since then */
	ZdmDdlPhase phase;
} ZdmDdlSpec;

extern void zdm_ddl_spec_store(int64 job_id, const ZdmDdlSpec *spec);
extern ZdmDdlSpec *zdm_ddl_spec_load(int64 job_id);
extern void zdm_ddl_spec_set_phase(int64 job_id, ZdmDdlPhase phase);
extern void zdm_ddl_spec_set_objects(int64 job_id, const List *objects);
extern void zdm_ddl_spec_add_object(int64 job_id, Oid object);
extern List *zdm_ddl_spec_objects(int64 job_id);

#endif							/* ZDM_DDL_SPEC_H */
