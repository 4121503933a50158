#include "hybrid/successor.hpp"

#include "pg/pause.hpp"

extern "C" {
#include "access/generic_xlog.h"
#include "access/heapam.h"
#include "access/multixact.h"
#include "access/transam.h"
#include "access/xact.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

// Who has locked or updated a tuple, as its header says.
struct Lockers {
  TransactionId xmax;  // or the multixact
  uint16 bits;         // of HEAP_XMAX_BITS
  uint16 key_bits;     // HEAP_KEYS_UPDATED or none
};

constexpr uint16 kLockStrength = HEAP_XMAX_EXCL_LOCK | HEAP_XMAX_KEYSHR_LOCK;

// What the one who is not a multixact has done with a tuple whose key has not changed.
MultiXactStatus StatusOf(uint16 infomask) {
  if (!HEAP_XMAX_IS_LOCKED_ONLY(infomask)) return MultiXactStatusNoKeyUpdate;
  if (HEAP_XMAX_IS_SHR_LOCKED(infomask)) return MultiXactStatusForShare;
  return HEAP_XMAX_IS_KEYSHR_LOCKED(infomask) ? MultiXactStatusForKeyShare
                                              : MultiXactStatusForNoKeyUpdate;
}

// Adds the transaction `xid` to those that hold a tuple FOR KEY SHARE; false if somebody keeps it from that.
bool Join(const HeapTupleHeader header, TransactionId xid, Lockers *lockers) {
  const uint16 infomask = header->t_infomask;
  const TransactionId xmax = HeapTupleHeaderGetRawXmax(header);
  *lockers = {xid, HEAP_XMAX_LOCK_ONLY | HEAP_XMAX_KEYSHR_LOCK, 0};
  if (infomask & HEAP_XMAX_INVALID) return true;
  const bool only_locked = HEAP_XMAX_IS_LOCKED_ONLY(infomask);
  const bool is_running = infomask & HEAP_XMAX_IS_MULTI ? MultiXactIdIsRunning(xmax, only_locked)
                                                        : TransactionIdIsInProgress(xmax);
  if (only_locked && !is_running) return true;
  if (!only_locked) {
    // An update that has come to its end meanwhile stands, or never was.
    const TransactionId updater = HeapTupleHeaderGetUpdateXid(header);
    if (!TransactionIdIsInProgress(updater)) return !is_running && !TransactionIdDidCommit(updater);
  }
  if (header->t_infomask2 & HEAP_KEYS_UPDATED) return false;
  lockers->bits = infomask & (HEAP_XMAX_LOCK_ONLY | kLockStrength);
  if (infomask & HEAP_XMAX_IS_MULTI) {
    lockers->xmax = MultiXactIdExpand(xmax, xid, MultiXactStatusForKeyShare);
  } else if (TransactionIdIsCurrentTransactionId(xmax)) {
    lockers->xmax = xmax;
    return true;
  } else {
    lockers->xmax = MultiXactIdCreate(xmax, StatusOf(infomask), xid, MultiXactStatusForKeyShare);
    if (!only_locked) lockers->bits |= HEAP_XMAX_EXCL_LOCK;
  }
  lockers->bits |= HEAP_XMAX_IS_MULTI;
  return true;
}

void SetLockers(HeapTupleHeader header, const Lockers &lockers) {
  HeapTupleHeaderSetXmax(header, lockers.xmax);
  header->t_infomask = (header->t_infomask & ~HEAP_XMAX_BITS) | lockers.bits;
  header->t_infomask2 = (header->t_infomask2 & ~HEAP_KEYS_UPDATED) | lockers.key_bits;
}

HeapTupleHeader HeaderOf(Page page, OffsetNumber offset) {
  return reinterpret_cast<HeapTupleHeader>(PageGetItem(page, PageGetItemId(page, offset)));
}

// Locks the versions of a transaction that is under way, which heapam would not see: that at `tid`, made by `creator`,
// and those that follow it.
bool LockPending(const Store &store, ItemPointerData tid, TransactionId creator) {
  const TransactionId xid = GetCurrentTransactionId();
  MultiXactIdSetOldestMember();
  for (bool goes_on = true; goes_on;) {
    pg::Pause("hybrid_lock_pending");
    Buffer buffer = ReadBuffer(store.rel, ItemPointerGetBlockNumber(&tid));
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    const OffsetNumber offset = ItemPointerGetOffsetNumber(&tid);
    Page page = BufferGetPage(buffer);
    Lockers lockers;
    const bool joins = offset <= PageGetMaxOffsetNumber(page) &&
                       ItemIdIsNormal(PageGetItemId(page, offset)) &&
                       HeapTupleHeaderGetRawXmin(HeaderOf(page, offset)) == creator &&
                       Join(HeaderOf(page, offset), xid, &lockers);
    if (!joins) {
      UnlockReleaseBuffer(buffer);
      return false;
    }
    goes_on = !HEAP_XMAX_IS_LOCKED_ONLY(lockers.bits);
    GenericXLogState *xlog = GenericXLogStart(store.rel);
    HeapTupleHeader header = HeaderOf(GenericXLogRegisterBuffer(xlog, buffer, 0), offset);
    if (goes_on) {
      creator = HeapTupleHeaderGetUpdateXid(header);
    } else {
      // An update that was there has failed.
      HeapTupleHeaderClearHotUpdated(header);
      header->t_ctid = tid;
    }
    SetLockers(header, lockers);
    tid = header->t_ctid;
    GenericXLogFinish(xlog);
    UnlockReleaseBuffer(buffer);
  }
  return true;
}

// Locks the version of a transaction that has committed, and those that follow it.
TM_Result LockCommitted(const Store &store, const ItemPointerData &next, TransactionId creator,
                        CommandId cid, LockWaitPolicy wait_policy) {
  HeapTupleData tuple;
  Buffer pinned;  // until the end: so that the tuple stays where it is
  tuple.t_self = next;
  if (!heap_fetch(store.rel, SnapshotAny, &tuple, &pinned, false)) return TM_Updated;
  TM_Result result = TM_Updated;
  if (HeapTupleHeaderGetRawXmin(tuple.t_data) == creator) {
    Buffer buffer;
    TM_FailureData failure;
    result = heap_lock_tuple(store.rel, &tuple, cid, LockTupleKeyShare, wait_policy, true, &buffer,
                             &failure);
    ReleaseBuffer(buffer);
  }
  ReleaseBuffer(pinned);
  return result == TM_Ok || result == TM_WouldBlock ? result : TM_Updated;
}

}  // namespace

void PassLocksOn(const Store &store, HeapTuple gone, const ItemPointerData &next) {
  const HeapTupleHeader from = gone->t_data;
  if (from->t_infomask & HEAP_XMAX_INVALID) return;
  Buffer buffer = ReadBuffer(store.rel, ItemPointerGetBlockNumber(&next));
  LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
  GenericXLogState *xlog = GenericXLogStart(store.rel);
  Page page = GenericXLogRegisterBuffer(xlog, buffer, 0);
  auto to = reinterpret_cast<HeapTupleHeader>(
      PageGetItem(page, PageGetItemId(page, ItemPointerGetOffsetNumber(&next))));
  SetLockers(
      to, {HeapTupleHeaderGetRawXmax(from), static_cast<uint16>(from->t_infomask & HEAP_XMAX_BITS),
           static_cast<uint16>(from->t_infomask2 & HEAP_KEYS_UPDATED)});
  GenericXLogFinish(xlog);
  UnlockReleaseBuffer(buffer);
}

void LockSuccession(const Store &store, const ItemPointerData &cold) {
  ItemPointerData tid = cold;
  LockTuple(store.rel, &tid, ExclusiveLock);
}

void UnlockSuccession(const Store &store, const ItemPointerData &cold) {
  ItemPointerData tid = cold;
  UnlockTuple(store.rel, &tid, ExclusiveLock);
}

TM_Result LockSuccessor(const Store &store, const ItemPointerData &cold,
                        const ItemPointerData &next, TransactionId ender, CommandId cid,
                        LockWaitPolicy wait_policy) {
  if (IsCold(next)) return TM_Updated;
  if (TransactionIdIsInProgress(ender)) {
    LockSuccession(store, cold);
    const bool locked = LockPending(store, next, ender);
    UnlockSuccession(store, cold);
    if (locked) return TM_Ok;
    if (TransactionIdIsInProgress(ender)) return TM_Updated;
  }
  if (!TransactionIdDidCommit(ender)) return TM_Ok;
  return LockCommitted(store, next, ender, cid, wait_policy);
}

}  // namespace helios::hybrid
