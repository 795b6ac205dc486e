/*
 * named_objects.c
 *	  What ALTER TABLE names besides columns and constraints: triggers, rules,
 *	  indexes, options. Are they there, and fit for it?
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/reloptions.h"
#include "catalog/pg_class.h"
#include "commands/cluster.h"
#include "commands/trigger.h"
#include "compat/explain.h"
#include "explain/facts.h"
#include "rewrite/rewriteSupport.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

typedef struct Options
{
	Oid			relid;
	char		relkind;
	List	   *list;			/* of DefElem */
} Options;

static void
check_index_options(Oid relid, Datum options)
{
	Relation	index = relation_open(relid, AccessShareLock);

	(void) index_reloptions(index->rd_indam->amoptions, options, true);
	relation_close(index, NoLock);
}

static void
check_options(void *arg)
{
	const Options *options = arg;
	Datum		own = zdm_compat_storage_parameters(options->list, NULL);

	switch (options->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_MATVIEW:
			(void) heap_reloptions(options->relkind, own, true);
			(void) heap_reloptions(RELKIND_TOASTVALUE,
								   zdm_compat_storage_parameters(options->list, "toast"), true);
			break;
		case RELKIND_PARTITIONED_TABLE:
			(void) partitioned_table_reloptions(own, true);
			break;
		case RELKIND_VIEW:
			(void) view_reloptions(own, true);
			break;
		case RELKIND_INDEX:
			check_index_options(options->relid, own);
			break;
		default:
			break;
	}
}

/* SET (...) of a table, a view, an index. */
void
zdm_explain_set_options(ZdmFacts *facts, Oid relid, List *list)
{
	Options		options = {relid, get_rel_relkind(relid), list};

	zdm_facts_fails_if(facts, relid, check_options, &options, "See the storage parameters that PostgreSQL has for it.");
}

typedef struct ClusterIndex
{
	Oid			relid;
	Oid			indexid;
} ClusterIndex;

/* Errors with UNDEFINED_OBJECT. */
static Oid
index_named(Oid relid, const char *name)
{
	Oid			indexid = get_relname_relid(name, get_rel_namespace(relid));

	if (!OidIsValid(indexid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("index \"%s\" for table \"%s\" does not exist", name, get_rel_name(relid)),
				 errhint("\\d %s in psql lists the indexes.", zdm_facts_name(relid))));
	return indexid;
}

static void
check_cluster_index(void *arg)
{
	const ClusterIndex *what = arg;
	Relation	rel = relation_open(what->relid, AccessShareLock);

	check_index_is_clusterable(rel, what->indexid, AccessShareLock);
	relation_close(rel, NoLock);
}

/* An index to cluster by.  Errors with UNDEFINED_OBJECT. */
void
zdm_facts_require_cluster_index(ZdmFacts *facts, Oid relid, const char *name)
{
	ClusterIndex what = {relid, index_named(relid, name)};

	zdm_facts_fails_if(facts, relid, check_cluster_index, &what, "Name a valid index of the table, without WHERE.");
}

/* Does an index of relid identify its rows? */
static bool
identifies(Oid relid, Oid indexid)
{
	return zdm_facts_oids("SELECT indexrelid FROM pg_index WHERE indrelid = $1 AND indexrelid = $2 AND indisunique"
						  " AND indimmediate AND indpred IS NULL AND indexprs IS NULL"
						  " AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = $1 AND NOT attnotnull"
						  "  AND attnum = ANY ((indkey::int2[])[0:indnkeyatts - 1]))",
						  relid, indexid, 0) != NIL;
}

/* REPLICA IDENTITY.  Errors with UNDEFINED_OBJECT. */
void
zdm_explain_replica_identity(ZdmFacts *facts, Oid relid, const ReplicaIdentityStmt *stmt)
{
	Oid			indexid;

	if (stmt->name == NULL)
		return;
	indexid = facts->alone ? index_named(relid, stmt->name) : get_relname_relid(stmt->name, get_rel_namespace(relid));
	if (OidIsValid(indexid))
		zdm_facts_lock(facts, indexid, ShareLock);
	if (facts->alone && !identifies(relid, indexid))
		zdm_facts_fails(facts, relid, "Fails: the index does not identify rows. Name a unique index of the table on NOT NULL columns, without WHERE, and not deferrable.");
}

/* Errors with UNDEFINED_OBJECT when the trigger or rule that a subcommand names is not there. */
void
zdm_facts_require_trigger_or_rule(Oid relid, const AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_EnableTrig:
		case AT_EnableAlwaysTrig:
		case AT_EnableReplicaTrig:
		case AT_DisableTrig:
			(void) get_trigger_oid(relid, cmd->name, false);
			break;
		case AT_EnableRule:
		case AT_EnableAlwaysRule:
		case AT_EnableReplicaRule:
		case AT_DisableRule:
			(void) get_rewrite_oid(relid, cmd->name, false);
			break;
		default:
			break;
	}
}
