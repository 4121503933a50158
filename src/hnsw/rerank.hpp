// Exact order for rows found by their codes: fetches vectors from the table, only as many as the order needs.
//
//   waiting   hits by the lower end of their estimate  --fetch-->  fetched   hits by exact distance  --emit-->
//
// A row is emitted once its exact distance is below the lower end of every waiting estimate, so tight codes
// (scalar) cost few fetches more than the rows returned, and coarse ones are compared in full.
#pragma once

#include "hnsw/walk.hpp"

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

// Reads the indexed value of table rows under the scan's snapshot; lives in the scan's memory context.
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
};

class Reranker {
 public:
  void Clear();
  // Adds one batch: estimates are refined, and only the `limit` best are kept (0: all), the others go back to the
  // walker. exact = false keeps the order of the estimates and fetches nothing.
  void AddBatch(Walker *walker, const std::vector<Hit> &batch, size_t limit, bool exact);
  // Takes the next visible row in order with its distance (exact, or estimated); false when this batch has no more.
  bool Next(Walker *walker, HeapReader *reader, Hit *hit, float *distance);

 private:
  struct Waiting {
    Hit hit;
    Estimate estimate;
    float lower() const { return estimate.distance - estimate.error; }
  };
  static bool LaterWaiting(const Waiting &a, const Waiting &b);
  static bool LaterFetched(const Waiting &a, const Waiting &b);

  bool exact_ = true;
  std::vector<Waiting> waiting_;  // heap by lower end
  std::vector<Waiting> fetched_;  // heap by exact distance
};

}  // namespace helios::hnsw
