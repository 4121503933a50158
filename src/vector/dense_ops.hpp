// Bodies of the functions that make dense vectors from dense vectors, for vector and halfvec.
#pragma once

#include "vector/value.hpp"

#include <algorithm>
#include <cstring>

extern "C" {
#include "utils/float.h"
#include "utils/varbit.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::vector {

// Combines two vectors element by element into `result`, which may be one of them. `Multiply` says
// that a zero which no operand accounts for is an underflow.
template <bool Multiply = false, typename V, typename Op>
void Combine(const V *a, const V *b, V *result, Op op) {
  using T = Traits<V>;
  for (int i = 0; i < a->dim; ++i) {
    const float x = T::Widen(a->x[i]), y = T::Widen(b->x[i]);
    result->x[i] = T::Narrow(op(x, y));
    const float z = T::Widen(result->x[i]);
    if (unlikely(std::isinf(z))) float_overflow_error();
    if (Multiply && unlikely(z == 0 && x != 0 && y != 0)) float_underflow_error();
  }
}

// The body of the + functions, which are also the transition functions of sum: there the first
// argument belongs to the aggregate (or is a detoasted copy of it) and is updated in place.
template <typename V>
Datum Add(FunctionCallInfo fcinfo) {
  const V *const a = Argument<V>(fcinfo, 0);
  const V *const b = Argument<V>(fcinfo, 1);
  CheckSameDim(a, b);
  V *const result = AggCheckCallContext(fcinfo, nullptr) ? const_cast<V *>(a) : New<V>(a->dim);
  Combine(a, b, result, [](float x, float y) { return x + y; });
  PG_RETURN_POINTER(result);
}

template <typename V>
Datum Subtract(FunctionCallInfo fcinfo) {
  const V *const a = Argument<V>(fcinfo, 0);
  const V *const b = Argument<V>(fcinfo, 1);
  CheckSameDim(a, b);
  V *const result = New<V>(a->dim);
  Combine(a, b, result, [](float x, float y) { return x - y; });
  PG_RETURN_POINTER(result);
}

template <typename V>
Datum Multiply(FunctionCallInfo fcinfo) {
  const V *const a = Argument<V>(fcinfo, 0);
  const V *const b = Argument<V>(fcinfo, 1);
  CheckSameDim(a, b);
  V *const result = New<V>(a->dim);
  Combine<true>(a, b, result, [](float x, float y) { return x * y; });
  PG_RETURN_POINTER(result);
}

template <typename V>
Datum Concat(FunctionCallInfo fcinfo) {
  const V *const a = Argument<V>(fcinfo, 0);
  const V *const b = Argument<V>(fcinfo, 1);
  CheckDim<V>(a->dim + b->dim);
  V *const result = New<V>(a->dim + b->dim);
  std::copy_n(a->x, a->dim, result->x);
  std::copy_n(b->x, b->dim, result->x + a->dim);
  PG_RETURN_POINTER(result);
}

// The body of subvector(v, start, count): counts from 1 and clips as substring does.
template <typename V>
Datum Subvector(FunctionCallInfo fcinfo) {
  const V *const a = Argument<V>(fcinfo, 0);
  const int64 start = PG_GETARG_INT32(1);
  const int64 count = PG_GETARG_INT32(2);
  const int64 first = std::max<int64>(start, 1);
  const int64 end = std::min<int64>(start + count, int64{a->dim} + 1);
  CheckDim<V>(static_cast<int>(std::clamp<int64>(end - first, 0, a->dim)));
  V *const result = New<V>(static_cast<int>(end - first));
  std::copy_n(a->x + first - 1, result->dim, result->x);
  PG_RETURN_POINTER(result);
}

template <typename V>
double Norm(const V *v) {
  double sum = 0;
  for (int i = 0; i < v->dim; ++i) {
    const double x = Traits<V>::Widen(v->x[i]);
    sum += x * x;
  }
  return std::sqrt(sum);
}
template <>
inline double Norm(const Vector *v) {
  return std::sqrt(NormSquared(v->x, v->dim));
}

// The body of l2_normalize: a zero vector stays zero.
template <typename V>
Datum L2Normalize(FunctionCallInfo fcinfo) {
  using T = Traits<V>;
  const V *const a = Argument<V>(fcinfo, 0);
  V *const result = New<V>(a->dim);
  const double norm = Norm(a);
  for (int i = 0; i < a->dim; ++i) {
    result->x[i] =
        norm > 0 ? T::Narrow(static_cast<float>(T::Widen(a->x[i]) / norm)) : T::Narrow(0);
  }
  PG_RETURN_POINTER(result);
}

// The body of binary_quantize: one bit per element, set where the element is above zero.
template <typename V>
Datum BinaryQuantize(FunctionCallInfo fcinfo) {
  const V *const a = Argument<V>(fcinfo, 0);
  const Size bytes = VARBITTOTALLEN(a->dim);
  VarBit *const result = static_cast<VarBit *>(palloc0(bytes));
  SET_VARSIZE(result, bytes);
  VARBITLEN(result) = a->dim;
  bits8 *const bits = VARBITS(result);
  for (int i = 0; i < a->dim; ++i) {
    const bool above = Traits<V>::Widen(a->x[i]) > 0;
    bits[i / BITS_PER_BYTE] |= above << (BITS_PER_BYTE - 1 - i % BITS_PER_BYTE);
  }
  PG_RETURN_VARBIT_P(result);
}

}  // namespace helios::vector
