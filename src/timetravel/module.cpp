#include "timetravel/timetravel.hpp"

#include "pg/pg.hpp"
#include "timetravel/expand.hpp"
#include "timetravel/past_scan.hpp"
#include "timetravel/session.hpp"
#include "timetravel/view.hpp"

extern "C" {
#include "access/commit_ts.h"
#include "utils/guc.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

void InitTimetravel() {
  InitSession();
  InitPastScan();
  InstallExpansion();
  InitViews();
  // An instant is told by commit timestamps. The administrator's own word, in a file or on the command
  // line, ranks above this default.
  if (process_shared_preload_libraries_in_progress)
    SetConfigOption("track_commit_timestamp", "on", PGC_POSTMASTER, PGC_S_DYNAMIC_DEFAULT);
}

}  // namespace helios::timetravel
