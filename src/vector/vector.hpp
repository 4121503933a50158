// The door of the vector types: vector, halfvec, sparsevec (and kernels over PostgreSQL's bit).
//
//   vector     varlena | int16 dim | int16 unused = 0 | float4 x[dim]
//   halfvec    varlena | int16 dim | int16 unused = 0 | binary16 x[dim]
//   sparsevec  varlena | int32 dim | int32 nnz | int32 unused = 0 | int32 index[nnz] |
//              float4 value[nnz]; indices ascend and count from 0, no value is zero
//
// The layouts are pgvector's (0.8), so that its dumps, drivers and binary copies work unchanged.
#pragma once

#include "pg/pg.hpp"

#include "vector/core/sparse.hpp"

namespace helios::vector {

constexpr int kMaxVectorDim = 16000;
constexpr int kMaxHalfvecDim = 16000;
constexpr int kMaxSparsevecDim = 1000000000;
constexpr int kMaxSparsevecElements = 16000;

struct Vector {
  int32 vl_len_;
  int16 dim;
  int16 unused;
  float x[FLEXIBLE_ARRAY_MEMBER];
};

struct HalfVector {
  int32 vl_len_;
  int16 dim;
  int16 unused;
  uint16 x[FLEXIBLE_ARRAY_MEMBER];  // IEEE binary16 bits
};

struct SparseVector {
  int32 vl_len_;
  int32 dim;
  int32 nnz;
  int32 unused;
  int32 indices[FLEXIBLE_ARRAY_MEMBER];  // the values follow
};

inline Size VectorBytes(int dim) { return offsetof(Vector, x) + dim * sizeof(float); }
inline Size HalfVectorBytes(int dim) { return offsetof(HalfVector, x) + dim * sizeof(uint16); }
inline Size SparseVectorBytes(int nnz) {
  return offsetof(SparseVector, indices) + nnz * (sizeof(int32) + sizeof(float));
}
inline const float *SparseValues(const SparseVector *v) {
  return reinterpret_cast<const float *>(v->indices + v->nnz);
}
inline float *SparseValues(SparseVector *v) {
  return reinterpret_cast<float *>(v->indices + v->nnz);
}

// The elements of a sparse vector as its kernels (core/sparse.hpp) take them.
inline SparseView View(const SparseVector *v) { return {v->nnz, v->indices, SparseValues(v)}; }

// Called once when the library is loaded.
void InitVector();

}  // namespace helios::vector
