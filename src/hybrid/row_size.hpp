// Rows that are too large for chunks.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "access/detoast.h"
#include "executor/tuptable.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

constexpr Size kMaxRowBytes = Size{16} << 20;  // of values, decompressed: larger rows stay hot

// Says whether the row in a slot, all of whose columns are there, stays hot for its size.
inline bool IsTooLarge(TupleDesc tupdesc, TupleTableSlot *slot) {
  Size bytes = 0;
  for (int a = 0; a < tupdesc->natts; a++) {
    if (slot->tts_isnull[a] || TupleDescAttr(tupdesc, a)->attlen != -1) continue;
    bytes += toast_raw_datum_size(slot->tts_values[a]);
  }
  return bytes > kMaxRowBytes;
}

}  // namespace helios::hybrid
