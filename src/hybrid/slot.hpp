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

namespace helios::hybrid {

struct HybridSlot {
  BufferHeapTupleTableSlot heap;
  ChunkReader *reader;  // of cold rows; lives as long as the slot
  bool cold;            // the row is position `position` of the chunk that `reader` has open
  uint32 position;
  const Bitmapset *needed;  // columns that somebody looks at, by attnum - 1; null: all
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

// The reader of a slot's cold rows; made at first use.
ChunkReader *ReaderOf(TupleTableSlot *slot, Relation rel);

// Stores row `position` of the chunk that the slot's reader has open.
void StoreColdRow(TupleTableSlot *slot, Relation rel, uint32 position);

}  // namespace helios::hybrid
