// The scan of a log by one of its btree indexes, as a node of the executor.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/plannodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

// Makes the node known to the executor.
void InitLogScan();

// Replaces index scans of logs in a plan by the node where that does the same.
void UseLogScans(PlannedStmt *planned);

}  // namespace helios::timetravel
