// Planning of tables as they were.
#pragma once

namespace helios::timetravel {

// Installs the planner hook.
void InstallExpansion();

}  // namespace helios::timetravel
