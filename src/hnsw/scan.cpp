// Index scans: batches of the nearest nodes, brought into exact order, handed out one row at a
// time.
#include "hnsw/am.hpp"
#include "hnsw/rerank.hpp"
#include "hnsw/walk.hpp"
#include "pg/memory.hpp"

#include <cmath>

extern "C" {
#include "access/relscan.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

namespace {

// The state of one scan; owned by its own memory context.
struct ScanState {
  explicit ScanState(MemoryContext context) : context(context), walker(&index) {}

  MemoryContext context;        // everything of one scan
  MemoryContext query_context;  // everything of one query; reset by rescan
  IndexHandle index;
  Walker walker;
  Reranker reranker;
  HeapReader reader;
  ScanSettings settings;
  std::vector<Hit> batch;
  bool started = false;
  bool exhausted = false;
  float last_distance = -INFINITY;  // strict order: nothing nearer may follow
};

ScanState *StateOf(IndexScanDesc scan) { return static_cast<ScanState *>(scan->opaque); }

bool Quantized(const ScanState *state) {
  return state->index.meta.quantization != Quantization::kNone;
}

// Relaxed order lets 8-bit codes decide: their error is far below what that mode gives up.
bool NeedsExactOrder(const ScanState *state) {
  if (!state->settings.exact_order) return false;
  const bool scalar =
      state->index.meta.quantization == Quantization::kScalar || state->index.meta.copy_bytes != 0;
  return !(scalar && state->settings.iterative == IterativeScan::kRelaxed);
}

// Opens the index for one query and prepares its distances.
void Start(IndexScanDesc scan, ScanState *state) {
  if (scan->numberOfOrderBys != 1) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("cannot scan hnsw index without order")));
  }
  if (!IsMVCCSnapshot(scan->xs_snapshot)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("non-MVCC snapshots are not supported with hnsw")));
  }
  pgstat_count_index_scan(scan->indexRelation);
  MemoryContext outer = MemoryContextSwitchTo(state->query_context);
  state->settings = CurrentScanSettings();
  OpenIndex(scan->indexRelation, state->query_context, &state->index);
  const ScanKey order = &scan->orderByData[0];
  Datum query = 0;
  if ((order->sk_flags & SK_ISNULL) == 0)
    query = PointerGetDatum(PG_DETOAST_DATUM(order->sk_argument));
  if (Quantized(state)) {
    float *floats = nullptr;
    if (DatumGetPointer(query) != nullptr) {
      floats = static_cast<float *>(palloc(state->index.meta.dim * sizeof(float)));
      MakeFloats(state->index.space, query, floats);
    }
    state->walker.SetFloats(floats);
    if (NeedsExactOrder(state)) {
      MemoryContextSwitchTo(state->context);
      state->reader.Open(scan, state->index.space, query);
    }
  } else {
    uint32 bytes;
    state->walker.SetItem(
        DatumGetPointer(query) == nullptr ? nullptr : MakeItem(state->index.space, query, &bytes));
  }
  MemoryContextSwitchTo(outer);
  state->reranker.Start(Quantized(state) && NeedsExactOrder(state),
                        state->settings.iterative == IterativeScan::kStrict);
  state->exhausted = !state->walker.Begin(0);
  state->started = true;
}

// Fetches the next batch; false when the scan has no more.
bool NextBatch(ScanState *state, bool first) {
  const ScanSettings &settings = state->settings;
  const bool iterative = settings.iterative != IterativeScan::kOff;
  if (state->exhausted) return false;
  state->exhausted =
      !first &&
      (!iterative || state->walker.visited() >= static_cast<size_t>(settings.max_scan_tuples) ||
       state->walker.MemoryBytes() > settings.scan_mem_multiplier * work_mem * 1024.0);
  if (!state->exhausted) {
    state->walker.NextBatch(0, settings.ef_search, iterative, &state->batch);
    state->exhausted = state->batch.empty();
  }
  if (state->exhausted) {
    state->reranker.Finish();
  } else {
    state->reranker.AddBatch(&state->walker, state->batch, Quantized(state),
                             Quantized(state) ? settings.rerank_candidates : 0);
    if (!iterative) state->reranker.Finish();
  }
  return true;
}

bool Fetch(IndexScanDesc scan) {
  ScanState *state = StateOf(scan);
  if (!state->started) {
    Start(scan, state);
    if (!NextBatch(state, true)) return false;
  }
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    Hit hit;
    float distance;
    while (!state->reranker.Next(&state->walker, &state->reader, &hit, &distance)) {
      if (!NextBatch(state, false)) {
        state->walker.Release();
        return false;
      }
    }
    if (state->settings.iterative == IterativeScan::kStrict) {
      if (distance < state->last_distance) continue;
      state->last_distance = distance;
    }
    state->walker.Release();
    scan->xs_heaptid = hit.tid;
    scan->xs_recheck = false;
    scan->xs_recheckorderby = false;
    return true;
  }
}

}  // namespace

IndexScanDesc BeginScan(Relation index, int keys, int orderbys) {
  EnsureScanSettings();
  IndexScanDesc scan = RelationGetIndexScan(index, keys, orderbys);
  MemoryContext context =
      AllocSetContextCreate(CurrentMemoryContext, "hnsw scan", ALLOCSET_DEFAULT_SIZES);
  scan->opaque = pg::Enter([&] { return pg::InContext<ScanState>(context, context); });
  StateOf(scan)->query_context =
      AllocSetContextCreate(context, "hnsw query", ALLOCSET_DEFAULT_SIZES);
  return scan;
}

void Rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys) {
  ScanState *state = StateOf(scan);
  state->started = false;
  state->exhausted = false;
  state->last_distance = -INFINITY;
  state->batch.clear();
  MemoryContextReset(state->query_context);
  if (keys != nullptr && scan->numberOfKeys > 0)
    memmove(scan->keyData, keys, nkeys * sizeof(ScanKeyData));
  if (orderbys != nullptr && scan->numberOfOrderBys > 0)
    memmove(scan->orderByData, orderbys, norderbys * sizeof(ScanKeyData));
}

bool GetTuple(IndexScanDesc scan, ScanDirection direction) {
  Assert(ScanDirectionIsForward(direction));
  (void)direction;
  return pg::Enter([&] { return Fetch(scan); });
}

// Pins and table handles go first; the memory context takes the rest.
void EndScan(IndexScanDesc scan) {
  ScanState *state = StateOf(scan);
  state->walker.Release();
  state->reader.Close();
  MemoryContextDelete(state->context);
  scan->opaque = nullptr;
}

}  // namespace helios::hnsw
