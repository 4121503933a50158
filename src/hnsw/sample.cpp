#include "hnsw/sample.hpp"

#include "hnsw/core/search.hpp"
#include "hnsw/model.hpp"
#include "hnsw/train.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

extern "C" {
#include "access/tableam.h"
#include "common/pg_prng.h"
#include "utils/memutils.h"
#include "utils/sampling.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

namespace {

// A reservoir over the rows of the sampled blocks.
struct Reservoir {
  ItemSpace space;
  size_t limit;
  size_t seen;
  size_t kept;
  std::vector<float> *rows;
  MemoryContext row_context;
};

void KeepRow(Reservoir *reservoir, Datum value) {
  const uint32 dim = reservoir->space.dim;
  const size_t at = reservoir->seen < reservoir->limit
                        ? reservoir->seen
                        : pg_prng_uint64_range(&pg_global_prng_state, 0, reservoir->seen);
  reservoir->seen++;
  if (at >= reservoir->limit) return;
  const size_t slot = std::min(at, reservoir->kept);
  if ((slot + 1) * dim > reservoir->rows->size()) reservoir->rows->resize((slot + 1) * dim);
  value = PointerGetDatum(PG_DETOAST_DATUM(value));
  const bool usable = MakeFloats(reservoir->space, value, reservoir->rows->data() + slot * dim);
  if (usable && slot == reservoir->kept) reservoir->kept++;
}

void SampleCallback(Relation, ItemPointer, Datum *values, bool *isnull, bool, void *state) {
  auto *reservoir = static_cast<Reservoir *>(state);
  CHECK_FOR_INTERRUPTS();
  if (isnull[0]) return;
  MemoryContext outer = MemoryContextSwitchTo(reservoir->row_context);
  pg::Enter([&] { KeepRow(reservoir, values[0]); });
  MemoryContextSwitchTo(outer);
  MemoryContextReset(reservoir->row_context);
}

// Recall of the 10 nearest among the `kept` best by code, over queries taken from the sample
// itself.
float MeasureRecall(const Codec &codec, const Space &exact, const float *rows, size_t count,
                    uint32 dim, size_t kept) {
  constexpr size_t kNearest = 10, kQueries = 50;
  std::vector<uint8_t> codes(count * codec.code_bytes());
  std::vector<float> scratch(codec.scratch_floats());
  for (size_t i = 0; i < count; i++)
    codec.Encode(rows + i * dim, codes.data() + i * codec.code_bytes(), scratch.data());
  std::vector<Candidate> truth(count), coded(count);
  QueryScorer scorer;
  const size_t queries = std::min(kQueries, count);
  size_t hits = 0;
  for (size_t q = 0; q < queries; q++) {
    const size_t query = q * (count / queries);
    scorer.Prepare(codec, rows + query * dim);
    for (size_t i = 0; i < count; i++) {
      // The query itself is no neighbour: it comes last in both orders.
      const bool self = i == query;
      truth[i] = {self ? INFINITY : exact.distance(exact.ctx, rows + query * dim, rows + i * dim),
                  static_cast<uint32>(i)};
      coded[i] = {self ? INFINITY : scorer.Distance(codes.data() + i * codec.code_bytes()),
                  static_cast<uint32>(i)};
    }
    std::partial_sort(truth.begin(), truth.begin() + kNearest, truth.end());
    std::partial_sort(coded.begin(), coded.begin() + kept, coded.end());
    for (size_t t = 0; t < kNearest; t++) {
      hits += std::any_of(coded.begin(), coded.begin() + kept,
                          [&](const Candidate &c) { return c.id == truth[t].id; });
    }
  }
  return static_cast<float>(hits) / static_cast<float>(queries * kNearest);
}

constexpr size_t kKept = 40;  // candidates that a search with default settings compares

// Trains a candidate on the sample and measures it; -1 when it cannot be used.
float TryQuantization(Relation index, const Options &options, Quantization quantization, Meta meta,
                      const float *rows, size_t count) {
  SetQuantization(index, options, quantization, &meta);
  const CodecSpec spec = SpecOf(meta, kOwnFormat);
  std::vector<uint8_t> model;
  if (count < MinimumTrainingRows(spec) ||
      Train(spec, rows, count, SIZE_MAX, pg::StopRequested, nullptr, &model) != TrainStatus::kOk)
    return -1;
  std::vector<uint64_t> aligned(model.size() / sizeof(uint64_t) + 16);
  void *blob = aligned.data();
  size_t room = aligned.size() * sizeof(uint64_t);
  constexpr size_t kAlignment = 64;
  blob = std::align(kAlignment, model.size(), blob, room);
  memcpy(blob, model.data(), model.size());
  Codec codec;
  const char *why;
  if (!Codec::Open(blob, model.size(), &codec, &why)) return -1;
  const ItemSpace space{meta.type, meta.distance, meta.dim};
  return MeasureRecall(codec, FloatDistance(&space), rows, count, meta.dim, kKept);
}

}  // namespace

float ScalarRecall(Relation index, const Meta &meta, const float *sample, size_t rows) {
  constexpr size_t kNearest = 10;
  const ItemSpace space{meta.type, meta.distance, meta.dim};
  MemoryContext context =
      AllocSetContextCreate(CurrentMemoryContext, "hnsw codec", ALLOCSET_SMALL_SIZES);
  const Codec *codec = OpenScalarCodec(index, meta, context);
  const float recall =
      MeasureRecall(*codec, FloatDistance(&space), sample, rows, meta.dim, kNearest);
  MemoryContextDelete(context);
  return recall;
}

// Reads random blocks until there are enough rows; a table whose vectors are out of line has few
// blocks, then every block is read and the reservoir thins the rows.
size_t SampleTable(Relation heap, Relation index, IndexInfo *info, const ItemSpace &space,
                   size_t limit, std::vector<float> *sample) {
  const BlockNumber blocks = RelationGetNumberOfBlocks(heap);
  Reservoir reservoir{
      space,
      limit,
      0,
      0,
      sample,
      AllocSetContextCreate(CurrentMemoryContext, "hnsw sample row", ALLOCSET_DEFAULT_SIZES)};
  BlockSamplerData sampler;
  BlockSampler_Init(&sampler, blocks, static_cast<int>(std::min<size_t>(blocks, limit)),
                    pg_prng_uint32(&pg_global_prng_state));
  while (BlockSampler_HasMore(&sampler)) {
    CHECK_FOR_INTERRUPTS();
    const BlockNumber block = BlockSampler_Next(&sampler);
    table_index_build_range_scan(heap, index, info, false, true, false, block, 1, SampleCallback,
                                 &reservoir, nullptr);
  }
  MemoryContextDelete(reservoir.row_context);
  return reservoir.kept;
}

Quantization ChooseQuantization(Relation index, const Options &options, Meta *meta,
                                const float *sample, size_t rows) {
  constexpr size_t kMeasured = 5000;
  constexpr size_t kFewestRows = 1000;      // below, the choice would rest on chance
  constexpr uint32 kFewestDimensions = 64;  // below, 8-bit codes are small next to the links
  constexpr float kEnough = 0.95F;
  if (rows < kFewestRows || meta->dim < kFewestDimensions) return Quantization::kScalar;
  const size_t measured = std::min(rows, kMeasured);
  meta->choice.sample = static_cast<uint32>(measured);
  if (meta->distance != DistanceKind::kL1) {
    meta->choice.recall_rabitq =
        TryQuantization(index, options, Quantization::kRabitq, *meta, sample, measured);
    CHECK_FOR_INTERRUPTS();
    if (meta->choice.recall_rabitq >= kEnough) return Quantization::kRabitq;
  }
  meta->choice.recall_product =
      TryQuantization(index, options, Quantization::kProduct, *meta, sample, measured);
  CHECK_FOR_INTERRUPTS();
  return meta->choice.recall_product >= kEnough ? Quantization::kProduct : Quantization::kScalar;
}

}  // namespace helios::hnsw
