// A scan of a hybrid table: hot rows as heapam scans them, then cold ones, chunk by chunk.
//
//   HybridScan | HeapScanDescData: what heapam takes | chunks of the snapshot, the place in them |
#pragma once

#include "hybrid/am.hpp"
#include "hybrid/store.hpp"

extern "C" {
#include "access/relscan.h"
#include "port/atomics.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// What a scan has read, for EXPLAIN.
struct ReadCounts {
  uint64 hot_rows;
  uint64 cold_rows;
  uint64 chunks;
  uint64 skipped;  // chunks that cannot have a row that is asked for
};

// The chunks that a snapshot sees, and which of the rows of one of them.
struct ColdCursor {
  MemoryContext context;
  ChunkEntry *chunks;
  uint32 chunk_count;
  uint32 chunk;    // that `gone` is of; chunk_count: none
  int64 position;  // of the last row given out; -1, rows of the chunk: before, behind all
  uint64 *gone;    // rows of the chunk that are not seen
  uint32 gone_count;
  uint64 rows_seen;  // for EXPLAIN
  uint64 chunks_seen;
  uint64 chunks_skipped;
};

enum class Phase : uint8 { kStart, kHot, kCold, kEnd };

struct HybridScan {
  HeapScanDescData heap;
  Phase phase;
  bool listed;
  bool computed;    // the values of the slot's filter are those of this scan
  uint64 hot_rows;  // for EXPLAIN
  ColdCursor cold;
  // Bitmap scans: rows of the block that are seen, by their positions in the chunk.
  uint32 bitmap_rows[MaxHeapTuplesPerPage];
  int bitmap_count;
  int bitmap_next;
  bool bitmap_cold;
  ChunkEntry bitmap_chunk;
  bool bitmap_chunk_found;
  // Samples: cold rows, counted through all chunks, that belong to the block.
  bool sample_hot;  // rows of the heap page come first
  uint64 sample_next;
  uint64 sample_end;
  uint32
      sample_chunk;  // ANALYZE: where the last row was, and how many rows are in the chunks before
  uint64 sample_before;
  BlockNumber sample_block;  // of hot and cold blocks in one row
  RowNumber sample_first;    // TABLESAMPLE: first row of the block
  uint32 sample_rows;
};

// The part of a parallel scan that all participants see: heapam's, and the next chunk to be taken.
struct SharedScan {
  ParallelBlockTableScanDescData heap;
  pg_atomic_uint32 next_chunk;
};

inline HybridScan *AsHybridScan(TableScanDesc scan) { return reinterpret_cast<HybridScan *>(scan); }

inline ReadCounts CountsOf(TableScanDesc base) {
  const HybridScan *scan = AsHybridScan(base);
  return {scan->hot_rows, scan->cold.rows_seen, scan->cold.chunks_seen, scan->cold.chunks_skipped};
}

// Lists the chunks of the scan's snapshot, once.
void ListChunks(HybridScan *scan);
// Goes to a chunk, before its first or behind its last row.
void EnterChunk(Relation rel, ColdCursor *cursor, uint32 chunk, Snapshot snapshot, bool at_end);
// Goes to the next row of the chunk that is seen; false at its end.
bool NextInChunk(ColdCursor *cursor, ScanDirection direction);
// Stores the row where the cursor is.
void StoreAt(Relation rel, const ColdCursor &cursor, TupleTableSlot *slot);

}  // namespace helios::hybrid
