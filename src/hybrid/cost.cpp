#include "hybrid/cost.hpp"

#include "hybrid/columns.hpp"
#include "hybrid/reader_cache.hpp"
#include "hybrid/size.hpp"
#include "hybrid/skip.hpp"

extern "C" {
#include "access/htup_details.h"
#include "catalog/pg_statistic.h"
#include "nodes/bitmapset.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/restrictinfo.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>
#include <cmath>
#include <utility>

namespace helios::hybrid {

namespace {

// What PostgreSQL does not count of heap pages, since it is the same for all plans, differs for cold rows: each value that
// is needed is decoded, in a scan as one of a vector, for single rows by itself. In cpu_operator_cost, by measurement
// (bench/hybrid); a single row has its place looked up first.
constexpr double kScannedValue = 1;
constexpr double kSingleValue = 3;
constexpr double kSingleRow = 10;
// Besides a page, where the chunk says what it has.
constexpr double kSkippedChunk = 100;

// What a table's cold rows are like to the planner.
struct ColdRows {
  double rows;
  double share;       // of all rows
  double miss;        // probability that a chunk is not kept by the session
  double chunk_cost;  // of reading the columns that are needed of a chunk
  double chunks;
  double read;    // share of the chunks that a sequential scan reads
  double needed;  // columns
};

// The column that a condition compares with a value that is the same for all rows, in a way that zones can answer; null: it
// does not.
Var *ComparedColumn(Node *clause) {
  Node *left;
  Node *right;
  Oid opno;
  Oid collation;
  if (is_opclause(clause) && list_length(reinterpret_cast<OpExpr *>(clause)->args) == 2) {
    left = get_leftop(clause);
    right = get_rightop(clause);
    opno = reinterpret_cast<OpExpr *>(clause)->opno;
    collation = reinterpret_cast<OpExpr *>(clause)->inputcollid;
    if (!IsA(strip_implicit_coercions(left), Var)) {
      std::swap(left, right);
      opno = get_commutator(opno);
    }
  } else if (IsA(clause, ScalarArrayOpExpr)) {
    const auto *any = reinterpret_cast<ScalarArrayOpExpr *>(clause);
    left = static_cast<Node *>(linitial(any->args));
    right = static_cast<Node *>(lsecond(any->args));
    opno = any->useOr ? any->opno : InvalidOid;
    collation = any->inputcollid;
  } else {
    return nullptr;
  }
  left = strip_implicit_coercions(left);
  if (!OidIsValid(opno) || !IsA(left, Var) || !is_pseudo_constant_clause(right)) return nullptr;
  auto *column = reinterpret_cast<Var *>(left);
  return column->varattno > 0 && CanAnswer(column->vartype, opno, collation) ? column : nullptr;
}

// How much the order of a column's values is that of the rows, from 0 to 1.
double CorrelationOf(PlannerInfo *root, Var *column, int relid) {
  VariableStatData data;
  AttStatsSlot slot;
  double correlation = 0;
  examine_variable(root, reinterpret_cast<Node *>(column), relid, &data);
  if (HeapTupleIsValid(data.statsTuple) &&
      get_attstatsslot(&slot, data.statsTuple, STATISTIC_KIND_CORRELATION, InvalidOid,
                       ATTSTATSSLOT_NUMBERS)) {
    correlation = slot.nnumbers > 0 ? std::abs(slot.numbers[0]) : 0;
    free_attstatsslot(&slot);
  }
  ReleaseVariableStats(data);
  return correlation;
}

// The share of the chunks that a sequential scan reads: by the one column whose conditions leave the least. Estimated as
// PostgreSQL does for ranges of pages (brincostestimate).
double ReadShare(PlannerInfo *root, const RelOptInfo *rel, double chunks) {
  double share = 1;
  ListCell *cell;
  Bitmapset *seen = nullptr;
  foreach (cell, rel->baserestrictinfo) {
    Var *column = ComparedColumn(reinterpret_cast<Node *>(lfirst_node(RestrictInfo, cell)->clause));
    if (column == nullptr || bms_is_member(column->varattno, seen)) continue;
    seen = bms_add_member(seen, column->varattno);
    const double correlation = CorrelationOf(root, column, rel->relid);
    if (correlation == 0) continue;
    List *conditions = NIL;
    ListCell *other;
    foreach (other, rel->baserestrictinfo) {
      auto *info = lfirst_node(RestrictInfo, other);
      const Var *compared = ComparedColumn(reinterpret_cast<Node *>(info->clause));
      if (compared != nullptr && compared->varattno == column->varattno) {
        conditions = lappend(conditions, info);
      }
    }
    const Selectivity rows =
        clauselist_selectivity(root, conditions, rel->relid, JOIN_INNER, nullptr);
    share = std::min(share, std::max(1.0, std::ceil(rows * chunks)) / correlation / chunks);
  }
  return share;
}

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

// What scanning costs more than the planner has thought, who reckons with all rows, for `run_cost`.
Cost ScanSurcharge(const ColdRows &cold, Cost run_cost) {
  const Cost skipped = seq_page_cost + kSkippedChunk * cpu_operator_cost;
  return cold.rows * cold.needed * kScannedValue * cpu_operator_cost * cold.read +
         (cold.chunks * skipped - run_cost * cold.share) * (1 - cold.read);
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
    const Cost run_cost = (path->total_cost - path->startup_cost) / part;
    path->total_cost += ScanSurcharge(cold, run_cost) * part;
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
  cold.read = ReadShare(root, rel, cold.chunks);
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
