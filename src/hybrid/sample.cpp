// Samples of hot and cold rows in proportion: ANALYZE and TABLESAMPLE.
//
// ANALYZE takes blocks of the main fork. Each stands for its share of the cold rows too: block b of n for
// rows [b * cold / n, (b + 1) * cold / n) of all chunks in a row.
#include "hybrid/am.hpp"
#include "hybrid/core/row_bits.hpp"
#include "hybrid/fetch.hpp"
#include "hybrid/scan.hpp"
#include "hybrid/slot.hpp"
#include "hybrid/stand_in.hpp"

extern "C" {
#include "access/tsmapi.h"
#include "nodes/execnodes.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>

namespace helios::hybrid {

namespace {

uint64 ColdRows(const ColdCursor &cold) {
  uint64 rows = 0;
  for (uint32 i = 0; i < cold.chunk_count; i++) rows += cold.chunks[i].rows;
  return rows;
}

uint32 BlocksOf(const ChunkEntry &chunk) {
  return (chunk.rows + kRowsPerBlock - 1) / kRowsPerBlock;
}

// Goes to the row that is the `ordinal`-th of all chunks; ordinals ascend.
void EnterRow(HybridScan *scan, uint64 ordinal) {
  ColdCursor &cold = scan->cold;
  while (ordinal - scan->sample_before >= cold.chunks[scan->sample_chunk].rows) {
    scan->sample_before += cold.chunks[scan->sample_chunk++].rows;
  }
  if (cold.chunk != scan->sample_chunk) {
    EnterChunk(scan->heap.rs_base.rs_rd, &cold, scan->sample_chunk, scan->heap.rs_base.rs_snapshot,
               false);
  }
  cold.position = static_cast<int64>(ordinal - scan->sample_before);
}

bool IsGone(const ColdCursor &cold, uint32 position) {
  return cold.gone_count > 0 && GetBit(cold.gone, position);
}

}  // namespace

bool AnalyzeNextBlock(TableScanDesc base, BlockNumber block, BufferAccessStrategy strategy) {
  HybridScan *scan = AsHybridScan(base);
  if (!scan->listed) {
    // A scan for ANALYZE comes without a snapshot; that of the command sees the chunks of now.
    base->rs_snapshot = GetActiveSnapshot();
    ListChunks(scan);
  }
  const uint64 rows = ColdRows(scan->cold);
  const BlockNumber blocks = std::max<BlockNumber>(scan->heap.rs_nblocks, 1);
  scan->sample_next = rows * block / blocks;
  scan->sample_end = rows * (uint64{block} + 1) / blocks;
  scan->sample_hot = true;
  return Heap()->scan_analyze_next_block(base, block, strategy);
}

bool AnalyzeNextTuple(TableScanDesc base, TransactionId oldest_xmin, double *live_rows,
                      double *dead_rows, TupleTableSlot *slot) {
  HybridScan *scan = AsHybridScan(base);
  if (scan->sample_hot) {
    AsHeapSlot as_heap(slot);
    scan->sample_hot =
        Heap()->scan_analyze_next_tuple(base, oldest_xmin, live_rows, dead_rows, slot);
    as_heap.Restore();
    if (scan->sample_hot) return true;
  }
  while (scan->sample_next < scan->sample_end) {
    CHECK_FOR_INTERRUPTS();
    EnterRow(scan, scan->sample_next++);
    if (IsGone(scan->cold, static_cast<uint32>(scan->cold.position))) {
      *dead_rows += 1;
      continue;
    }
    *live_rows += 1;
    StoreAt(base->rs_rd, scan->cold, slot);
    return true;
  }
  ExecClearTuple(slot);
  return false;
}

bool SampleNextBlock(TableScanDesc base, SampleScanState *state) {
  HybridScan *scan = AsHybridScan(base);
  ListChunks(scan);
  const BlockNumber hot = scan->heap.rs_nblocks;
  BlockNumber total = hot;
  for (uint32 i = 0; i < scan->cold.chunk_count; i++) total += BlocksOf(scan->cold.chunks[i]);
  if (total == 0) return false;
  BlockNumber block;
  if (state->tsmroutine->NextSampleBlock != nullptr) {
    block = state->tsmroutine->NextSampleBlock(state, total);
  } else {
    block = scan->phase == Phase::kStart ? 0 : scan->sample_block + 1;
    if (block >= total) block = InvalidBlockNumber;
  }
  scan->phase = Phase::kHot;
  scan->sample_block = block;
  scan->sample_hot = BlockNumberIsValid(block) && block < hot;
  if (scan->sample_hot) {
    heapgetpage(base, block);
    scan->heap.rs_inited = true;
    return true;
  }
  if (BufferIsValid(scan->heap.rs_cbuf)) ReleaseBuffer(scan->heap.rs_cbuf);
  scan->heap.rs_cbuf = InvalidBuffer;
  scan->heap.rs_cblock = InvalidBlockNumber;
  scan->heap.rs_inited = false;
  if (!BlockNumberIsValid(block)) {
    scan->phase = Phase::kStart;
    return false;
  }
  BlockNumber rest = block - hot;
  uint32 chunk = 0;
  while (rest >= BlocksOf(scan->cold.chunks[chunk])) rest -= BlocksOf(scan->cold.chunks[chunk++]);
  if (scan->cold.chunk != chunk) {
    EnterChunk(base->rs_rd, &scan->cold, chunk, base->rs_snapshot, false);
  }
  scan->sample_first = RowNumber{rest} * kRowsPerBlock;
  scan->sample_rows = std::min<uint32>(
      kRowsPerBlock, scan->cold.chunks[chunk].rows - static_cast<uint32>(scan->sample_first));
  return true;
}

bool SampleNextTuple(TableScanDesc base, SampleScanState *state, TupleTableSlot *slot) {
  HybridScan *scan = AsHybridScan(base);
  if (scan->sample_hot) {
    AsHeapSlot as_heap(slot);
    const bool found = Heap()->scan_sample_next_tuple(base, state, slot);
    as_heap.Restore();
    if (found) {
      scan->hot_rows++;
      NoteHotRead(base->rs_rd, slot, base->rs_snapshot);
    }
    return found;
  }
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    const OffsetNumber offset = state->tsmroutine->NextSampleTuple(
        state, scan->sample_block, static_cast<OffsetNumber>(scan->sample_rows));
    if (!OffsetNumberIsValid(offset)) {
      ExecClearTuple(slot);
      return false;
    }
    scan->cold.position = static_cast<int64>(scan->sample_first) + offset - FirstOffsetNumber;
    if (IsGone(scan->cold, static_cast<uint32>(scan->cold.position))) continue;
    StoreAt(base->rs_rd, scan->cold, slot);
    scan->cold.rows_seen++;
    pgstat_count_heap_getnext(base->rs_rd);
    return true;
  }
}

}  // namespace helios::hybrid
