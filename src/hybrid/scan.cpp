#include "hybrid/scan.hpp"

#include "hybrid/core/row_bits.hpp"
#include "hybrid/fetch.hpp"
#include "hybrid/holes.hpp"
#include "hybrid/skip.hpp"
#include "hybrid/slot.hpp"
#include "hybrid/stand_in.hpp"

extern "C" {
#include "access/heapam.h"
#include "access/valid.h"
#include "miscadmin.h"
#include "nodes/tidbitmap.h"
#include "pgstat.h"
#include "storage/predicate.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>
#include <cstring>

namespace helios::hybrid {

namespace {

// Says whether a cold row fits the keys of a scan, of which only code inside the server makes use.
bool FitsKeys(TableScanDesc scan, TupleTableSlot *slot) {
  for (int i = 0; i < scan->rs_nkeys; i++) {
    ScanKey key = &scan->rs_key[i];
    bool isnull;
    if (key->sk_flags & SK_ISNULL) return false;
    const Datum value = slot_getattr(slot, key->sk_attno, &isnull);
    if (isnull) return false;
    if (!DatumGetBool(
            FunctionCall2Coll(&key->sk_func, key->sk_collation, value, key->sk_argument))) {
      return false;
    }
  }
  return true;
}

// What the plan has said of the rows that a slot is filled with; null: nothing, or that it is no slot of a plan.
ScanFilter *FilterOf(TupleTableSlot *slot) {
  return IsHybridSlot(slot) ? AsHybridSlot(slot)->filter : nullptr;
}

// Computes the values of a filter, once in a scan.
void ComputeFilter(HybridScan *scan, ScanFilter *filter) {
  if (!scan->computed) ComputeValues(filter);
  scan->computed = true;
}

// Takes the next chunk in the direction for this participant; false when there is none.
bool TakeChunk(HybridScan *scan, ScanDirection direction, uint32 *taken) {
  const ColdCursor &cold = scan->cold;
  TableScanDesc base = &scan->heap.rs_base;
  uint32 next;
  if (base->rs_parallel != nullptr) {
    auto *shared = reinterpret_cast<SharedScan *>(base->rs_parallel);
    next = pg_atomic_fetch_add_u32(&shared->next_chunk, 1);
    if (next >= cold.chunk_count) return false;
  } else if (ScanDirectionIsForward(direction)) {
    next = cold.chunk == cold.chunk_count ? 0 : cold.chunk + 1;
    if (next >= cold.chunk_count) return false;
  } else {
    if (cold.chunk_count == 0 || cold.chunk == 0) return false;
    next = cold.chunk - 1;
  }
  *taken = next;
  return true;
}

// Goes to the next chunk in the direction that may have a row that is asked for.
bool NextChunk(HybridScan *scan, ScanDirection direction, TupleTableSlot *slot) {
  ColdCursor &cold = scan->cold;
  TableScanDesc base = &scan->heap.rs_base;
  ScanFilter *filter = FilterOf(slot);
  uint32 next;
  while (TakeChunk(scan, direction, &next)) {
    CHECK_FOR_INTERRUPTS();
    if (filter != nullptr) {
      ComputeFilter(scan, filter);
      OpenChunk(slot, base->rs_rd, cold.chunks[next], Reads::kAll);
      if (CanSkip(*filter, AsHybridSlot(slot)->reader->meta())) {
        cold.chunks_skipped++;
        cold.chunk = next;
        continue;
      }
    }
    EnterChunk(base->rs_rd, &cold, next, base->rs_snapshot, ScanDirectionIsBackward(direction));
    return true;
  }
  return false;
}

bool NextCold(HybridScan *scan, ScanDirection direction, TupleTableSlot *slot) {
  TableScanDesc base = &scan->heap.rs_base;
  ScanFilter *filter = FilterOf(slot);
  ListChunks(scan);
  for (;;) {
    if (scan->cold.chunk < scan->cold.chunk_count) {
      while (NextInChunk(&scan->cold, direction)) {
        pgstat_count_heap_getnext(base->rs_rd);
        if (filter != nullptr) {
          OpenChunk(slot, base->rs_rd, scan->cold.chunks[scan->cold.chunk], Reads::kAll);
          const auto position = static_cast<uint32>(scan->cold.position);
          if (CanSkipRow(filter, AsHybridSlot(slot)->reader, position)) continue;
        }
        StoreAt(base->rs_rd, scan->cold, slot);
        if (FitsKeys(base, slot)) return true;
      }
    }
    if (!NextChunk(scan, direction, slot)) {
      scan->cold.chunk = scan->cold.chunk_count;
      return false;
    }
  }
}

bool NextHot(HybridScan *scan, ScanDirection direction, TupleTableSlot *slot) {
  AsHeapSlot as_heap(slot);
  const bool found = heap_getnextslot(&scan->heap.rs_base, direction, slot);
  as_heap.Restore();
  if (found) {
    scan->hot_rows++;
    NoteHotRead(scan->heap.rs_base.rs_rd, slot, scan->heap.rs_base.rs_snapshot);
  }
  return found;
}

}  // namespace

void ListChunks(HybridScan *scan) {
  if (scan->listed) return;
  TableScanDesc base = &scan->heap.rs_base;
  ColdCursor &cold = scan->cold;
  scan->listed = true;
  cold.chunk_count = 0;
  Store store = OpenStore(base->rs_rd, AccessShareLock);
  if (store.toast != nullptr) {
    const MemoryContext caller = MemoryContextSwitchTo(cold.context);
    cold.chunks = ListEntries(store, base->rs_snapshot, &cold.chunk_count);
    MemoryContextSwitchTo(caller);
    CloseStore(&store);
  }
  cold.chunk = cold.chunk_count;
}

void EnterChunk(Relation rel, ColdCursor *cursor, uint32 chunk, Snapshot snapshot, bool at_end) {
  const ChunkEntry &entry = cursor->chunks[chunk];
  if (cursor->gone == nullptr) {
    cursor->gone =
        static_cast<uint64 *>(MemoryContextAlloc(cursor->context, kChunkWords * sizeof(uint64)));
  }
  memset(cursor->gone, 0, kChunkWords * sizeof(uint64));
  Store store = OpenStore(rel, AccessShareLock);
  cursor->gone_count = MarkGone(store, entry.first_row, entry.rows, snapshot, cursor->gone);
  cursor->gone_count += MarkHoles(store, entry, cursor->gone);
  CloseStore(&store);
  cursor->chunk = chunk;
  cursor->chunks_seen++;
  cursor->position = at_end ? int64{entry.rows} : -1;
}

bool NextInChunk(ColdCursor *cursor, ScanDirection direction) {
  const int64 rows = cursor->chunks[cursor->chunk].rows;
  const int64 step = ScanDirectionIsForward(direction) ? 1 : -1;
  int64 next = cursor->position + step;
  if (cursor->gone_count > 0) {
    while (next >= 0 && next < rows && GetBit(cursor->gone, next)) next += step;
  }
  cursor->position = next;
  if (next < 0 || next >= rows) return false;
  cursor->rows_seen++;
  return true;
}

void StoreAt(Relation rel, const ColdCursor &cursor, TupleTableSlot *slot) {
  const ChunkEntry &entry = cursor.chunks[cursor.chunk];
  OpenChunk(slot, rel, entry, Reads::kAll);
  StoreColdRow(slot, rel, static_cast<uint32>(cursor.position));
}

TableScanDesc BeginScan(Relation rel, Snapshot snapshot, int nkeys, ScanKeyData *key,
                        ParallelTableScanDesc parallel, uint32 flags) {
  auto *heap =
      reinterpret_cast<HeapScanDesc>(heap_beginscan(rel, snapshot, nkeys, key, parallel, flags));
  auto *scan = static_cast<HybridScan *>(palloc0(sizeof(HybridScan)));
  memcpy(&scan->heap, heap, sizeof(HeapScanDescData));
  pfree(heap);
  scan->phase = Phase::kStart;
  scan->cold.context = CurrentMemoryContext;
  return &scan->heap.rs_base;
}

void EndScan(TableScanDesc base) {
  HybridScan *scan = AsHybridScan(base);
  if (scan->cold.chunks != nullptr) pfree(scan->cold.chunks);
  if (scan->cold.gone != nullptr) pfree(scan->cold.gone);
  heap_endscan(base);
}

void Rescan(TableScanDesc base, ScanKeyData *key, bool set_params, bool allow_strat,
            bool allow_sync, bool allow_pagemode) {
  HybridScan *scan = AsHybridScan(base);
  heap_rescan(base, key, set_params, allow_strat, allow_sync, allow_pagemode);
  scan->phase = Phase::kStart;
  scan->computed = false;
  scan->cold.chunk = scan->cold.chunk_count;
  scan->bitmap_chunk_found = false;
}

bool GetNextSlot(TableScanDesc base, ScanDirection direction, TupleTableSlot *slot) {
  HybridScan *scan = AsHybridScan(base);
  const bool forward = ScanDirectionIsForward(direction);
  if (scan->phase == Phase::kStart) scan->phase = forward ? Phase::kHot : Phase::kEnd;
  for (;;) {
    switch (scan->phase) {
      case Phase::kHot:
        if (NextHot(scan, direction, slot)) return true;
        if (!forward) {
          scan->phase = Phase::kStart;
          return false;
        }
        scan->phase = Phase::kCold;
        break;
      case Phase::kCold:
        if (NextCold(scan, direction, slot)) return true;
        if (forward) {
          scan->phase = Phase::kEnd;
          ExecClearTuple(slot);
          return false;
        }
        scan->phase = Phase::kHot;
        break;
      default:
        // Behind the end: only the way back leads anywhere.
        if (forward) {
          ExecClearTuple(slot);
          return false;
        }
        scan->phase = Phase::kCold;
    }
  }
}

Size ParallelEstimate(Relation) { return sizeof(SharedScan); }

Size ParallelInitialize(Relation rel, ParallelTableScanDesc parallel) {
  table_block_parallelscan_initialize(rel, parallel);
  pg_atomic_init_u32(&reinterpret_cast<SharedScan *>(parallel)->next_chunk, 0);
  return sizeof(SharedScan);
}

void ParallelReinitialize(Relation rel, ParallelTableScanDesc parallel) {
  table_block_parallelscan_reinitialize(rel, parallel);
  pg_atomic_write_u32(&reinterpret_cast<SharedScan *>(parallel)->next_chunk, 0);
}

bool BitmapNextBlock(TableScanDesc base, TBMIterateResult *page) {
  HybridScan *scan = AsHybridScan(base);
  scan->bitmap_cold = IsCold(page->blockno);
  if (!scan->bitmap_cold) return Heap()->scan_bitmap_next_block(base, page);
  Relation rel = base->rs_rd;
  const RowNumber first = FirstRowOf(page->blockno);
  scan->bitmap_count = 0;
  scan->bitmap_next = 0;
  Store store = OpenStore(rel, AccessShareLock);
  if (store.toast == nullptr) return false;
  ChunkEntry &chunk = scan->bitmap_chunk;
  if (!scan->bitmap_chunk_found || first - chunk.first_row >= chunk.rows) {
    scan->bitmap_chunk_found = FindEntry(store, first, base->rs_snapshot, &chunk);
    if (scan->bitmap_chunk_found) scan->cold.chunks_seen++;
  }
  if (scan->bitmap_chunk_found) {
    const auto in_chunk = static_cast<uint32>(first - chunk.first_row);
    const uint32 rows = std::min(kRowsPerBlock, chunk.rows - in_chunk);
    uint64 gone[WordsFor(MaxHeapTuplesPerPage)] = {};
    MarkGone(store, first, rows, base->rs_snapshot, gone);
    for (uint32 row = 0; chunk.holes > 0 && row < rows; row++) {
      if (IsHole(store, chunk, first + row)) SetBit(gone, row);
    }
    const auto take = [&](uint32 row) {
      if (row < rows && !GetBit(gone, row)) {
        scan->bitmap_rows[scan->bitmap_count++] = in_chunk + row;
      }
    };
    if (page->ntuples >= 0) {
      for (int i = 0; i < page->ntuples; i++) take(page->offsets[i] - FirstOffsetNumber);
    } else {
      for (uint32 row = 0; row < rows; row++) take(row);
    }
  }
  CloseStore(&store);
  return scan->bitmap_count > 0;
}

bool BitmapNextTuple(TableScanDesc base, TBMIterateResult *page, TupleTableSlot *slot) {
  HybridScan *scan = AsHybridScan(base);
  if (!scan->bitmap_cold) {
    AsHeapSlot as_heap(slot);
    const bool found = Heap()->scan_bitmap_next_tuple(base, page, slot);
    as_heap.Restore();
    if (found) {
      scan->hot_rows++;
      NoteHotRead(base->rs_rd, slot, base->rs_snapshot);
    }
    return found;
  }
  ScanFilter *filter = FilterOf(slot);
  if (filter != nullptr) ComputeFilter(scan, filter);
  while (scan->bitmap_next < scan->bitmap_count) {
    const uint32 position = scan->bitmap_rows[scan->bitmap_next++];
    OpenChunk(slot, base->rs_rd, scan->bitmap_chunk, Reads::kSparse);
    scan->cold.rows_seen++;
    pgstat_count_heap_fetch(base->rs_rd);
    if (filter != nullptr && CanSkipRow(filter, AsHybridSlot(slot)->reader, position)) continue;
    StoreColdRow(slot, base->rs_rd, position);
    return true;
  }
  return false;
}

}  // namespace helios::hybrid
