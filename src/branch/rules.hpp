// Rules of tables on a branch.
#pragma once

#include "branch/ddl.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

// Gives a copy the rules of its model. What they say of the model, they say of the copy; other relations are led where
// the rules are used. SPI must be connected.
void CloneRules(Oid model, Oid clone);

// Leads CREATE RULE.
Ddl LeadRule(RuleStmt *rule);

}  // namespace helios::branch
