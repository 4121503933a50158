#include "mview/bases.hpp"

#include <cstring>

#include "changelog/changelog.hpp"
#include "pg/compat.hpp"
#include "pg/names.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

// Collects the relations that a query reads.
bool CollectRelations(Node *node, Reads *reads) {
  if (node == nullptr) return false;
  if (!IsA(node, Query)) return expression_tree_walker(node, pg::AsWalker(CollectRelations), reads);
  auto *query = reinterpret_cast<Query *>(node);
  ListCell *cell;
  foreach (cell, query->rtable) {
    const auto *entry = lfirst_node(RangeTblEntry, cell);
    // A rule's entries for old and new rows stand for the view itself.
    if (entry->rtekind != RTE_RELATION || entry->relkind == RELKIND_VIEW) continue;
    reads->relations = list_append_unique_oid(reads->relations, entry->relid);
    reads->has_row_security =
        reads->has_row_security ||
        check_enable_rls(entry->relid, entry->checkAsUser, true) == RLS_ENABLED;
  }
  return query_tree_walker(query, pg::AsWalker(CollectRelations), reads, 0);
}

// Returns a copy of the query that a materialized view was created with.
Query *CopyQuery(Oid view) {
  Relation relation = table_open(view, AccessShareLock);
  const RuleLock *rules = relation->rd_rules;
  if (relation->rd_rel->relkind != RELKIND_MATVIEW || rules == nullptr || rules->numLocks != 1)
    elog(ERROR, "relation %u has no query", view);
  auto *query = static_cast<Query *>(copyObjectImpl(linitial(rules->rules[0]->actions)));
  table_close(relation, AccessShareLock);
  return query;
}

// True if a relation is a partition of another one in the list.
bool IsCovered(Oid relation, const List *bases) {
  if (!get_rel_relispartition(relation)) return false;
  ListCell *ancestor;
  foreach (ancestor, get_partition_ancestors(relation)) {
    ListCell *cell;
    foreach (cell, bases) {
      const auto *base = static_cast<const Base *>(lfirst(cell));
      if (base->relation == lfirst_oid(ancestor) && base->kind == BaseKind::kTable) return true;
    }
  }
  return false;
}

// Returns the owner of a relation.
Oid OwnerOf(Oid relation) {
  Relation opened = table_open(relation, AccessShareLock);
  const Oid owner = opened->rd_rel->relowner;
  table_close(opened, AccessShareLock);
  return owner;
}

// Tells whether changes of a table are recorded, or become so here.
bool IsTracked(Oid relation, Oid owner, bool may_track) {
  changelog::TrackedTable tracked;
  if (changelog::FindTracked(relation, &tracked)) return changelog::IsRecorded(relation);
  if (!may_track || changelog::WhyNotTrackable(relation) != nullptr ||
      !pg_class_ownercheck(relation, owner))
    return false;
  changelog::TrackForConsumers(relation);
  return true;
}

const Base *FindBase(const List *bases, Oid relation) {
  ListCell *cell;
  foreach (cell, bases) {
    const auto *base = static_cast<const Base *>(lfirst(cell));
    if (base->relation == relation) return base;
  }
  return nullptr;
}

}  // namespace

Reads FindReads(Oid view) {
  Reads reads = {};
  reads.query = CopyQuery(view);
  auto *copy = static_cast<Query *>(copyObjectImpl(reads.query));
  AcquireRewriteLocks(copy, true, false);
  List *rewritten = QueryRewrite(copy);
  if (list_length(rewritten) != 1) elog(ERROR, "unexpected rewrite result for view %u", view);
  reads.expanded = linitial_node(Query, rewritten);
  CollectRelations(reinterpret_cast<Node *>(reads.expanded), &reads);
  reads.relations = list_delete_oid(reads.relations, view);
  list_sort(reads.relations, list_oid_cmp);
  return reads;
}

View DescribeView(Oid view, const Reads &reads, List *bases, const char *position) {
  View described = {view, reads.query, NIL, position};
  ListCell *cell;
  foreach (cell, bases) {
    const auto *base = static_cast<const Base *>(lfirst(cell));
    if (base->kind == BaseKind::kTable && !IsCovered(base->relation, bases))
      described.bases = lappend_oid(described.bases, base->relation);
  }
  return described;
}

List *ResolveBases(Oid view, const List *known, const Reads &reads, bool may_track) {
  const Oid owner = OwnerOf(view);
  List *bases = NIL;
  ListCell *cell;
  foreach (cell, reads.relations) {
    const Oid relation = lfirst_oid(cell);
    auto *base = static_cast<Base *>(palloc0(sizeof(Base)));
    *base = {relation, BaseKind::kUnknown, 0, 0};
    Record record;
    const char kind = get_rel_relkind(relation);
    const bool is_maintained = kind == RELKIND_MATVIEW && FindRecord(relation, false, &record);
    if ((is_maintained || kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE) &&
        IsTracked(relation, owner, may_track)) {
      const Base *before = FindBase(known, relation);
      base->kind = BaseKind::kTable;
      base->started_at = before != nullptr ? before->started_at : 0;
      // Until a consumer holds them, records may be trimmed.
      if (may_track && !changelog::KnowsChanges(relation, base->started_at))
        changelog::TrackForConsumers(relation);
    } else if (is_maintained) {
      base->kind = BaseKind::kView;
      base->generation = record.generation;
    }
    bases = lappend(bases, base);
  }
  return bases;
}

const char *WhyUnknown(Oid relation, Oid owner) {
  const char *name = pg::QualifiedName(relation);
  switch (get_rel_relkind(relation)) {
    case RELKIND_MATVIEW:
      return psprintf("materialized view %s is not maintained", name);
    case RELKIND_FOREIGN_TABLE:
      return psprintf("changes of foreign table %s are not known", name);
    case RELKIND_RELATION:
    case RELKIND_PARTITIONED_TABLE: {
      const char *obstacle = changelog::WhyNotTrackable(relation);
      // A sentence becomes part of one.
      if (obstacle != nullptr)
        return psprintf("table %s cannot be tracked: %.*s", name,
                        static_cast<int>(strlen(obstacle)) - 1, obstacle);
      changelog::TrackedTable tracked;
      if (changelog::FindTracked(relation, &tracked))
        return psprintf("the triggers that record changes of table %s are disabled", name);
      if (!pg_class_ownercheck(relation, owner))
        return psprintf("table %s is not tracked, and belongs to somebody else", name);
      return psprintf("table %s is not tracked yet", name);
    }
    default:
      return psprintf("changes of %s are not known", name);
  }
}

}  // namespace helios::mview
