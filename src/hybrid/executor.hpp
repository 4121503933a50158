// What plans are told about hybrid tables before they run.
#pragma once

namespace helios::hybrid {

// Installs the hooks of planner and executor.
void InitExecutor();

}  // namespace helios::hybrid
