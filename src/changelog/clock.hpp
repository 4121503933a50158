// Watches whether the server's clock is set back: then commit times do not tell the order of transactions, and an
// instant between the old and the new time would name a state that never was.
//
//   heliosdb_log.clock_steps   low, high timestamptz: instants that name no single state
//
// Every transaction that writes to a tracked table compares the clock, before it commits, with the latest reading
// of any other: kept in shared memory when the library is preloaded, else in each session. Recorded snapshots are
// compared too, so that a step while the server is down is noticed.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

// Asks for shared memory where that is still possible, and registers the callback of transactions.
void InitClock();

// Lets the present transaction compare the clock before it commits.
void WatchClock();

// Compares the clock with an earlier reading; notes a step if the clock was set back.
void CompareClock(TimestampTz earlier);

}  // namespace helios::changelog
