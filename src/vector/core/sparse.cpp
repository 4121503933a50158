#include "vector/core/sparse.hpp"

#include <bit>
#include <cmath>

namespace helios::vector {
namespace {

// Returns x or +0. Which of two sparse vectors has the next index is as good as random, so that a
// branch would be mispredicted half the time.
float KeepIf(bool keep, float x) {
  return std::bit_cast<float>(std::bit_cast<uint32_t>(x) & (0u - static_cast<uint32_t>(keep)));
}

// Sums term(a, b) over all indices at which at least one of the vectors has a value.
template <typename Term>
float SumOverUnion(SparseView a, SparseView b, Term term) {
  float sum = 0;
  int32_t i = 0, j = 0;
  while (i < a.nnz && j < b.nnz) {
    const int32_t a_index = a.indices[i], b_index = b.indices[j];
    const bool has_a = a_index <= b_index, has_b = b_index <= a_index;
    sum += term(KeepIf(has_a, a.values[i]), KeepIf(has_b, b.values[j]));
    i += has_a;
    j += has_b;
  }
  for (; i < a.nnz; ++i) sum += term(a.values[i], 0.0f);
  for (; j < b.nnz; ++j) sum += term(0.0f, b.values[j]);
  return sum;
}

float FloatNormSquared(SparseView a) {
  float sum = 0;
  for (int32_t i = 0; i < a.nnz; ++i) sum += a.values[i] * a.values[i];
  return sum;
}

}  // namespace

float SparseL2Squared(SparseView a, SparseView b) {
  return SumOverUnion(a, b, [](float x, float y) { return (x - y) * (x - y); });
}

float SparseL1(SparseView a, SparseView b) {
  return SumOverUnion(a, b, [](float x, float y) { return std::fabs(x - y); });
}

float SparseDot(SparseView a, SparseView b) {
  float sum = 0;
  int32_t i = 0, j = 0;
  while (i < a.nnz && j < b.nnz) {
    const int32_t a_index = a.indices[i], b_index = b.indices[j];
    sum += KeepIf(a_index == b_index, a.values[i] * b.values[j]);
    i += a_index <= b_index;
    j += b_index <= a_index;
  }
  return sum;
}

CosineParts SparseCosine(SparseView a, SparseView b) {
  return {SparseDot(a, b), FloatNormSquared(a), FloatNormSquared(b)};
}

double NormSquared(const float *x, size_t n) {
  constexpr size_t kLanes = 4;  // independent sums, so that one addition need not wait for another
  double sum[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      sum[lane] += static_cast<double>(x[i + lane]) * static_cast<double>(x[i + lane]);
    }
  }
  for (; i < n; ++i) sum[0] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

}  // namespace helios::vector
