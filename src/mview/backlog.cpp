#include "mview/backlog.hpp"

#include <cstring>

#include "changelog/changelog.hpp"
#include "mview/bases.hpp"
#include "mview/refresh.hpp"

extern "C" {
#include "common/hashfn.h"
#include "nodes/nodes.h"
#include "optimizer/optimizer.h"
#include "storage/lmgr.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

// Locks a relation against being altered, if that is to be had at once and it exists.
bool LockForReading(Oid relation) {
  return ConditionalLockRelationOid(relation, AccessShareLock) &&
         SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation));
}

bool LockAllForReading(Oid view, List *bases) {
  if (!LockForReading(view)) return false;
  ListCell *cell;
  foreach (cell, bases) {
    if (!LockForReading(static_cast<const Base *>(lfirst(cell))->relation)) return false;
  }
  return true;
}

// Takes into account what was done to views, policies and functions that the query goes through.
void JudgeQuery(Oid view, const Record &record, Backlog *backlog) {
  ViewOwnerScope owner;
  owner.Enter(view);
  const Reads reads = FindReads(view);
  owner.Leave();
  if (HashOf(reads.expanded) != record.query_hash) backlog->is_current = false;
  if (contain_mutable_functions(reinterpret_cast<Node *>(reads.expanded)))
    backlog->is_known = false;
}

// Takes into account what has happened to one of the relations that are read.
void JudgeBase(const Record &record, const Base &base, int64 limit, Backlog *backlog) {
  if (base.kind == BaseKind::kView) {
    Record read;
    if (!FindRecord(base.relation, false, &read) || read.generation != base.generation)
      backlog->is_current = false;
  } else if (base.kind == BaseKind::kUnknown) {
    backlog->is_counted = false;
  } else if (!changelog::KnowsChanges(base.relation, base.started_at)) {
    backlog->is_counted = false;
    backlog->is_current = false;
  } else if (record.position != nullptr && backlog->changes < limit) {
    TimestampTz since;
    backlog->changes +=
        changelog::CountRecords(base.relation, record.position, limit - backlog->changes, &since);
    if (since != 0 && (backlog->since == 0 || since < backlog->since)) backlog->since = since;
  }
}

}  // namespace

int64 HashOf(const Query *query) {
  const char *text = nodeToString(query);
  return static_cast<int64>(hash_bytes_extended(reinterpret_cast<const unsigned char *>(text),
                                                static_cast<int>(strlen(text)), 0));
}

Backlog FindBacklog(Oid view, const Record &record, List *bases, int64 limit) {
  Backlog backlog = {};
  backlog.is_locked = !LockAllForReading(view, bases);
  if (backlog.is_locked) return backlog;
  backlog.is_counted = record.position != nullptr;
  backlog.is_known = true;
  backlog.is_current = record.position != nullptr && record.recompute == nullptr;
  JudgeQuery(view, record, &backlog);
  ListCell *cell;
  foreach (cell, bases)
    JudgeBase(record, *static_cast<const Base *>(lfirst(cell)), limit, &backlog);
  backlog.is_known = backlog.is_known && backlog.is_counted;
  if (backlog.changes > 0) backlog.is_current = false;
  return backlog;
}

}  // namespace helios::mview
