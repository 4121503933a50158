// The slot of hybrid tables: what the executor holds a row in.
//
//   HybridSlot | BufferHeapTupleTableSlot: a row of a heap page, or values that were stored in it |
//              | cold: where a row of a chunk is found, until its columns are asked for         |
//
// It begins as the slot of heapam, so that functions of heapam fill it; they want to see their own
// operations in it while they do (AsHeapSlot).
#pragma once

#include "hybrid/chunk_reader.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
}
#undef Min
#undef Max
#undef Abs

#include <span>

namespace helios::hybrid {

struct ScanFilter;  // skip.hpp

struct HybridSlot {
  BufferHeapTupleTableSlot heap;
  ChunkReader *reader;  // of cold rows
  bool borrowed;        // it is the session's (reader_cache.hpp), not the slot's own
  bool cold;            // the row is position `position` of the chunk that `reader` has open
  uint32 position;
  TransactionId loader;  // whose end to wait for before the row can be read; invalid: it can be
  // Columns that somebody looks at, by attnum - 1; null: not listed yet.
  std::span<const int> columns;
  ScanFilter *filter;  // of the scan that the slot is of; null: none
};

extern const TupleTableSlotOps kHybridSlotOps;

inline bool IsHybridSlot(const TupleTableSlot *slot) { return slot->tts_ops == &kHybridSlotOps; }
inline HybridSlot *AsHybridSlot(TupleTableSlot *slot) {
  return reinterpret_cast<HybridSlot *>(slot);
}

// Makes a slot look like heapam's own for a call of heapam.
class AsHeapSlot {
 public:
  explicit AsHeapSlot(TupleTableSlot *slot);
  void Restore();

 private:
  TupleTableSlot *slot_;
};

// Says which columns of cold rows somebody looks at, by attnum - 1; null: all. The others are null.
void ReadColumns(TupleTableSlot *slot, const Bitmapset *columns);

// How rows of a chunk are going to be read.
enum class Reads { kAll, kSparse };

// Opens a chunk for the cold rows of a slot. For single rows the session keeps it open.
void OpenChunk(TupleTableSlot *slot, Relation rel, const ChunkEntry &chunk, Reads reads);

// Stores row `position` of the chunk that the slot has open.
void StoreColdRow(TupleTableSlot *slot, Relation rel, uint32 position);

// Stores a cold row that `loader` has not written yet; who looks at its columns waits for that.
void StoreLoadingRow(TupleTableSlot *slot, Relation rel, const ItemPointerData &tid,
                     TransactionId loader);

}  // namespace helios::hybrid
