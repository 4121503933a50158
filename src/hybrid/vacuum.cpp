// VACUUM: heapam's for the hot rows and all indexes, then the index entries of cold rows that are gone.
//
// VACUUM runs without a place in the snapshots of others, so that nothing here may need a transaction:
// what it notes, it notes in place. Chunks are made anew by heliosdb.recompress().
#include "hybrid/am.hpp"
#include "hybrid/core/row_bits.hpp"
#include "hybrid/size.hpp"
#include "hybrid/stand_in.hpp"
#include "pg/compat.hpp"
#include "pg/pause.hpp"

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "access/multixact.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "commands/vacuum.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>

namespace helios::hybrid {

namespace {

constexpr Size kBytesPerKilobyte = 1024;

// The rows of a chunk whose index entries are to go.
struct DeadRows {
  ChunkEntry chunk;
  uint64 *bits;
};

// Chunks with such rows, in the order of their rows: as many as maintenance_work_mem holds.
struct DeadChunks {
  DeadRows *chunks;
  uint32 count;
  TransactionId youngest;  // of those that have deleted the rows
};

// Says whether an index entry leads to one of the dead rows.
bool IsDead(ItemPointer tid, void *state) {
  if (!IsCold(*tid)) return false;
  const auto *dead = static_cast<const DeadChunks *>(state);
  const RowNumber row = RowOf(*tid);
  const DeadRows *begin = dead->chunks;
  const DeadRows *found = std::upper_bound(
      begin, begin + dead->count, row,
      [](RowNumber wanted, const DeadRows &rows) { return wanted < rows.chunk.first_row; });
  if (found == begin) return false;
  found--;
  const RowNumber index = row - found->chunk.first_row;
  return index < found->chunk.rows && GetBit(found->bits, index);
}

// Removes the index entries of dead rows.
void CleanIndexes(Relation rel, DeadChunks *dead, double tuples, BufferAccessStrategy strategy) {
  Relation *indexes;
  int count;
  vac_open_indexes(rel, RowExclusiveLock, &count, &indexes);
  for (int i = 0; i < count; i++) {
    IndexVacuumInfo info = {};
    info.index = indexes[i];
    info.estimated_count = true;
    info.message_level = DEBUG2;
    info.num_heap_tuples = tuples;
    info.strategy = strategy;
    IndexBulkDeleteResult *result = index_bulk_delete(&info, nullptr, IsDead, dead);
    index_vacuum_cleanup(&info, result);
  }
  vac_close_indexes(count, indexes, NoLock);
}

// Warns standbys: a snapshot there that sees one of the rows must end before their index entries go.
void WarnStandbys(const Store &store, TransactionId youngest) {
  if (!TransactionIdIsNormal(youngest) || !RelationNeedsWAL(store.toast)) return;
  Buffer buffer = ReadBuffer(store.toast, 0);
  LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
  pg::LogSnapshotConflict(buffer, youngest);
  UnlockReleaseBuffer(buffer);
}

// Goes over all chunks, and has the index entries of dead rows removed, a memory full at a time.
void VacuumCold(Relation rel, double tuples, BufferAccessStrategy strategy) {
  Store store = OpenStore(rel, AccessShareLock);
  if (store.toast == nullptr) return;
  const MemoryContext context =
      AllocSetContextCreate(CurrentMemoryContext, "heliosdb vacuum", ALLOCSET_DEFAULT_SIZES);
  const MemoryContext caller = MemoryContextSwitchTo(context);
  const TransactionId horizon = GetOldestNonRemovableTransactionId(rel);
  uint32 count;
  const ChunkEntry *entries = ListEntries(store, SnapshotSelf, &count);
  const Size bits_bytes = NullBytes(kMaxChunkRows);
  const auto room = static_cast<uint32>(std::max<Size>(
      Size{static_cast<uint32>(maintenance_work_mem)} * kBytesPerKilobyte / bits_bytes, 1));
  DeadChunks dead = {};
  dead.chunks = static_cast<DeadRows *>(
      MemoryContextAllocHuge(context, Size{std::max(count, 1u)} * sizeof(DeadRows)));
  const auto flush = [&] {
    if (dead.count == 0) return;
    WarnStandbys(store, dead.youngest);
    CleanIndexes(rel, &dead, tuples, strategy);
    pg::Pause("hybrid_vacuum_after_indexes");
    for (uint32 i = 0; i < dead.count; i++) {
      NoteUnindexed(store, dead.chunks[i].chunk.first_row, dead.chunks[i].chunk.rows,
                    dead.chunks[i].bits);
      pfree(dead.chunks[i].bits);
    }
    dead.count = 0;
    dead.youngest = InvalidTransactionId;
  };
  for (uint32 i = 0; i < count; i++) {
    pg::VacuumDelay();
    auto *bits = static_cast<uint64 *>(palloc0(bits_bytes));
    const uint32 rows = MarkDead(store, entries[i].first_row, entries[i].rows, horizon,
                                 Dead::kIndexed, bits, &dead.youngest);
    if (rows == 0) {
      pfree(bits);
      continue;
    }
    dead.chunks[dead.count++] = {entries[i], bits};
    if (dead.count == room) flush();
  }
  flush();
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(context);
  CloseStore(&store);
}

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
double CountRows(Relation rel, const ColdSize &cold) {
  const BlockNumber pages = RelationGetNumberOfBlocks(rel);
  BlockNumber all_visible;
  visibilitymap_count(rel, &all_visible, nullptr);
  const double hot = rel->rd_rel->reltuples > 0 ? rel->rd_rel->reltuples : 0;
  const double tuples = hot + static_cast<double>(cold.rows);
  vac_update_relstats(rel, pages, tuples, all_visible, rel->rd_rel->relhasindex,
                      InvalidTransactionId, InvalidMultiXactId, nullptr, nullptr, false);
  return tuples;
}

}  // namespace

void Vacuum(Relation rel, VacuumParams *params, BufferAccessStrategy strategy) {
  const ColdSize cold = ColdSizeOf(rel);
  // Of pages that it leaves out heapam takes what was counted before, and that is to be hot rows.
  if (rel->rd_rel->reltuples > 0) {
    rel->rd_rel->reltuples =
        std::max(rel->rd_rel->reltuples - static_cast<float4>(cold.rows), 0.0f);
  }
  Heap()->relation_vacuum(rel, params, strategy);
  if (cold.rows == 0) return;
  KeepOnePage(rel);
  // What heapam has written is seen from here on.
  CommandCounterIncrement();
  const double tuples = CountRows(rel, cold);
  if (params->index_cleanup != VACOPTVALUE_DISABLED) VacuumCold(rel, tuples, strategy);
}

}  // namespace helios::hybrid
