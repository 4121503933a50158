// Functions behind the aggregate avg; sum uses the addition functions themselves.
//
//   state   double precision[] = { count, sum[1], ..., sum[dim] }; { 0 } until a value came
#include "vector/value.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/float.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::vector {
namespace {

// A state array, checked.
struct State {
  ArrayType *array;
  float8 *count;
  float8 *sums;  // sums[dim]
  int dim;
};

State View(ArrayType *array) {
  float8 *const values = reinterpret_cast<float8 *>(ARR_DATA_PTR(array));
  return {array, values, values + 1, ARR_DIMS(array)[0] - 1};
}

// Reads argument `n` as a state; anyone may call these functions with any array.
State StateArgument(FunctionCallInfo fcinfo, int n, const char *caller) {
  ArrayType *const array = PG_GETARG_ARRAYTYPE_P(n);
  if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] < 1 || ARR_HASNULL(array) ||
      ARR_ELEMTYPE(array) != FLOAT8OID) {
    elog(ERROR, "%s: expected state array", caller);
  }
  return View(array);
}

// Allocates a state without values.
State NewState(int dim) {
  const Size bytes = ARR_OVERHEAD_NONULLS(1) + (dim + 1) * sizeof(float8);
  ArrayType *const array = static_cast<ArrayType *>(palloc0(bytes));
  SET_VARSIZE(array, bytes);
  array->ndim = 1;
  array->elemtype = FLOAT8OID;
  ARR_DIMS(array)[0] = dim + 1;
  ARR_LBOUND(array)[0] = 1;
  return View(array);
}

// Returns the state to write the sum of `state` and another value to. Within an aggregate the state
// belongs to it (or is a detoasted copy) and may be overwritten, which saves an allocation per row.
State Target(FunctionCallInfo fcinfo, State state, int dim) {
  const bool in_place = state.dim == dim && AggCheckCallContext(fcinfo, nullptr);
  return in_place ? state : NewState(dim);
}

float8 AddChecked(float8 a, float8 b) {
  const float8 sum = a + b;
  if (unlikely(std::isinf(sum))) float_overflow_error();
  return sum;
}

// Adds one value to a state.
template <typename V>
Datum Accumulate(FunctionCallInfo fcinfo, const char *caller) {
  const State state = StateArgument(fcinfo, 0, caller);
  const V *const v = Argument<V>(fcinfo, 1);
  if (state.dim != 0) CheckExpectedDim(state.dim, v->dim);
  const State result = Target(fcinfo, state, v->dim);
  *result.count = *state.count + 1;
  for (int i = 0; i < v->dim; ++i) {
    const float8 x = Traits<V>::Widen(v->x[i]);
    result.sums[i] = state.dim == 0 ? x : AddChecked(state.sums[i], x);
  }
  PG_RETURN_ARRAYTYPE_P(result.array);
}

// Divides the sums by the count; no value gives NULL.
template <typename V>
Datum Average(FunctionCallInfo fcinfo, const char *caller) {
  const State state = StateArgument(fcinfo, 0, caller);
  if (*state.count == 0) PG_RETURN_NULL();
  CheckDim<V>(state.dim);
  V *const result = New<V>(state.dim);
  for (int i = 0; i < state.dim; ++i) {
    const float mean = static_cast<float>(state.sums[i] / *state.count);
    result->x[i] = NarrowChecked(mean, result);
    CheckElement<V>(mean);
  }
  PG_RETURN_POINTER(result);
}

}  // namespace

HELIOS_FUNCTION(vector_accum) { return Accumulate<Vector>(fcinfo, "vector_accum"); }
HELIOS_FUNCTION(halfvec_accum) { return Accumulate<HalfVector>(fcinfo, "halfvec_accum"); }
HELIOS_FUNCTION(vector_avg) { return Average<Vector>(fcinfo, "vector_avg"); }
HELIOS_FUNCTION(halfvec_avg) { return Average<HalfVector>(fcinfo, "halfvec_avg"); }

// Adds two states; serves halfvec too, whose states look the same.
HELIOS_FUNCTION(vector_combine) {
  const State a = StateArgument(fcinfo, 0, "vector_combine");
  const State b = StateArgument(fcinfo, 1, "vector_combine");
  const int dim = a.dim != 0 ? a.dim : b.dim;
  if (dim != 0) CheckDim<Vector>(dim);
  if (b.dim != 0) CheckExpectedDim(dim, b.dim);
  const State result = Target(fcinfo, a, dim);
  *result.count = *a.count + *b.count;
  for (int i = 0; i < dim; ++i) {
    result.sums[i] = a.dim == 0   ? b.sums[i]
                     : b.dim == 0 ? a.sums[i]
                                  : AddChecked(a.sums[i], b.sums[i]);
  }
  PG_RETURN_ARRAYTYPE_P(result.array);
}

}  // namespace helios::vector
