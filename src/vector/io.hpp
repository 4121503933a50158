// Input and output of the vector types: what the functions of the three types share.
//
// On the wire, all big-endian:
//   vector, halfvec   int16 dim | int16 0 | element[dim]
//   sparsevec         int32 dim | int32 nnz | int32 0 | int32 index[nnz] from 0 | float4 value[nnz]
#pragma once

#include "vector/value.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "vector/core/parse.hpp"

extern "C" {
#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::vector {

// Raises the error for a text that did not parse; `opening` is the bracket the type begins with and
// `limit` its largest number of elements.
[[noreturn]] void RaiseParseError(const char *type, const char *text, const ParseResult &result,
                                  char opening, int limit);

// The body of the *_typmod_in functions: one number from 1 to max_dim.
Datum TypmodIn(FunctionCallInfo fcinfo, const char *type, int max_dim);

// Checks the reserved field of a binary value.
void CheckUnused(int unused);

inline void SendElement(StringInfo buf, float x) { pq_writeint32(buf, std::bit_cast<uint32>(x)); }
inline void SendElement(StringInfo buf, uint16 x) { pq_writeint16(buf, x); }

// Reads element `i` of a big-endian array.
inline float ReceiveElement(const char *bytes, int i, const Vector *) {
  uint32 bits;
  memcpy(&bits, bytes + i * sizeof bits, sizeof bits);
  return std::bit_cast<float>(pg_ntoh32(bits));
}
inline uint16 ReceiveElement(const char *bytes, int i, const HalfVector *) {
  uint16 bits;
  memcpy(&bits, bytes + i * sizeof bits, sizeof bits);
  return pg_ntoh16(bits);
}

// The body of vector_in and halfvec_in. A text that parses has exactly MaxElements elements.
template <typename V>
Datum DenseIn(FunctionCallInfo fcinfo) {
  using T = Traits<V>;
  constexpr bool kHalf = std::is_same_v<V, HalfVector>;
  const char *const text = PG_GETARG_CSTRING(0);
  const std::string_view view(text);
  const size_t capacity = std::min<size_t>(MaxElements(view), T::kMaxDim);
  V *const v = New<V>(static_cast<int>(capacity));
  float *numbers;
  if constexpr (kHalf) {
    numbers = static_cast<float *>(palloc(capacity * sizeof(float)));
  } else {
    numbers = v->x;
  }
  const ParseResult parsed = ParseDense(view, T::kTextLimit, {numbers, capacity});
  if (parsed.status != ParseStatus::kOk) RaiseParseError(T::kName, text, parsed, '[', T::kMaxDim);
  CheckExpectedDim(PG_GETARG_INT32(2), v->dim);
  if constexpr (kHalf) {
    FloatToHalf(numbers, v->x, capacity);
    pfree(numbers);
  }
  PG_RETURN_POINTER(v);
}

// The body of vector_out and halfvec_out: the shortest decimals that read back as the same floats.
template <typename V>
Datum DenseOut(FunctionCallInfo fcinfo) {
  constexpr Size kBracketsAndNul = 3;
  const V *const v = Argument<V>(fcinfo, 0);
  // FLOAT_SHORTEST_DECIMAL_LEN counts a NUL, whose place the comma takes.
  char *const text =
      static_cast<char *>(palloc(FLOAT_SHORTEST_DECIMAL_LEN * v->dim + kBracketsAndNul));
  char *at = text;
  *at++ = '[';
  for (int i = 0; i < v->dim; ++i) {
    if (i > 0) *at++ = ',';
    at += float_to_shortest_decimal_bufn(Traits<V>::Widen(v->x[i]), at);
  }
  *at++ = ']';
  *at = '\0';
  FreeIfCopy(fcinfo, 0, v);
  PG_RETURN_CSTRING(text);
}

// The body of vector_recv and halfvec_recv.
template <typename V>
Datum DenseRecv(FunctionCallInfo fcinfo) {
  using T = Traits<V>;
  const StringInfo buf = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
  const int dim = static_cast<int>(pq_getmsgint(buf, sizeof(int16)));
  const int unused = static_cast<int>(pq_getmsgint(buf, sizeof(int16)));
  CheckDim<V>(dim);
  CheckExpectedDim(PG_GETARG_INT32(2), dim);
  CheckUnused(unused);
  const char *const bytes =
      pq_getmsgbytes(buf, dim * static_cast<int>(sizeof(typename T::Element)));
  V *const v = New<V>(dim);
  for (int i = 0; i < dim; ++i) {
    v->x[i] = ReceiveElement(bytes, i, v);
    CheckElement<V>(T::Widen(v->x[i]));
  }
  PG_RETURN_POINTER(v);
}

// The body of vector_send and halfvec_send.
template <typename V>
Datum DenseSend(FunctionCallInfo fcinfo) {
  const V *const v = Argument<V>(fcinfo, 0);
  StringInfoData buf;
  pq_begintypsend(&buf);
  enlargeStringInfo(&buf, static_cast<int>(VARSIZE(v)));
  pq_writeint16(&buf, static_cast<uint16>(v->dim));
  pq_writeint16(&buf, static_cast<uint16>(v->unused));
  for (int i = 0; i < v->dim; ++i) SendElement(&buf, v->x[i]);
  PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

}  // namespace helios::vector
