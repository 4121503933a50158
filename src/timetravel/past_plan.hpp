// Our node in finished plans.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/plannodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

// Replaces the scans of a table and of its log in a plan by one node where that does the same.
void UsePastScans(PlannedStmt *planned);

}  // namespace helios::timetravel
