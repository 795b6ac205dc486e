/*
 * decide.c
 *	  What the sync trigger does with a row: a table, and nothing else.
 *
 * Nothing is computed here, and nothing looked up: what is known of the row
 * comes in, what is to be done goes out.  "Inconsistent" is for the caller to
 * find out, and only where the decision depends on it.
 *
 *	event   changed  further                          the row, if ...    becomes
 *	------  -------  -------------------------------  ----------------   -------
 *	fill mode
 *	any     any      new is NULL                                         forward
 *	any     any      otherwise                                           as it is
 *	sync mode
 *	UPDATE  neither  only old is named                inconsistent       forward
 *	UPDATE  neither  only new is named                inconsistent       reverse
 *	UPDATE  neither  new is NULL, authority old       inconsistent       forward
 *	UPDATE  neither  otherwise                                           as it is
 *	UPDATE  old                                       inconsistent       forward
 *	UPDATE  new                                       inconsistent       reverse
 *	UPDATE  both                                      inconsistent       the winner's way; a conflict
 *	INSERT           authority old, new is NULL                          forward
 *	INSERT           authority old, new is not NULL   inconsistent       reverse
 *	INSERT           authority new, new is NULL and
 *	                 old is not                                          forward
 *	INSERT           authority new, otherwise         inconsistent       reverse
 *	moved            as INSERT                        always only if inconsistent
 *
 * An UPDATE that fills or repairs a row without having changed the side that it
 * is computed from never fails for what is in that row, whether it moves it to
 * another partition or not.
 *
 * Where there is no reverse expression, "reverse" means that the row is left as
 * it is, and counted as drift.
 */
#include "postgres.h"

#include "sync/decide.h"

static const ZdmSyncDecision nothing = {ZDM_SYNC_NOTHING, false, false, ZDM_COUNT_NONE};

static ZdmSyncDecision
forward(bool if_inconsistent)
{
	ZdmSyncDecision decision = {ZDM_SYNC_FORWARD, if_inconsistent, false, ZDM_COUNT_NONE};

	return decision;
}

static ZdmSyncDecision
reverse(const ZdmMapping *mapping)
{
	ZdmSyncDecision decision = {ZDM_SYNC_REVERSE, true, false, ZDM_COUNT_NONE};

	if (mapping->reverse == NULL)
	{
		decision.action = ZDM_SYNC_LEAVE;
		decision.count = ZDM_COUNT_DRIFT;
	}
	return decision;
}

static ZdmSyncDecision
both_changed(const ZdmMapping *mapping)
{
	ZdmSyncDecision decision = mapping->winner == ZDM_SIDE_OLD ? forward(true) : reverse(mapping);

	if (decision.count == ZDM_COUNT_NONE)
		decision.count = ZDM_COUNT_CONFLICT;
	return decision;
}

static ZdmSyncDecision
neither_changed(const ZdmMapping *mapping, const ZdmSyncFacts *facts)
{
	if (facts->old_named != facts->new_named)
		return facts->old_named ? forward(true) : reverse(mapping);
	if (facts->new_is_null && mapping->authority == ZDM_SIDE_OLD)
		return forward(true);
	return nothing;
}

static ZdmSyncDecision
on_update(const ZdmMapping *mapping, const ZdmSyncFacts *facts)
{
	if (facts->old_changed && facts->new_changed)
		return both_changed(mapping);
	if (facts->old_changed)
		return forward(true);
	if (facts->new_changed)
		return reverse(mapping);
	return neither_changed(mapping, facts);
}

static ZdmSyncDecision
on_insert(const ZdmMapping *mapping, const ZdmSyncFacts *facts)
{
	bool		moved = facts->event == ZDM_SYNC_MOVED;

	if (facts->new_is_null && (mapping->authority == ZDM_SIDE_OLD || !facts->old_is_null))
		return forward(moved);
	return reverse(mapping);
}

/* See the top of this file. */
ZdmSyncDecision
zdm_sync_decide(const ZdmMapping *mapping, const ZdmSyncFacts *facts)
{
	ZdmSyncDecision decision;

	if (mapping->mode == ZDM_MAPPING_FILL)
		decision = facts->new_is_null ? forward(false) : nothing;
	else if (facts->event == ZDM_SYNC_UPDATE)
		decision = on_update(mapping, facts);
	else
		decision = on_insert(mapping, facts);

	decision.tolerant = (facts->event == ZDM_SYNC_UPDATE || facts->was_there) &&
		!(decision.action == ZDM_SYNC_FORWARD ? facts->old_changed : facts->new_changed);
	return decision;
}
