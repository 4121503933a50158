// CREATE INDEX: sample, train, build the graph in memory, write it.
#include "hnsw/build.hpp"

#include "hnsw/am.hpp"
#include "hnsw/options.hpp"
#include "hnsw/sample.hpp"
#include "hnsw/store.hpp"
#include "hnsw/train.hpp"
#include "pg/compat.hpp"
#include "pg/handles.hpp"
#include "pg/memory.hpp"
#include "pg/pause.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

extern "C" {
#include "access/generic_xlog.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xloginsert.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "common/hashfn.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

namespace {

constexpr uint64 kLevelSeed = 0x6865;
constexpr Size kRegionAlignment = 64;
constexpr double kEstimateMargin = 1.25;  // the estimate of rows may be low
constexpr double kSpareRows = 1000;

// Phases shown by pg_stat_progress_create_index.
enum Phase : int64 { kPhaseSampling = 2, kPhaseTraining, kPhaseGraph, kPhaseWriting };

void ReportPhase(Phase phase) { pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, phase); }

float ScalarDistance(const void *ctx, const void *a, const void *b) {
  return ScalarPairDistance(*static_cast<const Codec *>(ctx), static_cast<const uint8_t *>(a),
                            static_cast<const uint8_t *>(b));
}

// Puts the graph item of a value into builder->item (or returns the value's own item); null when it
// is not indexed.
const void *BuildItem(Builder *builder, Datum value, uint32 *bytes, const void **full,
                      uint32 *full_bytes) {
  const BuildPlan &plan = builder->plan;
  *full = nullptr;
  if (plan.kind == ItemKind::kPlain) return MakeItem(builder->space, value, bytes);
  if (!MakeFloats(builder->space, value, builder->floats.data())) return nullptr;
  uint8_t *item = builder->item.data();
  builder->scalar->Encode(builder->floats.data(), item, builder->encode_scratch.data());
  *bytes = plan.item_bytes;
  if (plan.kind == ItemKind::kCoded) {
    const void *stored = MakeItem(builder->space, value, full_bytes);
    memcpy(item + plan.own_offset, stored, *full_bytes);
  } else if (plan.kind == ItemKind::kSpilled) {
    *full = MakeItem(builder->space, value, full_bytes);
    const uint64 hash = hash_bytes_extended(static_cast<const unsigned char *>(*full),
                                            static_cast<int>(*full_bytes), 0);
    memcpy(item + plan.own_offset, &hash, sizeof(hash));
  } else if (plan.own_offset != 0) {
    builder->own->Encode(builder->floats.data(), item + plan.own_offset,
                         builder->encode_scratch.data());
  }
  return item;
}

uint64 PackTid(const ItemPointerData &tid) {
  return static_cast<uint64>(ItemPointerGetBlockNumberNoCheck(&tid)) << 16 |
         ItemPointerGetOffsetNumberNoCheck(&tid);
}

// Adds to the graph; false when it is full.
bool AddToGraph(Builder *builder, Datum value, ItemPointerData tid) {
  uint32 bytes, full_bytes, id;
  const void *full;
  const void *item = BuildItem(builder, value, &bytes, &full, &full_bytes);
  if (item == nullptr) return true;
  if (builder->graph.Add(item, bytes, PackTid(tid), builder->distance, &builder->scratch, &id) ==
      Graph::AddResult::kFull)
    return false;
  if (full != nullptr) BufFileWrite(builder->spill, const_cast<void *>(full), full_bytes);
  builder->indexed++;
  return true;
}

// The first participant that finds the graph full writes it out; from then on rows are inserted
// into the pages.
void AddRow(Builder *builder, Datum value, ItemPointerData tid) {
  value = PointerGetDatum(PG_DETOAST_DATUM(value));
  const bool shared = builder->flush_lock != nullptr;
  if (!*builder->flushed) {
    if (shared) LWLockAcquire(builder->flush_lock, LW_SHARED);
    const bool done = !*builder->flushed && AddToGraph(builder, value, tid);
    if (shared) LWLockRelease(builder->flush_lock);
    if (done) return;
    if (shared) LWLockAcquire(builder->flush_lock, LW_EXCLUSIVE);
    if (!*builder->flushed) {
      ereport(NOTICE, (errmsg("hnsw graph no longer fits into maintenance_work_mem after %u tuples",
                              builder->graph.size()),
                       errdetail("Building will take significantly more time."),
                       errhint("Increase maintenance_work_mem to speed up builds.")));
      FlushGraph(builder);
      *builder->flushed = true;
    }
    if (shared) LWLockRelease(builder->flush_lock);
  }
  if (builder->inserter == nullptr) builder->inserter = MakeInserter(builder->context);
  InsertValue(builder->inserter, builder->index, value, tid);
  builder->indexed++;
}

void BuildCallback(Relation, ItemPointer tid, Datum *values, bool *isnull, bool, void *state) {
  auto *builder = static_cast<Builder *>(state);
  CHECK_FOR_INTERRUPTS();
  if (isnull[0]) return;
  MemoryContext outer = MemoryContextSwitchTo(builder->row_context);
  pg::Enter([&] { AddRow(builder, values[0], *tid); });
  MemoryContextSwitchTo(outer);
  MemoryContextReset(builder->row_context);
  if (builder->report_progress)
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, builder->graph.size());
}

// Makes the meta page, so that the blocks that follow have their places.
void CreateMetaPage(Relation index, ForkNumber fork, const Meta &meta) {
  Buffer buffer = pg::ExtendLocked(index, fork);
  Page page = BufferGetPage(buffer);
  InitPage(page, PageKind::kMeta, kOwnFormat, 0);
  *MetaOf(page) = meta;
  reinterpret_cast<PageHeader>(page)->pd_lower =
      static_cast<LocationIndex>(PageGetContents(page) + sizeof(Meta) - page);
  MarkBufferDirty(buffer);
  UnlockReleaseBuffer(buffer);
}

// Plans for as many workers as PostgreSQL would; a table whose vectors lie out of line looks small
// to it.
int PlanWorkers(Relation heap, Relation index, IndexInfo *info) {
  const int planned = plan_create_index_workers(RelationGetRelid(heap), RelationGetRelid(index));
  if (planned > 0 || max_parallel_maintenance_workers == 0) return planned;
  const bool safe = RelationGetParallelWorkers(heap, -1) != 0 && info->ii_Expressions == NIL &&
                    info->ii_Predicate == NIL &&
                    heap->rd_rel->relpersistence != RELPERSISTENCE_TEMP;
  if (!safe || !OidIsValid(heap->rd_rel->reltoastrelid)) return 0;
  constexpr BlockNumber kLargeToast = 8192;  // 64 MiB of vectors
  const pg::RelationHandle toast(heap->rd_rel->reltoastrelid, AccessShareLock);
  return toast.blocks() >= kLargeToast ? max_parallel_maintenance_workers : 0;
}

// Everything that one build owns; lives in its memory context.
struct BuildState {
  Builder builder;
  std::vector<float> sample;
  std::vector<uint8_t> model;
  const void *model_blob = nullptr;
  bool flushed = false;
};

// Says what `auto` chose and what it measured.
void ReportChoice(Relation index, Quantization quantization, const AutoChoice &choice) {
  char product[64] = "";
  if (choice.recall_product >= 0)
    snprintf(product, sizeof(product), ", %.3f by product codes", choice.recall_product);
  char rabitq[64] = "";
  if (choice.recall_rabitq >= 0)
    snprintf(rabitq, sizeof(rabitq), ", %.3f by rabitq codes", choice.recall_rabitq);
  ereport(NOTICE, (errmsg("index \"%s\" uses quantization = %s", RelationGetRelationName(index),
                          QuantizationName(quantization)),
                   choice.sample == 0
                       ? errdetail("The table has too few rows or dimensions to measure others.")
                       : errdetail("In a sample of %u rows, the share of the 10 nearest found "
                                   "among the 40 best is%s%s.",
                                   choice.sample, rabitq[0] == ',' ? rabitq + 1 : "",
                                   rabitq[0] == ',' ? product : product + 1)));
}

// Tells whether training found that scalar codes lose less after a random rotation.
bool RotationPays(const std::vector<uint8_t> &model) {
  Codec codec;
  const char *why;
  std::vector<uint64_t> aligned(model.size() / sizeof(uint64_t) + 4);
  void *blob = aligned.data();
  size_t room = aligned.size() * sizeof(uint64_t);
  constexpr size_t kAlignment = 16;
  blob = std::align(kAlignment, model.size(), blob, room);
  memcpy(blob, model.data(), model.size());
  return Codec::Open(blob, model.size(), &codec, &why) && codec.spec().rotate;
}

// Trains the model, or leaves the index untrained when the table has too few rows.
void PrepareQuantization(BuildState *state, const Options &options) {
  Builder &builder = state->builder;
  Meta &meta = builder.plan.meta;
  Quantization quantization = meta.requested;
  size_t rows = 0;
  if (quantization == Quantization::kNone) {
    SetQuantization(builder.index, options, quantization, &meta);
    return;
  }
  CodecSpec spec;
  spec.kind = CodecKind::kProduct;
  spec.dim = meta.dim;
  spec.metric = static_cast<Metric>(meta.distance);
  spec.centroids = static_cast<uint32>(options.pq_centroids);
  spec.subquantizers = 1;
  ReportPhase(kPhaseSampling);
  const size_t memory_rows =
      std::max<size_t>(maintenance_work_mem * size_t{1024} / 2 / (meta.dim * sizeof(float)), 100);
  const size_t useful = quantization == Quantization::kScalar ? 1000 : UsefulTrainingRows(spec);
  rows = SampleTable(builder.heap, builder.index, builder.info, builder.space,
                     std::min(useful, std::max(memory_rows, MinimumTrainingRows(spec))),
                     &state->sample);
  ReportPhase(kPhaseTraining);
  if (quantization == Quantization::kAuto) {
    quantization = ChooseQuantization(builder.index, options, &meta, state->sample.data(), rows);
    ReportChoice(builder.index, quantization, meta.choice);
  }
  Options effective = options;
  if (quantization == Quantization::kScalar)
    effective.rerank_source = static_cast<int>(RerankSource::kHeap);
  SetQuantization(builder.index, effective, quantization, &meta);
  const bool trained = TrainModel(builder.index, SpecOf(meta, kOwnFormat), state->sample.data(),
                                  rows, &state->model);
  state->sample = {};
  if (quantization == Quantization::kScalar) {
    meta.rotate = RotationPays(state->model);
    state->model = {};
    return;
  }
  meta.trained = meta.converted = trained;
  if (!trained) {
    ereport(NOTICE, (errmsg("index \"%s\" stores 8-bit scalar codes for now",
                            RelationGetRelationName(builder.index)),
                     errdetail("The table has %zu rows to train %s codes, which need %zu.", rows,
                               QuantizationName(quantization),
                               MinimumTrainingRows(SpecOf(meta, kOwnFormat))),
                     errhint("VACUUM trains the index once the table has enough rows.")));
    return;
  }
  constexpr Size kAlignment = 64;
  auto *raw = static_cast<char *>(
      MemoryContextAllocHuge(builder.context, state->model.size() + kAlignment));
  state->model_blob = reinterpret_cast<void *>(TYPEALIGN(kAlignment, raw));
  memcpy(const_cast<void *>(state->model_blob), state->model.data(), state->model.size());
}

// Tells whether distances between 8-bit codes choose the neighbours that exact distances would, on
// a sample.
bool CodesKeepOrder(BuildState *state, double rows) {
  constexpr size_t kSampled = 2000;
  constexpr double kWorthwhile = 5000;  // a smaller graph is built at once either way
  constexpr float kEnough = 0.98F;
  Builder &builder = state->builder;
  if (!builder.space.dense() || rows < kWorthwhile) return false;
  ReportPhase(kPhaseSampling);
  const size_t sampled = SampleTable(builder.heap, builder.index, builder.info, builder.space,
                                     kSampled, &state->sample);
  const float recall = sampled < kSampled / 2 ? 0
                                              : ScalarRecall(builder.index, builder.plan.meta,
                                                             state->sample.data(), sampled);
  state->sample = {};
  return recall >= kEnough;
}

// Chooses what the graph holds of each row, for about `rows` rows in `budget` bytes.
void PlanItems(BuildState *state, const GraphSpec &shape, size_t rows, Size budget) {
  Builder &builder = state->builder;
  BuildPlan &plan = builder.plan;
  const Meta &meta = plan.meta;
  const auto scalar_bytes =
      builder.space.dense() ? static_cast<uint32>(MAXALIGN(Codec::CodeBytes(ScalarSpec(meta)))) : 0;
  if (meta.quantization == Quantization::kNone) {
    plan.kind = ItemKind::kPlain;
    plan.item_bytes = ItemBytes(builder.space);
    if (!CodesKeepOrder(state, static_cast<double>(rows))) return;
    GraphSpec coded = shape;
    coded.item_bytes = scalar_bytes + plan.item_bytes;
    plan.kind = Graph::RegionBytes(coded, rows) <= budget ? ItemKind::kCoded : ItemKind::kSpilled;
    plan.own_offset = scalar_bytes;
    plan.item_bytes = plan.kind == ItemKind::kCoded
                          ? coded.item_bytes
                          : scalar_bytes + static_cast<uint32>(sizeof(uint64));
    return;
  }
  plan.kind = ItemKind::kQuantized;
  plan.item_bytes = static_cast<uint32>(Codec::CodeBytes(ScalarSpec(meta)));
  plan.own_offset = 0;
  if (meta.trained && meta.quantization != Quantization::kScalar) {
    plan.own_offset = scalar_bytes;
    plan.item_bytes = plan.own_offset + meta.code_bytes[kOwnFormat];
  }
}

void BuildIndex(BuildState *state, double *heap_rows, double *index_rows) {
  Builder &builder = state->builder;
  Relation heap = builder.heap;
  const Options options = OptionsOf(builder.index);
  builder.space = SpaceOf(builder.index);
  ResolveOptions(builder.index, options, builder.space, &builder.plan.meta);
  PrepareQuantization(state, options);
  const Meta &meta = builder.plan.meta;
  CreateMetaPage(builder.index, MAIN_FORKNUM, meta);
  if (state->model_blob != nullptr) {
    builder.plan.meta.model_bytes = static_cast<uint32>(state->model.size());
    builder.plan.meta.model_version = 1;
    builder.plan.meta.model_block =
        WriteModel(builder.index, MAIN_FORKNUM, state->model.data(), meta.model_bytes, false);
  }

  BlockNumber pages;
  double tuples, visible;
  table_relation_estimate_size(heap, nullptr, &pages, &tuples, &visible);
  const auto rows = static_cast<size_t>(std::max(tuples, 0.0) * kEstimateMargin + kSpareRows);
  const Size budget = static_cast<Size>(maintenance_work_mem) * 1024;
  GraphSpec spec{meta.m, meta.ef_construction, 0, kLevelSeed};
  PlanItems(state, spec, rows, budget);
  spec.item_bytes = builder.plan.item_bytes;
  const Size wanted = spec.item_bytes == 0 ? budget : Graph::RegionBytes(spec, rows);
  const Size region_bytes = std::max(std::min(wanted, budget), Graph::RegionBytes(spec, 0));
  builder.flushed = &state->flushed;
  PrepareBuilder(&builder, state->model_blob, static_cast<uint32>(state->model.size()));
  ReportPhase(kPhaseGraph);
  pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL,
                               static_cast<int64>(std::max(tuples, 0.0)));

  const int workers =
      builder.plan.kind == ItemKind::kSpilled ? 0 : PlanWorkers(heap, builder.index, builder.info);
  if (workers > 0 &&
      BuildParallel(&builder, workers, region_bytes, spec, state->model_blob,
                    static_cast<uint32>(state->model.size()), heap_rows, index_rows)) {
    return;
  }
  auto *raw =
      static_cast<char *>(MemoryContextAllocHuge(builder.context, region_bytes + kRegionAlignment));
  builder.graph =
      Graph::Format(reinterpret_cast<void *>(TYPEALIGN(kRegionAlignment, raw)), region_bytes, spec);
  if (builder.plan.kind == ItemKind::kSpilled) builder.spill = BufFileCreateTemp(false);
  builder.report_progress = true;
  *heap_rows = BuildScan(&builder, nullptr, true);
  ReportPhase(kPhaseWriting);
  if (!state->flushed) FlushGraph(&builder);
  *index_rows = builder.indexed;
}

}  // namespace

void PrepareBuilder(Builder *builder, const void *model, uint32 model_bytes) {
  const BuildPlan &plan = builder->plan;
  builder->row_context =
      AllocSetContextCreate(builder->context, "hnsw build row", ALLOCSET_DEFAULT_SIZES);
  if (plan.kind == ItemKind::kPlain) {
    builder->distance = ItemDistance(&builder->space);
    return;
  }
  builder->floats.resize(plan.meta.dim);
  builder->item.resize(plan.item_bytes);
  builder->scalar = plan.meta.quantization == Quantization::kScalar
                        ? OpenCodec(builder->index, plan.meta, kOwnFormat, builder->context)
                        : OpenScalarCodec(builder->index, plan.meta, builder->context);
  if (model != nullptr) {
    auto *codec = static_cast<Codec *>(MemoryContextAllocZero(builder->context, sizeof(Codec)));
    const char *why;
    if (!Codec::Open(model, model_bytes, codec, &why))
      elog(ERROR, "trained model is unusable: %s", why);
    builder->own = codec;
  }
  builder->distance = {ScalarDistance, builder->scalar};
  builder->encode_scratch.resize(
      std::max(builder->scalar->scratch_floats(),
               builder->own == nullptr ? 0 : builder->own->scratch_floats()) +
      1);
}

double BuildScan(Builder *builder, TableScanDescData *scan, bool progress) {
  return table_index_build_scan(builder->heap, builder->index, builder->info, true, progress,
                                BuildCallback, builder, scan);
}

IndexBuildResult *Build(Relation heap, Relation index, IndexInfo *info) {
  EnsureScanSettings();
  if (RelationGetNumberOfBlocks(index) != 0)
    elog(ERROR, "index \"%s\" already contains data", RelationGetRelationName(index));
  MemoryContext context =
      AllocSetContextCreate(CurrentMemoryContext, "hnsw build", ALLOCSET_DEFAULT_SIZES);
  double heap_rows = 0;
  double index_rows = 0;
  pg::Enter([&] {
    BuildState *state = pg::InContext<BuildState>(context);
    state->builder.heap = heap;
    state->builder.index = index;
    state->builder.info = info;
    state->builder.context = context;
    BuildIndex(state, &heap_rows, &index_rows);
    if (state->builder.spill != nullptr) BufFileClose(state->builder.spill);
  });
  MemoryContextDelete(context);
  auto *result = static_cast<IndexBuildResult *>(palloc(sizeof(IndexBuildResult)));
  result->heap_tuples = heap_rows;
  result->index_tuples = index_rows;
  return result;
}

// The init fork of an unlogged index is an empty index; it is copied after a crash.
void BuildEmpty(Relation index) {
  Meta meta;
  const Options options = OptionsOf(index);
  ResolveOptions(index, options, SpaceOf(index), &meta);
  Options effective = options;
  Quantization quantization = meta.requested;
  if (quantization == Quantization::kAuto) {
    quantization = Quantization::kScalar;
    effective.rerank_source = static_cast<int>(RerankSource::kHeap);
  }
  SetQuantization(index, effective, quantization, &meta);
  CreateMetaPage(index, INIT_FORKNUM, meta);
  log_newpage_range(index, INIT_FORKNUM, 0, 1, true);
}

}  // namespace helios::hnsw
