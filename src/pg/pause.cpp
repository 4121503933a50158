#include "pg/pause.hpp"

#include "pg/pg.hpp"

#include <cstring>

extern "C" {
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "utils/wait_event.h"
}

namespace helios::pg {

char *pause_point = nullptr;

namespace {

// Says whether somebody holds the advisory lock that lets this session go on.
bool MayGoOn() {
  constexpr uint16 kOneNumber = 1;  // lockfuncs.c: the lock has one number, of 64 bits
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, static_cast<uint32>(MyProcPid), kOneNumber);
  if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL) return true;
  LockRelease(&tag, ExclusiveLock, true);
  return false;
}

}  // namespace

// Announces the point in the log, then sleeps until let go, killed, cancelled or terminated.
void PauseSlow(const char *name) {
  constexpr long kPollMilliseconds = 20;
  if (strcmp(pause_point, name) != 0) return;
  ereport(LOG, (errmsg("pause point reached: %s", name)));
  while (!MayGoOn()) {
    CHECK_FOR_INTERRUPTS();
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kPollMilliseconds,
                    PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
  }
}

}  // namespace helios::pg
