#include "hybrid/fetch.hpp"

#include "hybrid/am.hpp"
#include "hybrid/core/chunk.hpp"
#include "hybrid/direct_load.hpp"
#include "hybrid/holes.hpp"
#include "hybrid/skip.hpp"
#include "hybrid/slot.hpp"
#include "hybrid/stand_in.hpp"

extern "C" {
#include "access/heapam.h"
#include "access/multixact.h"
#include "access/relscan.h"
#include "access/transam.h"
#include "access/xact.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>

namespace helios::hybrid {

namespace {

// Chunks of a table that a scan remembers: rows of a join come from any of them in turn.
constexpr uint32 kFoundPairs = 64;

// heapam's state of fetches by an index; and from the first cold row on the store, and the chunks that were found in it
// under the snapshot of the scan.
struct HybridFetch {
  IndexFetchHeapData heap;
  Store store;
  FoundChunk *found;  // null: no cold row yet
  Oid counted;        // the chunk that was read last
  bool computed;      // the values of the slot's filter
  ReadCounts counts;
};

HybridFetch *AsHybridFetch(IndexFetchTableData *fetch) {
  return reinterpret_cast<HybridFetch *>(fetch);
}

// Where what is known of a row's chunk is, or is to be put. As many rows as a chunk may have lie in two chunks, mostly:
// there is a pair of places for them.
FoundChunk *PlaceOf(FoundChunk *found, RowNumber row) {
  FoundChunk *pair = &found[row / kMaxChunkRows % kFoundPairs * 2];
  for (FoundChunk *place : {pair, pair + 1}) {
    if (row - place->entry.first_row < place->entry.rows) return place;
  }
  pair[1] = pair[0];
  return pair;
}

void StoreFound(const Store &store, const ItemPointerData &tid, TupleTableSlot *slot,
                const ChunkEntry &chunk) {
  OpenChunk(slot, store.rel, chunk, Reads::kSparse);
  StoreColdRow(slot, store.rel, static_cast<uint32>(RowOf(tid) - chunk.first_row));
}

// Says whether the hot version at `tid` was made by `creator`.
bool IsMadeBy(Relation rel, const ItemPointerData &tid, TransactionId creator) {
  HeapTupleData tuple;
  Buffer buffer;
  tuple.t_self = tid;
  if (!heap_fetch(rel, SnapshotAny, &tuple, &buffer, false)) return false;
  const bool same = TransactionIdEquals(HeapTupleHeaderGetXmin(tuple.t_data), creator);
  ReleaseBuffer(buffer);
  return same;
}

// Who has moved a hot version, or is about to; invalid: nobody.
TransactionId MoverIn(HeapTupleHeader header) {
  if (!HeapTupleHeaderIndicatesMovedPartitions(header) ||
      (header->t_infomask & HEAP_XMAX_INVALID) || HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask)) {
    return InvalidTransactionId;
  }
  return HeapTupleHeaderGetUpdateXid(header);
}

// Says whether a chunk can have rows that `mover` has moved from a page.
bool CanHaveMoved(const ChunkEntry &entry, TransactionId mover, BlockNumber block) {
  return entry.mover == mover && block >= entry.source_from && block <= entry.source_to;
}

// Says who has marked the hot version at `tid` as one that moved; invalid: nobody.
TransactionId MoverOf(Relation rel, const ItemPointerData &tid) {
  HeapTupleData tuple;
  Buffer buffer;
  tuple.t_self = tid;
  if (!heap_fetch(rel, SnapshotAny, &tuple, &buffer, false)) return InvalidTransactionId;
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  const TransactionId mover = MoverIn(tuple.t_data);
  UnlockReleaseBuffer(buffer);
  return mover;
}

// Finds the chunk that holds a row.
bool FindChunk(const Store &store, RowNumber row, Snapshot snapshot, FoundChunk *found) {
  *found = {};
  if (FindEntry(store, row, snapshot, &found->entry)) return true;
  *found = {};
  return false;
}

// Says whether the MVCC snapshot sees a row of a chunk that it sees, and notes for which others that goes, too.
bool IsAliveIn(const Store &store, RowNumber row, Snapshot snapshot, bool look_ahead,
               FoundChunk *found) {
  if (row >= found->alive_from && row < found->alive_to) return true;
  RowNumber end = look_ahead ? found->entry.first_row + found->entry.rows : row + 1;
  if (!IsAlive(store, row, snapshot, &end)) return false;
  const bool joins = row < found->alive_from && end >= found->alive_from;
  found->alive_to = joins ? std::max(end, found->alive_to) : end;
  found->alive_from = row;
  return true;
}

}  // namespace

bool FetchColdRow(const Store &store, const ItemPointerData &tid, Snapshot snapshot,
                  TupleTableSlot *slot, FoundChunk *found) {
  const RowNumber row = RowOf(tid);
  const bool mvcc = IsMVCCSnapshot(snapshot);
  const ChunkEntry &chunk = found->entry;
  const bool known = mvcc && row - chunk.first_row < chunk.rows;
  if (!known && !FindChunk(store, row, snapshot, found)) return false;
  const bool dirty = snapshot->snapshot_type == SNAPSHOT_DIRTY;
  const TransactionId creator = dirty ? snapshot->xmin : InvalidTransactionId;
  if (!OidIsValid(chunk.blob) && TransactionIdIsCurrentTransactionId(chunk.creator)) {
    FlushLoad(RelationGetRelid(store.rel));
    *found = {};
    return FetchColdRow(store, tid, snapshot, slot, found);
  }
  // What SERIALIZABLE looks at it locks: that is done for each row by itself.
  const bool look_ahead = known && !IsolationIsSerializable();
  const bool alive =
      mvcc ? IsAliveIn(store, row, snapshot, look_ahead, found) : IsAlive(store, row, snapshot);
  if (dirty) snapshot->xmin = creator;
  if (!alive || IsHole(store, chunk, row)) return false;
  if (slot != nullptr && OidIsValid(chunk.blob)) {
    StoreFound(store, tid, slot, chunk);
  } else if (slot != nullptr) {
    // Uniqueness is checked with a page of the index locked: there is no waiting here.
    StoreLoadingRow(slot, store.rel, tid, chunk.creator);
  }
  return true;
}

bool FindMovedRow(const Store &store, const ItemPointerData &tid, TransactionId mover,
                  ItemPointerData *cold) {
  if (store.toast == nullptr) return false;
  const MemoryContext context =
      AllocSetContextCreate(CurrentMemoryContext, "heliosdb moved row", ALLOCSET_DEFAULT_SIZES);
  const MemoryContext caller = MemoryContextSwitchTo(context);
  const BlockNumber block = ItemPointerGetBlockNumber(&tid);
  uint32 count;
  const ChunkEntry *entries = ListEntries(store, SnapshotAny, &count);
  ChunkReader *reader = ChunkReader::Make(context, store.rel, RelationGetDescr(store.rel));
  bool found = false;
  for (uint32 i = 0; i < count && !found; i++) {
    const ChunkEntry &entry = entries[i];
    if (!CanHaveMoved(entry, mover, block)) continue;
    reader->Open(entry);
    uint32 position;
    found = reader->FindSource(tid, &position);
    if (found) *cold = TidOf(entry.first_row + position);
  }
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(context);
  return found;
}

namespace {

// Who has moved the row in the slot, or is about to; invalid: nobody.
TransactionId MoverOf(TupleTableSlot *slot) {
  const BufferHeapTupleTableSlot &heap = AsHybridSlot(slot)->heap;
  if (!BufferIsValid(heap.buffer)) return InvalidTransactionId;
  LockBuffer(heap.buffer, BUFFER_LOCK_SHARE);
  const TransactionId mover = MoverIn(heap.base.tuple->t_data);
  LockBuffer(heap.buffer, BUFFER_LOCK_UNLOCK);
  return mover;
}

}  // namespace

void NoteHotRead(Relation rel, TupleTableSlot *slot, Snapshot snapshot) {
  if (!IsolationIsSerializable() || !IsMVCCSnapshot(snapshot)) return;
  const TransactionId mover = MoverOf(slot);
  if (!TransactionIdIsValid(mover)) return;
  PredicateLockRelation(rel, snapshot);
  if (!TransactionIdDidCommit(mover)) return;
  // Changes that have been made already: reading what became of the rows of the chunk finds who made them.
  const BlockNumber block = ItemPointerGetBlockNumber(&slot->tts_tid);
  Store store = OpenStore(rel, AccessShareLock);
  uint32 count = 0;
  const ChunkEntry *entries = ListEntries(store, SnapshotAny, &count);
  auto *gone = static_cast<uint64 *>(palloc0(NullBytes(kMaxChunkRows)));
  for (uint32 i = 0; i < count; i++) {
    const ChunkEntry &entry = entries[i];
    if (!CanHaveMoved(entry, mover, block)) continue;
    MarkGone(store, entry.first_row, entry.rows, snapshot, gone);
  }
  pfree(gone);
  CloseStore(&store);
}

IndexFetchTableData *BeginIndexFetch(Relation rel) {
  auto *fetch = static_cast<HybridFetch *>(palloc0(sizeof(HybridFetch)));
  fetch->heap.xs_base.rel = rel;
  fetch->heap.xs_cbuf = InvalidBuffer;
  return &fetch->heap.xs_base;
}

void ResetIndexFetch(IndexFetchTableData *base) { Heap()->index_fetch_reset(base); }

void EndIndexFetch(IndexFetchTableData *base) {
  HybridFetch *fetch = AsHybridFetch(base);
  if (fetch->found != nullptr) {
    CloseStore(&fetch->store);
    pfree(fetch->found);
  }
  Heap()->index_fetch_end(base);
}

bool FetchIndexTuple(IndexFetchTableData *base, ItemPointer tid, Snapshot snapshot,
                     TupleTableSlot *slot, bool *call_again, bool *all_dead) {
  HybridFetch *fetch = AsHybridFetch(base);
  if (!IsCold(*tid)) {
    AsHeapSlot as_heap(slot);
    const bool found = Heap()->index_fetch_tuple(base, tid, snapshot, slot, call_again, all_dead);
    as_heap.Restore();
    if (found) {
      fetch->counts.hot_rows++;
      NoteHotRead(base->rel, slot, snapshot);
    }
    return found;
  }
  *call_again = false;
  // An index entry of a cold row is only removed by vacuum, which warns standbys first.
  if (all_dead != nullptr) *all_dead = false;
  if (fetch->found == nullptr) {
    fetch->store = OpenStore(base->rel, AccessShareLock);
    fetch->found = static_cast<FoundChunk *>(
        MemoryContextAllocZero(GetMemoryChunkContext(fetch), 2 * kFoundPairs * sizeof(FoundChunk)));
  }
  if (fetch->store.toast == nullptr) return false;
  FoundChunk *found = PlaceOf(fetch->found, RowOf(*tid));
  if (!FetchColdRow(fetch->store, *tid, snapshot, slot, found)) return false;
  fetch->counts.cold_rows++;
  if (found->entry.blob != fetch->counted) fetch->counts.chunks++;
  fetch->counted = found->entry.blob;
  HybridSlot *hybrid = AsHybridSlot(slot);
  if (hybrid->filter == nullptr || TransactionIdIsValid(hybrid->loader)) return true;
  if (!fetch->computed) ComputeValues(hybrid->filter);
  fetch->computed = true;
  if (!CanSkipRow(hybrid->filter, hybrid->reader, hybrid->position)) return true;
  pgstat_count_heap_fetch(base->rel);
  CHECK_FOR_INTERRUPTS();
  return false;
}

ReadCounts CountsOf(IndexFetchTableData *fetch) { return AsHybridFetch(fetch)->counts; }

bool FetchRowVersion(Relation rel, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot) {
  if (!IsCold(*tid)) {
    AsHeapSlot as_heap(slot);
    const bool found = Heap()->tuple_fetch_row_version(rel, tid, snapshot, slot);
    as_heap.Restore();
    if (found) NoteHotRead(rel, slot, snapshot);
    return found;
  }
  if (!ItemPointerIsValid(tid)) return false;
  Store store = OpenStore(rel, AccessShareLock);
  if (store.toast == nullptr) return false;
  FoundChunk chunk = {};
  const bool found = FetchColdRow(store, *tid, snapshot, slot, &chunk);
  CloseStore(&store);
  return found;
}

bool IsTidValid(TableScanDesc scan, ItemPointer tid) {
  if (!ItemPointerIsValid(tid)) return false;
  if (!IsCold(*tid)) return Heap()->tuple_tid_valid(scan, tid);
  return ItemPointerGetOffsetNumber(tid) <= kRowsPerBlock;
}

void GetLatestTid(TableScanDesc scan, ItemPointer tid) {
  Relation rel = scan->rs_rd;
  Store store = OpenStore(rel, AccessShareLock);
  ItemPointerData at = *tid;
  if (!IsCold(at)) {
    // Versions that followed are too young to have moved while somebody holds this one's identifier.
    const TransactionId mover = MoverOf(rel, at);
    ChunkEntry chunk;
    if (!TransactionIdIsValid(mover) || !FindMovedRow(store, *tid, mover, &at) ||
        !FindEntry(store, RowOf(at), scan->rs_snapshot, &chunk)) {
      at = *tid;
    }
  }
  ItemPointerData next;
  TransactionId ender;
  while (IsCold(at) && store.toast != nullptr &&
         FindNext(store, at, scan->rs_snapshot, &next, &ender)) {
    if (!IsCold(next) && !IsMadeBy(rel, next, ender)) break;
    if (ItemPointerEquals(&next, &at)) break;
    at = next;
  }
  CloseStore(&store);
  if (!IsCold(at)) Heap()->tuple_get_latest_tid(scan, &at);
  *tid = at;
}

bool SatisfiesSnapshot(Relation rel, TupleTableSlot *slot, Snapshot snapshot) {
  if (IsCold(slot->tts_tid) && ItemPointerIsValid(&slot->tts_tid)) {
    Store store = OpenStore(rel, AccessShareLock);
    FoundChunk chunk = {};
    const bool seen = FetchColdRow(store, slot->tts_tid, snapshot, nullptr, &chunk);
    CloseStore(&store);
    return seen;
  }
  AsHeapSlot as_heap(slot);
  const bool seen = Heap()->tuple_satisfies_snapshot(rel, slot, snapshot);
  as_heap.Restore();
  return seen;
}

TransactionId DeleteIndexTuples(Relation rel, TM_IndexDeleteOp *operation) {
  int hot = 0;
  for (int i = 0; i < operation->ndeltids; i++) {
    if (!IsCold(operation->deltids[i].tid)) operation->deltids[hot++] = operation->deltids[i];
  }
  operation->ndeltids = hot;
  return hot > 0 ? Heap()->index_delete_tuples(rel, operation) : InvalidTransactionId;
}

}  // namespace helios::hybrid
