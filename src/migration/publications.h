/*
 * publications.h
 *	  What subscribers of a table need when its columns change.
 */
#ifndef ZDM_MIGRATION_PUBLICATIONS_H
#define ZDM_MIGRATION_PUBLICATIONS_H

#include "migration/column_plan.h"
#include "migration/migration.h"

/*
 * Common table expressions; the last, "published", has a row for each
 * publication pub that publishes all columns of table $1, of a partition of it
 * or of a partitioned table above it, and for each topmost such table top in
 * it; apart: the partitions are published as tables of their own.
 */
#define ZDM_PUBLISHED_CTES \
	"tree AS (SELECT $1::oid AS oid UNION SELECT relid FROM pg_partition_tree($1::regclass))," \
	" member AS (SELECT c.oid FROM tree JOIN pg_class c USING (oid)" \
	"  WHERE c.relpersistence = 'p' AND (c.relkind = 'r' OR (c.oid = $1 AND (SELECT count(*) FROM tree) = 1)))," \
	" above AS (SELECT m.oid AS member, m.oid AS relid, 0 AS height FROM member m UNION ALL" \
	"  SELECT m.oid, a.relid, a.height FROM member m, pg_partition_ancestors(m.oid) WITH ORDINALITY AS a (relid, height)" \
	"   WHERE a.relid <> m.oid)," \
	" sent AS (SELECT p.oid AS pub, p.pubviaroot, a.member, (array_agg(a.relid ORDER BY a.height DESC))[1] AS top" \
	"  FROM above a JOIN pg_class c ON c.oid = a.relid" \
	"  JOIN pg_publication p ON p.puballtables" \
	"   OR EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = c.oid)" \
	"   OR EXISTS (SELECT FROM pg_publication_namespace s WHERE s.pnpubid = p.oid AND s.pnnspid = c.relnamespace)" \
	"  WHERE p.pubinsert OR p.pubupdate OR p.pubdelete OR p.pubtruncate GROUP BY p.oid, p.pubviaroot, a.member)," \
	" published AS (SELECT DISTINCT s.pub, s.top, NOT s.pubviaroot AND s.top <> s.member AS apart FROM sent s" \
	"  WHERE NOT EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = s.pub AND r.prattrs IS NOT NULL" \
	"                       AND r.prrelid = CASE WHEN s.pubviaroot THEN s.top ELSE s.member END))"

extern void zdm_column_list_publications(ZdmColumnPlan *build);
extern List *zdm_publications_before_expand(const ZdmMigration *migration);

#endif							/* ZDM_MIGRATION_PUBLICATIONS_H */
