// What single cold rows cost the planner.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/pathnodes.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// Adds to the paths that fetch rows of a hybrid table by an index what finding and decoding cold ones takes, and
// judges all paths of the relation anew.
void CostColdRows(PlannerInfo *root, RelOptInfo *rel, Relation table);

}  // namespace helios::hybrid
