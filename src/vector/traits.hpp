// What distinguishes the vector types from each other, for the templates that serve them all.
#pragma once

#include "vector/vector.hpp"

#include <cmath>
#include <limits>

#include "vector/core/distance.hpp"

namespace helios::vector {

template <typename V>
struct Traits;

// vector: binary32 elements.
template <>
struct Traits<Vector> {
  using Element = float;
  static constexpr const char *kName = "vector";
  static constexpr int kMaxDim = kMaxVectorDim;
  static constexpr float kTextLimit = std::numeric_limits<float>::infinity();
  static Size Bytes(int dim) { return VectorBytes(dim); }
  static float Widen(float x) { return x; }
  static float Narrow(float x) { return x; }
  static float L2Squared(const Vector *a, const Vector *b) {
    return vector::L2Squared(a->x, b->x, a->dim);
  }
  static float Dot(const Vector *a, const Vector *b) { return vector::Dot(a->x, b->x, a->dim); }
  static float L1(const Vector *a, const Vector *b) { return vector::L1(a->x, b->x, a->dim); }
  static CosineParts Cosine(const Vector *a, const Vector *b) {
    return vector::Cosine(a->x, b->x, a->dim);
  }
};

// halfvec: binary16 elements, computed with as binary32.
template <>
struct Traits<HalfVector> {
  using Element = uint16;
  static constexpr const char *kName = "halfvec";
  static constexpr int kMaxDim = kMaxHalfvecDim;
  static constexpr float kTextLimit = 65520;  // rounds to 2^16, which binary16 cannot hold
  static Size Bytes(int dim) { return HalfVectorBytes(dim); }
  static float Widen(uint16 x) { return HalfToFloat(x); }
  static uint16 Narrow(float x) { return FloatToHalf(x); }
  static float L2Squared(const HalfVector *a, const HalfVector *b) {
    return L2SquaredHalf(a->x, b->x, a->dim);
  }
  static float Dot(const HalfVector *a, const HalfVector *b) { return DotHalf(a->x, b->x, a->dim); }
  static float L1(const HalfVector *a, const HalfVector *b) { return L1Half(a->x, b->x, a->dim); }
  static CosineParts Cosine(const HalfVector *a, const HalfVector *b) {
    return CosineHalf(a->x, b->x, a->dim);
  }
};

// sparsevec: pairs of index and binary32 value.
template <>
struct Traits<SparseVector> {
  static constexpr const char *kName = "sparsevec";
  static constexpr int kMaxDim = kMaxSparsevecDim;
  static float L2Squared(const SparseVector *a, const SparseVector *b) {
    return SparseL2Squared(View(a), View(b));
  }
  static float Dot(const SparseVector *a, const SparseVector *b) {
    return SparseDot(View(a), View(b));
  }
  static float L1(const SparseVector *a, const SparseVector *b) {
    return SparseL1(View(a), View(b));
  }
  static CosineParts Cosine(const SparseVector *a, const SparseVector *b) {
    return SparseCosine(View(a), View(b));
  }
};

}  // namespace helios::vector
