// Single rows by their identifiers.
#pragma once

#include "hybrid/scan.hpp"
#include "hybrid/store.hpp"

extern "C" {
#include "executor/tuptable.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// A chunk that was found under a snapshot; its entry's `rows` are 0: none.
struct FoundChunk {
  ChunkEntry entry;
  RowNumber alive_from;  // rows [alive_from, alive_to) are known to be seen
  RowNumber alive_to;
};

// Finds a cold row as the snapshot sees it, and stores it in `slot` unless that is null. `found` is what an earlier
// call has found under the snapshot, of this or another chunk, or all 0.
bool FetchColdRow(const Store &store, const ItemPointerData &tid, Snapshot snapshot,
                  TupleTableSlot *slot, FoundChunk *found);

// Finds where a row went that was hot at `tid` until `mover` moved it.
bool FindMovedRow(const Store &store, const ItemPointerData &tid, TransactionId mover,
                  ItemPointerData *cold);

// What was read by an index so far.
ReadCounts CountsOf(IndexFetchTableData *fetch);

// Notes for SERIALIZABLE that the snapshot sees the hot row in the slot. If it has moved, or is about to, those
// who change it do so where it is cold.
void NoteHotRead(Relation rel, TupleTableSlot *slot, Snapshot snapshot);

}  // namespace helios::hybrid
