// The last word before a statement of a branch runs.
#pragma once

namespace helios::branch {

// Installs the hook.
void InitGuard();

}  // namespace helios::branch
