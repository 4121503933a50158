// Privileges and row-level security: a branch has those that main has now.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// Tells whether a statement may change privileges, owners or policies of tables and sequences.
bool ChangesSecurity(const Node *statement);

// Gives what branches have in place of main's relations the privileges and policies that those have now.
void SyncSecurity();

}  // namespace helios::branch
