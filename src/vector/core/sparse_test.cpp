#include "vector/core/sparse.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace helios::vector {
namespace {

// A sparse vector together with its dense form.
struct Sample {
  std::vector<int32_t> indices;
  std::vector<float> values;
  std::vector<double> dense;
  SparseView view() const {
    return {static_cast<int32_t>(indices.size()), indices.data(), values.data()};
  }
};

Sample RandomSample(std::mt19937 *random, int dim) {
  Sample sample;
  sample.dense.assign(static_cast<size_t>(dim), 0.0);
  const unsigned sparsity = 1 + (*random)() % 4;
  for (int32_t i = 0; i < dim; ++i) {
    if ((*random)() % sparsity != 0) continue;
    const float value = static_cast<float>(static_cast<int>((*random)() % 17) - 8) / 4;
    if (value == 0) continue;
    sample.indices.push_back(i);
    sample.values.push_back(value);
    sample.dense[static_cast<size_t>(i)] = value;
  }
  return sample;
}

// Multiples of 1/4 make every float sum exact, so that results must be equal.
TEST(Sparse, AgreesWithDenseArithmetic) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const int dim = static_cast<int>(random() % 40);
    const Sample a = RandomSample(&random, dim), b = RandomSample(&random, dim);
    double l2 = 0, dot = 0, l1 = 0, norm_a = 0, norm_b = 0;
    for (size_t i = 0; i < a.dense.size(); ++i) {
      const double x = a.dense[i], y = b.dense[i];
      l2 += (x - y) * (x - y);
      dot += x * y;
      l1 += std::fabs(x - y);
      norm_a += x * x;
      norm_b += y * y;
    }
    EXPECT_EQ(SparseL2Squared(a.view(), b.view()), l2);
    EXPECT_EQ(SparseDot(a.view(), b.view()), dot);
    EXPECT_EQ(SparseL1(a.view(), b.view()), l1);
    const CosineParts parts = SparseCosine(a.view(), b.view());
    EXPECT_EQ(parts.dot, dot);
    EXPECT_EQ(parts.norm_a, norm_a);
    EXPECT_EQ(parts.norm_b, norm_b);
    EXPECT_EQ(SparseNormSquared(a.view()), norm_a);
  }
}

TEST(Sparse, EmptyVectors) {
  const SparseView empty = {0, nullptr, nullptr};
  const int32_t index = 3;
  const float value = -2;
  const SparseView one = {1, &index, &value};
  EXPECT_EQ(SparseL2Squared(empty, empty), 0);
  EXPECT_EQ(SparseL2Squared(empty, one), 4);
  EXPECT_EQ(SparseL1(one, empty), 2);
  EXPECT_EQ(SparseDot(one, empty), 0);
}

TEST(NormSquared, IsTakenInDoublePrecision) {
  const std::vector<float> x(7, 3e38f);
  EXPECT_DOUBLE_EQ(NormSquared(x.data(), x.size()),
                   7 * static_cast<double>(3e38f) * static_cast<double>(3e38f));
  EXPECT_EQ(NormSquared(nullptr, 0), 0);
}

}  // namespace
}  // namespace helios::vector
