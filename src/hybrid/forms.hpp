// Values of columns as codecs take them, and back.
#pragma once

#include "codec/codec.hpp"
#include "hybrid/core/chunk.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "access/tupdesc.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
}
#undef Min
#undef Max
#undef Abs

#include <span>
#include <string_view>

namespace helios::hybrid {

// How a column's values are kept while a chunk is gathered; numeric may become kNumeric then.
inline Form FormOf(const FormData_pg_attribute &attribute) {
  if (attribute.atttypid == FLOAT4OID) return Form::kFloat;
  if (attribute.atttypid == FLOAT8OID) return Form::kDouble;
  if (attribute.attbyval) return Form::kInt;
  if (attribute.attlen == -1) return Form::kVarlena;
  if (attribute.attlen == -2) return Form::kCString;
  return Form::kFixed;
}

inline bool IsByValue(Form form) {
  return form == Form::kInt || form == Form::kFloat || form == Form::kDouble;
}

inline codec::Kind KindOf(Form form) {
  switch (form) {
    case Form::kInt:
    case Form::kNumeric:
      return codec::Kind::kInt;
    case Form::kFloat:
      return codec::Kind::kFloat;
    case Form::kDouble:
      return codec::Kind::kDouble;
    default:
      return codec::Kind::kBytes;
  }
}

// A value passed by value as an integer and back: as fetch_att would read it, so that equal values are
// equal Datums.
inline int64 IntOf(Datum value, int16 length) {
  switch (length) {
    case 1:
      return DatumGetChar(value);
    case 2:
      return DatumGetInt16(value);
    case 4:
      return DatumGetInt32(value);
    default:
      return DatumGetInt64(value);
  }
}
inline Datum DatumOf(int64 value, int16 length) {
  switch (length) {
    case 1:
      return CharGetDatum(static_cast<char>(value));
    case 2:
      return Int16GetDatum(static_cast<int16>(value));
    case 4:
      return Int32GetDatum(static_cast<int32>(value));
    default:
      return Int64GetDatum(value);
  }
}

// The bytes of a value passed by reference; a varlena must be in line and plain.
inline std::span<const uint8> BytesOf(Datum value, Form form, int16 length) {
  const auto *bytes = reinterpret_cast<const uint8 *>(DatumGetPointer(value));
  switch (form) {
    case Form::kVarlena:
      return {reinterpret_cast<const uint8 *>(VARDATA_ANY(bytes)), VARSIZE_ANY_EXHDR(bytes)};
    case Form::kCString:
      return {bytes, strlen(reinterpret_cast<const char *>(bytes))};
    default:
      return {bytes, static_cast<size_t>(length)};
  }
}

// What a value made of `bytes` takes in memory, rounded so that the next one is aligned as well.
inline size_t RoomFor(size_t bytes, Form form) {
  switch (form) {
    case Form::kVarlena:
      return MAXALIGN(VARHDRSZ + bytes);
    case Form::kCString:
      return MAXALIGN(bytes + 1);
    default:
      return MAXALIGN(bytes);
  }
}

// Writes a value made of `bytes` at `to`, which is aligned and has room.
inline Datum WriteValue(std::string_view bytes, Form form, char *to) {
  char *data = to;
  if (form == Form::kVarlena) {
    SET_VARSIZE(to, VARHDRSZ + bytes.size());
    data = VARDATA(to);
  }
  memcpy(data, bytes.data(), bytes.size());
  if (form == Form::kCString) data[bytes.size()] = '\0';
  return PointerGetDatum(to);
}

}  // namespace helios::hybrid
