#include "hybrid/am.hpp"
#include "hybrid/size.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "access/heapam.h"
#include "access/multixact.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "commands/vacuum.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

// Gives a table whose rows are all cold a page, without which ANALYZE would find nothing to look at.
void KeepOnePage(Relation rel) {
  if (RelationGetNumberOfBlocks(rel) > 0) return;
  Buffer buffer = pg::ExtendLocked(rel, MAIN_FORKNUM);
  GenericXLogState *xlog = GenericXLogStart(rel);
  Page page = GenericXLogRegisterBuffer(xlog, buffer, GENERIC_XLOG_FULL_IMAGE);
  PageInit(page, BufferGetPageSize(buffer), 0);
  GenericXLogFinish(xlog);
  UnlockReleaseBuffer(buffer);
}

// Adds the cold rows to what heapam's vacuum has counted.
void CountColdRows(Relation rel, const ColdSize &cold) {
  const BlockNumber pages = RelationGetNumberOfBlocks(rel);
  BlockNumber all_visible;
  visibilitymap_count(rel, &all_visible, nullptr);
  const double hot = rel->rd_rel->reltuples > 0 ? rel->rd_rel->reltuples : 0;
  vac_update_relstats(rel, pages, hot + static_cast<double>(cold.rows), all_visible,
                      rel->rd_rel->relhasindex, InvalidTransactionId, InvalidMultiXactId, nullptr,
                      nullptr, false);
}

}  // namespace

void Vacuum(Relation rel, VacuumParams *params, BufferAccessStrategy strategy) {
  Heap()->relation_vacuum(rel, params, strategy);
  const ColdSize cold = ColdSizeOf(rel);
  if (cold.rows == 0) return;
  KeepOnePage(rel);
  // What heapam has written is seen from here on.
  CommandCounterIncrement();
  CountColdRows(rel, cold);
}

}  // namespace helios::hybrid
