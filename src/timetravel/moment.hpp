// Moments: what AS OF names, an instant or the number of a recorded snapshot.
#pragma once

#include "pg/pg.hpp"

#include "changelog/changelog.hpp"

extern "C" {
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

struct Moment {
  enum class Kind { kInstant, kScn };
  Kind kind;
  int64 value;  // timestamptz, or the SCN
  bool operator==(const Moment &) const = default;
};

inline Moment AtInstant(TimestampTz at) { return {Moment::Kind::kInstant, at}; }
inline Moment AtScn(int64 scn) { return {Moment::Kind::kScn, scn}; }

// What the change log knows of a table; an error naming it if it is not tracked.
changelog::TrackedTable TrackedOrError(Oid relation);

// Refuses servers that do not record when transactions committed.
void RequireCommitTimestamps();

// Refuses clusters in which rows of long ago could be taken for new ones.
void RequireFirstEpoch();

// Raises an error unless a statement can read a table as of a moment: commit times are recorded, the moment is
// neither later than the snapshot nor before the table's history, and no change was missed.
void RequireAnswer(Oid relation, Moment moment);

// Finds the recorded snapshot of an SCN, its data in the current memory context; an error if there is none.
changelog::RecordedSnapshot SnapshotOfScn(int64 scn);

// Returns a transaction below which all had ended at a moment of the table's history.
FullTransactionId FloorOf(Oid relation, Moment moment);

// Returns the first instant that the history of a table holds for.
TimestampTz HistorySince(const changelog::TrackedTable &table);

// Returns when a transaction committed; an error if that is not known.
TimestampTz CommitTimeOf(int64 number);

}  // namespace helios::timetravel
