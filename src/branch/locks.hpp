// Locks of main's tables that statements on a branch take.
#pragma once

namespace helios::branch {

// Installs a hook behind the analysis of statements.
void InitLocks();

}  // namespace helios::branch
