#include "hybrid/cost.hpp"

#include "hybrid/reader_cache.hpp"
#include "hybrid/size.hpp"

extern "C" {
#include "nodes/bitmapset.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>

namespace helios::hybrid {

namespace {

// A cold row that an index leads to, in a chunk that is kept: a look for its stand-in, and a value of each
// column decoded. By measurement (bench/hybrid) that is little beside a page fetched at random.
constexpr double kFetchInPages = 0.025;

// What a table's cold rows are like to the planner.
struct ColdRows {
  double share;       // of all rows
  double miss;        // probability that a chunk is not kept by the session
  double chunk_cost;  // of reading the columns that are needed of a chunk
  double chunks;
};

// The part of a table's columns that its scans read.
double NeededShare(const RelOptInfo *rel) {
  int needed = 0;
  int columns = 0;
  for (int a = std::max<int>(rel->min_attr, 1); a <= rel->max_attr; a++) {
    columns++;
    if (!bms_is_empty(rel->attr_needed[a - rel->min_attr])) needed++;
  }
  return columns == 0 ? 1 : static_cast<double>(std::max(needed, 1)) / columns;
}

// What fetching rows by an index costs more than the planner has thought.
Cost Surcharge(const ColdRows &cold, double fetched) {
  const double rows = fetched * cold.share;
  return rows * kFetchInPages * random_page_cost +
         std::min(rows, cold.chunks) * cold.miss * cold.chunk_cost;
}

// Makes a path dearer by what it fetches.
void Charge(Path *path, const RelOptInfo *rel, const ColdRows &cold) {
  double selectivity;
  if (IsA(path, IndexPath)) {
    selectivity = reinterpret_cast<IndexPath *>(path)->indexselectivity;
  } else if (IsA(path, BitmapHeapPath)) {
    Cost ignored;
    cost_bitmap_tree_node(reinterpret_cast<BitmapHeapPath *>(path)->bitmapqual, &ignored,
                          &selectivity);
  } else {
    return;
  }
  path->total_cost += Surcharge(cold, selectivity * rel->tuples);
}

}  // namespace

void CostColdRows(PlannerInfo *root, RelOptInfo *rel, Relation table) {
  const ColdSize size = ColdSizeOf(table);
  if (size.rows == 0 || rel->tuples <= 0) return;
  ColdRows cold;
  cold.share = std::min(1.0, static_cast<double>(size.rows) / rel->tuples);
  cold.chunks = size.chunks;
  cold.miss =
      std::max(0.0, 1 - static_cast<double>(ReaderCacheBytes()) / static_cast<double>(size.bytes));
  cold.chunk_cost =
      static_cast<double>(size.bytes) / size.chunks / BLCKSZ * NeededShare(rel) * seq_page_cost;
  List *paths = rel->pathlist;
  List *partial = rel->partial_pathlist;
  rel->pathlist = NIL;
  rel->partial_pathlist = NIL;
  ListCell *cell;
  foreach (cell, paths) {
    Charge(static_cast<Path *>(lfirst(cell)), rel, cold);
    add_path(rel, static_cast<Path *>(lfirst(cell)));
  }
  // It may have lost against a path that has become dearer.
  add_path(rel, create_seqscan_path(root, rel, rel->lateral_relids, 0));
  foreach (cell, partial) {
    Charge(static_cast<Path *>(lfirst(cell)), rel, cold);
    add_partial_path(rel, static_cast<Path *>(lfirst(cell)));
  }
}

}  // namespace helios::hybrid
