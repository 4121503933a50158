// One refresh of a maintained view: a snapshot, what is to be done, and the position that goes with it, all in one
// transaction.
#pragma once

#include "mview/apply.hpp"
#include "mview/bases.hpp"
#include "mview/catalog.hpp"
#include "mview/delta.hpp"
#include "mview/options.hpp"
#include "pg/pg.hpp"

namespace helios::mview {

inline constexpr const char *kManual = "manual";
inline constexpr const char *kAutomatic = "auto";
inline constexpr const char *kStale = "staleness";
inline constexpr const char *kCreated = "create";
inline constexpr const char *kImmediate = "immediate";

// A refresh that is under way. SPI is connected, and the snapshot is the active one.
struct Refresh {
  Oid view;
  const char *trigger;
  bool is_final;  // the transaction changes nothing after it: the position has all of it
  Options options;
  Record record;
  Reads reads;
  const List *known;  // the bases of the last refresh
  List *bases;
  const char *position;
  const char *obstacle;  // why the position does not hold after this transaction; null: it does
  const Shape *shape;
  TimestampTz started_at;
  TimestampTz at;
  double cpu_begin;
};

// Works as the owner of a view, in a security-restricted operation with a pinned search path, until Leave; the abort
// of the transaction ends it as well.
class ViewOwnerScope {
 public:
  void Enter(Oid view);
  void Leave();

 private:
  Oid user_;
  int context_;
  int settings_;
};

// Raises an error where an immediate view would be computed in a snapshot that is not the present.
void RequireReadCommitted(Oid view);

// Begins a refresh; the caller holds the lock of the relation and LockRefresh.
Refresh *BeginRefresh(Oid view, const char *trigger);

// Notes that the view has been computed anew in the snapshot, and ends the refresh.
void FinishFull(Refresh *refresh, const Applied &applied, const char *reason);

// Ends the refresh of a view that has been emptied.
void FinishEmpty(Refresh *refresh);

// Brings the rows of a populated view up to date without keeping readers out; incrementally where that is wanted and
// possible. Returns why it was a full refresh, or null.
enum class Wanted { kFull, kIncremental, kOnlyIncremental };
const char *RefreshInPlace(Refresh *refresh, Wanted wanted);

// Tracks the tables of a view and lets its consumers begin, so that a later full refresh keeps no writers out; true if
// there was something to do. The caller holds LockRefresh; SPI is not connected.
bool PrepareBases(Oid view);

// CPU time of this process in seconds.
double CpuSeconds();

}  // namespace helios::mview
