/*
 * arguments.c
 *	  A mapping as the arguments of a trigger: reading them, and the statements
 *	  that make and drop such a trigger.
 *
 * The arguments, all text: id, version, mode, authority, winner, on_error,
 * old_column, new_column, forward, reverse; then name and value of each
 * setting, search_path first.  '' stands for what there is not.
 */
#include "postgres.h"

#include "core/catalog.h"
#include "lib/stringinfo.h"
#include "mapping/arguments.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define VERSION "1"

enum
{
	ARG_ID,
	ARG_VERSION,
	ARG_MODE,
	ARG_AUTHORITY,
	ARG_WINNER,
	ARG_ON_ERROR,
	ARG_OLD_COLUMN,
	ARG_NEW_COLUMN,
	ARG_FORWARD,
	ARG_REVERSE,
	ARG_SETTINGS
};

static const char *const mode_names[] = {"sync", "fill"};
static const char *const side_names[] = {"old", "new"};
static const char *const on_error_names[] = {"fail", "null"};

static void
malformed(const Trigger *trigger, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("trigger \"%s\" is not one that zdm has made: %s", trigger->tgname, what),
			 errhint("Abort the migration that the trigger belongs to, or drop the trigger.")));
}

/* Which of two words the argument is. */
static int
choice(const Trigger *trigger, int arg, const char *const *names)
{
	for (int i = 0; i < 2; i++)
	{
		if (strcmp(trigger->tgargs[arg], names[i]) == 0)
			return i;
	}
	malformed(trigger, psprintf("argument %d must be \"%s\" or \"%s\"", arg + 1, names[0], names[1]));
	return 0;
}

static int64
parse_id(const Trigger *trigger)
{
	char	   *end;
	int64		id;

	errno = 0;
	id = strtoi64(trigger->tgargs[ARG_ID], &end, 10);
	if (errno != 0 || end == trigger->tgargs[ARG_ID] || *end != '\0' || id <= 0)
		malformed(trigger, "its first argument must be the id of a mapping");
	return id;
}

static char *
given(const Trigger *trigger, int arg)
{
	return trigger->tgargs[arg][0] == '\0' ? NULL : pstrdup(trigger->tgargs[arg]);
}

static char *
required(const Trigger *trigger, int arg)
{
	char	   *value = given(trigger, arg);

	if (value == NULL)
		malformed(trigger, psprintf("argument %d is empty", arg + 1));
	return value;
}

static void
parse_settings(const Trigger *trigger, ZdmSessionSettings *settings)
{
	int			nargs = trigger->tgnargs - ARG_SETTINGS;

	if (nargs < 2 || nargs % 2 != 0 || strcmp(trigger->tgargs[ARG_SETTINGS], "search_path") != 0)
		malformed(trigger, "its settings are not pairs that begin with search_path");
	settings->count = nargs / 2;
	settings->names = palloc(sizeof(char *) * settings->count);
	settings->values = palloc(sizeof(char *) * settings->count);
	for (int i = 0; i < settings->count; i++)
	{
		settings->names[i] = pstrdup(trigger->tgargs[ARG_SETTINGS + 2 * i]);
		settings->values[i] = pstrdup(trigger->tgargs[ARG_SETTINGS + 2 * i + 1]);
		if (!zdm_session_is_recorded(settings->names[i]))
			malformed(trigger, psprintf("\"%s\" is not a setting that zdm records", settings->names[i]));
	}
}

/*
 * The mapping that the trigger's arguments are, in the current context.
 * Errors with INVALID_OBJECT_DEFINITION when they are not one.
 */
ZdmMapping *
zdm_mapping_parse(const Trigger *trigger)
{
	ZdmMapping *mapping = palloc0(sizeof(ZdmMapping));

	if (trigger->tgnargs < ARG_SETTINGS)
		malformed(trigger, psprintf("it has %d arguments", trigger->tgnargs));
	if (strcmp(trigger->tgargs[ARG_VERSION], VERSION) != 0)
		malformed(trigger, "its arguments are of another version");
	mapping->id = parse_id(trigger);
	mapping->mode = choice(trigger, ARG_MODE, mode_names);
	mapping->authority = choice(trigger, ARG_AUTHORITY, side_names);
	mapping->winner = choice(trigger, ARG_WINNER, side_names);
	mapping->on_error = choice(trigger, ARG_ON_ERROR, on_error_names);
	mapping->old_column = given(trigger, ARG_OLD_COLUMN);
	mapping->new_column = required(trigger, ARG_NEW_COLUMN);
	mapping->forward = required(trigger, ARG_FORWARD);
	mapping->reverse = given(trigger, ARG_REVERSE);
	if (mapping->reverse && mapping->old_column == NULL)
		malformed(trigger, "it has a reverse expression and no old column");
	parse_settings(trigger, &mapping->settings);
	return mapping;
}

/* OID of zdm.sync().  Errors with UNDEFINED_FUNCTION. */
Oid
zdm_sync_function(void)
{
	return zdm_own_function(ZDM_SYNC_FUNCTION, 0, NULL);
}

/* Name of the trigger of a mapping. */
char *
zdm_sync_trigger_name(int64 id)
{
	return psprintf("%s" INT64_FORMAT, ZDM_SYNC_TRIGGER_PREFIX, id);
}

/*
 * The mapping that the trigger of that id on rel has, in the current context;
 * NULL when there is none.  Errors as zdm_mapping_parse() does.
 */
ZdmMapping *
zdm_mapping_of(Relation rel, int64 id)
{
	char	   *name = zdm_sync_trigger_name(id);
	Oid			function = zdm_sync_function();
	int			ntriggers = rel->trigdesc ? rel->trigdesc->numtriggers : 0;

	for (int i = 0; i < ntriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (trigger->tgfoid == function && strcmp(trigger->tgname, name) == 0)
			return zdm_mapping_parse(trigger);
	}
	return NULL;
}

static const char *
qualified_name(Relation rel)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
									  RelationGetRelationName(rel));
}

static void
append_argument(StringInfo buf, const char *value)
{
	appendStringInfo(buf, ", %s", quote_literal_cstr(value ? value : ""));
}

/*
 * CREATE OR REPLACE TRIGGER ... with the mapping as its arguments.  It is to
 * be run by zdm_sync_create_trigger(), which makes it ENABLE ALWAYS.
 */
char *
zdm_mapping_trigger_sql(Relation rel, const ZdmMapping *mapping)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE OR REPLACE TRIGGER %s BEFORE INSERT OR UPDATE ON %s"
					 " FOR EACH ROW EXECUTE FUNCTION zdm." ZDM_SYNC_FUNCTION "('" INT64_FORMAT "'",
					 quote_identifier(zdm_sync_trigger_name(mapping->id)), qualified_name(rel),
					 mapping->id);
	append_argument(&buf, VERSION);
	append_argument(&buf, mode_names[mapping->mode]);
	append_argument(&buf, side_names[mapping->authority]);
	append_argument(&buf, side_names[mapping->winner]);
	append_argument(&buf, on_error_names[mapping->on_error]);
	append_argument(&buf, mapping->old_column);
	append_argument(&buf, mapping->new_column);
	append_argument(&buf, mapping->forward);
	append_argument(&buf, mapping->reverse);
	for (int i = 0; i < mapping->settings.count; i++)
	{
		append_argument(&buf, mapping->settings.names[i]);
		append_argument(&buf, mapping->settings.values[i]);
	}
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

/* DROP TRIGGER IF EXISTS ..., its counterpart. */
char *
zdm_mapping_drop_trigger_sql(Relation rel, int64 id)
{
	return psprintf("DROP TRIGGER IF EXISTS %s ON %s",
					quote_identifier(zdm_sync_trigger_name(id)), qualified_name(rel));
}
