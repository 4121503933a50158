// The door of the boundary room.
#pragma once

namespace helios::pg {

// Registers the settings that belong to no feature.
void InitPg();

}  // namespace helios::pg
