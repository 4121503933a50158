#include "timetravel/cut.hpp"

#include "changelog/changelog.hpp"

#include <new>

extern "C" {
#include "access/commit_ts.h"
#include "nodes/supportnodes.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

namespace {

// What this backend has looked up of transactions, each in the place that its number falls on. It never changes.
struct CommitTime {
  FullTransactionId xid;
  TimestampTz at;
};
struct TopLevel {
  FullTransactionId xid;
  FullTransactionId top;
};

struct LastPart {
  FullTransactionId top;
  FullTransactionId last;
};

constexpr int kRemembered = 1024;
constexpr int kLastParts = 16;
constinit CommitTime commit_times[kRemembered] = {};
constinit TopLevel top_levels[kRemembered] = {};
constinit LastPart last_parts[kLastParts] = {};

// Returns the last subtransaction of a transaction that has ended, and remembers it.
FullTransactionId LastPartOf(FullTransactionId top) {
  LastPart *known = &last_parts[XidFromFullTransactionId(top) % kLastParts];
  if (!FullTransactionIdEquals(known->top, top))
    *known = {top, changelog::LastSubtransactionOf(top)};
  return known->last;
}

}  // namespace

bool FindCommitTime(FullTransactionId xid, TimestampTz *at) {
  if (!track_commit_timestamp) return false;
  CommitTime *known = &commit_times[XidFromFullTransactionId(xid) % kRemembered];
  if (!FullTransactionIdEquals(known->xid, xid)) {
    TimestampTz found;
    if (!TransactionIdGetCommitTsData(XidFromFullTransactionId(xid), &found, nullptr)) return false;
    *known = {xid, found};
  }
  *at = known->at;
  return true;
}

FullTransactionId TopOfEnded(FullTransactionId xid) {
  TopLevel *known = &top_levels[XidFromFullTransactionId(xid) % kRemembered];
  if (!FullTransactionIdEquals(known->xid, xid)) *known = {xid, changelog::TopOf(xid)};
  return known->top;
}

MemoryContext EmptyContextOf(FunctionCallInfo fcinfo) {
  void *kept = fcinfo->flinfo->fn_extra;
  fcinfo->flinfo->fn_extra = nullptr;
  if (kept == nullptr)
    return AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "heliosdb cut", ALLOCSET_SMALL_SIZES);
  MemoryContext context = GetMemoryChunkContext(kept);
  MemoryContextReset(context);
  return context;
}

Cut::Cut(Oid relation, Moment moment) : relation_(relation), moment_(moment), snapshot_{} {
  RequireAnswer(relation, moment);
  floor_ = FloorOf(relation, moment);
  next_ = ReadNextFullTransactionId();
  low_floor_ = EpochFromFullTransactionId(next_) == 0 ? XidFromFullTransactionId(floor_) : 0;
  if (moment.kind == Moment::Kind::kScn) snapshot_ = SnapshotOfScn(moment.value);
}

bool Cut::Contains(FullTransactionId xid) {
  if (FullTransactionIdPrecedes(xid, floor_)) return true;
  return moment_.kind == Moment::Kind::kScn ? HadEnded(xid) : CommittedBefore(xid);
}

bool Cut::CommittedBefore(FullTransactionId xid) const {
  TimestampTz committed;
  if (FindCommitTime(xid, &committed)) return committed <= moment_.value;
  const TransactionId low = XidFromFullTransactionId(xid);
  if (TransactionIdIsCurrentTransactionId(low)) return false;
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("commit time of transaction %u, which wrote to table \"%s\", is not known",
                         low, get_rel_name(relation_)),
                  errhint("track_commit_timestamp must be on as long as the table is tracked; "
                          "heliosdb.track() begins its history anew.")));
}

// Tells whether a transaction that the snapshot does not see is a subtransaction of the one that recorded it, if that
// counts as ended.
bool Cut::IsOwnPart(FullTransactionId xid) const {
  if (!FullTransactionIdIsValid(snapshot_.own)) return false;
  return FullTransactionIdPrecedesOrEquals(xid, LastPartOf(snapshot_.own)) &&
         FullTransactionIdEquals(TopOfEnded(xid), snapshot_.own);
}

bool Cut::HadEnded(FullTransactionId xid) const {
  if (!changelog::IsSeen(snapshot_, xid)) return IsOwnPart(xid);
  // What is under way had not ended, whatever the snapshot says of a subtransaction: it lists top levels only.
  if (TransactionIdIsCurrentTransactionId(XidFromFullTransactionId(xid))) return false;
  const FullTransactionId top = TopOfEnded(xid);
  return FullTransactionIdEquals(top, xid) || changelog::IsSeen(snapshot_, top);
}

// A raw xmin is taken to lie in the past: one that would be in the future belongs to the epoch before.
FullTransactionId Cut::Widen(TransactionId xmin) {
  if (!TransactionIdIsNormal(xmin)) return FirstNormalFullTransactionId;
  uint32 epoch = EpochFromFullTransactionId(next_);
  if (xmin >= XidFromFullTransactionId(next_)) {
    // Assigned since the cut was made, by this statement's transaction or one that it does not see.
    next_ = ReadNextFullTransactionId();
    epoch = EpochFromFullTransactionId(next_);
    if (xmin >= XidFromFullTransactionId(next_)) {
      if (epoch == 0) return FirstNormalFullTransactionId;
      epoch--;
    }
  }
  return FullTransactionIdFromEpochAndXid(epoch, xmin);
}

namespace {

// The cut of a function call, kept from one row to the next.
Cut *CutOf(FunctionCallInfo fcinfo, Oid relation, Moment moment) {
  auto *cut = static_cast<Cut *>(fcinfo->flinfo->fn_extra);
  if (likely(cut != nullptr && cut->IsFor(relation, moment))) return cut;
  MemoryContext before = MemoryContextSwitchTo(EmptyContextOf(fcinfo));
  cut = new (palloc(sizeof(Cut))) Cut(relation, moment);
  fcinfo->flinfo->fn_extra = cut;
  MemoryContextSwitchTo(before);
  return cut;
}

Datum InPast(FunctionCallInfo fcinfo, Moment moment) {
  auto *cut = CutOf(fcinfo, PG_GETARG_OID(0), moment);
  PG_RETURN_BOOL(cut->ContainsXmin(DatumGetTransactionId(PG_GETARG_DATUM(1))));
}

Datum WasAlive(FunctionCallInfo fcinfo, Moment moment) {
  auto *cut = CutOf(fcinfo, PG_GETARG_OID(0), moment);
  PG_RETURN_BOOL(!cut->Contains(PG_GETARG_FULLTRANSACTIONID(2)) &&
                 cut->Contains(PG_GETARG_FULLTRANSACTIONID(1)));
}

}  // namespace

}  // namespace helios::timetravel

// in_past(table oid, xmin xid, moment): whether a row of the table was there already.
HELIOS_FUNCTION(in_past) {
  return helios::timetravel::InPast(fcinfo,
                                    helios::timetravel::AtInstant(PG_GETARG_TIMESTAMPTZ(2)));
}
HELIOS_FUNCTION(in_past_scn) {
  return helios::timetravel::InPast(fcinfo, helios::timetravel::AtScn(PG_GETARG_INT64(2)));
}

// was_alive(table oid, creator xid8, ender xid8, moment): whether a version in the log was there.
HELIOS_FUNCTION(was_alive) {
  return helios::timetravel::WasAlive(fcinfo,
                                      helios::timetravel::AtInstant(PG_GETARG_TIMESTAMPTZ(3)));
}
HELIOS_FUNCTION(was_alive_scn) {
  return helios::timetravel::WasAlive(fcinfo, helios::timetravel::AtScn(PG_GETARG_INT64(3)));
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
