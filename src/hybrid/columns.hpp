// Which columns somebody looks at.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
}
#undef Min
#undef Max
#undef Abs

#include <span>

namespace helios::hybrid {

// The columns that expressions over the variable `varno` read, by attnum - 1; false if they read whole
// rows. Adds to *columns, which is never null after: with column -1 … none it has one member that no
// column has.
bool AddColumnsOf(Node *expressions, Index varno, Bitmapset **columns);

// The columns that an index is made of; null: all.
Bitmapset *ColumnsOfIndex(IndexInfo *info);

// Lists a table's columns that are in the set (null: all) and not dropped, by attnum - 1, in an array of the current
// context.
std::span<const int> ListColumns(TupleDesc tupdesc, const Bitmapset *columns);

}  // namespace helios::hybrid
