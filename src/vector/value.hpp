// Values of the vector types: allocation, reading arguments, and the checks that functions share.
// Everything here may ereport; nothing is owned beyond the current memory context.
#pragma once

#include "vector/traits.hpp"

namespace helios::vector {

// Raises ERRCODE_DATA_CORRUPTED for a stored value; `detail` is a sentence.
[[noreturn]] void RaiseCorrupt(const char *type, const char *detail);

// Tells whether the length of a detoasted value is the one its header asks for.
template <typename V>
bool IsSound(const V *v) {
  return VARSIZE(v) >= offsetof(V, x) && v->dim > 0 && VARSIZE(v) == Traits<V>::Bytes(v->dim);
}
inline bool IsSound(const SparseVector *v) {
  return VARSIZE(v) >= offsetof(SparseVector, indices) && v->dim > 0 && v->nnz >= 0 &&
         v->nnz <= kMaxSparsevecElements && VARSIZE(v) == SparseVectorBytes(v->nnz);
}

// Returns argument `n` of a call, detoasted and sound: the datum itself or a copy in the current
// context.
template <typename V>
const V *Argument(FunctionCallInfo fcinfo, int n) {
  const V *v = reinterpret_cast<const V *>(PG_DETOAST_DATUM(PG_GETARG_DATUM(n)));
  if (unlikely(!IsSound(v))) {
    RaiseCorrupt(Traits<V>::kName, "The length of the value does not agree with its header.");
  }
  return v;
}

// Frees what Argument returned if that was a copy: for functions called within sorts, where nothing
// resets the memory context between two calls.
inline void FreeIfCopy(FunctionCallInfo fcinfo, int n, const void *v) {
  if (v != PG_GETARG_POINTER(n)) pfree(const_cast<void *>(v));
}

// Allocates a dense vector of `dim` elements, which the caller fills.
template <typename V>
V *New(int dim) {
  const Size bytes = Traits<V>::Bytes(dim);
  V *v = static_cast<V *>(palloc(bytes));
  SET_VARSIZE(v, bytes);
  v->dim = static_cast<int16>(dim);
  v->unused = 0;
  return v;
}

// Allocates a sparse vector with room for `nnz` elements, which the caller fills.
inline SparseVector *NewSparse(int dim, int nnz) {
  const Size bytes = SparseVectorBytes(nnz);
  SparseVector *v = static_cast<SparseVector *>(palloc(bytes));
  SET_VARSIZE(v, bytes);
  v->dim = dim;
  v->nnz = nnz;
  v->unused = 0;
  return v;
}

// Checks the number of dimensions of a value to be made.
template <typename V>
void CheckDim(int dim) {
  if (unlikely(dim < 1)) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                    errmsg("%s must have at least 1 dimension", Traits<V>::kName)));
  }
  if (unlikely(dim > Traits<V>::kMaxDim)) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("%s cannot have more than %d dimensions", Traits<V>::kName,
                           Traits<V>::kMaxDim)));
  }
}

// Checks a number of dimensions against a type modifier; -1 stands for any.
inline void CheckExpectedDim(int32 typmod, int dim) {
  if (unlikely(typmod != -1 && typmod != dim)) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                    errmsg("expected %d dimensions, not %d", typmod, dim)));
  }
}

// Checks that two operands have the same number of dimensions.
template <typename V>
void CheckSameDim(const V *a, const V *b) {
  if (unlikely(a->dim != b->dim)) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                    errmsg("different %s dimensions %d and %d", Traits<V>::kName, a->dim, b->dim)));
  }
}

// Checks that an element is neither NaN nor infinite.
template <typename V>
void CheckElement(float value) {
  if (likely(std::isfinite(value))) return;
  ereport(ERROR,
          (errcode(ERRCODE_DATA_EXCEPTION),
           std::isnan(value) ? errmsg("NaN not allowed in %s", Traits<V>::kName)
                             : errmsg("infinite value not allowed in %s", Traits<V>::kName)));
}

// Checks the number of elements of a sparse vector to be made.
void CheckElementCount(int nnz, int dim);

// Checks element `i` of a sparse vector's indices: within the dimension, above its predecessor.
void CheckIndex(const int32 *indices, int i, int dim);

// Converts to the element type; for halfvec a finite number beyond its range is an error.
inline float NarrowChecked(float value, const Vector *) { return value; }
uint16 NarrowChecked(float value, const HalfVector *);

}  // namespace helios::vector
