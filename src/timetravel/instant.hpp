// Instants of the past: which ones a table can answer for.
#pragma once

#include "pg/pg.hpp"

#include "changelog/changelog.hpp"

namespace helios::timetravel {

// What the change log knows of a table; an error naming it if it is not tracked.
changelog::TrackedTable TrackedOrError(Oid relation);

}  // namespace helios::timetravel
