/*
 * pinned.c
 *	  Recorded settings in force for a moment, in a session that has its own.
 *
 * What is asked often, for each row that somebody writes, is whether the
 * session's settings are the recorded ones already.  So the values are
 * compared in the server's own variables, without looking a setting up, and
 * search_path by the schemas that it stands for: '"$user", public' is the
 * same as public for most.
 *
 * The texts may come from whoever owns a table.  Only the settings that zdm
 * records are accepted, and they are set with the rights of an ordinary user.
 */
#include "postgres.h"

#include "compat/guc.h"
#include "core/pinned.h"
#include "utils/memutils.h"

/* one of the recorded settings, but search_path, as the server holds it */
typedef struct PinnedValue
{
	struct config_generic *setting;
	int			number;			/* bool, int, enum */
	double		real;
	char	   *string;
} PinnedValue;

struct ZdmPinned
{
	ZdmSessionSettings settings;
	MemoryContext path_mcxt;	/* has nothing but path */
	ZdmSearchPath *path;
	int			nvalues;
	PinnedValue *values;
};

static void
set_one(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Put recorded settings in force; returns what zdm_session_restore() needs.
 * Errors with INVALID_PARAMETER_VALUE when one of the names is not one that is
 * recorded, or a value not one that it may have.  An error that comes before
 * zdm_session_restore() restores them with the (sub)transaction.
 */
int
zdm_session_override(const ZdmSessionSettings *settings)
{
	int			nestlevel = NewGUCNestLevel();

	for (int i = 0; i < settings->count; i++)
	{
		if (!zdm_session_is_recorded(settings->names[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("setting \"%s\" is not one that zdm records", settings->names[i])));
		set_one(settings->names[i], settings->values[i]);
	}
	return nestlevel;
}

/* The end of zdm_session_override() or zdm_pinned_enter(). */
void
zdm_session_restore(int nestlevel)
{
	if (nestlevel > 0)
		AtEOXact_GUC(true, nestlevel);
}

static void
read_value(PinnedValue *value, struct config_generic *setting)
{
	value->setting = setting;
	switch (setting->vartype)
	{
		case PGC_BOOL:
			value->number = *((struct config_bool *) setting)->variable;
			break;
		case PGC_INT:
			value->number = *((struct config_int *) setting)->variable;
			break;
		case PGC_ENUM:
			value->number = *((struct config_enum *) setting)->variable;
			break;
		case PGC_REAL:
			value->real = *((struct config_real *) setting)->variable;
			break;
		case PGC_STRING:
			value->string = *((struct config_string *) setting)->variable;
			break;
	}
}

static bool
is_in_force(const PinnedValue *value)
{
	PinnedValue now = {0};

	read_value(&now, value->setting);
	if (now.string != NULL && value->string != NULL)
		return strcmp(now.string, value->string) == 0;
	return now.string == value->string && now.number == value->number && now.real == value->real;
}

static bool
all_in_force(ZdmPinned *pinned)
{
	if (!zdm_compat_search_path_matches(pinned->path))
		return false;
	for (int i = 0; i < pinned->nvalues; i++)
	{
		if (!is_in_force(&pinned->values[i]))
			return false;
	}
	return true;
}

static void
take_path(ZdmPinned *pinned)
{
	MemoryContext old = MemoryContextSwitchTo(pinned->path_mcxt);

	MemoryContextReset(pinned->path_mcxt);
	pinned->path = zdm_compat_search_path(pinned->path_mcxt);
	MemoryContextSwitchTo(old);
}

/*
 * In the scope of zdm_session_override() with the same settings: what
 * zdm_pinned_enter() needs, in the current memory context, which must live as
 * long as it.  settings must, too.
 */
ZdmPinned *
zdm_pinned_prepare(const ZdmSessionSettings *settings)
{
	ZdmPinned  *pinned = palloc0(sizeof(ZdmPinned));

	pinned->settings = *settings;
	pinned->path_mcxt = AllocSetContextCreate(CurrentMemoryContext, "zdm search path",
											  ALLOCSET_SMALL_SIZES);
	take_path(pinned);
	pinned->values = palloc0(sizeof(PinnedValue) * settings->count);
	for (int i = 1; i < settings->count; i++)
	{
		struct config_generic *setting = zdm_compat_find_setting(settings->names[i]);
		PinnedValue *value = &pinned->values[pinned->nvalues];

		if (setting == NULL)
			continue;
		read_value(value, setting);
		if (value->string)
			value->string = pstrdup(value->string);
		pinned->nvalues++;
	}
	return pinned;
}

/*
 * Put the settings in force unless they are; what is returned goes to
 * zdm_session_restore(), and is 0 when there was nothing to do.
 */
int
zdm_pinned_enter(ZdmPinned *pinned)
{
	int			nestlevel;

	if (all_in_force(pinned))
		return 0;
	nestlevel = NewGUCNestLevel();
	if (!zdm_compat_search_path_matches(pinned->path))
	{
		/*
		 * What a path stands for depends on the role, and on whether the
		 * session has temporary objects: it is taken anew.
		 */
		set_one("search_path", zdm_session_search_path(&pinned->settings));
		take_path(pinned);
	}
	for (int i = 1; i < pinned->settings.count; i++)
	{
		const char *now = GetConfigOption(pinned->settings.names[i], true, false);

		if (now != NULL && strcmp(now, pinned->settings.values[i]) != 0)
			set_one(pinned->settings.names[i], pinned->settings.values[i]);
	}
	return nestlevel;
}
