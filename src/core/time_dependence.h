/*
 * time_dependence.h
 *	  Does an expression depend on when, or in which transaction, it is
 *	  evaluated?
 */
#ifndef ZDM_CORE_TIME_DEPENDENCE_H
#define ZDM_CORE_TIME_DEPENDENCE_H

#include "nodes/nodes.h"

extern bool zdm_depends_on_time(Node *raw, Node *analyzed);

#endif							/* ZDM_CORE_TIME_DEPENDENCE_H */
