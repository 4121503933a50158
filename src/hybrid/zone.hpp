// Zones of chunks: the least and the greatest value of a column, where its values have an order that can be told from
// their bytes.
#pragma once

#include "hybrid/core/chunk.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "access/tupdesc.h"
#include "catalog/pg_attribute.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// A column's zone as values of its type; they lie in `room` as far as they are passed by reference.
struct Zone {
  Datum least;
  Datum greatest;
  alignas(8) char room[2][VARHDRSZ + kMaxZoneBytes + sizeof(int64)];
};

// Says whether integers that stand for values of a type have the order of the values.
bool IsOrderedAsInt(Oid type);
// Says whether a type is text whose zones are in the order of bytes, whatever its collation.
bool IsOrderedAsBytes(Oid type);

// Says whether columns of a type have zones, mostly: not so where values have no order of this kind after all.
bool HasZones(Oid type);

// Reads the zone of a column; false if it has none, or one of another type.
bool ReadZone(const ChunkMeta &chunk, const ChunkColumn &column,
              const FormData_pg_attribute &attribute, Zone *zone);

}  // namespace helios::hybrid
