/*
 * activity.c
 *	  What the sync triggers of all sessions have met, in shared memory: a
 *	  count for each mapping of rows in conflict, drifted and not computable,
 *	  and the last of them as samples.
 *
 * There is room for MAX_MAPPINGS mappings with SAMPLES samples each; beyond
 * that the mapping that has been quiet for longest makes room.  Counting takes
 * the lock in shared mode and adds atomically; a new mapping, and a sample, of
 * which there are at most ten a second once a mapping has all it can hold, take
 * it exclusively for the time of a copy.  Nothing is allocated under it, and
 * what is copied out is made into rows after it.
 *
 * Counts are of what was met, also in transactions that were rolled back, since
 * the server's start.  Without preload there are none.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "core/identity.h"
#include "core/shmem.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "sync/activity.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(zdm_sync_counts);
PG_FUNCTION_INFO_V1(zdm_list_sync_samples);

#define MAX_MAPPINGS 64
#define SAMPLES 16
#define TEXT_BYTES 200			/* of a key and of a message */
#define SAMPLE_PAUSE_US 100000

typedef struct Sample
{
	TimestampTz at;				/* 0: there is none */
	ZdmSyncCount kind;
	Oid			table;
	Oid			role;
	int			pid;
	char		key[TEXT_BYTES + 1];	/* "": the table has none */
	char		message[TEXT_BYTES + 1];
} Sample;

typedef struct MappingActivity
{
	Oid			database;		/* InvalidOid: free */
	int64		mapping_id;
	pg_atomic_uint64 counts[ZDM_COUNT_NONE];
	pg_atomic_uint64 last_at;
	pg_atomic_uint64 last_fault_at; /* of drift and errors */
	pg_atomic_uint64 sampled_at;
	uint32		next_sample;	/* where it goes, modulo SAMPLES */
	Sample		samples[SAMPLES];
} MappingActivity;

typedef struct ActivityShared
{
	LWLock	   *lock;
	MappingActivity mappings[MAX_MAPPINGS];
} ActivityShared;

static ActivityShared *shared = NULL;

static const char *const kind_names[] = {"conflict", "drift", "error"};

static void
init_shared(void *area, LWLock *lock)
{
	ActivityShared *activity = area;

	activity->lock = lock;
	for (int i = 0; i < MAX_MAPPINGS; i++)
	{
		for (int kind = 0; kind < ZDM_COUNT_NONE; kind++)
			pg_atomic_init_u64(&activity->mappings[i].counts[kind], 0);
		pg_atomic_init_u64(&activity->mappings[i].last_at, 0);
		pg_atomic_init_u64(&activity->mappings[i].last_fault_at, 0);
		pg_atomic_init_u64(&activity->mappings[i].sampled_at, 0);
	}
}

/* Have room made for it when the server starts. */
void
zdm_sync_activity_init(void)
{
	zdm_shmem_add("zdm sync", sizeof(ActivityShared), (void **) &shared, init_shared);
}

/* ---- counting; the lock is held ---- */

static MappingActivity *
find_mapping(int64 mapping_id)
{
	for (int i = 0; i < MAX_MAPPINGS; i++)
	{
		MappingActivity *mapping = &shared->mappings[i];

		if (mapping->mapping_id == mapping_id && mapping->database == MyDatabaseId)
			return mapping;
	}
	return NULL;
}

/* A free place, or that of the mapping that has been quiet for longest. */
static MappingActivity *
quietest(void)
{
	MappingActivity *result = &shared->mappings[0];

	for (int i = 0; i < MAX_MAPPINGS; i++)
	{
		MappingActivity *mapping = &shared->mappings[i];

		if (!OidIsValid(mapping->database))
			return mapping;
		if (pg_atomic_read_u64(&mapping->last_at) < pg_atomic_read_u64(&result->last_at))
			result = mapping;
	}
	return result;
}

static MappingActivity *
add_mapping(int64 mapping_id)
{
	MappingActivity *mapping = quietest();

	for (int kind = 0; kind < ZDM_COUNT_NONE; kind++)
		pg_atomic_write_u64(&mapping->counts[kind], 0);
	pg_atomic_write_u64(&mapping->last_fault_at, 0);
	pg_atomic_write_u64(&mapping->sampled_at, 0);
	mapping->next_sample = 0;
	memset(mapping->samples, 0, sizeof(mapping->samples));
	mapping->database = MyDatabaseId;
	mapping->mapping_id = mapping_id;
	return mapping;
}

static bool
count(MappingActivity *mapping, ZdmSyncCount kind, TimestampTz now)
{
	pg_atomic_fetch_add_u64(&mapping->counts[kind], 1);
	pg_atomic_write_u64(&mapping->last_at, now);
	if (kind != ZDM_COUNT_CONFLICT)
		pg_atomic_write_u64(&mapping->last_fault_at, now);
	return mapping->next_sample < SAMPLES ||
		now - (TimestampTz) pg_atomic_read_u64(&mapping->sampled_at) >= SAMPLE_PAUSE_US;
}

/*
 * Count a row of a mapping in this database.  True when a sample of it is
 * wanted: zdm_sync_sample() is the next call.
 */
bool
zdm_sync_count(int64 mapping_id, ZdmSyncCount kind)
{
	TimestampTz now;
	MappingActivity *mapping;
	bool		wanted = false;

	if (shared == NULL)
		return false;
	now = GetCurrentTimestamp();
	LWLockAcquire(shared->lock, LW_SHARED);
	mapping = find_mapping(mapping_id);
	if (mapping)
		wanted = count(mapping, kind, now);
	LWLockRelease(shared->lock);
	if (mapping)
		return wanted;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	mapping = find_mapping(mapping_id);
	if (mapping == NULL)
		mapping = add_mapping(mapping_id);
	wanted = count(mapping, kind, now);
	LWLockRelease(shared->lock);
	return wanted;
}

static void
clip(char *to, const char *from)
{
	int			len = from ? pg_mbcliplen(from, strlen(from), TEXT_BYTES) : 0;

	memcpy(to, from ? from : "", len);
	to[len] = '\0';
}

/*
 * Keep what was counted as a sample; key may be NULL.  Both texts are cut
 * after 200 bytes.
 */
void
zdm_sync_sample(int64 mapping_id, ZdmSyncCount kind, Oid table, const char *key,
				const char *message)
{
	Sample		sample = {.at = GetCurrentTimestamp(),.kind = kind,.table = table};
	MappingActivity *mapping;

	if (shared == NULL)
		return;
	sample.role = GetUserId();
	sample.pid = MyProcPid;
	clip(sample.key, key);
	clip(sample.message, message);

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	mapping = find_mapping(mapping_id);
	if (mapping)
	{
		mapping->samples[mapping->next_sample % SAMPLES] = sample;
		/* counts on, so that it tells whether all places are filled */
		mapping->next_sample = mapping->next_sample + 1 >= 2 * SAMPLES ? SAMPLES : mapping->next_sample + 1;
		pg_atomic_write_u64(&mapping->sampled_at, sample.at);
	}
	LWLockRelease(shared->lock);
}

/* ---- telling ---- */

/*
 * zdm.sync_counts(mapping_id bigint): conflicts, drift, errors, when the last of
 * them was, and when the last that was no conflict; 0 when there were none, NULL
 * without preload.
 */
Datum
zdm_sync_counts(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[ZDM_COUNT_NONE + 2];
	bool		nulls[ZDM_COUNT_NONE + 2];
	uint64		counts[ZDM_COUNT_NONE + 2] = {0};
	MappingActivity *mapping;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(nulls, shared == NULL, sizeof(nulls));
	if (shared != NULL)
	{
		LWLockAcquire(shared->lock, LW_SHARED);
		mapping = find_mapping(PG_GETARG_INT64(0));
		for (int kind = 0; mapping && kind < ZDM_COUNT_NONE; kind++)
			counts[kind] = pg_atomic_read_u64(&mapping->counts[kind]);
		if (mapping)
		{
			counts[ZDM_COUNT_NONE] = pg_atomic_read_u64(&mapping->last_at);
			counts[ZDM_COUNT_NONE + 1] = pg_atomic_read_u64(&mapping->last_fault_at);
		}
		LWLockRelease(shared->lock);
	}

	for (int kind = 0; kind < ZDM_COUNT_NONE; kind++)
		values[kind] = Int64GetDatum((int64) counts[kind]);
	for (int at = ZDM_COUNT_NONE; at < lengthof(counts); at++)
	{
		values[at] = TimestampTzGetDatum((TimestampTz) counts[at]);
		nulls[at] |= counts[at] == 0;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Who has the rights of the table's owner sees all, members of pg_monitor that it is there. */
static bool
is_mine(Oid table)
{
	Oid			owner = zdm_relation_owner(table);

	return OidIsValid(owner) ? has_privs_of_role(GetUserId(), owner) : superuser();
}

static void
put_sample(ReturnSetInfo *rsinfo, int64 mapping_id, const Sample *sample)
{
	Datum		values[8];
	bool		nulls[8] = {false};
	bool		mine = is_mine(sample->table);

	if (!mine && !has_privs_of_role(GetUserId(), ROLE_PG_MONITOR))
		return;
	values[0] = Int64GetDatum(mapping_id);
	values[1] = ObjectIdGetDatum(sample->table);
	values[2] = TimestampTzGetDatum(sample->at);
	values[3] = CStringGetTextDatum(kind_names[sample->kind]);
	values[4] = CStringGetTextDatum(sample->key);
	nulls[4] = !mine || sample->key[0] == '\0';
	values[5] = ObjectIdGetDatum(sample->role);
	values[6] = Int32GetDatum(sample->pid);
	values[7] = CStringGetTextDatum(sample->message);
	nulls[7] = !mine;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* zdm.list_sync_samples(): of this database, as far as the current role may see them. */
Datum
zdm_list_sync_samples(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MappingActivity *copy = palloc(sizeof(MappingActivity));

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; shared != NULL && i < MAX_MAPPINGS; i++)
	{
		LWLockAcquire(shared->lock, LW_SHARED);
		memcpy(copy, &shared->mappings[i], sizeof(MappingActivity));
		LWLockRelease(shared->lock);
		if (copy->database != MyDatabaseId)
			continue;
		for (int s = 0; s < SAMPLES; s++)
		{
			if (copy->samples[s].at != 0)
				put_sample(rsinfo, copy->mapping_id, &copy->samples[s]);
		}
	}
	return (Datum) 0;
}
