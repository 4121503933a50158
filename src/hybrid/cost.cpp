#include "hybrid/cost.hpp"

#include "hybrid/columns.hpp"
#include "hybrid/reader_cache.hpp"
#include "hybrid/size.hpp"

extern "C" {
#include "nodes/bitmapset.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/restrictinfo.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>

namespace helios::hybrid {

namespace {

// What PostgreSQL does not count of heap pages, since it is the same for all plans, differs for cold rows: each value that
// is needed is decoded, in a scan as one of a vector, for single rows by itself. In cpu_operator_cost, by measurement
// (bench/hybrid); a single row has its place looked up first.
constexpr double kScannedValue = 1;
constexpr double kSingleValue = 3;
constexpr double kSingleRow = 10;

// What a table's cold rows are like to the planner.
struct ColdRows {
  double rows;
  double share;       // of all rows
  double miss;        // probability that a chunk is not kept by the session
  double chunk_cost;  // of reading the columns that are needed of a chunk
  double chunks;
  double needed;  // columns
};

// How many columns of a table its scans read.
double NeededColumns(const RelOptInfo *rel) {
  const auto at = [&](int attribute) { return attribute - rel->min_attr; };
  Bitmapset *columns = nullptr;
  const bool known =
      AddColumnsOf(reinterpret_cast<Node *>(extract_actual_clauses(rel->baserestrictinfo, false)),
                   rel->relid, &columns);
  if (!known || !bms_is_empty(rel->attr_needed[at(0)])) return rel->max_attr;
  double needed = 0;
  for (int a = 1; a <= rel->max_attr; a++) {
    if (!bms_is_empty(rel->attr_needed[at(a)]) || bms_is_member(a - 1, columns)) needed++;
  }
  return needed;
}

// What scanning all rows costs more than the planner has thought.
Cost ScanSurcharge(const ColdRows &cold) {
  return cold.rows * cold.needed * kScannedValue * cpu_operator_cost;
}

// What fetching rows by an index does.
Cost FetchSurcharge(const ColdRows &cold, double fetched) {
  const double rows = fetched * cold.share;
  return rows * (kSingleRow + cold.needed * kSingleValue) * cpu_operator_cost +
         std::min(rows, cold.chunks) * cold.miss * cold.chunk_cost;
}

// Makes a path dearer by the cold rows that it reads.
void Charge(Path *path, const RelOptInfo *rel, const ColdRows &cold) {
  double selectivity;
  if (path->pathtype == T_SeqScan) {
    // A participant of a parallel scan reads as much less as it gives.
    const double part = path->parallel_workers > 0 ? path->rows / rel->rows : 1;
    path->total_cost += ScanSurcharge(cold) * part;
    return;
  }
  if (IsA(path, IndexPath)) {
    selectivity = reinterpret_cast<IndexPath *>(path)->indexselectivity;
  } else if (IsA(path, BitmapHeapPath)) {
    Cost ignored;
    cost_bitmap_tree_node(reinterpret_cast<BitmapHeapPath *>(path)->bitmapqual, &ignored,
                          &selectivity);
  } else {
    return;
  }
  path->total_cost += FetchSurcharge(cold, selectivity * rel->tuples);
}

}  // namespace

void CostColdRows(PlannerInfo *root, RelOptInfo *rel, Relation table) {
  const ColdSize size = ColdSizeOf(table);
  if (size.rows == 0 || rel->tuples <= 0) return;
  ColdRows cold;
  cold.rows = static_cast<double>(size.rows);
  cold.share = std::min(1.0, cold.rows / rel->tuples);
  cold.chunks = size.chunks;
  cold.miss =
      std::max(0.0, 1 - static_cast<double>(ReaderCacheBytes()) / static_cast<double>(size.bytes));
  cold.needed = NeededColumns(rel);
  cold.chunk_cost = static_cast<double>(size.bytes) / size.chunks / BLCKSZ *
                    std::max(cold.needed, 1.0) / rel->max_attr * seq_page_cost;
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
  Path *scan = create_seqscan_path(root, rel, rel->lateral_relids, 0);
  Charge(scan, rel, cold);
  add_path(rel, scan);
  foreach (cell, partial) {
    Charge(static_cast<Path *>(lfirst(cell)), rel, cold);
    add_partial_path(rel, static_cast<Path *>(lfirst(cell)));
  }
}

}  // namespace helios::hybrid
