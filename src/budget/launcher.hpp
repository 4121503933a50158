// The launcher: starts workers where there is work, within heliosdb.max_background_workers.
#pragma once

namespace helios::budget {

// Has the postmaster keep a launcher running, except during recovery.
void RegisterLauncher();

}  // namespace helios::budget
