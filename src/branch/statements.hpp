// Statements about branches, in the stock grammar that carries them.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// Runs a statement if it is one about branches; false for all others.
bool RunBranchStatement(const Node *statement);

// Makes SHOW BRANCHES a query; installs a hook behind the parser's analysis.
void InitStatements();

}  // namespace helios::branch
