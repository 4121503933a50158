// The state of main that a branch begins with: an instant, or a recorded snapshot.
#pragma once

#include "branch/catalog.hpp"
#include "changelog/changelog.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "nodes/primnodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

struct ForkPoint {
  int64 scn;       // 0: the instant says all
  TimestampTz at;  // where there is no SCN
};

// The fork of a branch; an error while the transaction that creates the branch runs.
ForkPoint ForkOf(const Branch &branch);

// Tells whether the history of a table reaches back to the fork of a branch.
bool HasHistory(const Branch &branch, const changelog::TrackedTable &tracked);

// The function of time travel that carries a fork in TABLESAMPLE, and its argument.
const char *CarrierOf(ForkPoint fork);
Const *MomentOf(ForkPoint fork);

// The same in SQL: function(argument).
char *WriteCarrier(ForkPoint fork);

// Writes the call that raises an error unless a table can answer for a fork.
char *WriteCheck(ForkPoint fork, Oid table);

}  // namespace helios::branch
