// Every codec on every metric: accuracy, bounds, round trips, extreme vectors.
#include "hnsw/core/codec.hpp"

#include <cstring>
#include <numeric>

#include "gtest/gtest.h"
#include "hnsw/core/codec_test_data.hpp"
#include "hnsw/core/model.hpp"

namespace helios::hnsw {
namespace {

// Every kind of codec that supports a metric.
std::vector<CodecSpec> Specs(Metric metric, uint32_t dim) {
  std::vector<CodecSpec> specs = {ScalarSpec(metric, dim)};
  const uint32_t m = std::min(dim, 7u);
  for (const uint32_t k : {1u, 2u, 5u, 16u}) specs.push_back(ProductSpec(metric, dim, m, k));
  if (metric == Metric::kL1) return specs;
  specs.push_back(RabitqSpec(metric, dim, 1));
  specs.push_back(RabitqSpec(metric, dim, 4));
  return specs;
}

// What one codec does on one data set.
struct Quality {
  double recall;    // of the 10 nearest among the 20 best estimates
  double coverage;  // pairs inside Bound
  double relative;  // squared reconstruction error over squared distance from the mean
};

Quality Assess(const CodecSpec& spec, size_t n) {
  constexpr size_t kQueries = 20, kNearest = 10, kRerank = 20;
  const size_t dim = spec.dim;
  const bool unit = spec.metric == Metric::kCosine;
  const std::vector<float> rows = Clustered(n, dim, 1, unit);
  const std::vector<float> queries = Clustered(kQueries, dim, 2, unit);
  TrainedCodec trained;
  EXPECT_EQ(trained.Make(spec, rows), TrainStatus::kOk) << Name(spec);
  std::vector<std::vector<uint8_t>> codes;
  std::vector<double> mean(dim);
  for (size_t i = 0; i < n * dim; ++i) mean[i % dim] += rows[i] / static_cast<double>(n);
  double error = 0, variance = 0;
  for (size_t r = 0; r < n; ++r) {
    codes.push_back(trained.Encode(rows.data() + r * dim));
    const std::vector<float> decoded = trained.Decode(codes.back().data());
    for (size_t i = 0; i < dim; ++i) {
      error += std::pow(static_cast<double>(decoded[i]) - rows[r * dim + i], 2);
      variance += std::pow(rows[r * dim + i] - mean[i], 2);
    }
  }
  size_t found = 0, inside = 0;
  QueryScorer scorer;
  std::vector<float> exact(n), estimated(n);
  std::vector<size_t> by_exact(n), by_estimate(n);
  for (size_t q = 0; q < kQueries; ++q) {
    const float* query = queries.data() + q * dim;
    scorer.Prepare(trained.codec, query);
    for (size_t r = 0; r < n; ++r) {
      exact[r] = WorkingDistance(spec.metric, query, rows.data() + r * dim, dim);
      estimated[r] = scorer.Distance(codes[r].data());
      const Estimate estimate = scorer.Bound(codes[r].data());
      inside += std::abs(exact[r] - estimate.distance) <= estimate.error;
    }
    std::iota(by_exact.begin(), by_exact.end(), 0);
    std::iota(by_estimate.begin(), by_estimate.end(), 0);
    std::sort(by_exact.begin(), by_exact.end(),
              [&](size_t a, size_t b) { return exact[a] < exact[b]; });
    std::sort(by_estimate.begin(), by_estimate.end(),
              [&](size_t a, size_t b) { return estimated[a] < estimated[b]; });
    for (size_t i = 0; i < kNearest; ++i) {
      const auto end = by_estimate.begin() + kRerank;
      found += std::find(by_estimate.begin(), end, by_exact[i]) != end;
    }
  }
  const double pairs = static_cast<double>(n * kQueries);
  return {static_cast<double>(found) / (kQueries * kNearest), static_cast<double>(inside) / pairs,
          error / variance};
}

TEST(Codec, KeepsTheNearestOnEveryMetric) {
  constexpr size_t kRows = 400, kDim = 100;
  struct Case {
    CodecSpec spec;
    double recall, relative;
  };
  for (const Metric metric : kMetrics) {
    std::vector<Case> cases = {{ScalarSpec(metric, kDim), 1, 1e-3},
                               {ProductSpec(metric, kDim, 50, 16), 0.75, 0.25},
                               {ProductSpec(metric, kDim, 30, 30), 0.6, 0.3},
                               {ProductSpec(metric, kDim, 25, 40), 0.6, 0.35}};
    if (metric != Metric::kL1) {
      cases.push_back({RabitqSpec(metric, kDim, 1), 0.75, 0.5});
      cases.push_back({RabitqSpec(metric, kDim, 4), 0.99, 0.02});
    }
    for (const Case& c : cases) {
      const Quality quality = Assess(c.spec, kRows);
      EXPECT_GE(quality.recall, c.recall) << Name(c.spec);
      EXPECT_GE(quality.coverage, 0.998) << Name(c.spec);
      EXPECT_LE(quality.relative, c.relative) << Name(c.spec);
    }
  }
}

TEST(Codec, LearnedRotationLowersTheError) {
  // Every coordinate pair (i, i + 16) is almost equal: subspaces of neighbours see nothing of it.
  constexpr size_t kDim = 32, kRows = 1000;
  std::vector<float> rows(kRows * kDim);
  Random random(5);
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t i = 0; i < kDim / 2; ++i) {
      const float value = Normal(&random);
      rows[r * kDim + i] = value;
      rows[r * kDim + i + kDim / 2] = value + 0.05f * Normal(&random);
    }
  }
  double error[2] = {};
  for (const bool rotate : {false, true}) {
    CodecSpec spec = ProductSpec(Metric::kL2, kDim, 8, 16);
    spec.rotate = rotate;
    TrainedCodec trained;
    ASSERT_EQ(trained.Make(spec, rows), TrainStatus::kOk);
    for (size_t r = 0; r < kRows; ++r) {
      const float* x = rows.data() + r * kDim;
      const std::vector<uint8_t> code = trained.Encode(x);
      const std::vector<float> decoded = trained.Decode(code.data());
      const float squared = WorkingDistance(Metric::kL2, x, decoded.data(), kDim);
      error[rotate] += squared;
      EXPECT_NEAR(squared, ProductResidual(trained.codec, code.data()), 1e-3f * (1 + squared));
    }
  }
  EXPECT_LT(error[true], 0.7 * error[false]);
}

TEST(Codec, CodedDistancesAreThoseOfTheDecoded) {
  constexpr size_t kRows = 256;
  for (const Metric metric : kMetrics) {
    // Padding has a part of the error of RaBitQ codes: none at 64 dimensions, little at 60.
    for (const uint32_t dim : {64u, 60u}) {
      const std::vector<float> rows = Clustered(kRows, dim, 1, metric == Metric::kCosine);
      std::vector<CodecSpec> specs = {ScalarSpec(metric, dim), ProductSpec(metric, dim, 7, 5)};
      if (metric != Metric::kL1) {
        specs.insert(specs.end(), {specs[0], specs[1]});
        specs[2].rotate = specs[3].rotate = true;
        specs.insert(specs.end(), {RabitqSpec(metric, dim, 1), RabitqSpec(metric, dim, 4)});
      }
      for (const CodecSpec& spec : specs) {
        TrainedCodec trained;
        ASSERT_EQ(trained.Make(spec, rows), TrainStatus::kOk) << Name(spec);
        const size_t coded_dim = trained.codec.coded_dim();
        const bool padded = coded_dim != dim;
        EXPECT_EQ(padded, spec.kind == CodecKind::kRabitq && dim == 60);
        const std::vector<uint8_t> code = trained.Encode(rows.data());
        const std::vector<float> first = trained.Decode(code.data());
        std::vector<float> first_coded(coded_dim), other_coded(coded_dim);
        trained.codec.DecodeCoded(code.data(), first_coded.data());
        for (size_t r = 1; r < 8; ++r) {
          const std::vector<uint8_t> other = trained.Encode(rows.data() + r * dim);
          trained.codec.DecodeCoded(other.data(), other_coded.data());
          const std::vector<float> decoded = trained.Decode(other.data());
          const float size =
              WorkingDistance(Metric::kL2, first.data(), decoded.data(), dim) -
              WorkingDistance(Metric::kInnerProduct, first.data(), first.data(), dim);
          EXPECT_NEAR(
              WorkingDistance(metric, first_coded.data(), other_coded.data(), coded_dim),
              WorkingDistance(metric, first.data(), decoded.data(), dim),
              (padded ? spec.bits == 1 ? 0.5f : 0.02f : 1e-4f) * (std::abs(size) + 1e-3f))
              << Name(spec);
        }
      }
    }
  }
}

TEST(Codec, ProductEstimatesAreThoseOfTheReconstruction) {
  constexpr uint32_t kDim = 50;
  for (const Metric metric : kMetrics) {
    const bool unit = metric == Metric::kCosine;
    const std::vector<float> rows = Clustered(300, kDim, 1, unit);
    const std::vector<float> query = Clustered(1, kDim, 2, unit);
    for (const uint32_t k : {1u, 2u, 3u, 6u, 16u, 30u}) {
      TrainedCodec trained;
      const CodecSpec spec = ProductSpec(metric, kDim, 11, k);
      ASSERT_EQ(trained.Make(spec, rows), TrainStatus::kOk);
      QueryScorer scorer;
      scorer.Prepare(trained.codec, query.data());
      for (size_t r = 0; r < 20; ++r) {
        const std::vector<uint8_t> code = trained.Encode(rows.data() + r * kDim);
        const std::vector<float> x = trained.Decode(code.data());
        // Cosine is half the squared distance of the (not quite unit) reconstruction.
        const float base = unit ? WorkingDistance(Metric::kL2, query.data(), x.data(), kDim) / 2
                                : WorkingDistance(metric, query.data(), x.data(), kDim);
        const float bias = trained.codec.bias() * ProductResidual(trained.codec, code.data());
        EXPECT_NEAR(scorer.Distance(code.data()), base + (unit ? bias / 2 : bias),
                    1e-4f * (1 + std::abs(base)))
            << Name(spec);
      }
    }
  }
}

TEST(Codec, EveryDimensionOnEveryMetric) {
  for (const Metric metric : kMetrics) {
    for (const uint32_t dim : {1u, 2u, 3u, 63u, 64u, 65u, 784u}) {
      // The other metrics take the same ways but for the arithmetic.
      if (dim > 3 && dim != 65 && metric != Metric::kL2) continue;
      const std::vector<float> rows = Clustered(256, dim, 1, metric == Metric::kCosine);
      for (const CodecSpec& spec : Specs(metric, dim)) {
        TrainedCodec trained;
        ASSERT_EQ(trained.Make(spec, rows), TrainStatus::kOk) << Name(spec);
        EXPECT_EQ(trained.codec.code_bytes(), Codec::CodeBytes(spec));
        // One byte off any alignment.
        const std::vector<uint8_t> code = trained.Encode(rows.data());
        std::vector<uint8_t> shifted(code.size() + 1);
        std::memcpy(shifted.data() + 1, code.data(), code.size());
        QueryScorer scorer;
        scorer.Prepare(trained.codec, rows.data() + dim);
        const float distance = scorer.Distance(code.data());
        EXPECT_TRUE(std::isfinite(distance)) << Name(spec);
        EXPECT_EQ(distance, scorer.Distance(shifted.data() + 1)) << Name(spec);
        EXPECT_GE(scorer.Bound(code.data()).error, 0) << Name(spec);
        EXPECT_EQ(trained.Decode(code.data()), trained.Decode(shifted.data() + 1)) << Name(spec);
      }
    }
  }
}

TEST(Codec, LargestDimension) {
  const std::vector<float> rows = Clustered(256, kMaxDim, 1, false);
  for (const CodecSpec& spec : {ScalarSpec(Metric::kL2, kMaxDim),
                                ProductSpec(Metric::kL2, kMaxDim, 1000, 2),
                                RabitqSpec(Metric::kL2, kMaxDim, 1),
                                RabitqSpec(Metric::kInnerProduct, kMaxDim, 4)}) {
    TrainedCodec trained;
    const auto end = rows.begin() + static_cast<ptrdiff_t>(MinimumTrainingRows(spec) * kMaxDim);
    ASSERT_EQ(trained.Make(spec, {rows.begin(), end}), TrainStatus::kOk) << Name(spec);
    const float* query = rows.data() + kMaxDim;
    QueryScorer scorer;
    scorer.Prepare(trained.codec, query);
    const std::vector<uint8_t> code = trained.Encode(rows.data());
    const float exact = WorkingDistance(spec.metric, query, rows.data(), kMaxDim);
    const Estimate estimate = scorer.Bound(code.data());
    EXPECT_NEAR(exact, estimate.distance, estimate.error) << Name(spec);
    EXPECT_LT(estimate.error, std::abs(exact)) << Name(spec);
  }
}

TEST(Codec, ExtremeVectorsAreSafe) {
  constexpr uint32_t kDim = 70;
  const std::vector<float> rows = Clustered(256, kDim, 1, false);
  std::vector<std::vector<float>> extremes = {
      std::vector<float>(kDim, 0.0f), std::vector<float>(kDim, -3.5f),
      std::vector<float>(kDim, 3e38f), std::vector<float>(kDim, 1e-44f),
      std::vector<float>(kDim, -1e30f)};
  extremes.emplace_back(kDim, 3e38f);
  for (size_t i = 0; i < kDim; i += 2) extremes.back()[i] = -3e38f;
  for (const Metric metric : kMetrics) {
    for (const CodecSpec& spec : Specs(metric, kDim)) {
      TrainedCodec trained;
      ASSERT_EQ(trained.Make(spec, rows), TrainStatus::kOk);
      for (const std::vector<float>& x : extremes) {
        const std::vector<uint8_t> code = trained.Encode(x.data());
        trained.Decode(code.data());
        for (const std::vector<float>& q : extremes) {
          QueryScorer scorer;
          scorer.Prepare(trained.codec, q.data());
          EXPECT_FALSE(std::isnan(scorer.Distance(code.data()))) << Name(spec);
          EXPECT_FALSE(std::isnan(scorer.Bound(code.data()).error)) << Name(spec);
        }
      }
    }
  }
}

TEST(Codec, ExtremeSamplesAreSafe) {
  constexpr uint32_t kDim = 12;
  for (const float value : {0.0f, 3e38f, -1e20f}) {
    std::vector<float> rows(256 * kDim, value);
    for (const bool varied : {false, true}) {
      for (size_t i = 0; varied && i < rows.size(); i += 5) rows[i] = -value;
      for (const Metric metric : {Metric::kL2, Metric::kL1}) {
        std::vector<CodecSpec> specs = Specs(metric, kDim);
        if (metric != Metric::kL1) {
          specs.push_back(ProductSpec(metric, kDim, 3, 4));
          specs.back().rotate = true;
        }
        for (const CodecSpec& spec : specs) {
          TrainedCodec trained;
          ASSERT_EQ(trained.Make(spec, rows), TrainStatus::kOk) << Name(spec) << " " << value;
          const std::vector<uint8_t> code = trained.Encode(rows.data());
          QueryScorer scorer;
          scorer.Prepare(trained.codec, rows.data() + kDim);
          EXPECT_FALSE(std::isnan(scorer.Distance(code.data()))) << Name(spec) << " " << value;
        }
      }
    }
  }
}

TEST(Codec, CodeSizes) {
  EXPECT_EQ(Codec::CodeBytes(ScalarSpec(Metric::kL2, 784)), 804u);
  EXPECT_EQ(Codec::CodeBytes(ProductSpec(Metric::kL2, 784, 8, 256)), 12u);
  EXPECT_EQ(Codec::CodeBytes(ProductSpec(Metric::kL2, 784, 9, 16)), 9u);
  EXPECT_EQ(Codec::CodeBytes(ProductSpec(Metric::kL2, 784, 8, 17)), 9u);
  EXPECT_EQ(Codec::CodeBytes(ProductSpec(Metric::kL2, 784, 8, 1)), 4u);
  EXPECT_EQ(Codec::CodeBytes(RabitqSpec(Metric::kL2, 784, 1)), 112u);
  EXPECT_EQ(Codec::CodeBytes(RabitqSpec(Metric::kInnerProduct, 784, 1)), 116u);
  EXPECT_EQ(Codec::CodeBytes(RabitqSpec(Metric::kCosine, 512, 4)), 268u);
}

}  // namespace
}  // namespace helios::hnsw
