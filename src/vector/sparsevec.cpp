// Input and output functions of type sparsevec; the layout is drawn in vector.hpp.
#include "vector/io.hpp"

namespace helios::vector {

// Reads "{index:value,...}/dim" with indices from 1 in any order.
HELIOS_FUNCTION(sparsevec_in) {
  using T = Traits<SparseVector>;
  const char *const text = PG_GETARG_CSTRING(0);
  const std::string_view view(text);
  const size_t capacity = MaxElements(view);
  ParseResult parsed = {ParseStatus::kTooMany, 0, 0, {}};
  SparseElement *elements = nullptr;
  if (capacity <= kMaxSparsevecElements) {
    elements = static_cast<SparseElement *>(palloc(capacity * sizeof(SparseElement)));
    parsed = ParseSparse(view, {elements, capacity});
  }
  if (parsed.status != ParseStatus::kOk) {
    RaiseParseError(T::kName, text, parsed, '{', kMaxSparsevecElements);
  }
  CheckDim<SparseVector>(parsed.dim);
  CheckExpectedDim(PG_GETARG_INT32(2), parsed.dim);
  SparseVector *const v = NewSparse(parsed.dim, static_cast<int>(parsed.count));
  float *const values = SparseValues(v);
  for (int i = 0; i < v->nnz; ++i) {
    v->indices[i] = elements[i].index;
    values[i] = elements[i].value;
    CheckIndex(v->indices, i, v->dim);
  }
  pfree(elements);
  PG_RETURN_POINTER(v);
}

// Writes the elements by index from 1, values as the shortest decimals that read back the same.
HELIOS_FUNCTION(sparsevec_out) {
  constexpr Size kIntegerLen = sizeof("-2147483648") - 1;
  constexpr Size kElementLen = kIntegerLen + sizeof(":,") - 1 + FLOAT_SHORTEST_DECIMAL_LEN;
  constexpr Size kFrameLen = sizeof("{}/") + kIntegerLen;
  const SparseVector *const v = Argument<SparseVector>(fcinfo, 0);
  const float *const values = SparseValues(v);
  char *const text = static_cast<char *>(palloc(kElementLen * v->nnz + kFrameLen));
  char *at = text;
  *at++ = '{';
  for (int i = 0; i < v->nnz; ++i) {
    if (i > 0) *at++ = ',';
    at += pg_ltoa(v->indices[i] + 1, at);
    *at++ = ':';
    at += float_to_shortest_decimal_bufn(values[i], at);
  }
  *at++ = '}';
  *at++ = '/';
  at += pg_ltoa(v->dim, at);
  *at = '\0';
  FreeIfCopy(fcinfo, 0, v);
  PG_RETURN_CSTRING(text);
}

// Reads the binary form; indices must ascend and no value may be zero.
HELIOS_FUNCTION(sparsevec_recv) {
  const StringInfo buf = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
  const int dim = static_cast<int>(pq_getmsgint(buf, sizeof(int32)));
  const int nnz = static_cast<int>(pq_getmsgint(buf, sizeof(int32)));
  const int unused = static_cast<int>(pq_getmsgint(buf, sizeof(int32)));
  CheckDim<SparseVector>(dim);
  CheckElementCount(nnz, dim);
  CheckExpectedDim(PG_GETARG_INT32(2), dim);
  CheckUnused(unused);
  SparseVector *const v = NewSparse(dim, nnz);
  float *const values = SparseValues(v);
  for (int i = 0; i < nnz; ++i) {
    v->indices[i] = static_cast<int32>(pq_getmsgint(buf, sizeof(int32)));
    CheckIndex(v->indices, i, dim);
  }
  for (int i = 0; i < nnz; ++i) {
    values[i] = pq_getmsgfloat4(buf);
    CheckElement<SparseVector>(values[i]);
    if (values[i] == 0) {
      ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                      errmsg("binary representation of sparsevec cannot contain zero values")));
    }
  }
  PG_RETURN_POINTER(v);
}

// Writes the binary form.
HELIOS_FUNCTION(sparsevec_send) {
  const SparseVector *const v = Argument<SparseVector>(fcinfo, 0);
  const float *const values = SparseValues(v);
  StringInfoData buf;
  pq_begintypsend(&buf);
  enlargeStringInfo(&buf, static_cast<int>(VARSIZE(v)));
  pq_writeint32(&buf, static_cast<uint32>(v->dim));
  pq_writeint32(&buf, static_cast<uint32>(v->nnz));
  pq_writeint32(&buf, static_cast<uint32>(v->unused));
  for (int i = 0; i < v->nnz; ++i) pq_writeint32(&buf, static_cast<uint32>(v->indices[i]));
  for (int i = 0; i < v->nnz; ++i) SendElement(&buf, values[i]);
  PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

HELIOS_FUNCTION(sparsevec_typmod_in) {
  return TypmodIn(fcinfo, Traits<SparseVector>::kName, Traits<SparseVector>::kMaxDim);
}

}  // namespace helios::vector
