// Publications: what logical decoding cannot see is refused for tables that are published.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/nodes.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// Raises if the table publishes the command, CMD_UPDATE or CMD_DELETE of a cold row, which subscribers
// would not learn of.
void RefuseIfPublished(Relation rel, CmdType command);

}  // namespace helios::hybrid
