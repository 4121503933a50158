// Casts between the vector types, and from and to arrays. Each takes a value, a type modifier (-1
// for none) and whether the cast is explicit, which makes no difference.
#include "vector/value.hpp"

#include <algorithm>

extern "C" {
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::vector {
namespace {

// Checks a value against the type modifier of the target and returns it unchanged.
template <typename V>
Datum AdjustTypmod(FunctionCallInfo fcinfo) {
  const V *const v = Argument<V>(fcinfo, 0);
  CheckExpectedDim(PG_GETARG_INT32(1), v->dim);
  PG_RETURN_POINTER(v);
}

// Copies a fixed-length element type out of an array without nulls.
template <typename Number>
void ReadArray(const ArrayType *array, int count, float *out) {
  const auto *const numbers = reinterpret_cast<const Number *>(ARR_DATA_PTR(array));
  for (int i = 0; i < count; ++i) out[i] = static_cast<float>(numbers[i]);
}

void ReadNumericArray(ArrayType *array, float *out) {
  Datum *elements;
  int count;
  deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT, &elements, nullptr, &count);
  for (int i = 0; i < count; ++i) {
    out[i] = DatumGetFloat4(DirectFunctionCall1(numeric_float4, elements[i]));
  }
  pfree(elements);
}

// Checks an array to be cast to V and returns the number of its elements.
template <typename V>
int CheckArray(FunctionCallInfo fcinfo, ArrayType *array) {
  if (ARR_NDIM(array) > 1) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("array must be 1-D")));
  }
  if (ARR_HASNULL(array) && array_contains_nulls(array)) {
    ereport(ERROR,
            (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("array must not contain nulls")));
  }
  const int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
  CheckDim<V>(count);
  CheckExpectedDim(PG_GETARG_INT32(1), count);
  return count;
}

// Writes the `count` elements of an array, rounded to float, to `out`.
void ReadFloats(ArrayType *array, int count, float *out) {
  switch (ARR_ELEMTYPE(array)) {
    case INT4OID:
      return ReadArray<int32>(array, count, out);
    case FLOAT4OID:
      return ReadArray<float4>(array, count, out);
    case FLOAT8OID:
      return ReadArray<float8>(array, count, out);
    case NUMERICOID:
      return ReadNumericArray(array, out);
    default:
      ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("unsupported array type")));
  }
}

float *NewFloats(int count) { return static_cast<float *>(palloc(count * sizeof(float))); }

// Makes a sparse vector of the elements of x[dim] that are not zero.
SparseVector *ToSparse(const float *x, int dim) {
  const int nnz = dim - static_cast<int>(std::count(x, x + dim, 0.0f));
  CheckElementCount(nnz, dim);
  SparseVector *const result = NewSparse(dim, nnz);
  float *const values = SparseValues(result);
  for (int i = 0, at = 0; i < dim; ++i) {
    if (x[i] == 0) continue;
    result->indices[at] = i;
    values[at++] = x[i];
  }
  return result;
}

// Makes a dense vector of a sparse one; stored indices are checked, for they address memory here.
template <typename V>
Datum SparseToDense(FunctionCallInfo fcinfo) {
  const SparseVector *const sparse = Argument<SparseVector>(fcinfo, 0);
  const float *const values = SparseValues(sparse);
  CheckDim<V>(sparse->dim);
  CheckExpectedDim(PG_GETARG_INT32(1), sparse->dim);
  V *const result = New<V>(sparse->dim);
  std::fill_n(result->x, result->dim, Traits<V>::Narrow(0));
  for (int i = 0; i < sparse->nnz; ++i) {
    const int32 index = sparse->indices[i];
    if (unlikely(index < 0 || index >= result->dim)) {
      RaiseCorrupt(Traits<SparseVector>::kName, "An index lies outside the dimensions.");
    }
    result->x[index] = NarrowChecked(values[i], result);
  }
  PG_RETURN_POINTER(result);
}

// Makes a real[] of `count` elements, which the caller fills through *elements.
ArrayType *NewRealArray(int count, float **elements) {
  const Size bytes = ARR_OVERHEAD_NONULLS(1) + count * sizeof(float);
  ArrayType *const array = static_cast<ArrayType *>(palloc0(bytes));
  SET_VARSIZE(array, bytes);
  array->ndim = 1;
  array->elemtype = FLOAT4OID;
  ARR_DIMS(array)[0] = count;
  ARR_LBOUND(array)[0] = 1;
  *elements = reinterpret_cast<float *>(ARR_DATA_PTR(array));
  return array;
}

}  // namespace

HELIOS_FUNCTION(vector) { return AdjustTypmod<Vector>(fcinfo); }
HELIOS_FUNCTION(halfvec) { return AdjustTypmod<HalfVector>(fcinfo); }
HELIOS_FUNCTION(sparsevec) { return AdjustTypmod<SparseVector>(fcinfo); }

HELIOS_FUNCTION(array_to_vector) {
  ArrayType *const array = PG_GETARG_ARRAYTYPE_P(0);
  Vector *const result = New<Vector>(CheckArray<Vector>(fcinfo, array));
  ReadFloats(array, result->dim, result->x);
  for (int i = 0; i < result->dim; ++i) CheckElement<Vector>(result->x[i]);
  PG_RETURN_POINTER(result);
}

HELIOS_FUNCTION(array_to_halfvec) {
  ArrayType *const array = PG_GETARG_ARRAYTYPE_P(0);
  HalfVector *const result = New<HalfVector>(CheckArray<HalfVector>(fcinfo, array));
  float *const floats = NewFloats(result->dim);
  ReadFloats(array, result->dim, floats);
  for (int i = 0; i < result->dim; ++i) result->x[i] = NarrowChecked(floats[i], result);
  for (int i = 0; i < result->dim; ++i) CheckElement<HalfVector>(floats[i]);
  pfree(floats);
  PG_RETURN_POINTER(result);
}

HELIOS_FUNCTION(array_to_sparsevec) {
  ArrayType *const array = PG_GETARG_ARRAYTYPE_P(0);
  const int dim = CheckArray<SparseVector>(fcinfo, array);
  float *const floats = NewFloats(dim);
  ReadFloats(array, dim, floats);
  SparseVector *const result = ToSparse(floats, dim);
  for (int i = 0; i < result->nnz; ++i) CheckElement<SparseVector>(SparseValues(result)[i]);
  pfree(floats);
  PG_RETURN_POINTER(result);
}

HELIOS_FUNCTION(vector_to_float4) {
  const Vector *const v = Argument<Vector>(fcinfo, 0);
  float *elements;
  ArrayType *const result = NewRealArray(v->dim, &elements);
  std::copy_n(v->x, v->dim, elements);
  PG_RETURN_ARRAYTYPE_P(result);
}

HELIOS_FUNCTION(halfvec_to_float4) {
  const HalfVector *const v = Argument<HalfVector>(fcinfo, 0);
  float *elements;
  ArrayType *const result = NewRealArray(v->dim, &elements);
  HalfToFloat(v->x, elements, v->dim);
  PG_RETURN_ARRAYTYPE_P(result);
}

HELIOS_FUNCTION(vector_to_halfvec) {
  const Vector *const v = Argument<Vector>(fcinfo, 0);
  CheckExpectedDim(PG_GETARG_INT32(1), v->dim);
  HalfVector *const result = New<HalfVector>(v->dim);
  for (int i = 0; i < v->dim; ++i) result->x[i] = NarrowChecked(v->x[i], result);
  PG_RETURN_POINTER(result);
}

HELIOS_FUNCTION(halfvec_to_vector) {
  const HalfVector *const v = Argument<HalfVector>(fcinfo, 0);
  CheckExpectedDim(PG_GETARG_INT32(1), v->dim);
  Vector *const result = New<Vector>(v->dim);
  HalfToFloat(v->x, result->x, v->dim);
  PG_RETURN_POINTER(result);
}

HELIOS_FUNCTION(vector_to_sparsevec) {
  const Vector *const v = Argument<Vector>(fcinfo, 0);
  CheckExpectedDim(PG_GETARG_INT32(1), v->dim);
  PG_RETURN_POINTER(ToSparse(v->x, v->dim));
}

HELIOS_FUNCTION(halfvec_to_sparsevec) {
  const HalfVector *const v = Argument<HalfVector>(fcinfo, 0);
  CheckExpectedDim(PG_GETARG_INT32(1), v->dim);
  float *const floats = NewFloats(v->dim);
  HalfToFloat(v->x, floats, v->dim);
  SparseVector *const result = ToSparse(floats, v->dim);
  pfree(floats);
  PG_RETURN_POINTER(result);
}

HELIOS_FUNCTION(sparsevec_to_vector) { return SparseToDense<Vector>(fcinfo); }
HELIOS_FUNCTION(sparsevec_to_halfvec) { return SparseToDense<HalfVector>(fcinfo); }

}  // namespace helios::vector
