// Scalar codes: estimates, certain bounds, rotation, damaged heads.
#include <cstring>

#include "gtest/gtest.h"
#include "hnsw/core/codec_test_data.hpp"
#include "hnsw/core/model.hpp"

namespace helios::hnsw {
namespace {

TEST(Scalar, RotatesOnlyWhereItHelps) {
  // One loud coordinate stretches every vector's range.
  constexpr size_t kDim = 64, kRows = 200;
  std::vector<float> rows = Clustered(kRows, kDim, 1, false);
  TrainedCodec trained;
  ASSERT_EQ(trained.Make(ScalarSpec(Metric::kL2, kDim), rows), TrainStatus::kOk);
  EXPECT_FALSE(trained.codec.spec().rotate);
  for (size_t r = 0; r < kRows; ++r) rows[r * kDim] *= 50;
  ASSERT_EQ(trained.Make(ScalarSpec(Metric::kL2, kDim), rows), TrainStatus::kOk);
  EXPECT_TRUE(trained.codec.spec().rotate);
  ASSERT_EQ(trained.Make(ScalarSpec(Metric::kL1, kDim), rows), TrainStatus::kOk);
  EXPECT_FALSE(trained.codec.spec().rotate);
  ASSERT_EQ(trained.Make(ScalarSpec(Metric::kL2, kDim), {}), TrainStatus::kOk);
  EXPECT_FALSE(trained.codec.spec().rotate);
}

TEST(Scalar, EstimatesAreThoseOfTheReconstruction) {
  for (const Metric metric : kMetrics) {
    for (const uint32_t dim : {1u, 3u, 65u, 784u, kMaxDim}) {
      const std::vector<float> rows = Clustered(3, dim, 1, metric == Metric::kCosine);
      for (const bool rotate : {false, true}) {
        if (rotate && metric == Metric::kL1) continue;
        CodecSpec spec = ScalarSpec(metric, dim);
        spec.rotate = rotate;
        TrainedCodec trained;
        ASSERT_EQ(trained.Make(spec, {}), TrainStatus::kOk);
        const std::vector<uint8_t> a = trained.Encode(rows.data());
        const std::vector<uint8_t> b = trained.Encode(rows.data() + dim);
        const std::vector<float> x = trained.Decode(a.data()), y = trained.Decode(b.data());
        const float* query = rows.data() + 2 * dim;
        QueryScorer scorer;
        scorer.Prepare(trained.codec, query);
        const double size = WorkingDistance(Metric::kL2, x.data(), y.data(), dim) +
                            -WorkingDistance(Metric::kInnerProduct, x.data(), x.data(), dim) +
                            (metric == Metric::kL1 ? dim : 0);
        const double tolerance = 1e-3 * size + 1e-5;
        EXPECT_NEAR(scorer.Distance(a.data()), WorkingDistance(metric, query, x.data(), dim),
                    tolerance)
            << Name(spec);
        EXPECT_NEAR(ScalarPairDistance(trained.codec, a.data(), b.data()),
                    WorkingDistance(metric, x.data(), y.data(), dim), tolerance)
            << Name(spec);
      }
    }
  }
}

// The working distance in double arithmetic.
double ExactDistance(Metric metric, const float* a, const float* b, size_t dim) {
  double sum = 0;
  for (size_t i = 0; i < dim; ++i) {
    const double x = a[i], y = b[i];
    if (metric == Metric::kL2) sum += (x - y) * (x - y);
    else if (metric == Metric::kL1) sum += std::abs(x - y);
    else sum -= x * y;
  }
  return metric == Metric::kCosine ? 1 + sum : sum;
}

TEST(Scalar, BoundsHoldWithoutASample) {
  constexpr size_t kRows = 60, kQueries = 10;
  for (const Metric metric : kMetrics) {
    const bool unit = metric == Metric::kCosine;
    for (const uint32_t dim : {1u, 2u, 17u, 300u, kMaxDim}) {
      const size_t n = dim == kMaxDim ? 4 : kRows;
      std::vector<float> rows = Clustered(n, dim, 1, unit);
      // Far from the origin, near each other: small distances from large sums.
      for (size_t i = 0; !unit && i < n / 2 * dim; ++i) rows[i] = 1000 + rows[i] / 100;
      for (const bool rotate : {false, true}) {
        if (rotate && metric == Metric::kL1) continue;
        CodecSpec spec = ScalarSpec(metric, dim);
        spec.rotate = rotate;
        TrainedCodec trained;
        ASSERT_EQ(trained.Make(spec, {}), TrainStatus::kOk);
        for (size_t q = 0; q < std::min(n, kQueries); ++q) {
          const float* query = rows.data() + q * n / std::min(n, kQueries) * dim;
          QueryScorer scorer;
          scorer.Prepare(trained.codec, query);
          for (size_t r = 0; r < n; ++r) {
            const float* x = rows.data() + r * dim;
            const Estimate estimate = scorer.Bound(trained.Encode(x).data());
            EXPECT_LE(std::abs(WorkingDistance(metric, query, x, dim) - estimate.distance),
                      estimate.error)
                << Name(spec);
            EXPECT_LE(std::abs(ExactDistance(metric, query, x, dim) - estimate.distance),
                      estimate.error)
                << Name(spec);
          }
        }
      }
    }
  }
}

TEST(Scalar, BoundsSeparateNeighbours) {
  // Wide intervals would be right and useless.
  constexpr uint32_t kDim = 100;
  for (const Metric metric : kMetrics) {
    const std::vector<float> rows = Clustered(400, kDim, 1, metric == Metric::kCosine);
    TrainedCodec trained;
    ASSERT_EQ(trained.Make(ScalarSpec(metric, kDim), {}), TrainStatus::kOk);
    QueryScorer scorer;
    scorer.Prepare(trained.codec, rows.data());
    std::vector<float> exact;
    double error = 0;
    for (size_t r = 1; r < 400; ++r) {
      const float* x = rows.data() + r * kDim;
      exact.push_back(WorkingDistance(metric, rows.data(), x, kDim));
      error += scorer.Bound(trained.Encode(x).data()).error / 399;
    }
    const auto [low, high] = std::minmax_element(exact.begin(), exact.end());
    EXPECT_LT(error, 0.02 * (*high - *low)) << static_cast<int>(metric);
  }
}

TEST(Scalar, HostileHeadsHaveNoBound) {
  constexpr uint32_t kDim = 20;
  const std::vector<float> rows = Clustered(2, kDim, 1, true);
  constexpr size_t kLo = 0, kStep = 4, kError = 16;
  for (const Metric metric : kMetrics) {
    TrainedCodec trained;
    ASSERT_EQ(trained.Make(ScalarSpec(metric, kDim), {}), TrainStatus::kOk);
    const std::vector<uint8_t> code = trained.Encode(rows.data());
    QueryScorer scorer;
    scorer.Prepare(trained.codec, rows.data() + kDim);
    for (const size_t at : {kLo, kStep, kError}) {
      for (const float value : {NAN, INFINITY, -INFINITY, -1.0f}) {
        if (at == kLo && value == -1.0f) continue;
        std::vector<uint8_t> damaged = code;
        std::memcpy(damaged.data() + at, &value, sizeof value);
        EXPECT_EQ(scorer.Bound(damaged.data()).error, INFINITY) << at << " " << value;
      }
    }
  }
}

TEST(Scalar, SumsFitAtTheLargestDimension) {
  // Every byte 255 but one, and a query of equal components, with either sign.
  for (const float value : {1.0f, -1.0f, 1e-30f, 1e30f}) {
    std::vector<float> x(kMaxDim, 1.0f);
    x[0] = 0;
    TrainedCodec trained;
    ASSERT_EQ(trained.Make(ScalarSpec(Metric::kInnerProduct, kMaxDim), {}), TrainStatus::kOk);
    const std::vector<uint8_t> code = trained.Encode(x.data());
    ASSERT_EQ(code.back(), 255);
    const std::vector<float> query(kMaxDim, value);
    QueryScorer scorer;
    scorer.Prepare(trained.codec, query.data());
    const float exact = -value * (kMaxDim - 1);
    EXPECT_NEAR(scorer.Distance(code.data()), exact, 1e-3f * std::abs(exact));
    const Estimate estimate = scorer.Bound(code.data());
    EXPECT_NEAR(estimate.distance, exact, estimate.error);
    EXPECT_LT(estimate.error, 1e-3f * std::abs(exact));
  }
}

TEST(Scalar, ConstantVectorsAreExact) {
  TrainedCodec trained;
  ASSERT_EQ(trained.Make(ScalarSpec(Metric::kL2, 5), {}), TrainStatus::kOk);
  const std::vector<float> x(5, -1.25f);
  EXPECT_EQ(trained.Decode(trained.Encode(x.data()).data()), x);
}

}  // namespace
}  // namespace helios::hnsw
