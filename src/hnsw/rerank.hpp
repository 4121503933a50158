// The order in which found rows are handed out; for codes, the exact order: vectors are fetched
// from the table, only as many as the order needs.
//
//   waiting   hits by the lower end of their estimate  --fetch-->  fetched   hits by exact distance  --emit-->
//
// A row is emitted once its exact distance is below the lower end of every waiting estimate, so
// tight codes (scalar) cost few fetches more than the rows returned, and coarse ones are compared
// in full. In strict order, and wherever codes guide the walk, it also waits until it is nearer
// than what the next batch will likely bring.
#pragma once

#include "hnsw/walk.hpp"
#include "pg/toast.hpp"

#include <cmath>
#include <vector>

extern "C" {
#include "access/relscan.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

// Reads the indexed value of table rows under the scan's snapshot; lives in the scan's memory
// context.
class HeapReader {
 public:
  // `query` must outlive the reader.
  void Open(IndexScanDesc scan, const ItemSpace &space, Datum query);
  // Exact working distance of the row at `tid`; false when the snapshot does not see it.
  bool Distance(ItemPointerData tid, float *distance);
  void Close();
  bool opened() const { return fetch_ != nullptr; }

 private:
  IndexScanDesc scan_ = nullptr;
  ItemSpace space_{};
  Datum query_ = 0;
  IndexFetchTableData *fetch_ = nullptr;
  TupleTableSlot *slot_ = nullptr;
  IndexInfo *info_ = nullptr;
  EState *estate_ = nullptr;
  MemoryContext row_context_ = nullptr;
  pg::ToastReader toast_;
};

class Reranker {
 public:
  // Forgets everything; exact = false keeps the order of the estimates and fetches nothing.
  void Start(bool exact, bool strict);
  // Adds one batch; refine asks for precise estimates of codes, of which only the `limit` best are
  // kept (0: all), the others go back to the walker.
  void AddBatch(Walker *walker, const std::vector<Hit> &batch, bool refine, size_t limit);
  // Tells that no batch follows.
  void Finish() { boundary_ = INFINITY; }
  // Takes the next visible row in order with its distance (exact, or estimated); false when another
  // batch is needed.
  bool Next(Walker *walker, HeapReader *reader, Hit *hit, float *distance);

 private:
  struct Waiting {
    Hit hit;
    Estimate estimate;
    float lower() const { return estimate.distance - estimate.error; }
  };
  void AddChain(Walker *walker, const Waiting &from);
  bool Beyond(const Waiting &entry) const {
    return allowance_ == 0 && entry.estimate.distance > boundary_;
  }
  static bool LaterWaiting(const Waiting &a, const Waiting &b);
  static bool LaterFetched(const Waiting &a, const Waiting &b);

  bool exact_ = true;
  bool strict_ = true;
  bool first_ = true;             // no batch was added yet
  size_t allowance_ = 0;          // rows that go out whatever the boundary
  float boundary_ = INFINITY;     // what is farther must wait for the next batch
  std::vector<Waiting> waiting_;  // heap by lower end
  std::vector<Waiting> fetched_;  // heap by exact distance
};

}  // namespace helios::hnsw
