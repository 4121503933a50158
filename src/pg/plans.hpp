// Finished plans.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/plannodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

// Asks about every node of a plan, from the top down, whether another one is to stand in its place; null: no. What is
// below a node that was replaced is left alone.
using ReplacePlan = Plan *(*)(Plan *plan, void *context);
void ReplacePlans(PlannedStmt *planned, ReplacePlan replace, void *context);

}  // namespace helios::pg
