#include "budget/budget.hpp"

#include "budget/jobs_dev.hpp"
#include "budget/launcher.hpp"
#include "budget/shared.hpp"
#include "budget/statements.hpp"
#include "pg/guc.hpp"

extern "C" {
#include "postmaster/bgworker.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::budget {

int max_workers;
int naptime_seconds;

void InitBudget() {
  constexpr int kDefaultWorkers = 2;
  constexpr int kDefaultNaptime = 60;
  constexpr int kLongestNaptime = 86400;
  constexpr const char *kAfterReload = "in the server, after reload";
  pg::DefineInt({.name = "heliosdb.max_background_workers",
                 .meaning = "Workers of background work that run at a time, in all databases.",
                 .range = "0 to 64; 0 switches background work off.",
                 .unit = "workers",
                 .takes_effect = kAfterReload},
                &max_workers, kDefaultWorkers, 0, kMaxWorkers, PGC_SIGHUP);
  pg::DefineInt({.name = "heliosdb.background_naptime",
                 .meaning = "Time between two looks for background work in a database.",
                 .range = "1 to 86400 seconds.",
                 .unit = "seconds",
                 .takes_effect = kAfterReload,
                 .flags = GUC_UNIT_S},
                &naptime_seconds, kDefaultNaptime, 1, kLongestNaptime, PGC_SIGHUP);
#ifdef HELIOS_DEV
  RegisterTestKinds();
#endif
  if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade) return;
  InitShared();
  InitDatabaseStatements();
  RegisterLauncher();
}

}  // namespace helios::budget
