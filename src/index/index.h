/*
 * index.h
 *	  The kind of job "index".
 */
#ifndef ZDM_INDEX_INDEX_H
#define ZDM_INDEX_INDEX_H

#include "core/session.h"
#include "job/kind.h"

extern ZdmRunOutcome zdm_index_run(const ZdmJob *job);
extern ZdmRunOutcome zdm_index_clean_up(const ZdmJob *job);

/* for jobs of other kinds, of which an index is a step */
extern ZdmRunOutcome zdm_index_build_for(const ZdmJob *job, const char *definition,
										 const char *index_name, const ZdmSessionSettings *settings);
extern ZdmRunOutcome zdm_index_remove_for(const ZdmJob *job, const char *index_name);

#endif							/* ZDM_INDEX_INDEX_H */
