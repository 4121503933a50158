// Tables as they were at one moment, in place of tables.
#pragma once

#include "pg/pg.hpp"
#include "timetravel/carrier.hpp"

namespace helios::timetravel {

// Raises an error where a table of a query cannot be read as of the past: its rows are locked, its system columns
// are read, or a moment is volatile.
void CheckReadable(Query *query, int index, const RangeTblEntry *entry, List *moments);

// Replaces a table of a query, entry `index` of its range table, by what it was.
void ExpandPast(Query *query, int index, RangeTblEntry *entry, const Past &past);

}  // namespace helios::timetravel
