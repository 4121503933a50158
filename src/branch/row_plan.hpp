// Plans of statements that change or lock tables of which the branch has only some rows.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/plannodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// Puts our scans in place of those of such tables in a plan. `hidden` are copies whose policies a user's conditions must
// not get before.
void UseRowScans(PlannedStmt *planned, List *hidden);

// Installs the hooks that tell the planner how large such tables are.
void InitRowPlan();

}  // namespace helios::branch
