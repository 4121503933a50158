// Background work of branches.
#pragma once

namespace helios::branch {

// Registers the job that drops expired branches.
void InitExpireJob();

}  // namespace helios::branch
