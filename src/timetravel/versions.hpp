// All versions of the rows of a table between two moments.
#pragma once

#include "pg/pg.hpp"
#include "timetravel/carrier.hpp"

namespace helios::timetravel {

// Replaces a table of a query, entry `index` of its range table, by the versions of its rows; calls of the functions
// heliosdb.versions_…(row) over the whole row are replaced by what they tell of a version.
void ExpandVersions(Query *query, int index, RangeTblEntry *entry, const Versions &versions);

}  // namespace helios::timetravel
