#include "hybrid/hot_page.hpp"

#include "hybrid/hot_tuple.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "access/generic_xlog.h"
#include "access/heapam.h"
#include "access/heapam_xlog.h"
#include "access/heaptoast.h"
#include "access/multixact.h"
#include "access/transam.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

// Says whether the tuple's xmax, if it has one, belongs to lockers that have all gone.
bool IsUnlocked(HeapTupleHeader header) {
  if (header->t_infomask & HEAP_XMAX_INVALID) return true;
  if (!HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask)) return false;
  const TransactionId xmax = HeapTupleHeaderGetRawXmax(header);
  if (header->t_infomask & HEAP_XMAX_IS_MULTI) return !MultiXactIdIsRunning(xmax, true);
  return !TransactionIdIsInProgress(xmax);
}

bool IsMovable(Relation rel, Buffer buffer, OffsetNumber offset, TransactionId horizon) {
  Page page = BufferGetPage(buffer);
  if (offset > PageGetMaxOffsetNumber(page)) return false;
  ItemId item = PageGetItemId(page, offset);
  if (!ItemIdIsNormal(item)) return false;
  HeapTupleData tuple;
  tuple.t_tableOid = RelationGetRelid(rel);
  tuple.t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
  tuple.t_len = ItemIdGetLength(item);
  ItemPointerSet(&tuple.t_self, BufferGetBlockNumber(buffer), offset);
  if (HeapTupleSatisfiesVacuum(&tuple, horizon, buffer) != HEAPTUPLE_LIVE) return false;
  const TransactionId xmin = HeapTupleHeaderGetXmin(tuple.t_data);
  return !(TransactionIdIsNormal(xmin) && !TransactionIdPrecedes(xmin, horizon)) &&
         IsUnlocked(tuple.t_data);
}

// Takes back that everybody sees all of a page, in the page and in the visibility map. The record is that of
// an insert of no tuples: the only one that heapam replays in this way and logical decoding skips.
void ClearAllVisible(Relation rel, Buffer buffer, Buffer map) {
  Page page = BufferGetPage(buffer);
  START_CRIT_SECTION();
  PageClearAllVisible(page);
  visibilitymap_clear(rel, BufferGetBlockNumber(buffer), map, VISIBILITYMAP_VALID_BITS);
  MarkBufferDirty(buffer);
  if (RelationNeedsWAL(rel)) {
    xl_heap_multi_insert record = {};
    record.flags = XLH_INSERT_ALL_VISIBLE_CLEARED;
    record.ntuples = 0;
    XLogBeginInsert();
    XLogRegisterData(reinterpret_cast<char *>(&record), SizeOfHeapMultiInsert);
    XLogRegisterBuffer(0, buffer, REGBUF_STANDARD);
    const XLogRecPtr end = XLogInsert(RM_HEAP2_ID, XLOG_HEAP2_MULTI_INSERT);
    PageSetLSN(page, end);
  }
  END_CRIT_SECTION();
}

}  // namespace

void ListMovableRows(Relation rel, Buffer buffer, TransactionId horizon, PageRows *rows) {
  rows->count = 0;
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  const OffsetNumber last = PageGetMaxOffsetNumber(BufferGetPage(buffer));
  for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset++) {
    if (IsMovable(rel, buffer, offset, horizon)) rows->offsets[rows->count++] = offset;
  }
  LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
}

void MarkMoved(Relation rel, Buffer buffer, TransactionId horizon, CommandId cid, PageRows *rows) {
  const TransactionId xid = GetCurrentTransactionId();
  Buffer map = InvalidBuffer;
  visibilitymap_pin(rel, BufferGetBlockNumber(buffer), &map);
  LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
  int count = 0;
  for (int i = 0; i < rows->count; i++) {
    if (IsMovable(rel, buffer, rows->offsets[i], horizon))
      rows->offsets[count++] = rows->offsets[i];
  }
  rows->count = count;
  if (count > 0) {
    if (PageIsAllVisible(BufferGetPage(buffer))) ClearAllVisible(rel, buffer, map);
    GenericXLogState *xlog = GenericXLogStart(rel);
    Page page = GenericXLogRegisterBuffer(xlog, buffer, 0);
    for (int i = 0; i < count; i++) {
      auto header = reinterpret_cast<HeapTupleHeader>(
          PageGetItem(page, PageGetItemId(page, rows->offsets[i])));
      header->t_infomask &= ~(HEAP_XMAX_BITS | HEAP_MOVED);
      header->t_infomask2 |= HEAP_KEYS_UPDATED;
      HeapTupleHeaderClearHotUpdated(header);
      HeapTupleHeaderSetXmax(header, xid);
      HeapTupleHeaderSetCmax(header, cid, false);
      HeapTupleHeaderSetMovedPartitions(header);
    }
    PageSetPrunable(page, xid);
    GenericXLogFinish(xlog);
  }
  LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
  if (BufferIsValid(map)) ReleaseBuffer(map);
}

ItemPointerData InsertMoved(Relation rel, HeapTuple row, TransactionId creator, CommandId cid) {
  HeapTuple toasted = NeedsToast(row) ? heap_toast_insert_or_update(rel, row, nullptr, 0) : row;
  HeapTuple tuple = WithCreator(toasted, creator);
  if (toasted != row) heap_freetuple(toasted);
  HeapTupleHeader header = tuple->t_data;
  header->t_infomask &= ~HEAP_XACT_MASK;
  header->t_infomask |= HEAP_XMAX_INVALID;
  header->t_infomask2 &= ~HEAP2_XACT_MASK;
  HeapTupleHeaderSetXmin(header, GetCurrentTransactionId());
  HeapTupleHeaderSetXmax(header, InvalidTransactionId);
  HeapTupleHeaderSetCmin(header, cid);

  Buffer map = InvalidBuffer;
  const Buffer buffer = pg::GetBufferForTuple(rel, tuple->t_len, &map);
  if (PageIsAllVisible(BufferGetPage(buffer))) ClearAllVisible(rel, buffer, map);
  GenericXLogState *xlog = GenericXLogStart(rel);
  // What made an empty page is not logged.
  const bool is_new = PageGetMaxOffsetNumber(BufferGetPage(buffer)) == 0;
  Page page = GenericXLogRegisterBuffer(xlog, buffer, is_new ? GENERIC_XLOG_FULL_IMAGE : 0);
  const OffsetNumber offset = PageAddItem(page, reinterpret_cast<Item>(header), tuple->t_len,
                                          InvalidOffsetNumber, false, true);
  if (offset == InvalidOffsetNumber) elog(ERROR, "failed to add a row to a page");
  ItemPointerData tid;
  ItemPointerSet(&tid, BufferGetBlockNumber(buffer), offset);
  reinterpret_cast<HeapTupleHeader>(PageGetItem(page, PageGetItemId(page, offset)))->t_ctid = tid;
  GenericXLogFinish(xlog);
  UnlockReleaseBuffer(buffer);
  if (BufferIsValid(map)) ReleaseBuffer(map);
  heap_freetuple(tuple);
  return tid;
}

}  // namespace helios::hybrid
