// The door of the boundary room.
#pragma once

namespace helios::pg {

// Registers the settings that belong to no feature.
void InitPg();

// Reserves the prefix heliosdb once every room has registered its settings: a misspelt one is an
// error.
void FinishPg();

}  // namespace helios::pg
