// The door of hybrid tables: the table access method heliosdb.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// Registers the settings and hooks.
void InitHybrid();

// Tells whether a relation's rows lie in a hybrid table.
bool IsHybrid(Relation rel);

// Tells whether this session has opened a hybrid table yet: what others need not pay for.
bool UsesHybridTables();

}  // namespace helios::hybrid
