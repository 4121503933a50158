// What the tests ask about interval texts; only in builds with DEV=1.
#include "settings/interval.hpp"

// Returns the microseconds of an interval text, null where it is refused.
HELIOS_FUNCTION(test_interval) {
  int64 microseconds = 0;
  const char *value = text_to_cstring(PG_GETARG_TEXT_PP(0));
  if (helios::settings::ParseInterval(value, &microseconds) != nullptr) PG_RETURN_NULL();
  PG_RETURN_INT64(microseconds);
}
