#include "hybrid/slot.hpp"

#include "hybrid/columns.hpp"
#include "hybrid/hot_tuple.hpp"
#include "hybrid/reader_cache.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/transam.h"
#include "executor/executor.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

const TupleTableSlotOps &HeapOps() { return TTSOpsBufferHeapTuple; }

// Writes which operations a slot has; PostgreSQL declares that as constant.
void SetOps(TupleTableSlot *slot, const TupleTableSlotOps *ops) {
  *const_cast<const TupleTableSlotOps **>(&slot->tts_ops) = ops;
}

void Init(TupleTableSlot *slot) {
  HybridSlot *hybrid = AsHybridSlot(slot);
  HeapOps().init(slot);
  hybrid->reader = nullptr;
  hybrid->borrowed = false;
  hybrid->cold = false;
  hybrid->loader = InvalidTransactionId;
  hybrid->columns = {};
  hybrid->filter = nullptr;
}

// Gives up the reader of a slot.
void DropReader(HybridSlot *hybrid) {
  if (hybrid->reader == nullptr) return;
  if (hybrid->borrowed) {
    ReturnReader(hybrid->reader, hybrid);
  } else {
    hybrid->reader->Destroy();
  }
  hybrid->reader = nullptr;
}

// Forgets which columns are looked at.
void ForgetColumns(HybridSlot *hybrid) {
  if (hybrid->columns.data() != nullptr) pfree(const_cast<int *>(hybrid->columns.data()));
  hybrid->columns = {};
}

void Release(TupleTableSlot *slot) {
  DropReader(AsHybridSlot(slot));
  ForgetColumns(AsHybridSlot(slot));
  HeapOps().release(slot);
}

void Clear(TupleTableSlot *slot) {
  AsHybridSlot(slot)->cold = false;
  HeapOps().clear(slot);
}

// Waits for whoever loads the cold row in the slot. If nothing comes of that the row has no values.
void AwaitLoader(TupleTableSlot *slot) {
  HybridSlot *hybrid = AsHybridSlot(slot);
  XactLockTableWait(hybrid->loader, nullptr, nullptr, XLTW_None);
  Relation rel = table_open(slot->tts_tableOid, AccessShareLock);
  Store store = OpenStore(rel, AccessShareLock);
  const RowNumber row = RowOf(slot->tts_tid);
  ChunkEntry chunk;
  if (store.toast != nullptr && FindEntry(store, row, SnapshotSelf, &chunk)) {
    OpenChunk(slot, rel, chunk, Reads::kSparse);
    StoreColdRow(slot, rel, static_cast<uint32>(row - chunk.first_row));
  } else {
    ExecStoreAllNullTuple(slot);
  }
  CloseStore(&store);
  table_close(rel, AccessShareLock);
}

// Says whether the slot holds a cold row, whose columns are there then.
bool HoldsColdRow(TupleTableSlot *slot) {
  const HybridSlot *hybrid = AsHybridSlot(slot);
  if (hybrid->cold && TransactionIdIsValid(hybrid->loader)) AwaitLoader(slot);
  return hybrid->cold;
}

// Fills the columns up to `natts` of a cold row; a heap tuple is taken apart by heapam's slot.
void GetSomeAttributes(TupleTableSlot *slot, int natts) {
  HybridSlot *hybrid = AsHybridSlot(slot);
  if (!HoldsColdRow(slot)) {
    if (slot->tts_nvalid < natts) HeapOps().getsomeattrs(slot, natts);
    return;
  }
  if (hybrid->columns.data() == nullptr) ReadColumns(slot, nullptr);
  hybrid->reader->GetColumns(hybrid->position, slot->tts_nvalid, natts, hybrid->columns,
                             slot->tts_values, slot->tts_isnull);
  slot->tts_nvalid = static_cast<AttrNumber>(natts);
}

Datum GetSystemAttribute(TupleTableSlot *slot, int attribute, bool *isnull) {
  HybridSlot *hybrid = AsHybridSlot(slot);
  HeapTuple hot = hybrid->heap.base.tuple;
  if (!hybrid->cold && attribute == MinTransactionIdAttributeNumber && hot != nullptr) {
    *isnull = false;
    return TransactionIdGetDatum(CreatorOf(hot->t_data));
  }
  if (!HoldsColdRow(slot)) return HeapOps().getsysattr(slot, attribute, isnull);
  *isnull = false;
  switch (attribute) {
    case MinTransactionIdAttributeNumber:
      return TransactionIdGetDatum(hybrid->reader->CreatorOf(hybrid->position));
    case MaxTransactionIdAttributeNumber:
      return TransactionIdGetDatum(InvalidTransactionId);
    case MinCommandIdAttributeNumber:
    case MaxCommandIdAttributeNumber:
      return CommandIdGetDatum(FirstCommandId);
    default:
      elog(ERROR, "cold rows have no system column %d", attribute);
  }
}

// Fills the columns that are not filled yet.
void GetAllAttributes(TupleTableSlot *slot) {
  const int natts = slot->tts_tupleDescriptor->natts;
  if (slot->tts_nvalid < natts) GetSomeAttributes(slot, natts);
}

// Makes a heap tuple of a cold row, with the identifier and the creator that it has as a row of its table.
HeapTuple FormTuple(TupleTableSlot *slot) {
  HybridSlot *hybrid = AsHybridSlot(slot);
  GetAllAttributes(slot);
  HeapTuple tuple = heap_form_tuple(slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull);
  tuple->t_self = slot->tts_tid;
  tuple->t_tableOid = slot->tts_tableOid;
  HeapTupleHeaderSetXmin(tuple->t_data, hybrid->reader->CreatorOf(hybrid->position));
  HeapTupleHeaderSetCmin(tuple->t_data, FirstCommandId);
  HeapTupleHeaderSetXmax(tuple->t_data, InvalidTransactionId);
  tuple->t_data->t_infomask |= HEAP_XMIN_FROZEN | HEAP_XMAX_INVALID;
  tuple->t_data->t_ctid = slot->tts_tid;
  return tuple;
}

void Materialize(TupleTableSlot *slot) {
  HybridSlot *hybrid = AsHybridSlot(slot);
  if (HoldsColdRow(slot)) {
    const MemoryContext caller = MemoryContextSwitchTo(slot->tts_mcxt);
    HeapTuple tuple = FormTuple(slot);
    MemoryContextSwitchTo(caller);
    hybrid->cold = false;
    hybrid->heap.base.tuple = tuple;
    hybrid->heap.base.off = 0;
    hybrid->heap.buffer = InvalidBuffer;
    slot->tts_nvalid = 0;
    slot->tts_flags |= TTS_FLAG_SHOULDFREE;
    return;
  }
  HeapOps().materialize(slot);
}

void CopySlot(TupleTableSlot *to, TupleTableSlot *from) {
  AsHybridSlot(to)->cold = false;
  HeapOps().copyslot(to, from);
  to->tts_tid = from->tts_tid;
}

HeapTuple GetHeapTuple(TupleTableSlot *slot) {
  if (HoldsColdRow(slot)) Materialize(slot);
  return HeapOps().get_heap_tuple(slot);
}

HeapTuple CopyHeapTuple(TupleTableSlot *slot) {
  return HoldsColdRow(slot) ? FormTuple(slot) : HeapOps().copy_heap_tuple(slot);
}

MinimalTuple CopyMinimalTuple(TupleTableSlot *slot) {
  if (!HoldsColdRow(slot)) return HeapOps().copy_minimal_tuple(slot);
  GetAllAttributes(slot);
  return heap_form_minimal_tuple(slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull);
}

}  // namespace

const TupleTableSlotOps kHybridSlotOps = {
    .base_slot_size = sizeof(HybridSlot),
    .init = Init,
    .release = Release,
    .clear = Clear,
    .getsomeattrs = GetSomeAttributes,
    .getsysattr = GetSystemAttribute,
    .materialize = Materialize,
    .copyslot = CopySlot,
    .get_heap_tuple = GetHeapTuple,
    .get_minimal_tuple = nullptr,
    .copy_heap_tuple = CopyHeapTuple,
    .copy_minimal_tuple = CopyMinimalTuple,
};

AsHeapSlot::AsHeapSlot(TupleTableSlot *slot) : slot_(slot) {
  if (AsHybridSlot(slot)->cold) Clear(slot);
  SetOps(slot, &TTSOpsBufferHeapTuple);
}

void AsHeapSlot::Restore() { SetOps(slot_, &kHybridSlotOps); }

void ReadColumns(TupleTableSlot *slot, const Bitmapset *columns) {
  HybridSlot *hybrid = AsHybridSlot(slot);
  ForgetColumns(hybrid);
  const MemoryContext caller = MemoryContextSwitchTo(slot->tts_mcxt);
  hybrid->columns = ListColumns(slot->tts_tupleDescriptor, columns);
  MemoryContextSwitchTo(caller);
}

void OpenChunk(TupleTableSlot *slot, Relation rel, const ChunkEntry &chunk, Reads reads) {
  HybridSlot *hybrid = AsHybridSlot(slot);
  if (hybrid->reader != nullptr && hybrid->reader->IsOpen(chunk.blob)) {
    hybrid->reader->UseRelation(rel);
    return;
  }
  if (hybrid->cold) Clear(slot);
  if (reads == Reads::kSparse) {
    DropReader(hybrid);
    hybrid->reader = BorrowReader(rel, chunk, hybrid);
    hybrid->borrowed = true;
    return;
  }
  if (hybrid->borrowed) DropReader(hybrid);
  hybrid->borrowed = false;
  if (hybrid->reader == nullptr) {
    hybrid->reader = ChunkReader::Make(slot->tts_mcxt, rel, slot->tts_tupleDescriptor);
  }
  hybrid->reader->UseRelation(rel);
  hybrid->reader->Open(chunk);
}

void StoreColdRow(TupleTableSlot *slot, Relation rel, uint32 position) {
  HybridSlot *hybrid = AsHybridSlot(slot);
  // A cold row leaves nothing behind that would have to be freed.
  if (!hybrid->cold) ExecClearTuple(slot);
  hybrid->cold = true;
  hybrid->position = position;
  hybrid->loader = InvalidTransactionId;
  slot->tts_flags &= ~TTS_FLAG_EMPTY;
  slot->tts_nvalid = 0;
  slot->tts_tid = TidOf(hybrid->reader->first_row() + position);
  slot->tts_tableOid = RelationGetRelid(rel);
}

void StoreLoadingRow(TupleTableSlot *slot, Relation rel, const ItemPointerData &tid,
                     TransactionId loader) {
  HybridSlot *hybrid = AsHybridSlot(slot);
  ExecClearTuple(slot);
  hybrid->cold = true;
  hybrid->loader = loader;
  slot->tts_flags &= ~TTS_FLAG_EMPTY;
  slot->tts_nvalid = 0;
  slot->tts_tid = tid;
  slot->tts_tableOid = RelationGetRelid(rel);
}

}  // namespace helios::hybrid
