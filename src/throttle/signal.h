/*
 * signal.h
 *	  What the server says of its load: each signal with its threshold.
 */
#ifndef ZDM_THROTTLE_SIGNAL_H
#define ZDM_THROTTLE_SIGNAL_H

#include "portability/instr_time.h"

typedef enum ZdmSignalUnit
{
	ZDM_SIGNAL_MS,
	ZDM_SIGNAL_KB,
	ZDM_SIGNAL_KB_PER_SECOND,
	ZDM_SIGNAL_COUNT,
	ZDM_SIGNAL_PERCENT,
	ZDM_SIGNAL_TEXT				/* no number: a text of the user says when it
								 * holds */
} ZdmSignalUnit;

/* one look at a signal */
typedef struct ZdmReading
{
	double		value;			/* in the signal's unit */
	bool		unknown;		/* there is nothing to tell */
	bool		closed;			/* holds the job, whatever the value */
	char	   *detail;			/* who or what, in the current memory context;
								 * NULL: nothing to add */
} ZdmReading;

/* what a job is about, as far as signals want to know */
typedef struct ZdmSignalContext
{
	Oid			table;			/* InvalidOid: none */
	double		own_wal_kb_per_second;	/* negative: not known yet */
	bool		is_held;		/* since the last look it has not worked */
	const char *work_window;	/* of its own; NULL: none */
	const char *required_standbys;	/* of its own; NULL: none */
	const ZdmReading *query;	/* what its throttle query said; NULL: it has
								 * none */
} ZdmSignalContext;

typedef struct ZdmSignal
{
	const char *name;
	const char *words;			/* as in "replay lag of 7 s, above 5 s" */
	const char *release;		/* what lets the job go on, in words */
	ZdmSignalUnit unit;
	const int  *setting;		/* threshold, in the unit, 0: off; NULL of
								 * ZDM_SIGNAL_TEXT */
	bool		of_writes;		/* does not hold jobs that only read */
	void		(*read) (const ZdmSignalContext *context, ZdmReading *reading);
} ZdmSignal;

extern const ZdmSignal *const zdm_signals[];
extern const int zdm_nsignals;

/* replication.c */
extern const ZdmSignal zdm_signal_replay_lag;
extern const ZdmSignal zdm_signal_replay_bytes;
extern const ZdmSignal zdm_signal_required_standbys;
extern const ZdmSignal zdm_signal_slot_bytes;

/* wal.c */
extern const ZdmSignal zdm_signal_wal_rate;
extern const ZdmSignal zdm_signal_own_wal_rate;
extern const ZdmSignal zdm_signal_checkpoint;
extern const ZdmSignal zdm_signal_archiver;

/* wal_flush.c */
extern const ZdmSignal zdm_signal_commit_latency;

/* waiters.c */
extern const ZdmSignal zdm_signal_lock_waiters;

/* activity.c */
extern const ZdmSignal zdm_signal_active_backends;

/* horizon.c */
extern const ZdmSignal zdm_signal_horizon;

/* table.c */
extern const ZdmSignal zdm_signal_dead_rows;
extern const ZdmSignal zdm_signal_vacuum;

/* window.c */
extern const ZdmSignal zdm_signal_work_window;

/* query.c */
extern const ZdmSignal zdm_signal_query;

#endif							/* ZDM_THROTTLE_SIGNAL_H */
