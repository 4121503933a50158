// Arguments of functions on hybrid tables.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/execnodes.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// Opens a hybrid table that the user owns; an error names what it is otherwise.
Relation OpenTableArgument(Oid table, LOCKMODE lock);

// Raises the error of a relation that is no hybrid table.
[[noreturn]] void RaiseNotHybrid(Relation rel);

// Finds a column of a table by its name; an error if there is none.
AttrNumber FindColumn(Relation rel, const char *name);

// Prepares a condition on the rows of a table, as a user has written it: an expression without subqueries.
ExprState *PrepareCondition(Relation rel, const char *text, EState *estate);

}  // namespace helios::hybrid
