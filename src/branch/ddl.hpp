// DDL on a branch.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// Leads a DDL statement to the branch's relations. kDone: there is nothing left to run.
enum class Ddl { kNone, kRun, kDone };
Ddl LeadDdl(Node *statement);

}  // namespace helios::branch
