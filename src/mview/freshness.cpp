// Everything is looked at as the snapshot sees it: position, consumers and log are rows like those of the view. What
// snapshots do not cover is looked at beside: a heap that was swapped, a history that began anew, and tables that this
// transaction changes, where a statement under way may not have written to the log yet.
#include "mview/freshness.hpp"

#include "changelog/changelog.hpp"
#include "mview/catalog.hpp"
#include "mview/statements.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_inherits.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

// True if a snapshot sees the transaction that has put the present heap in the place of a relation's.
bool SeesHeap(Oid relation, Snapshot snapshot) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) return false;
  const TransactionId creator = HeapTupleHeaderGetXmin(tuple->t_data);
  ReleaseSysCache(tuple);
  if (!TransactionIdIsNormal(creator)) return true;
  return !TransactionIdIsCurrentTransactionId(creator) && !XidInMVCCSnapshot(creator, snapshot);
}

// True if this transaction writes a table or a partition of it, or has done so.
bool IsChangedHere(Oid relation) {
  ListCell *cell;
  foreach (cell, find_all_inheritors(relation, AccessShareLock, nullptr)) {
    for (LOCKMODE mode = RowExclusiveLock; mode <= AccessExclusiveLock; mode++) {
      LOCKTAG tag;
      SET_LOCKTAG_RELATION(tag, MyDatabaseId, lfirst_oid(cell));
      if (LockHeldByMe(&tag, mode)) return true;
    }
  }
  return false;
}

bool IsUnchanged(const Base &base, const char *position) {
  return base.kind == BaseKind::kTable && !IsChangedHere(base.relation) &&
         changelog::KnowsChanges(base.relation, base.started_at) &&
         changelog::CountRecords(base.relation, position, 1) == 0;
}

// The same as IsFresh, with SPI connected and the snapshot active.
bool ShowsPresent(Oid view, int64 query_hash) {
  Record record;
  if (!SeesHeap(view, GetActiveSnapshot()) || !FindRecord(view, false, &record) ||
      record.position == nullptr || record.recompute != nullptr || record.query_hash != query_hash)
    return false;
  List *bases = ReadBases(view);
  ListCell *cell;
  foreach (cell, bases) {
    if (!IsUnchanged(*static_cast<const Base *>(lfirst(cell)), record.position)) return false;
  }
  return bases != NIL;
}

}  // namespace

bool MayReadViews() {
  // Materialized views take no predicate locks. What computes them must not read them.
  return !IsolationIsSerializable() && !InSecurityRestrictedOperation() && !IsInParallelMode() &&
         !RecoveryInProgress() && !IsElsewhere();
}

bool IsFresh(Oid view, int64 query_hash, Snapshot snapshot) {
  if (!MayReadViews() || snapshot == nullptr || snapshot->snapshot_type != SNAPSHOT_MVCC ||
      !OidIsValid(get_extension_oid("heliosdb", true)))
    return false;
  PushActiveSnapshot(snapshot);
  SPI_connect();
  const bool is_fresh = ShowsPresent(view, query_hash);
  SPI_finish();
  PopActiveSnapshot();
  return is_fresh;
}

}  // namespace helios::mview
