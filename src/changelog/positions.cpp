// What rooms need that read changes from positions of their own: where a position can begin, whether what came after
// it is known, and what that is.
#include "changelog/catalog.hpp"
#include "changelog/changelog.hpp"
#include "changelog/changes.hpp"
#include "changelog/consumers.hpp"
#include "changelog/track.hpp"

extern "C" {
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

namespace {

// True if the triggers of a table, or of all its partitions, record what happens.
bool IsCaptured(const TrackedTable &tracked) {
  if (OidIsValid(tracked.log)) return InspectTriggers(tracked.relation) == Triggers::kInPlace;
  ListCell *cell;
  foreach (cell, find_all_inheritors(tracked.relation, AccessShareLock, nullptr)) {
    TrackedTable leaf;
    if (!FindTracked(lfirst_oid(cell), &leaf)) return false;
    if (OidIsValid(leaf.log) && InspectTriggers(leaf.relation) != Triggers::kInPlace) return false;
  }
  return true;
}

}  // namespace

bool IsVisible(FullTransactionId xid, const char *position) {
  const Datum snapshot = DirectFunctionCall1(pg_snapshot_in, CStringGetDatum(position));
  return DatumGetBool(
      DirectFunctionCall2(pg_visible_in_snapshot, FullTransactionIdGetDatum(xid), snapshot));
}

bool HasWritten(Oid relation) {
  if (!pgstat_track_counts) return true;
  ListCell *cell;
  foreach (cell, find_all_inheritors(relation, NoLock, nullptr)) {
    const PgStat_TableStatus *counts = find_tabstat_entry(lfirst_oid(cell));
    if (counts != nullptr && counts->trans != nullptr) return true;
  }
  return false;
}

void RestartHistory(Oid relation) { Restart(relation, kComputedAnew); }

const char *WhyNotTrackable(Oid relation) {
  Relation table = relation_open(relation, AccessShareLock);
  const char *obstacle = Obstacle(table);
  relation_close(table, AccessShareLock);
  return obstacle;
}

void TrackForConsumers(Oid relation) {
  LockRelationOid(relation, ShareRowExclusiveLock);
  if (get_rel_relkind(relation) == RELKIND_PARTITIONED_TABLE)
    find_all_inheritors(relation, ShareRowExclusiveLock, nullptr);
  TrackedTable tracked;
  if (FindTracked(relation, &tracked)) return;
  Track(relation, InvalidOid);
  if (!FindTracked(relation, &tracked)) elog(ERROR, "relation %u is not tracked", relation);
  tracked.is_automatic = true;
  SaveTracked(tracked);
}

void UntrackUnused(Oid relation) {
  TrackedTable tracked;
  if (!FindTracked(relation, &tracked) || !tracked.is_automatic || OidIsValid(tracked.root)) return;
  RunAsOwner(psprintf("SELECT FROM heliosdb.consumers c WHERE c.relid = %u OR c.relid IN (SELECT "
                      "t.relid FROM heliosdb.tracked t WHERE t.root = %u) UNION ALL "
                      "SELECT FROM heliosdb_log.pins LIMIT 1",
                      relation, relation),
             false, SPI_OK_SELECT);
  if (SPI_processed > 0 || !ConditionalLockRelationOid(relation, ShareRowExclusiveLock)) return;
  Untrack(relation);
}

bool IsRecorded(Oid relation) {
  TrackedTable tracked;
  return FindTracked(relation, &tracked) && IsCaptured(tracked);
}

bool KnowsChanges(Oid relation, TimestampTz started_at) {
  TrackedTable tracked;
  return FindTracked(relation, &tracked) && tracked.started_at == started_at && IsCaptured(tracked);
}

bool CanEnd(Oid relation, const char *position) {
  TrackedTable tracked;
  return FindTracked(relation, &tracked) && IsCaptured(tracked) &&
         IsVisible(tracked.since, position);
}

bool CanBegin(Oid relation, const char *position) {
  TrackedTable tracked;
  if (!FindTracked(relation, &tracked) || !IsCaptured(tracked) || HasOwnChanges(relation))
    return false;
  return IsVisible(tracked.since, position) ||
         (FullTransactionIdEquals(tracked.since, GetTopFullTransactionIdIfAny()) &&
          !IsolationUsesXactSnapshot());
}

bool HasOwnChanges(Oid relation) {
  const FullTransactionId own = GetTopFullTransactionIdIfAny();
  TrackedTable tracked;
  if (!FullTransactionIdIsValid(own)) return false;
  // What it wrote before it began to track is in no log.
  if (!FindTracked(relation, &tracked) || FullTransactionIdEquals(tracked.since, own))
    return HasWritten(relation);
  // A look into the log costs more than the counters of this backend, where there are such.
  if (!HasWritten(relation)) return false;
  RunAsOwner(BuildOwnWritesQuery(tracked, own), true, SPI_OK_SELECT, 1);
  return SPI_processed > 0;
}

}  // namespace helios::changelog
