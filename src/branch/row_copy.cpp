#include "branch/row_copy.hpp"

#include "branch/session.hpp"
#include "pg/compat.hpp"
#include "pg/indexes.hpp"
#include "pg/pause.hpp"
#include "pg/tables.hpp"
#include "timetravel/timetravel.hpp"

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// Raises the error that a change by somebody else means to a transaction with one snapshot.
void CheckOneSnapshot(Snapshot snapshot) {
  if (snapshot == nullptr || !IsolationUsesXactSnapshot()) return;
  ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                  errmsg("could not serialize access due to concurrent update"),
                  errhint("Run the transaction again.")));
}

// The snapshot as it would be after all commands of the transaction up to one.
SnapshotData Until(Snapshot snapshot, CommandId command) {
  SnapshotData later = *snapshot;
  later.curcid = command;
  return later;
}

// Tells whether parts of a row are kept outside of it when it is inserted.
bool IsToasted(TupleTableSlot *slot) {
  const HeapTuple tuple = reinterpret_cast<HeapTupleTableSlot *>(slot)->tuple;
  return HeapTupleHasExternal(tuple) || tuple->t_len > TOAST_TUPLE_THRESHOLD;
}

// Lets a version of a row count as inserted by another command; who has changed it since stays.
void SetCommand(const BufferHeapTupleTableSlot *slot, CommandId command) {
  LockBuffer(slot->buffer, BUFFER_LOCK_EXCLUSIVE);
  HeapTupleHeader row = slot->base.tuple->t_data;
  const bool is_changed = (row->t_infomask & HEAP_XMAX_INVALID) == 0 &&
                          !HEAP_XMAX_IS_LOCKED_ONLY(row->t_infomask) &&
                          TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetUpdateXid(row));
  CommandId changed = is_changed ? HeapTupleHeaderGetCmax(row) : InvalidCommandId;
  HeapTupleHeaderSetCmin(row, command);
  if (is_changed) {
    bool is_combo;
    HeapTupleHeaderAdjustCmax(row, &changed, &is_combo);
    HeapTupleHeaderSetCmax(row, changed, is_combo);
  }
  MarkBufferDirtyHint(slot->buffer, true);
  LockBuffer(slot->buffer, BUFFER_LOCK_UNLOCK);
}

}  // namespace

void RowCopier::Open(Oid copy, Oid deleted, CommandId command) {
  command_ = command;
  copy_ = table_open(copy, RowExclusiveLock);
  deleted_ = table_open(deleted, RowExclusiveLock);
  List *indexes = RelationGetIndexList(copy_);
  key_index_ = index_open(copy_->rd_pkindex, RowExclusiveLock);
  list_free(indexes);
  indexes = RelationGetIndexList(deleted_);
  deleted_index_ = index_open(linitial_oid(indexes), RowExclusiveLock);
  list_free(indexes);
  key_count_ = key_index_->rd_index->indnkeyatts;
  for (int i = 0; i < key_count_; i++) {
    key_[i] = key_index_->rd_index->indkey.values[i];
    equal_[i] = get_opcode(pg::EqualityOf(key_index_, i));
  }
  found_ = table_slot_create(copy_, nullptr);
  found_deleted_ = table_slot_create(deleted_, nullptr);
}

// Opens the indexes for new rows.
void RowCopier::OpenTarget() {
  MemoryContext before = MemoryContextSwitchTo(GetMemoryChunkContext(found_));
  estate_ = CreateExecutorState();
  target_ = makeNode(ResultRelInfo);
  InitResultRelInfo(target_, copy_, 1, nullptr, 0);
  ExecOpenIndices(target_, false);
  MemoryContextSwitchTo(before);
}

void RowCopier::Close() {
  ExecDropSingleTupleTableSlot(found_);
  ExecDropSingleTupleTableSlot(found_deleted_);
  if (target_ != nullptr) {
    ExecCloseIndices(target_);
    FreeExecutorState(estate_);
    target_ = nullptr;
  }
  index_close(deleted_index_, NoLock);
  index_close(key_index_, NoLock);
  table_close(deleted_, NoLock);
  table_close(copy_, NoLock);
  copy_ = nullptr;
}

// Begins to look for a key by an index of the copy or of the deleted keys.
IndexScanDesc RowCopier::BeginFind(Relation table, Relation index, const Datum *key,
                                   Snapshot snapshot) {
  ScanKeyData keys[INDEX_MAX_KEYS];
  for (int i = 0; i < key_count_; i++) {
    ScanKeyEntryInitialize(&keys[i], 0, static_cast<AttrNumber>(i + 1), BTEqualStrategyNumber,
                           InvalidOid, index->rd_indcollation[i], equal_[i], key[i]);
  }
  IndexScanDesc scan = pg::BeginIndexScan(table, index, snapshot, key_count_, 0);
  index_rescan(scan, keys, key_count_, nullptr, 0);
  return scan;
}

// Looks for a key in the copy, or in the table of deleted keys.
bool RowCopier::Find(const Datum *key, Snapshot snapshot, TupleTableSlot *found) {
  const bool in_copy = found == found_;
  Relation table = in_copy ? copy_ : deleted_;
  if (pg::PagesOf(table) == 0) return false;
  IndexScanDesc scan = BeginFind(table, in_copy ? key_index_ : deleted_index_, key, snapshot);
  const bool is_found = index_getnext_slot(scan, ForwardScanDirection, found);
  // The slot keeps its page.
  index_endscan(scan);
  return is_found;
}

// Looks among all versions of a row in the copy, dead ones too, for the last one that `is_better` takes; versions that
// were updated are not asked about.
template <typename IsBetter>
bool RowCopier::FindVersion(const Datum *key, IsBetter is_better) {
  IndexScanDesc scan = BeginFind(copy_, key_index_, key, SnapshotAny);
  bool is_found = false;
  ItemPointerData place;
  while (index_getnext_slot(scan, ForwardScanDirection, found_)) {
    HeapTupleHeader row = ExecFetchSlotHeapTuple(found_, false, nullptr)->t_data;
    if ((row->t_infomask & HEAP_UPDATED) != 0 || !is_better(row)) continue;
    is_found = true;
    place = found_->tts_tid;
  }
  index_endscan(scan);
  ExecClearTuple(found_);
  return is_found && table_tuple_fetch_row_version(copy_, &place, SnapshotAny, found_);
}

// Looks for the row as a later command of this transaction, run by the statement or between two of its rows, has copied
// it, and lets it count as copied by the statement. What has become of it since, the statement meets as it would on
// main.
bool RowCopier::FindCopiedLater(const Datum *key) {
  CommandId first = InvalidCommandId;
  // A row is copied before this transaction can insert another one with its key.
  const bool is_found = FindVersion(key, [this, &first](HeapTupleHeader row) {
    if (!TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(row))) return false;
    const CommandId command = HeapTupleHeaderGetCmin(row);
    if (command <= command_ || command >= first) return false;
    first = command;
    return true;
  });
  if (!is_found) return false;
  SetCommand(reinterpret_cast<BufferHeapTupleTableSlot *>(found_), command_);
  timetravel::NoteInsertedBehind(RelationGetRelid(copy_), command_);
  return true;
}

// Looks for the row as others have copied it whom the statement does not see, and who have deleted it or given it another
// key since. It leads to what it has become; for whoever does not see them nothing removes it.
bool RowCopier::FindReplaced(const Datum *key) {
  TransactionId first = InvalidTransactionId;
  return FindVersion(key, [&first](HeapTupleHeader row) {
    const TransactionId xid = HeapTupleHeaderGetRawXmin(row);
    if (HeapTupleHeaderXminFrozen(row) || TransactionIdIsCurrentTransactionId(xid) ||
        !TransactionIdDidCommit(xid) ||
        (TransactionIdIsValid(first) && !TransactionIdPrecedes(xid, first)))
      return false;
    first = xid;
    return true;
  });
}

// Looks for a row that this statement has copied before, or a command within it; perhaps changed since, it counts as it
// was copied.
bool RowCopier::FindOwn(const Datum *key, Snapshot snapshot) {
  SnapshotData own = Until(snapshot, command_ + 1);
  return Find(key, &own, found_) || FindCopiedLater(key);
}

bool RowCopier::IsDeleted(const Datum *key, Snapshot snapshot) {
  const bool found = Find(key, snapshot, found_deleted_);
  ExecClearTuple(found_deleted_);
  return found;
}

// Waits for the end of a transaction; false if that is not wanted.
bool RowCopier::Wait(TransactionId other, LockWaitPolicy wait) {
  switch (wait) {
    case LockWaitBlock:
      XactLockTableWait(other, copy_, &found_->tts_tid, XLTW_FetchUpdated);
      return true;
    case LockWaitSkip:
      return ConditionalXactLockTableWait(other);
    default:
      if (ConditionalXactLockTableWait(other)) return true;
      ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
                      errmsg("could not obtain lock on row in relation \"%s\"",
                             RelationGetRelationName(copy_))));
  }
}

Copied RowCopier::Copy(TupleTableSlot *slot, Snapshot snapshot, LockWaitPolicy wait) {
  const Oid copy = RelationGetRelid(copy_);
  Datum key[INDEX_MAX_KEYS];
  for (int i = 0; i < key_count_; i++) {
    bool is_null;
    key[i] = slot_getattr(slot, key_[i], &is_null);
  }
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    SnapshotData dirty;
    InitDirtySnapshot(dirty);
    LockRows(copy);
    if (!Find(key, &dirty, found_)) break;
    UnlockRows(copy);
    if (TransactionIdIsValid(dirty.xmin)) {
      const bool waited = Wait(dirty.xmin, wait);
      ExecClearTuple(found_);
      if (!waited) return Copied::kSkipped;
      continue;
    }
    if (snapshot != nullptr) {
      ExecClearTuple(found_);
      if (!FindOwn(key, snapshot)) {
        CheckOneSnapshot(snapshot);
        // Where the key has been given to another row, the row itself leads to what it has become.
        if (!(IsDeleted(key, SnapshotSelf) && FindReplaced(key)) && !Find(key, &dirty, found_))
          continue;
      }
    }
    ExecCopySlot(slot, found_);
    ExecClearTuple(found_);
    return Copied::kBefore;
  }
  if (IsDeleted(key, SnapshotSelf)) {
    UnlockRows(copy);
    if (snapshot == nullptr) return Copied::kGone;
    bool is_found = FindOwn(key, snapshot);
    SnapshotData own = Until(snapshot, GetCurrentCommandId(false) + 1);
    if (!is_found && !IsDeleted(key, &own)) {
      CheckOneSnapshot(snapshot);
      is_found = FindReplaced(key);
    }
    if (!is_found) return Copied::kGone;
    ExecCopySlot(slot, found_);
    ExecClearTuple(found_);
    return Copied::kBefore;
  }
  pg::Pause("branch_row_copy");
  if (target_ == nullptr) OpenTarget();
  table_tuple_insert(copy_, slot, command_, 0, nullptr);
  pg::InsertIndexEntries(target_, slot, estate_);
  ResetPerTupleExprContext(estate_);
  UnlockRows(copy);
  if (command_ + 1 < GetCurrentCommandId(false)) timetravel::NoteInsertedBehind(copy, command_);
  // Those parts have the command that is current, which could not delete them.
  if (IsToasted(slot)) CommandCounterIncrement();
  return Copied::kNow;
}

void RowCopier::NoteDeleted(const Datum *key, CommandId command) {
  if (IsDeleted(key, SnapshotSelf)) return;
  const TupleDesc row = RelationGetDescr(deleted_);
  Datum values[INDEX_MAX_KEYS + 1];
  bool nulls[INDEX_MAX_KEYS + 1] = {};
  values[0] = FullTransactionIdGetDatum(GetTopFullTransactionId());
  for (int i = 0; i < key_count_; i++) values[i + 1] = key[i];
  HeapTuple tuple = heap_form_tuple(row, values, nulls);
  heap_insert(deleted_, tuple, command, 0, nullptr);
  IndexInfo *info = BuildIndexInfo(deleted_index_);
  index_insert(deleted_index_, values + 1, nulls + 1, &tuple->t_self, deleted_, UNIQUE_CHECK_NO,
               false, info);
  pg::EndIndexInserts(deleted_index_, info);
  heap_freetuple(tuple);
}

}  // namespace helios::branch
