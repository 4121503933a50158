// The scan of a table that a statement on a branch changes or locks, where the branch has only some of its rows: what it
// finds among the others is copied on the way.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/extensible.h"
#include "nodes/plannodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// The node in a plan:
//
//   custom_plans    the scan of the copy
//   custom_exprs    values for the parameters of the plan below
//   custom_private  the plan for main's rows (PlannedStmt); OIDs: table of main, copy, table of deleted keys; what to do
//                   about rows that somebody else is copying (LockWaitPolicy)

// What makes a CustomScan of a plan this node.
const CustomScanMethods *RowScanMethods();

// Makes the node known to the executor.
void InitRowScan();

}  // namespace helios::branch
