// Columns of indexes.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "utils/relcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

// Finds the operator by which a btree index tells whether values of a column, counted from 0, are equal; an error if
// its operator class has none.
Oid EqualityOf(Relation index, int column);

}  // namespace helios::pg
