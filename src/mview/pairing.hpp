// Pairs a row of a materialized view that goes with one that comes and has the same values under a unique index and in
// all other columns that indexes are on: that one can take its place, and no index has to be told.
#pragma once

#include "mview/row_table.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "nodes/bitmapset.h"
#include "utils/relcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

struct Pairing {
  int key_count;  // 0: the view has no unique index that serves
  AttrNumber key[INDEX_MAX_KEYS];
  int indexed_count;
  AttrNumber *indexed;
  TupleDesc desc;
  TupleTableSlot *row_slot;
  Row **buckets;
  uint64 mask;
};

// Prepares to find those rows of a table that come once.
Pairing *MakePairing(Relation view, const RowTable *rows);

// Finds the row that takes the place of one of the view, and counts it as done; null if there is none.
Row *TakePair(Pairing *pairing, TupleTableSlot *former);

}  // namespace helios::mview
