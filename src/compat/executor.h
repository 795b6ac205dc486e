/*
 * executor.h
 *	  Version differences in the hook around the execution of a query.
 */
#ifndef ZDM_COMPAT_EXECUTOR_H
#define ZDM_COMPAT_EXECUTOR_H

#include "executor/executor.h"

/* 18: no execute_once */
#if PG_VERSION_NUM >= 180000
#define ZDM_EXECUTOR_RUN_PARAMS QueryDesc *query, ScanDirection direction, uint64 count
#define ZDM_EXECUTOR_RUN_ARGS query, direction, count
#else
#define ZDM_EXECUTOR_RUN_PARAMS QueryDesc *query, ScanDirection direction, uint64 count, bool once
#define ZDM_EXECUTOR_RUN_ARGS query, direction, count, once
#endif

#endif							/* ZDM_COMPAT_EXECUTOR_H */
