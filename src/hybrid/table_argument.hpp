// Arguments of functions on hybrid tables.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "datatype/timestamp.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"
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
AttrNumber FindColumn(Oid table, const char *name);

// Parses a SELECT around what a user has written; null: it has become more than a list of results and an order. Errors
// point into the text.
SelectStmt *ParseSelect(const char *text);

// Which rows of a table a function takes: those that fit all of it.
struct RowChoice {
  const char *condition;   // an expression without subqueries, as a user has written it; null: any
  AttrNumber tier_column;  // 0: rows of any age
  TimestampTz before;      // what its value is before
};

// Prepares a choice; null: all rows.
ExprState *PrepareChoice(Relation rel, const RowChoice &choice, EState *estate);

}  // namespace helios::hybrid
