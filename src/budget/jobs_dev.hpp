// Kinds of jobs for the tests.
#pragma once

namespace helios::budget {

// Registers them; only with DEV=1.
void RegisterTestKinds();

}  // namespace helios::budget
