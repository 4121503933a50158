// Indexes of logs: of the pre-images on what the table's indexes are on, of all records on xid.
#pragma once

#include "pg/pg.hpp"

#include "changelog/changelog.hpp"

extern "C" {
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

// Gives a log the indexes that its table has, drops those that the table has no longer: valid btree
// indexes on plain columns, with their operator classes, collations and order, of pre-images only.
void MirrorIndexes(Relation table, Oid log);

// Tells whether an index of a log is such a one.
bool IsMirror(Relation index);

// Leaves the first range of blocks to be read as a whole, as those appended later are until vacuum
// summarizes them: a summary of what is still being appended to would change with every transaction.
void LeaveFirstRangeOpen(Relation log);

}  // namespace helios::changelog
