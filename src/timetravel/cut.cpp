#include "timetravel/cut.hpp"

#include "changelog/changelog.hpp"
#include "timetravel/instant.hpp"

#include <new>

extern "C" {
#include "access/commit_ts.h"
#include "nodes/supportnodes.h"
#include "utils/lsyscache.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

namespace {

// Commit times that this backend has looked up, each in the place that its number falls on. They never change.
struct CommitTime {
  FullTransactionId xid;
  TimestampTz at;
};

constexpr int kCommitTimes = 1024;
constinit CommitTime commit_times[kCommitTimes] = {};

}  // namespace

bool FindCommitTime(FullTransactionId xid, TimestampTz *at) {
  CommitTime *known = &commit_times[XidFromFullTransactionId(xid) % kCommitTimes];
  if (!FullTransactionIdEquals(known->xid, xid)) {
    TimestampTz found;
    if (!TransactionIdGetCommitTsData(XidFromFullTransactionId(xid), &found, nullptr)) return false;
    *known = {xid, found};
  }
  *at = known->at;
  return true;
}

Cut::Cut(Oid relation, TimestampTz at) : relation_(relation), at_(at) {
  RequireAnswer(relation, at);
  floor_ = changelog::FloorAt(TrackedOrError(relation), at);
  next_ = ReadNextFullTransactionId();
}

bool Cut::Contains(FullTransactionId xid) {
  if (FullTransactionIdPrecedes(xid, floor_)) return true;
  const TransactionId low = XidFromFullTransactionId(xid);
  TimestampTz committed;
  if (FindCommitTime(xid, &committed)) return committed <= at_;
  if (TransactionIdIsCurrentTransactionId(low)) return false;
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("commit time of transaction %u, which wrote to table \"%s\", is not known",
                         low, get_rel_name(relation_)),
                  errhint("track_commit_timestamp must be on as long as the table is tracked; "
                          "heliosdb.track() begins its history anew.")));
}

// A raw xmin is taken to lie in the past: one that would be in the future belongs to the epoch before.
bool Cut::ContainsXmin(TransactionId xmin) {
  if (!TransactionIdIsNormal(xmin)) return true;
  uint32 epoch = EpochFromFullTransactionId(next_);
  if (xmin >= XidFromFullTransactionId(next_)) {
    // Assigned since the cut was made, by this statement's transaction or one that it does not see.
    next_ = ReadNextFullTransactionId();
    epoch = EpochFromFullTransactionId(next_);
    if (xmin >= XidFromFullTransactionId(next_)) {
      if (epoch == 0) return true;
      epoch--;
    }
  }
  return Contains(FullTransactionIdFromEpochAndXid(epoch, xmin));
}

namespace {

// The cut of a function call, kept from one row to the next.
Cut *CutOf(FunctionCallInfo fcinfo, Oid relation, TimestampTz at) {
  auto *cut = static_cast<Cut *>(fcinfo->flinfo->fn_extra);
  if (cut != nullptr && cut->IsFor(relation, at)) return cut;
  if (cut == nullptr)
    cut = static_cast<Cut *>(MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(Cut)));
  fcinfo->flinfo->fn_extra = nullptr;
  new (cut) Cut(relation, at);
  fcinfo->flinfo->fn_extra = cut;
  return cut;
}

}  // namespace

}  // namespace helios::timetravel

// in_past(table oid, xmin xid, at timestamptz): whether a row of the table was there already.
HELIOS_FUNCTION(in_past) {
  auto *cut = helios::timetravel::CutOf(fcinfo, PG_GETARG_OID(0), PG_GETARG_TIMESTAMPTZ(2));
  PG_RETURN_BOOL(cut->ContainsXmin(DatumGetTransactionId(PG_GETARG_DATUM(1))));
}

// was_alive(table oid, creator xid8, ender xid8, at timestamptz): whether a version in the log was there.
HELIOS_FUNCTION(was_alive) {
  auto *cut = helios::timetravel::CutOf(fcinfo, PG_GETARG_OID(0), PG_GETARG_TIMESTAMPTZ(3));
  PG_RETURN_BOOL(!cut->Contains(PG_GETARG_FULLTRANSACTIONID(2)) &&
                 cut->Contains(PG_GETARG_FULLTRANSACTIONID(1)));
}

// Planner support: rows of the past are mostly those of the present, and of the log what is recent enough
// was mostly alive.
HELIOS_FUNCTION(past_selectivity) {
  auto *request = reinterpret_cast<SupportRequestSelectivity *>(PG_GETARG_POINTER(0));
  if (!IsA(request, SupportRequestSelectivity)) PG_RETURN_POINTER(nullptr);
  constexpr double kMostly = 0.99;
  request->selectivity = kMostly;
  PG_RETURN_POINTER(request);
}
