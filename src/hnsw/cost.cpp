// Planner costs: what it takes to start a scan, and what each further row adds when a filter
// discards rows.
#include "hnsw/am.hpp"
#include "hnsw/options.hpp"
#include "hnsw/page.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

extern "C" {
#include "access/genam.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/selfuncs.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

namespace {

// Measured with bench/vector on 512 and 784 dimensions: operators' worth of CPU to score one node
// by its code or item (page access included), and to fetch one vector from the table for its exact
// distance.
constexpr double kScoreOperators = 20;
constexpr double kRerankOperators = 800;
constexpr double kRerankedShare = 0.5;     // of the candidates, when the codes have tight bounds
constexpr double kCachedPageShare = 0.02;  // pages of a graph are visited often: most are cached

}  // namespace

// A scan without an order is never wanted. The first batch expands about ef nodes of m to 2m links
// each, most of which were seen before; after it, each row costs its share of another batch.
void EstimateCost(PlannerInfo *root, IndexPath *path, double loop_count, Cost *startup, Cost *total,
                  Selectivity *selectivity, double *correlation, double *pages) {
  if (path->indexorderbys == NIL) {
    *startup = *total = std::numeric_limits<double>::infinity();
    *selectivity = 0;
    *correlation = 0;
    *pages = 0;
#if PG_VERSION_NUM >= 180000
    path->path.disabled_nodes = 2;
#endif
    return;
  }
  EnsureScanSettings();
  const ScanSettings settings = CurrentScanSettings();
  Relation index = index_open(path->indexinfo->indexoid, NoLock);
  Meta meta;
  ReadMeta(index, &meta);
  index_close(index, NoLock);

  GenericCosts costs{};
  costs.numIndexTuples = path->indexinfo->tuples;
  genericcostestimate(root, path, loop_count, &costs);
  const double tuples = std::max(path->indexinfo->tuples, 1.0);
  const double batch = std::min<double>(settings.ef_search, tuples);
  const double levels = std::log(tuples) / std::log(static_cast<double>(meta.m));
  const double fresh_share = 0.5;  // of the links of a node, those not seen before
  const double nodes = std::min(tuples, levels * meta.m + batch * 2 * meta.m * fresh_share);
  const bool reranks = meta.quantization != Quantization::kNone && settings.exact_order;
  const double rerank_share = meta.quantization == Quantization::kProduct ? 1 : kRerankedShare;
  const double spc_random = random_page_cost * kCachedPageShare;
  const double score = kScoreOperators * cpu_operator_cost + spc_random;
  const double batch_cost =
      nodes * score + (reranks ? batch * rerank_share * kRerankOperators * cpu_operator_cost : 0);
  const double row_cost = batch_cost / batch;

  *startup = batch_cost;
  *total = batch_cost + std::max(0.0, tuples - batch) * row_cost;
  *selectivity = costs.indexSelectivity;
  *correlation = 0;
  *pages = costs.numIndexPages;
}

}  // namespace helios::hnsw
