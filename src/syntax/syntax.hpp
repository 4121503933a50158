// The door of the syntax layer: statements that the stock grammar rejects.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/pg_list.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::syntax {

// Defines the settings, and installs the redirect of the parser when the library is preloaded.
void InitSyntax();

// Has a function look at the parse trees of texts that the stock grammar rejected and a form rescued.
void OnRescue(void (*look)(List *trees));

}  // namespace helios::syntax
