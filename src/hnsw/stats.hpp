// Looking at an index from SQL: which one, with what right, and what its pages hold.
#pragma once

#include "hnsw/page.hpp"

namespace helios::hnsw {

// An index and its table, both locked with AccessShareLock.
struct InspectedIndex {
  Relation heap;
  Relation index;
};

// Opens a valid hnsw index that the caller may inspect: SELECT on its table is required. Raises
// ERRCODE_WRONG_OBJECT_TYPE for other relations, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE for an
// invalid index.
InspectedIndex OpenForInspection(Oid index);

// Closes both; the locks go too, as nothing that was read can be relied upon later.
void CloseInspected(const InspectedIndex &opened);

// What the node pages hold.
struct NodeCounts {
  int64 nodes;       // in the graph
  int64 vectors;     // rows: nodes and duplicates that have one
  int64 dead;        // left by an interrupted vacuum
  int64 free_slots;  // given back by vacuum
};

// Counts exactly, page by page under share locks.
NodeCounts CountNodes(Relation index);

}  // namespace helios::hnsw
