// Training contracts and hostile model blobs.
#include "hnsw/core/model.hpp"

#include "gtest/gtest.h"
#include "hnsw/core/codec_test_data.hpp"

namespace helios::hnsw {
namespace {

constexpr uint32_t kDim = 20;
constexpr size_t kRows = 300;
constexpr size_t kMemory = size_t{1} << 24;

// Small models of every kind.
std::vector<CodecSpec> SmallSpecs() {
  std::vector<CodecSpec> specs = {
      ScalarSpec(Metric::kL2, kDim), ProductSpec(Metric::kL2, kDim, 6, 20),
      ProductSpec(Metric::kCosine, kDim, 4, 8), RabitqSpec(Metric::kInnerProduct, kDim, 1),
      RabitqSpec(Metric::kL2, kDim, 4)};
  specs[2].rotate = true;
  return specs;
}

bool Opens(const std::vector<uint8_t>& blob, const char** why) {
  Codec codec;
  *why = nullptr;
  return Codec::Open(blob.data(), blob.size(), &codec, why);
}

TEST(Model, TrainingIsDeterministic) {
  const std::vector<float> rows = Clustered(kRows, kDim, 1, true);
  for (CodecSpec spec : SmallSpecs()) {
    std::vector<uint8_t> first, second, other;
    ASSERT_EQ(Train(spec, rows.data(), kRows, kMemory, nullptr, nullptr, &first), TrainStatus::kOk);
    ASSERT_EQ(Train(spec, rows.data(), kRows, kMemory, nullptr, nullptr, &second),
              TrainStatus::kOk);
    EXPECT_EQ(first, second);
    spec.seed += 1;
    ASSERT_EQ(Train(spec, rows.data(), kRows, kMemory, nullptr, nullptr, &other), TrainStatus::kOk);
    EXPECT_NE(first, other);
  }
}

TEST(Model, SpecSurvives) {
  const std::vector<float> rows = Clustered(kRows, kDim, 1, true);
  for (const CodecSpec& spec : SmallSpecs()) {
    TrainedCodec trained;
    ASSERT_EQ(trained.Make(spec, rows), TrainStatus::kOk);
    const CodecSpec& got = trained.codec.spec();
    EXPECT_EQ(got.metric, spec.metric);
    EXPECT_EQ(got.kind, spec.kind);
    EXPECT_EQ(got.dim, spec.dim);
    EXPECT_EQ(got.subquantizers, spec.subquantizers);
    EXPECT_EQ(got.centroids, spec.centroids);
    EXPECT_EQ(got.bits, spec.bits);
    EXPECT_EQ(got.rotate, spec.rotate);
    EXPECT_EQ(got.seed, spec.seed);
  }
}

TEST(Model, RefusesWhatItCannotDo) {
  const std::vector<float> rows = Clustered(kRows, kDim, 1, false);
  const auto train = [&](const CodecSpec& spec, size_t n) {
    std::vector<uint8_t> model;
    return Train(spec, rows.data(), n, kMemory, nullptr, nullptr, &model);
  };
  CodecSpec spec = RabitqSpec(Metric::kL1, kDim, 1);
  EXPECT_EQ(train(spec, kRows), TrainStatus::kUnsupported);
  spec = RabitqSpec(Metric::kL2, kDim, 2);
  EXPECT_EQ(train(spec, kRows), TrainStatus::kUnsupported);
  spec = ProductSpec(Metric::kL1, kDim, 4, 8);
  spec.rotate = true;
  EXPECT_EQ(train(spec, kRows), TrainStatus::kUnsupported);
  spec = ProductSpec(Metric::kL2, kDim, kDim + 1, 8);
  EXPECT_EQ(train(spec, kRows), TrainStatus::kUnsupported);
  spec = ProductSpec(Metric::kL2, kDim, 4, 257);
  EXPECT_EQ(train(spec, kRows), TrainStatus::kUnsupported);
  spec = ProductSpec(Metric::kL2, kMaxLearnedRotationDim + 1, 4, 8);
  spec.rotate = true;
  EXPECT_EQ(train(spec, 0), TrainStatus::kUnsupported);
  spec = ProductSpec(Metric::kL2, kDim, 4, 256);
  EXPECT_EQ(MinimumTrainingRows(spec), 2560u);
  EXPECT_EQ(train(spec, kRows), TrainStatus::kTooFewRows);
  EXPECT_EQ(train(RabitqSpec(Metric::kL2, kDim, 1), 99), TrainStatus::kTooFewRows);
  EXPECT_EQ(train(RabitqSpec(Metric::kL2, kDim, 1), 100), TrainStatus::kOk);
}

TEST(Model, StopsWhenInterrupted) {
  const std::vector<float> rows = Clustered(kRows, kDim, 1, true);
  for (const CodecSpec& spec : SmallSpecs()) {
    for (int allowed : {0, 1, 5}) {
      if (spec.kind == CodecKind::kScalar && allowed > 1) continue;
      const auto stop = [](void* arg) { return (*static_cast<int*>(arg))-- <= 0; };
      std::vector<uint8_t> model;
      EXPECT_EQ(Train(spec, rows.data(), kRows, kMemory, stop, &allowed, &model),
                TrainStatus::kInterrupted);
    }
  }
}

TEST(Model, TrainsInLittleMemory) {
  const std::vector<float> rows = Clustered(kRows, kDim, 1, true);
  for (const CodecSpec& spec : SmallSpecs()) {
    std::vector<uint8_t> model;
    EXPECT_EQ(Train(spec, rows.data(), kRows, 0, nullptr, nullptr, &model), TrainStatus::kOk);
  }
}

TEST(Model, EveryDamagedByteIsNoticed) {
  const std::vector<float> rows = Clustered(kRows, kDim, 1, true);
  for (const CodecSpec& spec : SmallSpecs()) {
    TrainedCodec trained;
    ASSERT_EQ(trained.Make(spec, rows), TrainStatus::kOk);
    const char* why;
    for (size_t i = 0; i < trained.blob.size(); ++i) {
      std::vector<uint8_t> blob = trained.blob;
      blob[i] ^= 0x40;
      EXPECT_FALSE(Opens(blob, &why)) << i;
      EXPECT_NE(why, nullptr);
    }
    for (size_t size = 0; size < trained.blob.size(); size += 13) {
      std::vector<uint8_t> blob(trained.blob.begin(),
                                trained.blob.begin() + static_cast<ptrdiff_t>(size));
      EXPECT_FALSE(Opens(blob, &why)) << size;
    }
    std::vector<uint8_t> longer = trained.blob;
    longer.resize(longer.size() + 16);
    EXPECT_FALSE(Opens(longer, &why));
  }
}

TEST(Model, SealedNonsenseIsRefused) {
  const std::vector<float> rows = Clustered(kRows, kDim, 1, true);
  for (const CodecSpec& spec : SmallSpecs()) {
    TrainedCodec trained;
    ASSERT_EQ(trained.Make(spec, rows), TrainStatus::kOk);
    constexpr size_t kMetric = 24, kKind = 25, kRotate = 27, kDimAt = 28, kSpread = 52, kZero = 56;
    const auto refuses = [&](size_t at, const void* bytes, size_t count) {
      std::vector<uint8_t> blob = trained.blob;
      std::memcpy(blob.data() + at, bytes, count);
      Seal(blob.data(), blob.size());
      const char* why;
      return !Opens(blob, &why) && why != nullptr;
    };
    const uint8_t nine = 9;
    const uint32_t huge = 0xFFFFFFFF, none = 0;
    const float nan = NAN, negative = -1;
    EXPECT_TRUE(refuses(kMetric, &nine, 1));
    EXPECT_TRUE(refuses(kKind, &nine, 1));
    EXPECT_TRUE(refuses(kRotate, &nine, 1));
    EXPECT_TRUE(refuses(kDimAt, &huge, 4));
    EXPECT_TRUE(refuses(kDimAt, &none, 4));
    EXPECT_TRUE(refuses(kSpread, &nan, 4));
    EXPECT_TRUE(refuses(kSpread, &negative, 4));
    EXPECT_TRUE(refuses(kZero, &nine, 1));
    if (trained.blob.size() > 64) {
      EXPECT_TRUE(refuses(64, &nan, 4));
    }
  }
}

TEST(Model, MisalignedBlobIsRefused) {
  TrainedCodec trained;
  ASSERT_EQ(trained.Make(ScalarSpec(Metric::kL2, kDim), {}), TrainStatus::kOk);
  std::vector<uint8_t> shifted(trained.blob.size() + 1);
  std::copy(trained.blob.begin(), trained.blob.end(), shifted.begin() + 1);
  Codec codec;
  const char* why = nullptr;
  EXPECT_FALSE(Codec::Open(shifted.data() + 1, trained.blob.size(), &codec, &why));
  EXPECT_STREQ(why, "model is not aligned");
}

TEST(Model, HostileCodesAreMemorySafe) {
  const std::vector<float> rows = Clustered(kRows, kDim, 1, true);
  Random random(9);
  for (const CodecSpec& spec : SmallSpecs()) {
    TrainedCodec trained;
    ASSERT_EQ(trained.Make(spec, rows), TrainStatus::kOk);
    QueryScorer scorer;
    scorer.Prepare(trained.codec, rows.data());
    std::vector<uint8_t> code(trained.codec.code_bytes());
    for (int round = 0; round < 200; ++round) {
      for (uint8_t& byte : code) {
        byte = round == 0 ? 0xFF : static_cast<uint8_t>(random.Next());
      }
      scorer.Distance(code.data());
      const Estimate estimate = scorer.Bound(code.data());
      EXPECT_TRUE(std::isfinite(estimate.distance) || std::isinf(estimate.error));
      trained.Decode(code.data());
      if (spec.kind == CodecKind::kScalar) {
        ScalarPairDistance(trained.codec, code.data(), code.data());
      }
    }
  }
}

}  // namespace
}  // namespace helios::hnsw
