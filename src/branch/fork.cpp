#include "branch/fork.hpp"

#include "pg/names.hpp"

extern "C" {
#include "access/commit_ts.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::branch {

namespace {

// Writes the moment of a fork as time travel takes it.
char *WriteMoment(ForkPoint fork) {
  if (fork.scn != 0) return psprintf("%lld", static_cast<long long>(fork.scn));
  return psprintf("%s::timestamptz", quote_literal_cstr(timestamptz_to_str(fork.at)));
}

// The snapshot of a fork that was asked for last; it never changes.
constinit changelog::RecordedSnapshot known = {};

// The snapshot that a branch begins with; an error if it is not recorded any more.
const changelog::RecordedSnapshot &SnapshotOf(const Branch &branch) {
  if (known.scn == branch.fork_scn) return known;
  MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
  changelog::RecordedSnapshot recorded;
  const bool is_recorded = changelog::FindSnapshot(branch.fork_scn, &recorded);
  MemoryContextSwitchTo(before);
  if (is_recorded) {
    if (known.scn != 0) pfree(DatumGetPointer(known.seen));
    known = recorded;
    return known;
  }
  ereport(ERROR, (errcode(ERRCODE_SNAPSHOT_TOO_OLD),
                  errmsg("SCN %lld, at which branch \"%s\" begins, is not recorded any more",
                         static_cast<long long>(branch.fork_scn), NameStr(branch.name)),
                  errhint("Drop the branch.")));
}

}  // namespace

ForkPoint ForkOf(const Branch &branch) {
  if (FullTransactionIdIsValid(branch.fork_xid)) {
    const TransactionId xid = XidFromFullTransactionId(branch.fork_xid);
    if (TransactionIdIsCurrentTransactionId(xid) || TransactionIdIsInProgress(xid)) {
      ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                      errmsg("branch \"%s\" is not ready", NameStr(branch.name)),
                      errdetail("It begins when the transaction that creates it has committed.")));
    }
  }
  return {branch.fork_scn, branch.fork_at};
}

ForkPoint MainFork() {
  const Branch branch = CurrentBranch();
  const Branch root = CurrentRoot();
  const ForkPoint own = ForkOf(branch);
  return root.id == branch.id ? own : ForkOf(root);
}

ForkPoint SourceFork(const Source &source) {
  Branch branch;
  if (!FindBranchById(source.fork, &branch))
    elog(ERROR, "branch %lld does not exist", static_cast<long long>(source.fork));
  return ForkOf(branch);
}

TimestampTz InstantOf(ForkPoint fork) {
  changelog::RecordedSnapshot recorded;
  if (fork.scn == 0 || !changelog::FindSnapshot(fork.scn, &recorded)) return fork.at;
  return recorded.at;
}

bool HasHistory(const Branch &of, const changelog::TrackedTable &tracked) {
  const Branch branch = RootOf(of);
  const TransactionId xid = XidFromFullTransactionId(tracked.since);
  if (TransactionIdIsCurrentTransactionId(xid)) return false;
  // Of a trimmed log the transaction only recorded where it was cut.
  const bool trimmed = tracked.since_scn != 0;
  if (branch.fork_scn != 0) {
    return trimmed ? tracked.since_scn <= branch.fork_scn
                   : changelog::IsSeen(SnapshotOf(branch), tracked.since);
  }
  if (trimmed) return tracked.since_at <= ForkOf(branch).at;
  TimestampTz began;
  if (TransactionIdGetCommitTsData(xid, &began, nullptr)) return began <= ForkOf(branch).at;
  return true;
}

const char *CarrierOf(ForkPoint fork) { return fork.scn != 0 ? "as_of_scn" : "as_of"; }

Const *MomentOf(ForkPoint fork) {
  const bool by_scn = fork.scn != 0;
  return makeConst(by_scn ? INT8OID : TIMESTAMPTZOID, -1, InvalidOid, sizeof(int64),
                   by_scn ? Int64GetDatum(fork.scn) : TimestampTzGetDatum(fork.at), false,
                   FLOAT8PASSBYVAL);
}

char *WriteCarrier(ForkPoint fork) {
  return psprintf("%s.%s(%s)", kAdminSchema, CarrierOf(fork), WriteMoment(fork));
}

List *OverlaidArguments(ForkPoint fork, const Local &copy, char part) {
  const auto constant = [](Oid type, int length, Datum value, bool is_null) {
    return makeConst(type, -1, InvalidOid, length, value, is_null, true);
  };
  const bool by_scn = fork.scn != 0;
  return list_make5(
      constant(TIMESTAMPTZOID, sizeof(TimestampTz), TimestampTzGetDatum(fork.at), by_scn),
      constant(INT8OID, sizeof(int64), Int64GetDatum(fork.scn), !by_scn),
      constant(OIDOID, sizeof(Oid), ObjectIdGetDatum(copy.relation), false),
      constant(OIDOID, sizeof(Oid), ObjectIdGetDatum(copy.deleted), false),
      constant(CHAROID, sizeof(char), CharGetDatum(part), false));
}

char *WriteOverlaidCarrier(ForkPoint fork, const Local &copy, char part) {
  const char *moment = WriteMoment(fork);
  return psprintf("%s.%s(%s, %s, %u::oid, %u::oid, '%c')", kAdminSchema, kOverlaidCarrier,
                  fork.scn != 0 ? "NULL" : moment, fork.scn != 0 ? moment : "NULL", copy.relation,
                  copy.deleted, part);
}

void CheckAnswers(ForkPoint fork, Oid table) {
  const bool by_scn = fork.scn != 0;
  OidFunctionCall2(pg::FindFunction(kAdminSchema, by_scn ? "as_of_scn" : "as_of_instant",
                                    {OIDOID, MomentOf(fork)->consttype}),
                   ObjectIdGetDatum(table), MomentOf(fork)->constvalue);
}

}  // namespace helios::branch
