// Planning of statements on a branch.
#pragma once

namespace helios::branch {

// Installs the planner hook, in front of that of time travel.
void InitRedirect();

}  // namespace helios::branch
