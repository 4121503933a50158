// Interval texts as values of settings, readable where no catalog is.
#pragma once

#include "pg/pg.hpp"

namespace helios::settings {

// Parses an interval as type interval does, months as 30 days and days as 24 hours. Returns null
// and the microseconds, or what is wrong with the text; raises nothing.
const char *ParseInterval(const char *text, int64 *microseconds);

}  // namespace helios::settings
