#include "hybrid/size.hpp"

#include "hybrid/am.hpp"

extern "C" {
#include "access/heapam.h"
#include "access/tableam.h"
#include "storage/bufmgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>

namespace helios::hybrid {

namespace {

// As heapam counts (heapam_handler.c).
constexpr Size kOverheadPerTuple = MAXALIGN(SizeofHeapTupleHeader) + sizeof(ItemIdData);
constexpr Size kBytesPerPage = BLCKSZ - SizeOfPageHeaderData;

}  // namespace

ColdSize ColdSizeOf(Relation rel) {
  if (rel->rd_amcache != nullptr) return *static_cast<ColdSize *>(rel->rd_amcache);
  ColdSize size = {};
  Store store = OpenStore(rel, AccessShareLock);
  if (store.toast != nullptr) {
    uint32 count;
    ChunkEntry *entries = ListEntries(store, SnapshotSelf, &count);
    for (uint32 i = 0; i < count; i++) {
      size.rows += entries[i].rows;
      size.bytes += entries[i].bytes;
    }
    size.chunks = count;
    pfree(entries);
    CloseStore(&store);
  }
  void *cache = MemoryContextAlloc(CacheMemoryContext, sizeof(size));
  memcpy(cache, &size, sizeof(size));
  if (rel->rd_amcache != nullptr) pfree(rel->rd_amcache);
  rel->rd_amcache = cache;
  return size;
}

void ForgetColdSize(Relation rel) {
  if (rel->rd_amcache != nullptr) pfree(rel->rd_amcache);
  rel->rd_amcache = nullptr;
  CacheInvalidateRelcache(rel);
}

void EstimateSize(Relation rel, int32 *attr_widths, BlockNumber *pages, double *tuples,
                  double *all_visible) {
  const ColdSize cold = ColdSizeOf(rel);
  if (cold.rows == 0) {
    table_block_relation_estimate_size(rel, attr_widths, pages, tuples, all_visible,
                                       kOverheadPerTuple, kBytesPerPage);
    return;
  }
  const BlockNumber hot_pages = RelationGetNumberOfBlocks(rel);
  const double counted_pages = rel->rd_rel->relpages;
  const double counted = rel->rd_rel->reltuples;
  double hot = 0;
  if (counted >= 0 && counted_pages > 0) {
    // What was counted were all rows; those that are not cold now are hot.
    hot = std::max(counted - static_cast<double>(cold.rows), 0.0) / counted_pages * hot_pages;
  } else if (hot_pages > 1) {
    BlockNumber ignored_pages;
    double ignored_visible;
    table_block_relation_estimate_size(rel, attr_widths, &ignored_pages, &hot, &ignored_visible,
                                       kOverheadPerTuple, kBytesPerPage);
  }
  *tuples = hot + static_cast<double>(cold.rows);
  *pages = hot_pages + static_cast<BlockNumber>(cold.bytes / BLCKSZ + 1);
  *all_visible =
      std::min(1.0, static_cast<double>(rel->rd_rel->relallvisible) / static_cast<double>(*pages));
}

}  // namespace helios::hybrid
