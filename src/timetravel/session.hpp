// The instant of a session: heliosdb.as_of.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

// Defines heliosdb.as_of and makes sessions that set it read-only.
void InitSession();

// The instant of the session; 0: the present.
extern TimestampTz session_instant;

// Tells whether the session reads the past.
inline bool SessionReadsPast() { return session_instant != 0; }

// Returns the instant of the session as a constant.
Node *SessionMoment();

// True if an entry of a range table is a table that has a past; false for what is always that of the present, such
// as catalogs. An error for what has no past, such as a materialized view.
bool HasPast(const RangeTblEntry *entry);

}  // namespace helios::timetravel
