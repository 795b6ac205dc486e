/*
 * job.h
 *	  Jobs: one row of zdm.job each, and the one function that changes the
 *	  state of one.
 *
 * A job is what a worker carries out; what it does is its kind's business
 * (a room of its own), which keeps its definition and its progress in tables
 * of its own, keyed by job_id.
 */
#ifndef ZDM_JOB_JOB_H
#define ZDM_JOB_JOB_H

#include "core/errors.h"
#include "datatype/timestamp.h"

/*
 * The state of a job, and the states that may follow.  zdm.job.state has the
 * lower-case name.  Whether a running job has a live worker is not a state:
 * it is whether somebody holds the job's lock (see lock.h).
 */
typedef enum ZdmJobState
{
	ZDM_JOB_QUEUED,				/* -> running, paused, cancelled */
	ZDM_JOB_RUNNING,			/* -> done, failed, paused, cancelled, and
								 * queued until a time */
	ZDM_JOB_PAUSED,				/* -> queued, cancelled */
	ZDM_JOB_FAILED,				/* -> queued, cancelled */
	ZDM_JOB_CANCELLED,			/* -> queued */
	ZDM_JOB_DONE				/* -> cancelled, when it is to be undone */
} ZdmJobState;

typedef struct ZdmJob
{
	int64		id;
	char	   *name;
	char	   *kind;
	Oid			target;
	char	   *target_schema;
	char	   *target_name;
	Oid			owner_id;		/* as whom it runs: the role that owned the
								 * target at submit, or the caller then;
								 * invalid when it is gone */
	char	   *owner;			/* its name now, or the last one known */
	ZdmJobState state;
	int			fruitless_starts;	/* worker starts since the last progress */
	bool		as_caller;		/* runs as its caller, whoever owns the target */
	bool		is_local;		/* false: the row came from another cluster or
								 * database (restore, copy, pg_upgrade) */
	char	   *last_error;		/* may be NULL */
	bool		cleanup;		/* something is to be removed when it is
								 * cancelled */
	TimestampTz not_before;		/* queued, it is not run before; 0: at once */
} ZdmJob;

/*
 * Called after each change of a job's state, and when the clean-up of a
 * cancelled one has ended (no error: job->cleanup is false now) or failed
 * (given up when job->cleanup is false), in that transaction.  It sees the job
 * as it is now; error may be NULL.
 */
typedef void (*ZdmJobHook) (const ZdmJob *job, const ZdmError *error);

/* until when a queued job rests, of a row of zdm.job */
#define ZDM_NOT_BEFORE_SQL \
	"CASE WHEN restart_ends_rest AND state_since < zdm.running_since() THEN NULL ELSE not_before END"

extern ZdmJobHook zdm_job_hook;

extern const char *zdm_job_state_name(ZdmJobState state);
extern ZdmJobState zdm_job_state_parse(const char *name);

extern bool zdm_job_is_local(const char *cluster, Oid database);
extern Oid	zdm_job_owner(bool local, Oid owner_id, const char *owner);
extern bool zdm_job_is_visible(Oid owner);

/* Row access.  Each needs a transaction; none of them commits. */
extern int64 zdm_job_create(const char *name, const char *kind, Oid target,
							Oid owner);
extern int64 zdm_job_create_as_caller(const char *name, const char *kind, Oid target,
									  const char *target_schema, const char *target_name);
extern int64 zdm_job_create_as(const char *name, const char *kind, Oid target,
							   const char *target_schema, const char *target_name, Oid role);
extern ZdmJob *zdm_job_load(int64 job_id, bool missing_ok);
extern ZdmJob *zdm_job_load_visible(int64 job_id);
extern ZdmJob *zdm_job_load_by_name(const char *name);
extern ZdmJob *zdm_job_lock(int64 job_id, bool missing_ok);
extern void zdm_job_transition(ZdmJob *job, ZdmJobState to, const char *reason,
							   const ZdmError *error);
extern void zdm_job_put_off(ZdmJob *job, TimestampTz until, const char *why);
extern void zdm_job_note(int64 job_id, const char *event, const char *message);
extern void zdm_job_set_waiting(int64 job_id, const char *waiting_for);
extern void zdm_job_set_fruitless_starts(int64 job_id, int starts);
extern void zdm_job_set_cleanup(int64 job_id, bool cleanup);
extern void zdm_job_set_not_before(int64 job_id, TimestampTz not_before);
extern bool zdm_job_is_due(const ZdmJob *job);
extern void zdm_job_clean_up_ended(ZdmJob *job, const ZdmError *error, bool given_up);
extern bool zdm_job_wants_worker(const ZdmJob *job);
extern void zdm_job_adopt(ZdmJob *job, Oid owner);

#endif							/* ZDM_JOB_JOB_H */
