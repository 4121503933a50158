// Functions of type sparsevec that compute; shared bodies are in distance_ops.hpp.
#include "vector/distance_ops.hpp"

namespace helios::vector {

HELIOS_FUNCTION(sparsevec_l2_distance) { return L2Distance<SparseVector>(fcinfo); }
HELIOS_FUNCTION(sparsevec_l2_squared_distance) { return L2SquaredDistance<SparseVector>(fcinfo); }
HELIOS_FUNCTION(sparsevec_inner_product) { return InnerProduct<SparseVector>(fcinfo); }
HELIOS_FUNCTION(sparsevec_negative_inner_product) {
  return NegativeInnerProduct<SparseVector>(fcinfo);
}
HELIOS_FUNCTION(sparsevec_cosine_distance) { return CosineDistance<SparseVector>(fcinfo); }
HELIOS_FUNCTION(sparsevec_l1_distance) { return L1Distance<SparseVector>(fcinfo); }

HELIOS_FUNCTION(sparsevec_l2_norm) {
  PG_RETURN_FLOAT8(std::sqrt(SparseNormSquared(View(Argument<SparseVector>(fcinfo, 0)))));
}

// Divides by the norm; drops elements that become too small for a float, for none may be zero.
HELIOS_FUNCTION(sparsevec_l2_normalize) {
  const SparseVector *const a = Argument<SparseVector>(fcinfo, 0);
  const float *const values = SparseValues(a);
  const double norm = std::sqrt(SparseNormSquared(View(a)));
  const auto normalized = [&](int i) { return static_cast<float>(values[i] / norm); };
  int nnz = 0;
  for (int i = 0; i < a->nnz; ++i) nnz += normalized(i) != 0;
  SparseVector *const result = NewSparse(a->dim, nnz);
  float *const result_values = SparseValues(result);
  for (int i = 0, at = 0; i < a->nnz; ++i) {
    if (normalized(i) == 0) continue;
    result->indices[at] = a->indices[i];
    result_values[at++] = normalized(i);
  }
  PG_RETURN_POINTER(result);
}

HELIOS_FUNCTION(sparsevec_lt) { PG_RETURN_BOOL(CompareArguments<SparseVector>(fcinfo) < 0); }
HELIOS_FUNCTION(sparsevec_le) { PG_RETURN_BOOL(CompareArguments<SparseVector>(fcinfo) <= 0); }
HELIOS_FUNCTION(sparsevec_eq) { PG_RETURN_BOOL(CompareArguments<SparseVector>(fcinfo) == 0); }
HELIOS_FUNCTION(sparsevec_ne) { PG_RETURN_BOOL(CompareArguments<SparseVector>(fcinfo) != 0); }
HELIOS_FUNCTION(sparsevec_ge) { PG_RETURN_BOOL(CompareArguments<SparseVector>(fcinfo) >= 0); }
HELIOS_FUNCTION(sparsevec_gt) { PG_RETURN_BOOL(CompareArguments<SparseVector>(fcinfo) > 0); }
HELIOS_FUNCTION(sparsevec_cmp) { PG_RETURN_INT32(CompareArguments<SparseVector>(fcinfo)); }

}  // namespace helios::vector
