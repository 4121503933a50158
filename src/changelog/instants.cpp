#include "changelog/instants.hpp"

#include "changelog/catalog.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

namespace {

constexpr TimestampTz kBetweenInstants = 10 * USECS_PER_SEC;
// How much earlier than asked for a floor that this backend remembers may be.
constexpr TimestampTz kFloorLag = 60 * USECS_PER_SEC;

struct Instant {
  TimestampTz at;
  FullTransactionId floor;
};

// Finds the newest recorded instant at or before `at`; false if there is none.
bool FindInstant(TimestampTz at, Instant *found) {
  Relation table = table_open(OwnRelation(kLogSchema, "instants"), AccessShareLock);
  Relation index = index_open(OwnRelation(kLogSchema, "instants_at"), AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, 1, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE, TimestampTzGetDatum(at));
  SysScanDesc scan = systable_beginscan_ordered(table, index, nullptr, 1, &key);
  HeapTuple tuple = systable_getnext_ordered(scan, BackwardScanDirection);
  if (HeapTupleIsValid(tuple)) {
    bool is_null;
    TupleDesc desc = RelationGetDescr(table);
    found->at = DatumGetTimestampTz(heap_getattr(tuple, 1, desc, &is_null));
    found->floor = DatumGetFullTransactionId(heap_getattr(tuple, 2, desc, &is_null));
  }
  systable_endscan_ordered(scan);
  index_close(index, AccessShareLock);
  table_close(table, AccessShareLock);
  return HeapTupleIsValid(tuple);
}

}  // namespace

void NoteInstant() {
  static TimestampTz noted = 0;
  if (GetCurrentStatementStartTimestamp() < noted + kBetweenInstants) return;
  Instant newest = {};
  if (FindInstant(GetCurrentTimestamp(), &newest)) noted = newest.at;
  // The transactions first, then the clock: what had ended had done so before `at`.
  const FullTransactionId floor = WidenXmin(GetLatestSnapshot()->xmin);
  const TimestampTz now = GetCurrentTimestamp();
  if (now < noted + kBetweenInstants) return;
  Relation table = table_open(OwnRelation(kLogSchema, "instants"), RowExclusiveLock);
  Datum values[] = {TimestampTzGetDatum(now), FullTransactionIdGetDatum(floor)};
  bool nulls[] = {false, false};
  CatalogTupleInsert(table, heap_form_tuple(RelationGetDescr(table), values, nulls));
  table_close(table, RowExclusiveLock);
  noted = now;
}

FullTransactionId FloorAt(const TrackedTable &tracked, TimestampTz at) {
  static Instant remembered = {};
  const bool near = remembered.at != 0 && remembered.at <= at && at - remembered.at < kFloorLag;
  if (!near) {
    // Where none is recorded yet, a floor of 0 is remembered, and the table's own holds.
    Instant found = {};
    FindInstant(at, &found);
    remembered = {at, found.floor};
  }
  return FullTransactionIdPrecedes(tracked.floor, remembered.floor) ? remembered.floor
                                                                    : tracked.floor;
}

}  // namespace helios::changelog
