#include "changelog/snapshots.hpp"

#include "changelog/catalog.hpp"
#include "changelog/clock.hpp"
#include "changelog/consumers.hpp"

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/subtrans.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>

namespace helios::changelog {

namespace {

constexpr TimestampTz kBetweenInstants = 10 * USECS_PER_SEC;
// How much earlier than asked for a floor that this backend remembers may be.
constexpr TimestampTz kFloorLag = 60 * USECS_PER_SEC;

enum SnapshotColumn {
  kScn = 1,
  kAt,
  kXid,
  kUntil,
  kSeen,
  kAutomatic,
  kDescription,
  kWithOwn,
  kSnapshotColumns = kWithOwn
};

// Reads a row; the snapshot itself is copied into the current memory context.
void Decode(HeapTuple tuple, TupleDesc desc, RecordedSnapshot *snapshot) {
  Datum values[kSnapshotColumns];
  bool nulls[kSnapshotColumns];
  heap_deform_tuple(tuple, desc, values, nulls);
  snapshot->scn = DatumGetInt64(values[kScn - 1]);
  snapshot->at = DatumGetTimestampTz(values[kAt - 1]);
  snapshot->seen = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[kSeen - 1]));
  snapshot->xmin = DatumGetFullTransactionId(DirectFunctionCall1(pg_snapshot_xmin, snapshot->seen));
  snapshot->xmax = DatumGetFullTransactionId(values[kUntil - 1]);
  snapshot->own = DatumGetBool(values[kWithOwn - 1]) ? DatumGetFullTransactionId(values[kXid - 1])
                                                     : InvalidFullTransactionId;
}

// Finds the first row in the order of an index for which a column compares with a value as asked, and which
// `accept` takes.
template <typename Accept>
bool Find(const char *index_name, StrategyNumber strategy, RegProcedure compare, Datum value,
          ScanDirection direction, RecordedSnapshot *found, Accept accept) {
  Relation table = table_open(OwnRelation(kLogSchema, "snapshots"), AccessShareLock);
  Relation index = index_open(OwnRelation(kLogSchema, index_name), AccessShareLock);
  ScanKeyData key;
  // The key names the column of the table; the scan turns it into that of the index.
  ScanKeyInit(&key, index->rd_index->indkey.values[0], strategy, compare, value);
  SysScanDesc scan = systable_beginscan_ordered(table, index, nullptr, 1, &key);
  bool is_found = false;
  HeapTuple tuple;
  while (!is_found && HeapTupleIsValid(tuple = systable_getnext_ordered(scan, direction))) {
    CHECK_FOR_INTERRUPTS();
    Decode(tuple, RelationGetDescr(table), found);
    is_found = accept(*found);
  }
  systable_endscan_ordered(scan);
  index_close(index, AccessShareLock);
  table_close(table, AccessShareLock);
  return is_found;
}

constexpr auto kAny = [](const RecordedSnapshot &) { return true; };

// Inserts a row that everybody sees at once.
void InsertFrozen(Relation table, Datum *values, bool *nulls) {
  HeapTuple tuple = heap_form_tuple(RelationGetDescr(table), values, nulls);
  heap_insert(table, tuple, GetCurrentCommandId(true), HEAP_INSERT_FROZEN | HEAP_INSERT_NO_LOGICAL,
              nullptr);
  ListCell *cell;
  foreach (cell, RelationGetIndexList(table)) {
    Relation index = index_open(lfirst_oid(cell), RowExclusiveLock);
    IndexInfo *info = BuildIndexInfo(index);
    Datum keys[INDEX_MAX_KEYS];
    bool key_nulls[INDEX_MAX_KEYS];
    for (int i = 0; i < info->ii_NumIndexAttrs; i++) {
      keys[i] = values[info->ii_IndexAttrNumbers[i] - 1];
      key_nulls[i] = nulls[info->ii_IndexAttrNumbers[i] - 1];
    }
    index_insert(index, keys, key_nulls, &tuple->t_self, table,
                 index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, info);
    index_close(index, RowExclusiveLock);
  }
}

// Keeps others from recording, so that numbers and snapshots have the same order.
bool LockRecording(Oid table, bool wait) {
  LOCKTAG tag;
  SET_LOCKTAG_OBJECT(tag, MyDatabaseId, table, 0, 0);
  return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

void UnlockRecording(Oid table) {
  LOCKTAG tag;
  SET_LOCKTAG_OBJECT(tag, MyDatabaseId, table, 0, 0);
  LockRelease(&tag, ExclusiveLock, false);
}

// What a snapshot is recorded for.
enum class Purpose { kAutomatic, kAsked, kWithOwn };

// Records the present snapshot; one that was asked for is that of the statement, unless another that was recorded
// meanwhile, `newest`, is later. The caller has locked.
RecordedSnapshot Insert(Relation table, const RecordedSnapshot &newest, Purpose purpose,
                        const char *description) {
  const bool of_statement =
      purpose == Purpose::kAsked && (newest.scn == 0 || Reaches(GetActiveSnapshot(), newest));
  RecordedSnapshot made = {};
  // The transactions first, then the clock: what had ended had done so before `at`.
  made.seen = DirectFunctionCall1(
      pg_snapshot_in,
      CStringGetDatum(PositionOf(of_statement ? GetActiveSnapshot() : GetLatestSnapshot())));
  made.at = GetCurrentTimestamp();
  made.xmin = DatumGetFullTransactionId(DirectFunctionCall1(pg_snapshot_xmin, made.seen));
  made.xmax = DatumGetFullTransactionId(DirectFunctionCall1(pg_snapshot_xmax, made.seen));
  made.scn = std::max(static_cast<int64>(GetXLogInsertRecPtr()), newest.scn + 1);
  Datum values[kSnapshotColumns] = {};
  bool nulls[kSnapshotColumns] = {};
  values[kScn - 1] = Int64GetDatum(made.scn);
  values[kAt - 1] = TimestampTzGetDatum(made.at);
  values[kXid - 1] = FullTransactionIdGetDatum(GetTopFullTransactionId());
  values[kUntil - 1] = FullTransactionIdGetDatum(made.xmax);
  values[kSeen - 1] = made.seen;
  values[kAutomatic - 1] = BoolGetDatum(purpose == Purpose::kAutomatic);
  values[kWithOwn - 1] = BoolGetDatum(purpose == Purpose::kWithOwn);
  nulls[kDescription - 1] = description == nullptr;
  if (description != nullptr) values[kDescription - 1] = CStringGetTextDatum(description);
  InsertFrozen(table, values, nulls);
  return made;
}

}  // namespace

bool Reaches(Snapshot snapshot, const RecordedSnapshot &recorded) {
  if (FullTransactionIdIsValid(recorded.own) &&
      (TransactionIdIsCurrentTransactionId(XidFromFullTransactionId(recorded.own)) ||
       !FullTransactionIdPrecedes(recorded.own, WidenXmin(snapshot->xmax))))
    return false;
  if (FullTransactionIdPrecedes(WidenXmin(snapshot->xmax), recorded.xmax)) return false;
  // A standby lists all transactions among the subtransactions, and those with their parents.
  const bool standby = snapshot->takenDuringRecovery;
  const int running = standby ? snapshot->subxcnt : static_cast<int>(snapshot->xcnt);
  for (int i = 0; i < running; i++) {
    TransactionId xid = standby ? snapshot->subxip[i] : snapshot->xip[i];
    if (standby && TransactionIdFollowsOrEquals(xid, TransactionXmin))
      xid = SubTransGetTopmostTransaction(xid);
    if (IsSeen(recorded, WidenXmin(xid))) return false;
  }
  return true;
}

bool FindNewestSnapshot(RecordedSnapshot *found) {
  return Find("snapshots_pkey", BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(0),
              BackwardScanDirection, found, kAny);
}

namespace {

// Records a snapshot once nobody else does.
RecordedSnapshot Record(Purpose purpose, const char *description) {
  Relation table = table_open(OwnRelation(kLogSchema, "snapshots"), RowExclusiveLock);
  LockRecording(RelationGetRelid(table), true);
  RecordedSnapshot newest = {};
  if (FindNewestSnapshot(&newest)) CompareClock(newest.at);
  const RecordedSnapshot made = Insert(table, newest, purpose, description);
  UnlockRecording(RelationGetRelid(table));
  table_close(table, RowExclusiveLock);
  return made;
}

}  // namespace

RecordedSnapshot RecordSnapshot(const char *description) {
  return Record(Purpose::kAsked, description);
}

RecordedSnapshot RecordWithOwn() {
  RememberSubtransactions();
  return Record(Purpose::kWithOwn, nullptr);
}

void NoteInstant() {
  static TimestampTz noted = 0;
  WatchClock();
  // Of a clock that was set back the age is negative.
  const TimestampTz age = GetCurrentStatementStartTimestamp() - noted;
  if (age >= 0 && age < kBetweenInstants) return;
  Relation table = table_open(OwnRelation(kLogSchema, "snapshots"), RowExclusiveLock);
  if (LockRecording(RelationGetRelid(table), false)) {
    RecordedSnapshot newest = {};
    const bool is_found = FindNewestSnapshot(&newest);
    if (is_found) CompareClock(newest.at);
    const TimestampTz newest_age = GetCurrentTimestamp() - newest.at;
    const bool is_recent = is_found && newest_age >= 0 && newest_age < kBetweenInstants;
    noted = is_recent ? newest.at : Insert(table, newest, Purpose::kAutomatic, nullptr).at;
    UnlockRecording(RelationGetRelid(table));
  }
  table_close(table, RowExclusiveLock);
}

bool FindSnapshot(int64 scn, RecordedSnapshot *found) {
  return Find("snapshots_pkey", BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(scn),
              ForwardScanDirection, found, kAny);
}

bool IsSeen(const RecordedSnapshot &snapshot, FullTransactionId xid) {
  if (FullTransactionIdIsValid(snapshot.own) && FullTransactionIdEquals(snapshot.own, xid))
    return true;
  return DatumGetBool(
      DirectFunctionCall2(pg_visible_in_snapshot, FullTransactionIdGetDatum(xid), snapshot.seen));
}

bool FindFirstSeeing(FullTransactionId xid, RecordedSnapshot *found) {
  return Find("snapshots_until", BTGreaterStrategyNumber, F_XID8GT, FullTransactionIdGetDatum(xid),
              ForwardScanDirection, found,
              [xid](const RecordedSnapshot &snapshot) { return IsSeen(snapshot, xid); });
}

FullTransactionId FloorAt(const TrackedTable &tracked, TimestampTz at) {
  struct Known {
    TimestampTz at;
    FullTransactionId floor;
  };
  static Known remembered = {};
  const bool near = remembered.at != 0 && remembered.at <= at && at - remembered.at < kFloorLag;
  if (!near) {
    // Where none is recorded yet, a floor of 0 is remembered, and the table's own holds.
    RecordedSnapshot found = {};
    if (!Find("snapshots_at", BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE, TimestampTzGetDatum(at),
              BackwardScanDirection, &found, kAny))
      found.xmin = FullTransactionIdFromU64(0);
    remembered = {at, found.xmin};
  }
  return FullTransactionIdPrecedes(tracked.floor, remembered.floor) ? remembered.floor
                                                                    : tracked.floor;
}

}  // namespace helios::changelog

// pg_current_scn() and heliosdb.create_snapshot(description): records the present state and returns its number.
HELIOS_FUNCTION(current_scn) {
  namespace changelog = helios::changelog;
  const bool described = PG_NARGS() > 0 && !PG_ARGISNULL(0);
  if (RecoveryInProgress() || XactReadOnly) {
    changelog::RecordedSnapshot newest;
    if (!described && changelog::FindNewestSnapshot(&newest)) PG_RETURN_INT64(newest.scn);
    ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
                    errmsg("cannot record a snapshot in a read-only transaction"),
                    errhint("Record it in a transaction that may write.")));
  }
  PG_RETURN_INT64(
      changelog::RecordSnapshot(described ? text_to_cstring(PG_GETARG_TEXT_PP(0)) : nullptr).scn);
}

// transaction_scn(transaction xid8): the first recorded SCN that includes a transaction.
HELIOS_FUNCTION(transaction_scn) {
  helios::changelog::RecordedSnapshot first;
  if (!helios::changelog::FindFirstSeeing(PG_GETARG_FULLTRANSACTIONID(0), &first)) PG_RETURN_NULL();
  PG_RETURN_INT64(first.scn);
}
