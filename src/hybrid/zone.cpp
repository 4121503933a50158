#include "hybrid/zone.hpp"

#include "hybrid/core/numeric.hpp"
#include "hybrid/forms.hpp"

extern "C" {
#include "catalog/pg_type.h"
}
#undef Min
#undef Max
#undef Abs

#include <cstring>

namespace helios::hybrid {

namespace {

static_assert(kMaxNumericBytes <= kMaxZoneBytes);

// Makes a value of its bytes in a zone; false if they are not what the form has.
bool ReadValue(const ChunkColumn &column, const FormData_pg_attribute &attribute,
               std::span<const uint8> bytes, char *room, Datum *value) {
  const auto take = [&](auto *number) {
    if (bytes.size() != sizeof(*number)) return false;
    memcpy(number, bytes.data(), sizeof(*number));
    return true;
  };
  switch (column.form) {
    case Form::kInt: {
      int64 number;
      if (!take(&number)) return false;
      *value = DatumOf(number, attribute.attlen);
      return true;
    }
    case Form::kNumeric: {
      int64 number;
      if (!take(&number)) return false;
      uint8 digits[kMaxNumericBytes];
      const size_t used = WriteNumeric(number, column.scale, digits);
      *value = WriteValue({reinterpret_cast<char *>(digits), used}, Form::kVarlena, room);
      return true;
    }
    case Form::kFloat: {
      float number;
      if (!take(&number)) return false;
      *value = Float4GetDatum(number);
      return true;
    }
    case Form::kDouble: {
      double number;
      if (!take(&number)) return false;
      *value = Float8GetDatum(number);
      return true;
    }
    case Form::kVarlena:
      *value = WriteValue({reinterpret_cast<const char *>(bytes.data()), bytes.size()},
                          Form::kVarlena, room);
      return true;
    default:
      return false;
  }
}

}  // namespace

bool IsOrderedAsInt(Oid type) {
  switch (type) {
    case BOOLOID:
    case INT2OID:
    case INT4OID:
    case INT8OID:
    case DATEOID:
    case TIMEOID:
    case TIMESTAMPOID:
    case TIMESTAMPTZOID:
    case MONEYOID:
      return true;
    default:
      return false;
  }
}

bool IsOrderedAsBytes(Oid type) { return type == TEXTOID || type == VARCHAROID; }

bool HasZones(Oid type) {
  return IsOrderedAsInt(type) || IsOrderedAsBytes(type) || type == NUMERICOID ||
         type == FLOAT4OID || type == FLOAT8OID;
}

bool ReadZone(const ChunkMeta &chunk, const ChunkColumn &column,
              const FormData_pg_attribute &attribute, Zone *zone) {
  if (column.zone_offset == 0 || column.type != attribute.atttypid) return false;
  const auto *bytes = reinterpret_cast<const uint8 *>(chunk.header) + column.zone_offset;
  return ReadValue(column, attribute, {bytes, column.least_bytes}, zone->room[0], &zone->least) &&
         ReadValue(column, attribute, {bytes + column.least_bytes, column.greatest_bytes},
                   zone->room[1], &zone->greatest);
}

}  // namespace helios::hybrid
