// The door of time travel: tables as they were.
#pragma once

namespace helios::timetravel {

// Installs the planner hook that serves AS OF, and asks for commit timestamps when preloaded.
void InitTimetravel();

}  // namespace helios::timetravel
