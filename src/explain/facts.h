/*
 * facts.h
 *	  The facts of one statement while they are gathered, for the files of
 *	  this room.
 */
#ifndef ZDM_EXPLAIN_FACTS_H
#define ZDM_EXPLAIN_FACTS_H

#include "explain/explain.h"
#include "nodes/primnodes.h"
#include "utils/relcache.h"

typedef struct ZdmFacts
{
	const char *sql;			/* for positions in errors */
	List	   *entries;		/* of ZdmFactEntry, in the order they were
								 * found */
	List	   *notes;			/* of ZdmDdlFact without a relation */
	List	   *new_columns;	/* of String: those that the statement itself
								 * adds */
	bool		frees_names;	/* it drops constraints, or what may have some */
	bool		alone;			/* an ALTER TABLE with one subcommand: what is
								 * there now is what that finds */
} ZdmFacts;

/* what one must have on a relation, if not its owner's rights */
typedef enum ZdmRight
{
	ZDM_RIGHT_OWNER,
	ZDM_RIGHT_DROP,				/* the owner of its schema may, too */
	ZDM_RIGHT_TRUNCATE,
	ZDM_RIGHT_TRIGGER,
	ZDM_RIGHT_MAINTAIN			/* 17 */
} ZdmRight;

extern Oid	zdm_facts_lookup(const RangeVar *rv, bool missing_ok);
extern void zdm_facts_lock(ZdmFacts *facts, Oid relid, LOCKMODE mode);
extern LOCKMODE zdm_facts_mode(ZdmFacts *facts, Oid relid);
extern void zdm_facts_lock_list(ZdmFacts *facts, const List *relids, LOCKMODE mode);
extern void zdm_facts_lock_indexes(ZdmFacts *facts, Oid relid, LOCKMODE mode);
extern void zdm_facts_scan(ZdmFacts *facts, Oid relid, const char *advice);
extern void zdm_facts_scan_list(ZdmFacts *facts, const List *relids, const char *advice);
extern void zdm_facts_check_foreign_key(ZdmFacts *facts, const List *leaves, Oid referenced,
										const char *advice);
extern void zdm_facts_copy(ZdmFacts *facts, Oid relid, const char *advice);
extern void zdm_facts_rewrite(ZdmFacts *facts, Oid relid, const char *advice);
extern void zdm_facts_replace(ZdmFacts *facts, Oid relid);
extern void zdm_facts_empty(ZdmFacts *facts, Oid relid);
extern void zdm_facts_rewrite_with_indexes(ZdmFacts *facts, Oid relid, const char *advice);
extern void zdm_facts_online(ZdmFacts *facts, Oid relid, const char *advice);
extern void zdm_facts_breaks(ZdmFacts *facts, Oid relid, const char *advice);
extern void zdm_facts_fails(ZdmFacts *facts, Oid relid, const char *advice);
extern void zdm_facts_fails_on_rows(ZdmFacts *facts, Oid relid, const char *advice);
extern void zdm_facts_advise(ZdmFacts *facts, Oid relid, const char *advice);
extern void zdm_facts_note(ZdmFacts *facts, bool safe, const char *advice);
extern List *zdm_facts_locks(ZdmFacts *facts);
extern List *zdm_facts_finish(ZdmFacts *facts);

/* catalog.c */
extern void zdm_facts_check_kind(ObjectType objtype, char relkind, Oid relid);
extern List *zdm_facts_oids(const char *sql, Oid arg1, Oid arg2, int arg3);
extern List *zdm_facts_tree(Oid relid, bool recurse);
extern List *zdm_facts_leaves(Oid relid, bool recurse);
extern List *zdm_facts_sequences(Oid relid, AttrNumber attnum);
extern Oid	zdm_facts_owner(Oid relid);
extern bool zdm_facts_has_storage(Oid relid);
extern char *zdm_facts_literal(Oid relid);
extern char *zdm_facts_name(Oid relid);

/* rights.c */
extern bool zdm_facts_may(Oid relid, ZdmRight right);
extern void zdm_facts_require(Oid relid, ZdmRight right);
extern void zdm_facts_require_references(Oid relid, const List *columns);
extern List *zdm_facts_maintained(Oid schema);

/* refusal.c */
extern void zdm_facts_fails_if(ZdmFacts *facts, Oid relid, void (*check) (void *arg), void *arg,
							   const char *next_step);

/* taken_names.c */
extern bool zdm_facts_relation_is_taken(Oid schema, const char *name, bool has_type);
extern bool zdm_facts_new_relation_is_taken(const RangeVar *rv);
extern bool zdm_facts_object_is_taken(ObjectType objtype, const char *name);
extern void zdm_facts_refuse_taken_name(ZdmFacts *facts, const Node *stmt);
extern void zdm_facts_refuse_taken_constraint(ZdmFacts *facts, Oid relid, const char *name, bool merges);

/* named_objects.c */
extern void zdm_facts_require_cluster_index(ZdmFacts *facts, Oid relid, const char *name);
extern void zdm_facts_require_trigger_or_rule(Oid relid, const AlterTableCmd *cmd);

/* named_columns.c */
extern void zdm_facts_require_column(const ZdmFacts *facts, Oid relid, const char *column);
extern void zdm_facts_require_key_columns(const ZdmFacts *facts, Oid relid, const IndexStmt *stmt);
extern void zdm_facts_refuse_virtual_keys(ZdmFacts *facts, Oid relid, const IndexStmt *stmt);

/* the families of statements */
extern void zdm_explain_alter_table(ZdmFacts *facts, AlterTableStmt *stmt);
extern void zdm_explain_set_options(ZdmFacts *facts, Oid relid, List *list);
extern void zdm_explain_replica_identity(ZdmFacts *facts, Oid relid, const ReplicaIdentityStmt *stmt);
extern void zdm_explain_column_default(ZdmFacts *facts, Oid relid, const AlterTableCmd *cmd);
extern void zdm_explain_drop_not_null(ZdmFacts *facts, const List *tree, const char *column);
extern void zdm_explain_add_column(ZdmFacts *facts, Oid relid, const List *tree,
								   ColumnDef *def, bool is_serial);
extern void zdm_explain_set_not_null(ZdmFacts *facts, Oid relid, const List *tree, const char *column);
extern void zdm_explain_drop_expression(ZdmFacts *facts, Oid relid, const char *column);
extern void zdm_explain_drop_column(ZdmFacts *facts, Oid relid, const List *tree,
									const AlterTableCmd *cmd);
extern void zdm_explain_set_expression(ZdmFacts *facts, Oid relid, const List *tree, const char *column);
extern void zdm_explain_alter_type(ZdmFacts *facts, Oid relid, const List *tree,
								   const AlterTableCmd *cmd);
extern void zdm_explain_add_constraint(ZdmFacts *facts, Oid relid, bool recurse, Constraint *con);
extern void zdm_explain_add_foreign_key(ZdmFacts *facts, Oid relid, const Constraint *con);
extern void zdm_explain_add_index(ZdmFacts *facts, Oid relid, IndexStmt *stmt);
extern void zdm_explain_use_index(ZdmFacts *facts, Oid relid, IndexStmt *stmt);
extern void zdm_explain_drop_constraint(ZdmFacts *facts, Oid relid, bool recurse,
										const AlterTableCmd *cmd);
extern void zdm_explain_alter_constraint(ZdmFacts *facts, Oid relid, const AlterTableCmd *cmd);
extern void zdm_explain_validate_constraint(ZdmFacts *facts, Oid relid, bool recurse,
											const char *name);
extern void zdm_explain_attach(ZdmFacts *facts, Oid relid, PartitionCmd *cmd);
extern void zdm_explain_detach(ZdmFacts *facts, Oid relid, const PartitionCmd *cmd);
extern void zdm_explain_create_table(ZdmFacts *facts, CreateStmt *stmt);

extern void zdm_explain_create_index(ZdmFacts *facts, IndexStmt *stmt);
extern void zdm_facts_require_opclasses(ZdmFacts *facts, Oid relid, const IndexStmt *stmt);
extern void zdm_explain_reindex(ZdmFacts *facts, ReindexStmt *stmt);
extern void zdm_explain_alter_index_attach(ZdmFacts *facts, Oid relid, const PartitionCmd *cmd);

extern void zdm_explain_drop(ZdmFacts *facts, DropStmt *stmt);
extern void zdm_explain_drop_object(ZdmFacts *facts, Oid relid, Oid classid, Oid objid,
									int subid, bool cascade);
extern void zdm_explain_truncate(ZdmFacts *facts, TruncateStmt *stmt);
extern void zdm_explain_rename(ZdmFacts *facts, RenameStmt *stmt);
extern void zdm_explain_set_schema(ZdmFacts *facts, AlterObjectSchemaStmt *stmt);
extern void zdm_explain_domain(ZdmFacts *facts, AlterDomainStmt *stmt);
extern void zdm_explain_enum(ZdmFacts *facts, AlterEnumStmt *stmt);
extern void zdm_explain_composite(ZdmFacts *facts, Oid relid);
extern void zdm_explain_sequence(ZdmFacts *facts, Oid relid, const AlterSeqStmt *stmt);
extern void zdm_explain_grant(const ZdmFacts *facts, const GrantStmt *stmt);
extern void zdm_explain_grant_role(const GrantRoleStmt *stmt);
extern bool zdm_explain_other(ZdmFacts *facts, Node *stmt);

#endif							/* ZDM_EXPLAIN_FACTS_H */
