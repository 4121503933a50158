#include "settings/interval.hpp"

#include <cstring>

extern "C" {
#include "common/int.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::settings {

namespace {

constexpr size_t kWorkBytes = 256;  // as interval_in() has it

// Splits and decodes as interval_in() does; returns a DTERR_ code.
int Decode(const char *text, pg_itm_in *parts, int *kind) {
  char work[kWorkBytes];
  char *fields[MAXDATEFIELDS];
  int types[MAXDATEFIELDS];
  int count = 0;
  int error = ParseDateTime(text, work, sizeof(work), fields, types, MAXDATEFIELDS, &count);
  if (error == 0) {
    error = DecodeInterval(fields, types, count, INTERVAL_FULL_RANGE, kind, parts);
  }
  if (error != DTERR_BAD_FORMAT) return error;
  return DecodeISO8601Interval(const_cast<char *>(text), kind, parts);
}

// Adds up the parts; false on overflow.
bool AddUp(const Interval &interval, int64 *microseconds) {
  int64 days = 0;
  int64 day_part = 0;
  return !pg_mul_s64_overflow(interval.month, DAYS_PER_MONTH, &days) &&
         !pg_add_s64_overflow(days, interval.day, &days) &&
         !pg_mul_s64_overflow(days, USECS_PER_DAY, &day_part) &&
         !pg_add_s64_overflow(day_part, interval.time, microseconds);
}

}  // namespace

const char *ParseInterval(const char *text, int64 *microseconds) {
  pg_itm_in parts = {};
  Interval interval = {};
  int kind = DTK_DELTA;
  const int error = Decode(text, &parts, &kind);
  const bool too_large = error == DTERR_FIELD_OVERFLOW || error == DTERR_INTERVAL_OVERFLOW;
  if (error != 0 && !too_large) return "It is not an interval.";
  if (too_large || kind != DTK_DELTA || itmin2interval(&parts, &interval) != 0 ||
      !AddUp(interval, microseconds)) {
    return "The interval is out of range.";
  }
  return *microseconds < 0 ? "The interval is negative." : nullptr;
}

}  // namespace helios::settings
