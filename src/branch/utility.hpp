// Utility statements: those about branches, and all others on a branch.
#pragma once

namespace helios::branch {

// Installs the hook.
void InitUtility();

}  // namespace helios::branch
