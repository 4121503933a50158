// Entries of range tables.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
#include "utils/relcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

// Makes the entry of a relation that is read, under its own names; nobody needs privileges for it.
RangeTblEntry *MakeTableEntry(Relation relation);

}  // namespace helios::pg
