// Kernels over sparse vectors, and the norm of dense ones.
//
// Contract: no function allocates, throws or keeps anything. Sums of products are taken in binary32
// in the order of the indices, norms in binary64, as the dense types do.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vector/core/distance.hpp"

namespace helios::vector {

// A sparse vector seen as sorted, distinct indices[nnz] and their values[nnz]; owns nothing.
// Unsorted indices give a meaningless sum and do no harm.
struct SparseView {
  int32_t nnz;
  const int32_t *indices;
  const float *values;
};

// sum (a-b)^2; sum a*b; sum |a-b|; cosine parts.
float SparseL2Squared(SparseView a, SparseView b);
float SparseDot(SparseView a, SparseView b);
float SparseL1(SparseView a, SparseView b);
CosineParts SparseCosine(SparseView a, SparseView b);

// sum x^2 over x[n], in binary64.
double NormSquared(const float *x, size_t n);
inline double SparseNormSquared(SparseView a) {
  return NormSquared(a.values, static_cast<size_t>(a.nnz));
}

}  // namespace helios::vector
