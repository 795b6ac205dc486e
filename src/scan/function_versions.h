/*
 * function_versions.h
 *	  Which versions of functions an expression calls.
 */
#ifndef ZDM_SCAN_FUNCTION_VERSIONS_H
#define ZDM_SCAN_FUNCTION_VERSIONS_H

#include "nodes/nodes.h"

extern char *zdm_function_versions(Node *expression);

#endif							/* ZDM_SCAN_FUNCTION_VERSIONS_H */
