/*
 * threshold.h
 *	  Thresholds of signals as users write them.
 */
#ifndef ZDM_THROTTLE_THRESHOLD_H
#define ZDM_THROTTLE_THRESHOLD_H

extern int	zdm_threshold_signal(const char *name);
extern char *zdm_threshold_parse(int signal, const char *text);

#endif							/* ZDM_THROTTLE_THRESHOLD_H */
