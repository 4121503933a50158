// Instants of the past: which ones a table can answer for.
#pragma once

#include "pg/pg.hpp"

#include "changelog/changelog.hpp"

namespace helios::timetravel {

// What the change log knows of a table; an error naming it if it is not tracked.
changelog::TrackedTable TrackedOrError(Oid relation);

// Raises an error unless a statement can read a table as of an instant: commit times are recorded, the instant
// is neither later than the snapshot nor before the table's history, and no change was missed.
void RequireAnswer(Oid relation, TimestampTz at);

}  // namespace helios::timetravel
