// Parallel builds: leader and workers add to one graph in dynamic shared memory.
//
//   DSM:  | Shared, parallel table scan | graph region | model blob | WAL and buffer usage | query text |
#include "hnsw/build.hpp"
#include "hnsw/options.hpp"
#include "pg/memory.hpp"

#include <cstring>

extern "C" {
#include "access/parallel.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/instrument.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

extern "C" PGDLLEXPORT void helios_hnsw_build_worker(dsm_segment *segment, shm_toc *toc);

namespace helios::hnsw {

namespace {

enum Key : uint64 { kKeyShared = 0xE001, kKeyRegion, kKeyModel, kKeyWal, kKeyBuffers, kKeyQuery };

// What the participants share besides the graph; the parallel table scan follows.
struct Shared {
  Oid heap;
  Oid index;
  bool concurrent;
  bool flushed;
  bool broken_hot_chain;
  BuildPlan plan;
  uint32 model_bytes;
  LWLock flush_lock;
  ConditionVariable done;
  slock_t mutex;
  int participants_done;
  double heap_rows;
  double index_rows;
};

ParallelTableScanDesc ScanOf(Shared *shared) {
  return reinterpret_cast<ParallelTableScanDesc>(reinterpret_cast<char *>(shared) +
                                                 BUFFERALIGN(sizeof(Shared)));
}

// Adds one participant's share of the table.
void Participate(Builder *builder, Shared *shared, void *region, const void *model, bool progress) {
  builder->plan = shared->plan;
  builder->space = {shared->plan.meta.type, shared->plan.meta.distance, shared->plan.meta.dim};
  builder->graph = Graph::Attach(region);
  builder->flush_lock = &shared->flush_lock;
  builder->flushed = &shared->flushed;
  builder->report_progress = progress;
  if (builder->row_context == nullptr)
    PrepareBuilder(builder, shared->model_bytes == 0 ? nullptr : model, shared->model_bytes);
  TableScanDesc scan = table_beginscan_parallel(builder->heap, ScanOf(shared));
  const double rows = BuildScan(builder, scan, progress);
  SpinLockAcquire(&shared->mutex);
  shared->participants_done++;
  shared->heap_rows += rows;
  shared->index_rows += builder->indexed;
  shared->broken_hot_chain = shared->broken_hot_chain || builder->info->ii_BrokenHotChain;
  SpinLockRelease(&shared->mutex);
  ConditionVariableSignal(&shared->done);
}

// One worker's build, in a context of its own.
void RunWorker(shm_toc *toc, Shared *shared, MemoryContext context) {
  const LOCKMODE heap_lock = shared->concurrent ? ShareUpdateExclusiveLock : ShareLock;
  const LOCKMODE index_lock = shared->concurrent ? RowExclusiveLock : AccessExclusiveLock;
  Builder *builder = pg::InContext<Builder>(context);
  builder->context = context;
  builder->heap = table_open(shared->heap, heap_lock);
  builder->index = index_open(shared->index, index_lock);
  builder->info = BuildIndexInfo(builder->index);
  builder->info->ii_Concurrent = shared->concurrent;
  Participate(builder, shared, shm_toc_lookup(toc, kKeyRegion, false),
              shm_toc_lookup(toc, kKeyModel, true), false);
  index_close(builder->index, index_lock);
  table_close(builder->heap, heap_lock);
}

}  // namespace

bool BuildParallel(Builder *builder, int workers, Size region_bytes, const GraphSpec &spec,
                   const void *model, uint32 model_bytes, double *heap_rows, double *index_rows) {
  const bool concurrent = builder->info->ii_Concurrent;
  EnterParallelMode();
  ParallelContext *parallel =
      CreateParallelContext("heliosdb", "helios_hnsw_build_worker", workers);
  Snapshot snapshot = concurrent ? RegisterSnapshot(GetTransactionSnapshot()) : SnapshotAny;
  const Size shared_bytes =
      BUFFERALIGN(sizeof(Shared)) + table_parallelscan_estimate(builder->heap, snapshot);
  constexpr Size kAlignment = 64;
  shm_toc_estimate_chunk(&parallel->estimator, shared_bytes);
  shm_toc_estimate_chunk(&parallel->estimator, region_bytes + kAlignment);
  shm_toc_estimate_chunk(&parallel->estimator, model_bytes + kAlignment);
  shm_toc_estimate_chunk(&parallel->estimator, mul_size(sizeof(WalUsage), workers));
  shm_toc_estimate_chunk(&parallel->estimator, mul_size(sizeof(BufferUsage), workers));
  const Size query_bytes = debug_query_string == nullptr ? 0 : strlen(debug_query_string) + 1;
  shm_toc_estimate_chunk(&parallel->estimator, query_bytes + 1);
  shm_toc_estimate_keys(&parallel->estimator, 6);
  InitializeParallelDSM(parallel);
  if (parallel->seg == nullptr) {
    if (IsMVCCSnapshot(snapshot)) UnregisterSnapshot(snapshot);
    DestroyParallelContext(parallel);
    ExitParallelMode();
    return false;
  }

  auto *shared = static_cast<Shared *>(shm_toc_allocate(parallel->toc, shared_bytes));
  memset(shared, 0, sizeof(Shared));
  shared->heap = RelationGetRelid(builder->heap);
  shared->index = RelationGetRelid(builder->index);
  shared->concurrent = concurrent;
  shared->plan = builder->plan;
  shared->model_bytes = model_bytes;
  LWLockInitialize(&shared->flush_lock, LWTRANCHE_PARALLEL_HASH_JOIN);
  ConditionVariableInit(&shared->done);
  SpinLockInit(&shared->mutex);
  table_parallelscan_initialize(builder->heap, ScanOf(shared), snapshot);
  shm_toc_insert(parallel->toc, kKeyShared, shared);

  void *region = reinterpret_cast<void *>(
      TYPEALIGN(kAlignment, shm_toc_allocate(parallel->toc, region_bytes + kAlignment)));
  Graph::Format(region, region_bytes, spec);
  shm_toc_insert(parallel->toc, kKeyRegion, region);
  if (model_bytes != 0) {
    void *copy = reinterpret_cast<void *>(
        TYPEALIGN(kAlignment, shm_toc_allocate(parallel->toc, model_bytes + kAlignment)));
    memcpy(copy, model, model_bytes);
    shm_toc_insert(parallel->toc, kKeyModel, copy);
  }
  auto *wal =
      static_cast<WalUsage *>(shm_toc_allocate(parallel->toc, mul_size(sizeof(WalUsage), workers)));
  shm_toc_insert(parallel->toc, kKeyWal, wal);
  auto *buffers = static_cast<BufferUsage *>(
      shm_toc_allocate(parallel->toc, mul_size(sizeof(BufferUsage), workers)));
  shm_toc_insert(parallel->toc, kKeyBuffers, buffers);
  auto *query = static_cast<char *>(shm_toc_allocate(parallel->toc, query_bytes + 1));
  if (query_bytes != 0) memcpy(query, debug_query_string, query_bytes);
  query[query_bytes] = '\0';
  shm_toc_insert(parallel->toc, kKeyQuery, query);

  LaunchParallelWorkers(parallel);
  const int launched = parallel->nworkers_launched;
  ereport(DEBUG1, (errmsg("using %d parallel workers", launched)));
  if (launched > 0) WaitForParallelWorkersToAttach(parallel);
  Participate(builder, shared, region, model, true);
  for (;;) {
    SpinLockAcquire(&shared->mutex);
    const bool all = shared->participants_done == launched + 1;
    SpinLockRelease(&shared->mutex);
    if (all) break;
    ConditionVariableSleep(&shared->done, WAIT_EVENT_PARALLEL_CREATE_INDEX_SCAN);
  }
  ConditionVariableCancelSleep();
  WaitForParallelWorkersToFinish(parallel);
  *heap_rows = shared->heap_rows;
  *index_rows = shared->index_rows;
  builder->info->ii_BrokenHotChain = shared->broken_hot_chain;
  if (!shared->flushed) FlushGraph(builder);
  for (int i = 0; i < launched; i++) InstrAccumParallelQuery(&buffers[i], &wal[i]);
  if (IsMVCCSnapshot(snapshot)) UnregisterSnapshot(snapshot);
  DestroyParallelContext(parallel);
  ExitParallelMode();
  return true;
}

}  // namespace helios::hnsw

// Entry point of a parallel worker.
extern "C" void helios_hnsw_build_worker(dsm_segment *, shm_toc *toc) {
  using namespace helios::hnsw;
  debug_query_string = static_cast<char *>(shm_toc_lookup(toc, kKeyQuery, false));
  pgstat_report_activity(STATE_RUNNING, debug_query_string);
  auto *shared = static_cast<Shared *>(shm_toc_lookup(toc, kKeyShared, false));
  InstrStartParallelQuery();
  MemoryContext context =
      AllocSetContextCreate(CurrentMemoryContext, "hnsw build worker", ALLOCSET_DEFAULT_SIZES);
  helios::pg::Enter([&] { RunWorker(toc, shared, context); });
  MemoryContextDelete(context);
  auto *wal = static_cast<WalUsage *>(shm_toc_lookup(toc, kKeyWal, false));
  auto *buffers = static_cast<BufferUsage *>(shm_toc_lookup(toc, kKeyBuffers, false));
  InstrEndParallelQuery(&buffers[ParallelWorkerNumber], &wal[ParallelWorkerNumber]);
}
