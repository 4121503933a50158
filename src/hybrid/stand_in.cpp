#include "hybrid/stand_in.hpp"

#include "hybrid/core/row_bits.hpp"
#include "hybrid/successor.hpp"

extern "C" {
#include "access/heapam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>
#include <cstring>

namespace helios::hybrid {

namespace {

enum class State : uint8 { kLive = 1, kGone = 2, kUnindexed = 3 };

// A stand-in's chunk_data.
struct StoredStandIn {
  State state;
  uint8 reserved;
  ItemPointerData next;  // kGone: the version that follows, or the row itself
};
static_assert(sizeof(StoredStandIn) == 8);

constexpr RowNumber kRowsPerKey = RowNumber{1} << kStandInRowBits;

Oid KeyOf(RowNumber row) { return kFirstStandInKey + static_cast<Oid>(row / kRowsPerKey); }
int32 SequenceOf(RowNumber row) { return static_cast<int32>(row % kRowsPerKey); }

StoredStandIn Parse(const Store &store, std::span<const uint8> data) {
  StoredStandIn stored = {};
  if (data.size() == sizeof(stored)) memcpy(&stored, data.data(), sizeof(stored));
  if (stored.state < State::kLive || stored.state > State::kUnindexed) {
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
                    errmsg("table \"%s\" has a stand-in that nobody wrote among its cold rows",
                           RelationGetRelationName(store.rel))));
  }
  return stored;
}

// Where in a stand-in's tuple its data begins.
size_t DataOffset(const Store &store, HeapTuple tuple) {
  return DataOf(store, tuple).data() - reinterpret_cast<const uint8 *>(tuple->t_data);
}

HeapTuple FormStandIn(const Store &store, RowNumber row, State state, const ItemPointerData &next) {
  StoredStandIn stored = {.state = state, .reserved = 0, .next = next};
  return FormStoreTuple(store, KeyOf(row), SequenceOf(row),
                        {reinterpret_cast<const uint8 *>(&stored), sizeof(stored)});
}

// The stand-ins of a row, whoever sees them.
struct StandIns {
  bool any = false;
  bool has_live = false;
  ItemPointerData live;
  // Of the last 'gone' whose maker has not aborted, where there is no 'live' any more.
  ItemPointerData next;
  TransactionId ender = InvalidTransactionId;
};

StandIns Look(const Store &store, RowNumber row) {
  StandIns found;
  KeyScan scan;
  scan.Begin(store, KeyOf(row), SequenceOf(row), SequenceOf(row), SnapshotAny);
  while (HeapTuple tuple = scan.Next(ForwardScanDirection)) {
    const StoredStandIn stored = Parse(store, scan.data());
    if (stored.state == State::kLive && !HeapTupleHeaderXminFrozen(tuple->t_data)) continue;
    found.any = true;
    if (stored.state == State::kLive) {
      found.has_live = true;
      found.live = tuple->t_self;
    } else {
      const TransactionId ender = HeapTupleHeaderGetXmin(tuple->t_data);
      if (TransactionIdIsNormal(ender) && TransactionIdDidAbort(ender)) continue;
      found.next = stored.next;
      found.ender = ender;
    }
  }
  scan.End();
  return found;
}

// Makes sure that a row has a stand-in, and finds them.
StandIns Ensure(const Store &store, const ItemPointerData &tid) {
  const RowNumber row = RowOf(tid);
  StandIns found = Look(store, row);
  if (found.any) return found;
  LockSuccession(store, tid);
  found = Look(store, row);
  if (!found.any) {
    HeapTuple tuple = FormStandIn(store, row, State::kLive, tid);
    InsertForAll(store, tuple);
    found.any = found.has_live = true;
    found.live = tuple->t_self;
  }
  UnlockSuccession(store, tid);
  return found;
}

// Reads where an update went from the 'gone' that `gone` leads to.
ItemPointerData NextOf(const Store &store, const ItemPointerData &gone,
                       const ItemPointerData &self) {
  HeapTupleData tuple;
  Buffer buffer;
  tuple.t_self = gone;
  if (!heap_fetch(store.toast, SnapshotAny, &tuple, &buffer, false)) return self;
  const StoredStandIn stored = Parse(store, DataOf(store, &tuple));
  ReleaseBuffer(buffer);
  return stored.next;
}

// Who has deleted or updated the 'live' tuple, or is about to; invalid: nobody.
TransactionId EnderOf(const Store &store, const ItemPointerData &live, ItemPointerData *gone) {
  HeapTupleData tuple;
  Buffer buffer;
  tuple.t_self = live;
  if (!heap_fetch(store.toast, SnapshotAny, &tuple, &buffer, false)) return InvalidTransactionId;
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  const HeapTupleHeader header = tuple.t_data;
  TransactionId ender = InvalidTransactionId;
  if (!(header->t_infomask & HEAP_XMAX_INVALID) && !HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask)) {
    ender = HeapTupleHeaderGetUpdateXid(header);
    *gone = header->t_ctid;
  }
  UnlockReleaseBuffer(buffer);
  return ender;
}

// Waits for the end of a transaction, if the policy is to wait; false: it goes on.
bool WaitFor(const Store &store, TransactionId xid, const ItemPointerData &live,
             LockWaitPolicy policy) {
  if (policy != LockWaitBlock) return ConditionalXactLockTableWait(xid);
  ItemPointerData tid = live;
  XactLockTableWait(xid, store.toast, &tid, XLTW_Lock);
  return true;
}

template <typename Visit>
void VisitRange(const Store &store, RowNumber first, uint32 rows, Snapshot snapshot, Visit visit) {
  for (RowNumber from = first; from < first + rows;) {
    const RowNumber end = std::min(first + rows, (from / kRowsPerKey + 1) * kRowsPerKey);
    KeyScan scan;
    scan.Begin(store, KeyOf(from), SequenceOf(from), SequenceOf(end - 1), snapshot);
    while (HeapTuple tuple = scan.Next(ForwardScanDirection)) {
      const RowNumber row = RowNumber{KeyOf(from) - kFirstStandInKey} * kRowsPerKey +
                            static_cast<uint32>(scan.sequence());
      visit(tuple, Parse(store, scan.data()), static_cast<uint32>(row - first));
    }
    scan.End();
    from = end;
  }
}

}  // namespace

bool IsAlive(const Store &store, RowNumber row, Snapshot snapshot) {
  bool alive = true;
  KeyScan scan;
  scan.Begin(store, KeyOf(row), SequenceOf(row), SequenceOf(row), snapshot);
  // A 'live' that is seen decides, whatever follows: a dirty snapshot then tells who is about to end it.
  while (scan.Next(ForwardScanDirection) != nullptr) {
    alive = Parse(store, scan.data()).state == State::kLive;
    if (alive) break;
  }
  const TransactionId ender = alive ? snapshot->xmax : InvalidTransactionId;
  scan.End();
  if (snapshot->snapshot_type == SNAPSHOT_DIRTY) {
    snapshot->xmin = InvalidTransactionId;
    snapshot->xmax = ender;
    snapshot->speculativeToken = 0;
  }
  return alive;
}

bool IsAlive(const Store &store, RowNumber row, Snapshot snapshot, RowNumber *end) {
  bool alive = true;
  *end = std::min(*end, (row / kRowsPerKey + 1) * kRowsPerKey);
  KeyScan scan;
  scan.Begin(store, KeyOf(row), SequenceOf(row), SequenceOf(*end - 1), snapshot);
  if (scan.Next(ForwardScanDirection) != nullptr) {
    const auto rows_before = static_cast<uint32>(scan.sequence() - SequenceOf(row));
    if (rows_before == 0) alive = Parse(store, scan.data()).state == State::kLive;
    *end = row + std::max(rows_before, uint32{1});
  }
  scan.End();
  return alive;
}

bool FindNext(const Store &store, const ItemPointerData &tid, Snapshot snapshot,
              ItemPointerData *next, TransactionId *ender) {
  const RowNumber row = RowOf(tid);
  KeyScan scan;
  scan.Begin(store, KeyOf(row), SequenceOf(row), SequenceOf(row), snapshot);
  bool found = false;
  if (HeapTuple tuple = scan.Next(ForwardScanDirection)) {
    const StoredStandIn stored = Parse(store, scan.data());
    found = stored.state != State::kLive;
    *next = stored.next;
    *ender = HeapTupleHeaderGetXmin(tuple->t_data);
  }
  scan.End();
  return found;
}

uint32 MarkGone(const Store &store, RowNumber first, uint32 rows, Snapshot snapshot, uint64 *bits) {
  uint32 count = 0;
  VisitRange(store, first, rows, snapshot,
             [&](HeapTuple, const StoredStandIn &stored, uint32 index) {
               if (stored.state == State::kLive) return;
               SetBit(bits, index);
               count++;
             });
  return count;
}

uint32 MarkDead(const Store &store, RowNumber first, uint32 rows, TransactionId horizon, Dead which,
                uint64 *bits, TransactionId *youngest) {
  uint32 count = 0;
  VisitRange(store, first, rows, SnapshotSelf,
             [&](HeapTuple tuple, const StoredStandIn &stored, uint32 index) {
               if (stored.state == State::kLive || GetBit(bits, index)) return;
               if (which == Dead::kIndexed && stored.state == State::kUnindexed) return;
               if (which == Dead::kUnindexed && stored.state != State::kUnindexed) return;
               const TransactionId ender = HeapTupleHeaderGetXmin(tuple->t_data);
               if (TransactionIdIsNormal(ender)) {
                 if (!TransactionIdPrecedes(ender, horizon) || !TransactionIdDidCommit(ender))
                   return;
                 if (youngest != nullptr && (!TransactionIdIsValid(*youngest) ||
                                             TransactionIdPrecedes(*youngest, ender))) {
                   *youngest = ender;
                 }
               } else if (ender != FrozenTransactionId) {
                 return;
               }
               SetBit(bits, index);
               count++;
             });
  return count;
}

void NoteUnindexed(const Store &store, RowNumber first, uint32 rows, const uint64 *bits) {
  VisitRange(store, first, rows, SnapshotAny,
             [&](HeapTuple tuple, const StoredStandIn &stored, uint32 index) {
               if (stored.state != State::kGone || !GetBit(bits, index)) return;
               const size_t offset = DataOffset(store, tuple) + offsetof(StoredStandIn, state);
               const State unindexed = State::kUnindexed;
               OverwriteTuple(store, tuple->t_self, offset, &unindexed, sizeof(unindexed));
             });
}

void RemoveStandIns(const Store &store, RowNumber first, uint32 rows, const uint64 *bits) {
  VisitRange(store, first, rows, SnapshotSelf,
             [&](HeapTuple tuple, const StoredStandIn &stored, uint32 index) {
               if (stored.state != State::kUnindexed || !GetBit(bits, index)) return;
               simple_heap_delete(store.toast, &tuple->t_self);
             });
}

// Locks a cold row, but does not raise if others hold it: LockWaitError is no policy here.
static TM_Result LockStandIn(const Store &store, const ItemPointerData &tid, CommandId cid,
                             LockTupleMode mode, LockWaitPolicy wait_policy, bool follow_updates,
                             TM_FailureData *failure) {
  for (;;) {
    const StandIns found = Ensure(store, tid);
    failure->traversed = false;
    if (!found.has_live) {
      failure->ctid = found.next;
      failure->xmax = found.ender;
      failure->cmax = InvalidCommandId;
      return ItemPointerEquals(&failure->ctid, const_cast<ItemPointer>(&tid)) ? TM_Deleted
                                                                              : TM_Updated;
    }
    HeapTupleData tuple;
    Buffer buffer;
    tuple.t_self = found.live;
    TM_Result result = heap_lock_tuple(store.toast, &tuple, cid, mode, wait_policy, follow_updates,
                                       &buffer, failure);
    ReleaseBuffer(buffer);
    ItemPointerData gone;
    if (result == TM_Ok && mode == LockTupleKeyShare) {
      // heapam grants this beside an update of other columns, and locks the versions that follow; the
      // one that follows here lies in another relation.
      const TransactionId ender = EnderOf(store, found.live, &gone);
      if (!TransactionIdIsValid(ender) || TransactionIdIsCurrentTransactionId(ender)) return TM_Ok;
      if (follow_updates) {
        result = LockSuccessor(store, tid, NextOf(store, gone, tid), ender, cid, wait_policy);
        if (result != TM_Updated) return result;
      }
      if (TransactionIdIsInProgress(ender)) {
        if (!WaitFor(store, ender, found.live, wait_policy)) return TM_WouldBlock;
        continue;
      }
      if (!TransactionIdDidCommit(ender)) return TM_Ok;
      failure->xmax = ender;
      failure->cmax = InvalidCommandId;
      failure->ctid = gone;
      result = TM_Updated;
    }
    if (result == TM_Updated) {
      failure->ctid = NextOf(store, failure->ctid, tid);
      if (ItemPointerEquals(&failure->ctid, const_cast<ItemPointer>(&tid))) result = TM_Deleted;
    }
    return result;
  }
}

TM_Result LockColdRow(const Store &store, const ItemPointerData &tid, CommandId cid,
                      LockTupleMode mode, LockWaitPolicy wait_policy, bool follow_updates,
                      TM_FailureData *failure) {
  // heapam would name the TOAST relation.
  const bool raise = wait_policy == LockWaitError;
  const TM_Result result = LockStandIn(store, tid, cid, mode, raise ? LockWaitSkip : wait_policy,
                                       follow_updates, failure);
  if (raise && result == TM_WouldBlock) {
    ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
                    errmsg("could not obtain lock on row in relation \"%s\"",
                           RelationGetRelationName(store.rel))));
  }
  return result;
}

void EndColdRow(const Store &store, const ItemPointerData &tid, const ItemPointerData &next,
                CommandId cid) {
  const StandIns found = Look(store, RowOf(tid));
  if (!found.has_live) elog(ERROR, "a locked cold row has no stand-in");
  HeapTuple gone = FormStandIn(store, RowOf(tid), State::kGone, next);
  TM_FailureData failure;
  LockTupleMode mode;
  ItemPointerData live = found.live;
  const bool is_update = !IsCold(next);
  if (is_update) LockSuccession(store, tid);
  const TM_Result result =
      heap_update(store.toast, &live, gone, cid, InvalidSnapshot, true, &failure, &mode);
  if (result != TM_Ok) elog(ERROR, "a locked cold row cannot be deleted: %d", result);
  if (!HeapTupleIsHeapOnly(gone)) IndexStoreTuple(store, gone);
  if (is_update) {
    PassLocksOn(store, gone, next);
    UnlockSuccession(store, tid);
  }
  heap_freetuple(gone);
}

}  // namespace helios::hybrid
