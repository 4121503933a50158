// Command numbers of statements that change copies made row by row.
//
// Rows that a statement copies must be there for its own changes, and not yet for what it reads. So before such a
// statement starts a number is set aside, which belongs to the copies:
//
//   number     of
//   n          what the statement sees ends before it; its copies
//   n + 1      its changes
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/plannodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// Marks a plan as one of such a statement.
void MarkCopying(PlannedStmt *plan);

// The number for the copies of the statement that runs, or of the utility command if none does.
CommandId CopyCommand();

// Installs the hooks.
void InitCommands();

}  // namespace helios::branch
