#include "pg/pause.hpp"

#include "pg/pg.hpp"

#include <cstring>

extern "C" {
#include "storage/latch.h"
#include "utils/wait_event.h"
}

namespace helios::pg {

char *pause_point = nullptr;

// Announces the point in the log, then sleeps until killed, cancelled or terminated.
void PauseSlow(const char *name) {
  constexpr long kPollMilliseconds = 20;
  if (strcmp(pause_point, name) != 0) return;
  ereport(LOG, (errmsg("pause point reached: %s", name)));
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kPollMilliseconds,
                    PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
  }
}

}  // namespace helios::pg
