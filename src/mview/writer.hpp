// Writes to a materialized view what is to become of its rows: places that are emptied, rows that take the place of
// others, rows that are added. Changes are recorded where other views read them.
#pragma once

#include "pg/pg.hpp"
#include "pg/rows.hpp"

extern "C" {
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

struct Writer {
  Relation view;
  bool is_recorded;
  EState *state;
  ResultRelInfo *target;
  TupleTableSlot *slot;    // of rows that are written
  TupleTableSlot *former;  // of rows that go
  // What FinishWrites does.
  ItemPointerData *places;
  int64 place_count, place_room;
  pg::StoredRows added;
  // What was done.
  int64 inserted, deleted;
};

// Begins to write; the view is locked, and the active snapshot sees all its rows. `added` describes rows to come, whose
// first columns are the view's.
Writer *BeginWrites(Relation view, TupleDesc added);

// Notes a row that goes.
void EmptyPlace(Writer *writer, const ItemPointerData &place);

// Notes a row that comes, so many times.
void AddRow(Writer *writer, TupleTableSlot *row, int64 times);

// Lets a row take the place of another one at once. No column that an index is on may differ.
void ReplaceRow(Writer *writer, const ItemPointerData &place, TupleTableSlot *row);

// Deletes and inserts what was noted: no unique index sees a state between.
void FinishWrites(Writer *writer);

}  // namespace helios::mview
