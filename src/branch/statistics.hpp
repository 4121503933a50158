// Extended statistics on a branch: copies have those of main's table, and statements about them are led to the branch.
#pragma once

#include "branch/clone.hpp"
#include "branch/ddl.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// Gives a copy the extended statistics of its model with their data, each in the schema that its own is mapped to. SPI
// must be connected.
void CloneExtendedStatistics(Oid model, Oid clone, MapRelation map_schema);

// Leads CREATE, ALTER and RENAME.
Ddl LeadCreateStatistics(CreateStatsStmt *create);
Ddl LeadAlterStatistics(AlterStatsStmt *alter);
void LeadRenamedStatistics(RenameStmt *rename);

// Leads one name of DROP; false if there is nothing to drop.
bool LeadDroppedStatistics(const DropStmt *drop, ListCell *object);

}  // namespace helios::branch
