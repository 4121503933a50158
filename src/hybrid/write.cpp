#include "hybrid/am.hpp"
#include "hybrid/direct_load.hpp"
#include "hybrid/fetch.hpp"
#include "hybrid/hybrid.hpp"
#include "hybrid/published.hpp"
#include "hybrid/slot.hpp"
#include "hybrid/stand_in.hpp"

extern "C" {
#include "access/heapam.h"
#include "access/xact.h"
#include "nodes/bitmapset.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

// Where heapam says that a row has left the table it may have become a cold one.
void ResolveMove(Relation rel, const ItemPointerData &hot, TM_FailureData *failure) {
  if (!ItemPointerIndicatesMovedPartitions(&failure->ctid)) return;
  Store store = OpenStore(rel, AccessShareLock);
  FindMovedRow(store, hot, failure->xmax, &failure->ctid);
  CloseStore(&store);
}

[[noreturn]] void RaiseMovedPartition() {
  ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                  errmsg("tuple to be locked was already moved to another partition due to "
                         "concurrent update")));
}

// Says whether a new version of a row has other values in columns that foreign keys may refer to.
bool ChangesKey(Relation rel, TupleTableSlot *old_row, TupleTableSlot *new_row) {
  Bitmapset *keys = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_KEY);
  const TupleDesc tupdesc = RelationGetDescr(rel);
  bool changes = false;
  int member = -1;
  while (!changes && (member = bms_next_member(keys, member)) >= 0) {
    const int attribute = member + FirstLowInvalidHeapAttributeNumber;
    if (attribute <= 0) {
      changes = true;
      break;
    }
    bool old_null;
    bool new_null;
    const Datum old_value = slot_getattr(old_row, attribute, &old_null);
    const Datum new_value = slot_getattr(new_row, attribute, &new_null);
    const FormData_pg_attribute *column = TupleDescAttr(tupdesc, attribute - 1);
    changes =
        old_null != new_null ||
        (!old_null && !datum_image_eq(old_value, new_value, column->attbyval, column->attlen));
  }
  bms_free(keys);
  return changes;
}

// Locks a cold row that is to be deleted or updated.
TM_Result Claim(const Store &store, const ItemPointerData &tid, CommandId cid, LockTupleMode mode,
                Snapshot crosscheck, bool wait, TM_FailureData *failure) {
  TM_Result result =
      LockColdRow(store, tid, cid, mode, wait ? LockWaitBlock : LockWaitSkip, false, failure);
  if (result == TM_WouldBlock) return TM_BeingModified;
  if (result == TM_Invisible) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("attempted to change an invisible row of table \"%s\"",
                           RelationGetRelationName(store.rel))));
  }
  if (result == TM_Ok && crosscheck != InvalidSnapshot && !IsAlive(store, RowOf(tid), crosscheck)) {
    failure->ctid = tid;
    failure->xmax = InvalidTransactionId;
    failure->cmax = InvalidCommandId;
    result = TM_Updated;
  }
  return result;
}

TM_Result DeleteCold(Relation rel, const ItemPointerData &tid, CommandId cid, Snapshot crosscheck,
                     bool wait, TM_FailureData *failure, bool changing_partition) {
  RefuseIfPublished(rel, CMD_DELETE);
  ItemPointerData conflict = tid;
  CheckForSerializableConflictIn(rel, &conflict, ItemPointerGetBlockNumber(&tid));
  Store store = OpenStore(rel, RowExclusiveLock);
  const TM_Result result = Claim(store, tid, cid, LockTupleExclusive, crosscheck, wait, failure);
  if (result == TM_Ok) {
    ItemPointerData next = tid;
    if (changing_partition) ItemPointerSetMovedPartitions(&next);
    EndColdRow(store, tid, next, cid);
    pgstat_count_heap_delete(rel);
  }
  CloseStore(&store);
  return result;
}

// Inserts the version that follows a cold row; statistics count one update, not an insert too.
void InsertNext(Relation rel, TupleTableSlot *slot, CommandId cid) {
  struct PgStat_TableStatus *const counters = rel->pgstat_info;
  const bool enabled = rel->pgstat_enabled;
  rel->pgstat_info = nullptr;
  rel->pgstat_enabled = false;
  PG_TRY();
  { Heap()->tuple_insert(rel, slot, cid, 0, nullptr); }
  PG_FINALLY();
  {
    rel->pgstat_info = counters;
    rel->pgstat_enabled = enabled;
  }
  PG_END_TRY();
  pgstat_count_heap_update(rel, false);
}

TM_Result UpdateCold(Relation rel, const ItemPointerData &tid, TupleTableSlot *slot, CommandId cid,
                     Snapshot crosscheck, bool wait, TM_FailureData *failure, LockTupleMode *mode) {
  RefuseIfPublished(rel, CMD_UPDATE);
  ItemPointerData conflict = tid;
  CheckForSerializableConflictIn(rel, &conflict, ItemPointerGetBlockNumber(&tid));
  Store store = OpenStore(rel, RowExclusiveLock);
  FoundChunk chunk = {};
  TupleTableSlot *old_row = MakeSingleTupleTableSlot(RelationGetDescr(rel), &kHybridSlotOps);
  *mode = LockTupleExclusive;
  if (FetchColdRow(store, tid, SnapshotAny, old_row, &chunk) && !ChangesKey(rel, old_row, slot)) {
    *mode = LockTupleNoKeyExclusive;
  }
  ExecDropSingleTupleTableSlot(old_row);
  const TM_Result result = Claim(store, tid, cid, *mode, crosscheck, wait, failure);
  if (result == TM_Ok) {
    InsertNext(rel, slot, cid);
    EndColdRow(store, tid, slot->tts_tid, cid);
  }
  CloseStore(&store);
  return result;
}

// What is found where a chain of versions goes on.
enum class Step { kLock, kFollow, kDeleted, kSelfModified, kWouldBlock };

// Looks at the version at `*tid`, which must have been made by `*creator`, and waits for those who are about
// to replace it. kFollow: *tid and *creator are those of the version after that.
Step LookAtVersion(Relation rel, ItemPointerData *tid, TransactionId *creator, CommandId cid,
                   LockWaitPolicy wait_policy, TM_FailureData *failure) {
  SnapshotData dirty;
  InitDirtySnapshot(dirty);
  for (;;) {
    HeapTupleData tuple;
    Buffer buffer;
    tuple.t_self = *tid;
    const bool seen = heap_fetch(rel, &dirty, &tuple, &buffer, true);
    if (tuple.t_data == nullptr) return Step::kDeleted;
    if (!TransactionIdEquals(HeapTupleHeaderGetXmin(tuple.t_data), *creator)) {
      ReleaseBuffer(buffer);
      return Step::kDeleted;
    }
    if (!seen) {
      const bool ends = ItemPointerEquals(&tuple.t_self, &tuple.t_data->t_ctid);
      const ItemPointerData at = *tid;
      *tid = tuple.t_data->t_ctid;
      *creator = HeapTupleHeaderGetUpdateXid(tuple.t_data);
      ReleaseBuffer(buffer);
      if (ends) return Step::kDeleted;
      if (ItemPointerIndicatesMovedPartitions(tid)) {
        failure->ctid = *tid;
        failure->xmax = *creator;
        ResolveMove(rel, at, failure);
        *tid = failure->ctid;
      }
      return Step::kFollow;
    }
    if (TransactionIdIsValid(dirty.xmin)) {
      ereport(ERROR,
              (errcode(ERRCODE_DATA_CORRUPTED),
               errmsg_internal("t_xmin %u is uncommitted in tuple (%u,%u) to be updated in "
                               "table \"%s\"",
                               dirty.xmin, ItemPointerGetBlockNumber(tid),
                               ItemPointerGetOffsetNumber(tid), RelationGetRelationName(rel))));
    }
    if (TransactionIdIsValid(dirty.xmax)) {
      ReleaseBuffer(buffer);
      switch (wait_policy) {
        case LockWaitBlock:
          XactLockTableWait(dirty.xmax, rel, tid, XLTW_FetchUpdated);
          break;
        case LockWaitSkip:
          if (!ConditionalXactLockTableWait(dirty.xmax)) return Step::kWouldBlock;
          break;
        case LockWaitError:
          if (!ConditionalXactLockTableWait(dirty.xmax)) {
            ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
                            errmsg("could not obtain lock on row in relation \"%s\"",
                                   RelationGetRelationName(rel))));
          }
          break;
      }
      continue;
    }
    if (TransactionIdIsCurrentTransactionId(*creator) &&
        HeapTupleHeaderGetCmin(tuple.t_data) >= cid) {
      failure->xmax = *creator;
      failure->cmax = HeapTupleHeaderGetCmin(tuple.t_data);
      ReleaseBuffer(buffer);
      return Step::kSelfModified;
    }
    ReleaseBuffer(buffer);
    return Step::kLock;
  }
}

// Locks the row at `tid`, hot or cold, as it is there.
TM_Result LockAt(Relation rel, ItemPointerData *tid, Snapshot snapshot, TupleTableSlot *slot,
                 CommandId cid, LockTupleMode mode, LockWaitPolicy wait_policy, uint8 flags,
                 TM_FailureData *failure) {
  if (!IsCold(*tid)) {
    AsHeapSlot as_heap(slot);
    const TM_Result result =
        Heap()->tuple_lock(rel, tid, snapshot, slot, cid, mode, wait_policy,
                           flags & ~TUPLE_LOCK_FLAG_FIND_LAST_VERSION, failure);
    as_heap.Restore();
    if (result == TM_Updated) ResolveMove(rel, *tid, failure);
    return result;
  }
  Store store = OpenStore(rel, RowExclusiveLock);
  const TM_Result result =
      LockColdRow(store, *tid, cid, mode, wait_policy,
                  (flags & TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS) != 0, failure);
  FoundChunk chunk = {};
  if (result == TM_Ok && !FetchColdRow(store, *tid, SnapshotAny, slot, &chunk)) {
    elog(ERROR, "a locked cold row has no chunk");
  }
  CloseStore(&store);
  return result;
}

}  // namespace

void Insert(Relation rel, TupleTableSlot *slot, CommandId cid, int options, BulkInsertState bulk) {
  if (!LoadRow(rel, slot, cid, options)) Heap()->tuple_insert(rel, slot, cid, options, bulk);
}

void MultiInsert(Relation rel, TupleTableSlot **slots, int count, CommandId cid, int options,
                 BulkInsertState bulk) {
  int hot = 0;
  while (hot < count && !LoadRow(rel, slots[hot], cid, options)) hot++;
  if (hot > 0) Heap()->multi_insert(rel, slots, hot, cid, options, bulk);
  for (int i = hot + 1; i < count; i++) Insert(rel, slots[i], cid, options, bulk);
}

void FinishBulkInsert(Relation rel, int) { FlushLoad(RelationGetRelid(rel)); }

TM_Result Delete(Relation rel, ItemPointer tid, CommandId cid, Snapshot snapshot,
                 Snapshot crosscheck, bool wait, TM_FailureData *failure, bool changing_partition) {
  if (IsCold(*tid)) {
    return DeleteCold(rel, *tid, cid, crosscheck, wait, failure, changing_partition);
  }
  const TM_Result result =
      Heap()->tuple_delete(rel, tid, cid, snapshot, crosscheck, wait, failure, changing_partition);
  if (result == TM_Updated) ResolveMove(rel, *tid, failure);
  return result;
}

TM_Result Update(Relation rel, ItemPointer tid, TupleTableSlot *slot, CommandId cid,
                 Snapshot snapshot, Snapshot crosscheck, bool wait, TM_FailureData *failure,
                 LockTupleMode *mode, bool *update_indexes) {
  if (IsCold(*tid)) {
    const TM_Result result = UpdateCold(rel, *tid, slot, cid, crosscheck, wait, failure, mode);
    *update_indexes = result == TM_Ok;
    return result;
  }
  const TM_Result result = Heap()->tuple_update(rel, tid, slot, cid, snapshot, crosscheck, wait,
                                                failure, mode, update_indexes);
  if (result == TM_Updated) ResolveMove(rel, *tid, failure);
  return result;
}

TM_Result Lock(Relation rel, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot,
               CommandId cid, LockTupleMode mode, LockWaitPolicy wait_policy, uint8 flags,
               TM_FailureData *failure) {
  const bool find_last = (flags & TUPLE_LOCK_FLAG_FIND_LAST_VERSION) != 0;
  bool traversed = false;
  for (;;) {
    const TM_Result result =
        LockAt(rel, tid, snapshot, slot, cid, mode, wait_policy, flags, failure);
    failure->traversed = traversed;
    if (result != TM_Updated || !find_last) return result;
    if (ItemPointerEquals(&failure->ctid, tid)) return TM_Deleted;
    *tid = failure->ctid;
    TransactionId creator = failure->xmax;
    traversed = true;
    for (bool found = false; !found;) {
      if (ItemPointerIndicatesMovedPartitions(tid)) RaiseMovedPartition();
      if (IsCold(*tid)) break;
      switch (LookAtVersion(rel, tid, &creator, cid, wait_policy, failure)) {
        case Step::kLock:
          found = true;
          break;
        case Step::kFollow:
          break;
        case Step::kDeleted:
          return TM_Deleted;
        case Step::kSelfModified:
          failure->traversed = true;
          return TM_SelfModified;
        case Step::kWouldBlock:
          return TM_WouldBlock;
      }
    }
  }
}

}  // namespace helios::hybrid
