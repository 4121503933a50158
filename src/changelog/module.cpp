#include "changelog/changelog.hpp"
#include "changelog/clock.hpp"
#include "changelog/track.hpp"
#include "changelog/trim.hpp"
#include "pg/guc.hpp"
#include "pg/pg.hpp"
#include "settings/settings.hpp"

namespace helios::changelog {

namespace {

char *retention_text;
int64 retention_microseconds;

void AssignRetention(const char *, void *extra) {
  retention_microseconds = *static_cast<int64 *>(extra);
}

}  // namespace

void InitChangelog() {
  pg::DefineString(
      {.name = "heliosdb.time_travel_retention",
       .meaning = "Age up to which the change log keeps what changed in a tracked table.",
       .range = settings::kIntervalRange,
       .unit = "interval"},
      &retention_text, "7 days", PGC_USERSET, {settings::CheckInterval, AssignRetention});
  InitWritten();
  InitClock();
  InitTrimJob();
}

int64 DefaultRetention() { return retention_microseconds; }

}  // namespace helios::changelog
