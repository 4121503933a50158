// The door of the room of materialized views that are kept up to date.
#pragma once

namespace helios::mview {

// Registers settings, the hook for statements, and the background job.
void InitMview();

}  // namespace helios::mview
