// The door of branches: a database beside the database, in the same one.
#pragma once

namespace helios::branch {

// Registers heliosdb.branch and the hooks that lead a session on a branch to its tables. Time travel must
// have been initialised: what is put in front of its planner hook relies on it.
void InitBranch();

}  // namespace helios::branch
