/*
 * window.h
 *	  Times of the day at which jobs may work.
 */
#ifndef ZDM_THROTTLE_WINDOW_H
#define ZDM_THROTTLE_WINDOW_H

#include "datatype/timestamp.h"

#define ZDM_WINDOWS_MAX 8

/* minutes since midnight; until <= from: over midnight */
typedef struct ZdmWindow
{
	int			from;
	int			until;
} ZdmWindow;

typedef struct ZdmWindows
{
	int			count;			/* 0: any time */
	ZdmWindow	window[ZDM_WINDOWS_MAX];
} ZdmWindows;

extern bool zdm_windows_parse(const char *text, ZdmWindows *windows, const char **why);
extern bool zdm_windows_are_open(const ZdmWindows *windows, TimestampTz at, int *opens_at);

#endif							/* ZDM_THROTTLE_WINDOW_H */
