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

// As of when the session's branch reads what no branch that it comes from has changed: the fork of the one from main.
ForkPoint MainFork();

// As of when the rows of an inherited table are read.
ForkPoint SourceFork(const Source &source);

// The instant of a fork; of an SCN when that was recorded.
TimestampTz InstantOf(ForkPoint fork);

// Tells whether the history of a table of main reaches back to when a branch reads it.
bool HasHistory(const Branch &branch, const changelog::TrackedTable &tracked);

// The function of time travel that carries a fork in TABLESAMPLE, and its argument.
const char *CarrierOf(ForkPoint fork);
Const *MomentOf(ForkPoint fork);

// The same in SQL: function(argument).
char *WriteCarrier(ForkPoint fork);

// What carries a fork in TABLESAMPLE with a copy over main's table, that was made row by row; `part` as time travel has
// it: a for all rows, u for main's that neither the copy nor its deleted keys stand for.
inline constexpr const char *kOverlaidCarrier = "as_of_overlaid";
List *OverlaidArguments(ForkPoint fork, const Local &copy, char part);

// The same in SQL.
char *WriteOverlaidCarrier(ForkPoint fork, const Local &copy, char part);

// Raises an error unless a table can answer for a fork.
void CheckAnswers(ForkPoint fork, Oid table);

}  // namespace helios::branch
