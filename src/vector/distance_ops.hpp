// Bodies of the distance, norm and comparison functions, for all three types.
#pragma once

#include "vector/value.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace helios::vector {

// Clamps a similarity to [-1, 1], from which rounding may have moved it; NaN stays NaN.
inline double ClampSimilarity(double similarity) {
  return similarity > 1 ? 1.0 : similarity < -1 ? -1.0 : similarity;
}

// Applies `distance` to the two arguments of a call, once their dimensions are known to agree.
template <typename V, typename Distance>
Datum Measure(FunctionCallInfo fcinfo, Distance distance) {
  const V *const a = Argument<V>(fcinfo, 0);
  const V *const b = Argument<V>(fcinfo, 1);
  CheckSameDim(a, b);
  PG_RETURN_FLOAT8(static_cast<double>(distance(a, b)));
}

template <typename V>
Datum L2Distance(FunctionCallInfo fcinfo) {
  return Measure<V>(fcinfo, [](const V *a, const V *b) {
    return std::sqrt(static_cast<double>(Traits<V>::L2Squared(a, b)));
  });
}

template <typename V>
Datum L2SquaredDistance(FunctionCallInfo fcinfo) {
  return Measure<V>(fcinfo, Traits<V>::L2Squared);
}

template <typename V>
Datum InnerProduct(FunctionCallInfo fcinfo) {
  return Measure<V>(fcinfo, Traits<V>::Dot);
}

template <typename V>
Datum NegativeInnerProduct(FunctionCallInfo fcinfo) {
  return Measure<V>(fcinfo, [](const V *a, const V *b) { return -Traits<V>::Dot(a, b); });
}

template <typename V>
Datum L1Distance(FunctionCallInfo fcinfo) {
  return Measure<V>(fcinfo, Traits<V>::L1);
}

// The distance to or from a zero vector is NaN.
template <typename V>
Datum CosineDistance(FunctionCallInfo fcinfo) {
  return Measure<V>(fcinfo, [](const V *a, const V *b) {
    const CosineParts parts = Traits<V>::Cosine(a, b);
    // One root of the product rather than two roots: exact where the norms are equal.
    const double norms =
        std::sqrt(static_cast<double>(parts.norm_a) * static_cast<double>(parts.norm_b));
    return 1.0 - ClampSimilarity(static_cast<double>(parts.dot) / norms);
  });
}

// The angle between two unit vectors as a fraction of pi; lengths are not divided out.
template <typename V>
Datum SphericalDistance(FunctionCallInfo fcinfo) {
  return Measure<V>(fcinfo, [](const V *a, const V *b) {
    return std::acos(ClampSimilarity(static_cast<double>(Traits<V>::Dot(a, b)))) / std::numbers::pi;
  });
}

// Orders values by their elements, then by dimension, as arrays are ordered: -1, 0 or 1.
template <typename V>
int Compare(const V *a, const V *b) {
  const int dim = std::min(a->dim, b->dim);
  for (int i = 0; i < dim; ++i) {
    const float x = Traits<V>::Widen(a->x[i]), y = Traits<V>::Widen(b->x[i]);
    if (x < y) return -1;
    if (x > y) return 1;
  }
  return (a->dim > b->dim) - (a->dim < b->dim);
}

// Orders sparse vectors as their dense forms would be ordered; an absent element is a zero.
inline int Compare(const SparseVector *a, const SparseVector *b) {
  const float *const a_values = SparseValues(a);
  const float *const b_values = SparseValues(b);
  const int nnz = std::min(a->nnz, b->nnz);
  for (int i = 0; i < nnz; ++i) {
    if (a->indices[i] < b->indices[i]) return a_values[i] < 0 ? -1 : 1;
    if (a->indices[i] > b->indices[i]) return b_values[i] < 0 ? 1 : -1;
    if (a_values[i] < b_values[i]) return -1;
    if (a_values[i] > b_values[i]) return 1;
  }
  // The next element decides only if it lies within the other vector's dimension.
  if (a->nnz < b->nnz && b->indices[nnz] < a->dim) return b_values[nnz] < 0 ? 1 : -1;
  if (a->nnz > b->nnz && a->indices[nnz] < b->dim) return a_values[nnz] < 0 ? -1 : 1;
  return (a->dim > b->dim) - (a->dim < b->dim);
}

// Compares the two arguments of a call.
template <typename V>
int CompareArguments(FunctionCallInfo fcinfo) {
  const V *const a = Argument<V>(fcinfo, 0);
  const V *const b = Argument<V>(fcinfo, 1);
  const int order = Compare(a, b);
  FreeIfCopy(fcinfo, 0, a);
  FreeIfCopy(fcinfo, 1, b);
  return order;
}

}  // namespace helios::vector
