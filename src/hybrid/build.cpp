// Builds indexes: all hot rows, by the root of their HOT chains, then all cold ones. The rules for hot rows
// are those of heapam_index_build_range_scan, which refuses tables of other access methods.
#include "hybrid/am.hpp"
#include "hybrid/columns.hpp"
#include "hybrid/core/row_bits.hpp"
#include "hybrid/holes.hpp"
#include "hybrid/scan.hpp"
#include "hybrid/slot.hpp"
#include "hybrid/stand_in.hpp"

extern "C" {
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "commands/progress.h"
#include "executor/executor.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/backend_progress.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

// What one index build goes through the table with.
struct Build {
  Relation table;
  Relation index;
  IndexInfo *info;
  bool any_visible;
  bool checks_uniqueness;
  TransactionId oldest_xmin;  // invalid: rows are judged by the scan's snapshot
  IndexBuildCallback callback;
  void *state;
  EState *estate;
  ExprContext *context;
  ExprState *predicate;
  TupleTableSlot *slot;
  double tuples;
};

enum class Verdict { kSkip, kLive, kDead, kWait };

// Says what an index has to know of a hot row; kWait: *wait has to end first.
Verdict Judge(Build *build, HeapTuple tuple, Buffer buffer, TransactionId *wait) {
  switch (HeapTupleSatisfiesVacuum(tuple, build->oldest_xmin, buffer)) {
    case HEAPTUPLE_DEAD:
      return Verdict::kSkip;
    case HEAPTUPLE_LIVE:
      build->tuples += 1;
      return Verdict::kLive;
    case HEAPTUPLE_RECENTLY_DEAD:
      if (!HeapTupleIsHotUpdated(tuple)) return Verdict::kDead;
      // The chain is indexed by what its live member is: not for snapshots that see this one.
      build->info->ii_BrokenHotChain = true;
      return Verdict::kSkip;
    case HEAPTUPLE_INSERT_IN_PROGRESS: {
      const TransactionId creator = HeapTupleHeaderGetXmin(tuple->t_data);
      const bool own = TransactionIdIsCurrentTransactionId(creator);
      if (!build->any_visible && !own && build->checks_uniqueness) {
        *wait = creator;
        return Verdict::kWait;
      }
      if (build->any_visible || own) build->tuples += 1;
      return Verdict::kLive;
    }
    case HEAPTUPLE_DELETE_IN_PROGRESS: {
      const TransactionId ender = HeapTupleHeaderGetUpdateXid(tuple->t_data);
      if (build->any_visible) {
        build->tuples += 1;
        return Verdict::kDead;
      }
      if (!TransactionIdIsCurrentTransactionId(ender)) {
        if (build->checks_uniqueness || HeapTupleIsHotUpdated(tuple)) {
          *wait = ender;
          return Verdict::kWait;
        }
        build->tuples += 1;
        return Verdict::kDead;
      }
      if (!HeapTupleIsHotUpdated(tuple)) return Verdict::kDead;
      build->info->ii_BrokenHotChain = true;
      return Verdict::kSkip;
    }
  }
  elog(ERROR, "unexpected HeapTupleSatisfiesVacuum result");
}

// Gives the row in the slot to the index.
void Give(Build *build, ItemPointerData tid, bool alive) {
  if (build->predicate != nullptr && !ExecQual(build->predicate, build->context)) return;
  Datum values[INDEX_MAX_KEYS];
  bool nulls[INDEX_MAX_KEYS];
  FormIndexDatum(build->info, build->slot, build->estate, values, nulls);
  build->callback(build->index, &tid, values, nulls, alive, build->state);
}

// The line pointers of the page that begin HOT chains, by their members.
void ReadRoots(HeapScanDesc scan, OffsetNumber *roots) {
  LockBuffer(scan->rs_cbuf, BUFFER_LOCK_SHARE);
  heap_get_root_tuples(BufferGetPage(scan->rs_cbuf), roots);
  LockBuffer(scan->rs_cbuf, BUFFER_LOCK_UNLOCK);
}

BlockNumber BlocksDone(HeapScanDesc scan) {
  BlockNumber start = scan->rs_startblock;
  BlockNumber blocks = scan->rs_nblocks;
  if (scan->rs_base.rs_parallel != nullptr) {
    auto *shared = reinterpret_cast<ParallelBlockTableScanDesc>(scan->rs_base.rs_parallel);
    start = shared->phs_startblock;
    blocks = shared->phs_nblocks;
  }
  return scan->rs_cblock >= start ? scan->rs_cblock - start : blocks - start + scan->rs_cblock;
}

void BuildHot(Build *build, TableScanDesc base, bool progress) {
  auto scan = reinterpret_cast<HeapScanDesc>(base);
  BlockNumber reported = InvalidBlockNumber;
  BlockNumber root_block = InvalidBlockNumber;
  OffsetNumber roots[MaxHeapTuplesPerPage];
  for (;;) {
    AsHeapSlot as_heap(build->slot);
    const bool found = heap_getnextslot(base, ForwardScanDirection, build->slot);
    as_heap.Restore();
    if (!found) return;
    CHECK_FOR_INTERRUPTS();
    HeapTuple tuple = &scan->rs_ctup;
    if (progress && BlocksDone(scan) != reported) {
      reported = BlocksDone(scan);
      pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_DONE, reported);
    }
    if (scan->rs_cblock != root_block) {
      ReadRoots(scan, roots);
      root_block = scan->rs_cblock;
    }
    bool alive = true;
    if (TransactionIdIsValid(build->oldest_xmin)) {
      Verdict verdict;
      do {
        TransactionId wait = InvalidTransactionId;
        LockBuffer(scan->rs_cbuf, BUFFER_LOCK_SHARE);
        verdict = Judge(build, tuple, scan->rs_cbuf, &wait);
        LockBuffer(scan->rs_cbuf, BUFFER_LOCK_UNLOCK);
        if (verdict == Verdict::kWait) {
          XactLockTableWait(wait, build->table, &tuple->t_self, XLTW_InsertIndexUnique);
          CHECK_FOR_INTERRUPTS();
        }
      } while (verdict == Verdict::kWait);
      if (verdict == Verdict::kSkip) continue;
      alive = verdict == Verdict::kLive;
    } else {
      build->tuples += 1;
    }
    MemoryContextReset(build->context->ecxt_per_tuple_memory);
    ItemPointerData tid = tuple->t_self;
    if (HeapTupleIsHeapOnly(tuple)) {
      const OffsetNumber offset = ItemPointerGetOffsetNumber(&tid);
      if (!OffsetNumberIsValid(roots[offset - 1])) ReadRoots(scan, roots);
      if (!OffsetNumberIsValid(roots[offset - 1])) {
        ereport(ERROR,
                (errcode(ERRCODE_DATA_CORRUPTED),
                 errmsg_internal("failed to find parent tuple for heap-only tuple at (%u,%u) "
                                 "in table \"%s\"",
                                 ItemPointerGetBlockNumber(&tid), offset,
                                 RelationGetRelationName(build->table))));
      }
      ItemPointerSetOffsetNumber(&tid, roots[offset - 1]);
    }
    Give(build, tid, alive);
  }
}

// Says whether chunks have gone whose rows older snapshots still see there.
bool HasRecentlyGone(const Store &store, const ChunkEntry *seen, uint32 seen_count) {
  uint32 count;
  const ChunkEntry *all = ListEntries(store, SnapshotAny, &count);
  uint32 at = 0;
  for (uint32 i = 0; i < count; i++) {
    while (at < seen_count && seen[at].first_row < all[i].first_row) at++;
    if (at < seen_count && seen[at].first_row == all[i].first_row) continue;
    if (TransactionIdDidCommit(all[i].creator)) return true;
  }
  return false;
}

void BuildCold(Build *build, TableScanDesc base) {
  HybridScan *scan = AsHybridScan(base);
  const bool all_versions = TransactionIdIsValid(build->oldest_xmin);
  // Nobody writes while all versions are indexed: what has been committed is what there is.
  const Snapshot snapshot = all_versions ? SnapshotSelf : base->rs_snapshot;
  Store store = OpenStore(build->table, AccessShareLock);
  if (store.toast != nullptr) {
    ColdCursor &cold = scan->cold;
    cold.chunks = ListEntries(store, snapshot, &cold.chunk_count);
    if (all_versions && HasRecentlyGone(store, cold.chunks, cold.chunk_count)) {
      build->info->ii_BrokenHotChain = true;
    }
    auto *dead = static_cast<uint64 *>(palloc(NullBytes(kMaxChunkRows)));
    auto *shared = reinterpret_cast<SharedScan *>(base->rs_parallel);
    uint32 next = 0;
    for (;;) {
      const uint32 chunk =
          shared != nullptr ? pg_atomic_fetch_add_u32(&shared->next_chunk, 1) : next++;
      if (chunk >= cold.chunk_count) break;
      const ChunkEntry &entry = cold.chunks[chunk];
      EnterChunk(build->table, &cold, chunk, snapshot, false);
      memset(dead, 0, NullBytes(kMaxChunkRows));
      if (all_versions) {
        MarkDead(store, entry.first_row, entry.rows, build->oldest_xmin, Dead::kAll, dead, nullptr);
        MarkHoles(store, entry, dead);
      }
      for (uint32 row = 0; row < entry.rows; row++) {
        const bool gone = GetBit(cold.gone, row);
        if (gone && (!all_versions || GetBit(dead, row))) continue;
        CHECK_FOR_INTERRUPTS();
        if (!gone) build->tuples += 1;
        MemoryContextReset(build->context->ecxt_per_tuple_memory);
        cold.position = row;
        StoreAt(build->table, cold, build->slot);
        Give(build, TidOf(entry.first_row + row), !gone);
      }
    }
    pfree(dead);
    CloseStore(&store);
  }
}

// Refuses indexes that summarize ranges of pages: cold rows have identifiers of pages that are none.
void RefuseRangeIndex(Relation table, Relation index) {
  if (index->rd_rel->relam != BRIN_AM_OID) return;
  ereport(ERROR,
          (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
           errmsg("BRIN indexes are not supported on hybrid table \"%s\"",
                  RelationGetRelationName(table)),
           errdetail("A BRIN index summarizes ranges of pages, and cold rows are not in pages."),
           errhint("Use a btree index.")));
}

}  // namespace

double BuildIndexRange(Relation table, Relation index, IndexInfo *info, bool allow_sync,
                       bool any_visible, bool progress, BlockNumber first, BlockNumber blocks,
                       IndexBuildCallback callback, void *state, TableScanDesc scan) {
  RefuseRangeIndex(table, index);
  Build build = {};
  build.table = table;
  build.index = index;
  build.info = info;
  build.any_visible = any_visible;
  build.checks_uniqueness = info->ii_Unique || info->ii_ExclusionOps != nullptr;
  build.callback = callback;
  build.state = state;
  build.estate = CreateExecutorState();
  build.context = GetPerTupleExprContext(build.estate);
  build.slot = table_slot_create(table, nullptr);
  ReadColumns(build.slot, ColumnsOfIndex(info));
  build.context->ecxt_scantuple = build.slot;
  build.predicate = ExecPrepareQual(info->ii_Predicate, build.estate);
  if (!info->ii_Concurrent) build.oldest_xmin = GetOldestNonRemovableTransactionId(table);

  Snapshot registered = nullptr;
  if (scan == nullptr) {
    Snapshot snapshot = SnapshotAny;
    if (!TransactionIdIsValid(build.oldest_xmin)) {
      snapshot = registered = RegisterSnapshot(GetTransactionSnapshot());
    }
    scan = table_beginscan_strat(table, snapshot, 0, nullptr, true, allow_sync);
  }
  if (progress) {
    pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_TOTAL,
                                 reinterpret_cast<HeapScanDesc>(scan)->rs_nblocks);
  }
  if (!allow_sync) heap_setscanlimits(scan, first, blocks);
  BuildHot(&build, scan, progress);
  BuildCold(&build, scan);
  if (progress) {
    pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_DONE,
                                 reinterpret_cast<HeapScanDesc>(scan)->rs_nblocks);
  }
  table_endscan(scan);
  if (registered != nullptr) UnregisterSnapshot(registered);
  ExecDropSingleTupleTableSlot(build.slot);
  FreeExecutorState(build.estate);
  // They pointed into the state that is gone.
  info->ii_ExpressionsState = NIL;
  info->ii_PredicateState = nullptr;
  return build.tuples;
}

}  // namespace helios::hybrid
