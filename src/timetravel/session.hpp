// The instant of a session: heliosdb.as_of.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

// Defines heliosdb.as_of and makes sessions that set it read-only.
void InitSession();

// Tells whether the session reads the past.
bool SessionReadsPast();

// True if a table of a statement is read as of the instant of the session; then `moment` is that. An error
// for what has no past, such as a materialized view.
bool FindSessionPast(const RangeTblEntry *entry, Node **moment);

}  // namespace helios::timetravel
