// Index entries of rows that got new identifiers without having changed.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/execnodes.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// The indexes of a table, open, with what their expressions need.
struct TableIndexes {
  ResultRelInfo *table;
  EState *estate;
  ExprContext *context;
};

TableIndexes OpenTableIndexes(Relation rel);
void CloseTableIndexes(TableIndexes *indexes);

// The columns that the indexes are made of, as ReadColumns takes them.
Bitmapset *ColumnsOfIndexes(const TableIndexes &indexes);

// Makes the entries of the row in the slot, under its identifier. Nothing is checked: the row was in the
// indexes before.
void AddIndexEntries(TableIndexes *indexes, TupleTableSlot *slot);

}  // namespace helios::hybrid
