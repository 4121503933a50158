#include "timetravel/moment.hpp"

#include "pg/compat.hpp"
#include "pg/invalidation.hpp"
#include "timetravel/cut.hpp"

extern "C" {
#include "access/commit_ts.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

changelog::TrackedTable TrackedOrError(Oid relation) {
  changelog::TrackedTable table;
  if (changelog::FindTracked(relation, &table)) return table;
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("table \"%s\" has no history", get_rel_name(relation)),
                  errhint("SELECT heliosdb.track('%s'); begins one.", get_rel_name(relation))));
}

void RequireCommitTimestamps() {
  if (track_commit_timestamp) return;
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("the time at which transactions committed is not recorded"),
                  errhint("Set track_commit_timestamp = on, or put heliosdb into "
                          "shared_preload_libraries, and restart the server.")));
}

// The raw xmin of a frozen row has 32 bits: in a later epoch it may be that of a transaction long ago.
void RequireFirstEpoch() {
  if (EpochFromFullTransactionId(ReadNextFullTransactionId()) == 0) return;
  ereport(
      ERROR,
      (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
       errmsg("time travel is not supported yet in a cluster that has used up 2^32 transactions"),
       errdetail("Rows of long ago could be taken for new ones.")));
}

namespace {

// Refuses null, for which an empty table would be no answer.
void RequireArguments(FunctionCallInfo fcinfo) {
  if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1)) return;
  ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                  errmsg("the instant or transaction of AS OF must not be null")));
}

// A transaction that has taken its commit time notes it at once, but for a process that was stopped between.
constexpr TimestampTz kNotedWithin = 60 * USECS_PER_SEC;
// How far the order of commit times may differ from that of the WAL.
constexpr TimestampTz kReplayMargin = USECS_PER_SEC;

// Waits for transactions that have taken their commit time but perhaps not noted it: until they have, they keep
// checkpoints from starting.
void AwaitCommitTimes() {
  constexpr long kPause = 100;  // microseconds
  int count;
  VirtualTransactionId *committing = GetVirtualXIDsDelayingChkpt(&count, DELAY_CHKPT_START);
  while (HaveVirtualXIDsDelayingChkpt(committing, count, DELAY_CHKPT_START)) {
    CHECK_FOR_INTERRUPTS();
    pg_usleep(kPause);
  }
  pfree(committing);
}

// Refuses an instant that a standby has not reached: what it will replay may belong to it.
void RequireReplayed(TimestampTz at) {
  const TimestampTz replayed = GetLatestXTime();
  if (replayed != 0 && at <= replayed - kReplayMargin) return;
  ereport(ERROR,
          (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
           errmsg("this standby has not replayed all of AS OF %s", timestamptz_to_str(at)),
           replayed == 0 ? errdetail("It has not replayed a commit since it was started.")
                         : errdetail("The last commit that it replayed was at %s.",
                                     timestamptz_to_str(replayed)),
           errhint("Ask for an instant at least a second before that, or ask the primary.")));
}

// Refuses an instant between the times before and after the clock was set back.
void RequireUnambiguous(TimestampTz at) {
  TimestampTz low, high;
  if (!changelog::IsAmbiguous(at, &low, &high)) return;
  ereport(ERROR,
          (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
           errmsg("AS OF %s names no single state", timestamptz_to_str(at)),
           errdetail("The clock of the server was set back: instants from %s to %s came twice, "
                     "or are too close to those.",
                     pstrdup(timestamptz_to_str(low)), timestamptz_to_str(high)),
           errhint("Use AS OF SCN with a number from pg_snapshots.")));
}

// Raises the error that a transaction which the snapshot does not see committed at or before an instant.
[[noreturn]] void RefuseUnsettled(TransactionId unseen, TimestampTz at) {
  ereport(ERROR,
          (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
           errmsg("AS OF %s is not settled yet", timestamptz_to_str(at)),
           errdetail("Transaction %u has committed but is not visible to this snapshot.", unseen),
           errhint("Run the statement again.")));
}

// What has committed of the transactions that a snapshot does not list, because they were younger than those that
// had ended.
struct Younger {
  LocalTransactionId transaction;
  TransactionId xmax;     // of the snapshot
  TimestampTz looked_at;  // what commits since then has a later time
  TransactionId first;    // the one that committed first
  TimestampTz committed;
};
constinit Younger younger = {};

// Looks at the transactions from the end of a snapshot on; what was found holds for instants before it was looked at.
const Younger &LookAtYounger(Snapshot snapshot, TimestampTz at) {
  const LocalTransactionId transaction = pg::CurrentLocalTransaction();
  if (younger.transaction == transaction && younger.xmax == snapshot->xmax &&
      at <= younger.looked_at)
    return younger;
  const TimestampTz now = GetCurrentTimestamp();
  const bool recent = at > now - kNotedWithin;
  Younger found = {transaction, snapshot->xmax, recent ? now : now - kNotedWithin,
                   InvalidTransactionId, DT_NOEND};
  const TransactionId next = XidFromFullTransactionId(ReadNextFullTransactionId());
  if (recent && found.xmax != next) AwaitCommitTimes();
  TransactionId xid = found.xmax;
  while (TransactionIdPrecedes(xid, next)) {
    CHECK_FOR_INTERRUPTS();
    TimestampTz committed;
    if (TransactionIdGetCommitTsData(xid, &committed, nullptr) && committed < found.committed) {
      found.first = xid;
      found.committed = committed;
    }
    TransactionIdAdvance(xid);
  }
  younger = found;
  return younger;
}

// Refuses an instant that the statement's snapshot does not reach: what commits from now on would still
// belong to it.
void RequireSettled(TimestampTz at) {
  const bool one_snapshot = IsolationUsesXactSnapshot();
  const TimestampTz settled =
      one_snapshot ? GetCurrentTransactionStartTimestamp() : GetCurrentStatementStartTimestamp();
  if (at > settled) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("AS OF %s is in the future", timestamptz_to_str(at)),
             one_snapshot
                 ? errdetail("The snapshot of this transaction was taken with its first statement.")
                 : 0));
  }
  // A transaction gets its commit timestamp a moment before others see it.
  const Snapshot snapshot = GetActiveSnapshot();
  if (RecoveryInProgress()) RequireReplayed(at);
  if (snapshot->xcnt > 0 && at > settled - kNotedWithin) AwaitCommitTimes();
  // A standby lists all transactions among the subtransactions.
  const bool standby = snapshot->takenDuringRecovery;
  const int running = standby ? snapshot->subxcnt : static_cast<int>(snapshot->xcnt);
  for (int i = 0; i < running; i++) {
    const TransactionId xid = standby ? snapshot->subxip[i] : snapshot->xip[i];
    TimestampTz committed;
    if (TransactionIdGetCommitTsData(xid, &committed, nullptr) && committed <= at)
      RefuseUnsettled(xid, at);
  }
  const Younger &unlisted = LookAtYounger(snapshot, at);
  if (unlisted.committed <= at) RefuseUnsettled(unlisted.first, at);
}

// Refuses an SCN that was recorded after the statement's snapshot was taken.
void RequireReached(const changelog::RecordedSnapshot &recorded) {
  if (changelog::Reaches(GetActiveSnapshot(), recorded)) return;
  ereport(ERROR,
          (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
           errmsg("SCN %lld is later than the snapshot of this statement",
                  static_cast<long long>(recorded.scn)),
           IsolationUsesXactSnapshot()
               ? errdetail("The snapshot of this transaction was taken with its first statement.")
               : 0,
           errhint("Run it again in a new transaction.")));
}

// True if the table's history begins in this transaction.
bool BeginsHere(const changelog::TrackedTable &table) {
  return TransactionIdIsCurrentTransactionId(XidFromFullTransactionId(table.since));
}

// Raises the error that a table's history begins after a moment.
[[noreturn]] void RefuseEarlier(const changelog::TrackedTable &table, const char *moment) {
  ereport(ERROR, (errcode(ERRCODE_SNAPSHOT_TOO_OLD),
                  errmsg("history of table \"%s\" does not reach back to %s",
                         get_rel_name(table.relation), moment),
                  BeginsHere(table)
                      ? errdetail("It begins when this transaction commits (%s).", table.reason)
                      : errdetail("It begins at %s (%s).", timestamptz_to_str(HistorySince(table)),
                                  table.reason)));
}

// Tables whose triggers were in place; what changes that invalidates their relcache entries.
constexpr int kCaptured = 64;
constinit Oid captured[kCaptured] = {};

// Refuses a table whose changes are not being recorded.
void RequireCapture(const changelog::TrackedTable &table) {
  // The triggers are those of the partitions, which are asked on their own.
  Oid *known = &captured[table.relation % kCaptured];
  if (!OidIsValid(table.log) || *known == table.relation) return;
  changelog::CheckCapture(table.relation);
  *known = table.relation;
}

void RequireInstant(Oid relation, TimestampTz at) {
  RequireCommitTimestamps();
  RequireUnambiguous(at);
  RequireSettled(at);
  const changelog::TrackedTable table = TrackedOrError(relation);
  RequireCapture(table);
  if (BeginsHere(table) || at < HistorySince(table))
    RefuseEarlier(table, pstrdup(timestamptz_to_str(at)));
}

// Recorded snapshots that this backend has read; they never change.
constexpr int kSnapshots = 8;
constinit changelog::RecordedSnapshot snapshots[kSnapshots] = {};
constinit int next_snapshot = 0;

// Finds the recorded snapshot of an SCN; an error if there is none. It stays until others have been asked for.
const changelog::RecordedSnapshot &KnownSnapshot(int64 scn) {
  for (const changelog::RecordedSnapshot &known : snapshots) {
    if (known.scn == scn && scn != 0) return known;
  }
  changelog::RecordedSnapshot found = {};
  MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
  const bool is_recorded = changelog::FindSnapshot(scn, &found);
  MemoryContextSwitchTo(before);
  if (!is_recorded) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("SCN %lld is not recorded", static_cast<long long>(scn)),
             errhint("pg_current_scn() records one; pg_snapshots lists those that are kept.")));
  }
  changelog::RecordedSnapshot *place = &snapshots[next_snapshot];
  if (place->scn != 0) pfree(DatumGetPointer(place->seen));
  *place = found;
  next_snapshot = (next_snapshot + 1) % kSnapshots;
  return *place;
}

void RequireScn(Oid relation, int64 scn) {
  const changelog::RecordedSnapshot &recorded = KnownSnapshot(scn);
  RequireReached(recorded);
  const changelog::TrackedTable table = TrackedOrError(relation);
  RequireCapture(table);
  const bool reaches =
      table.since_scn != 0 ? scn >= table.since_scn : changelog::IsSeen(recorded, table.since);
  if (!reaches || BeginsHere(table))
    RefuseEarlier(table, psprintf("SCN %lld", static_cast<long long>(scn)));
}

// An answer that holds for a snapshot: what it sees and what had been trimmed when it was taken do not change. Of
// snapshots in one transaction with the same end, the later one lists fewer running transactions or the same.
struct Answer {
  Oid relation;
  Moment moment;
  LocalTransactionId transaction;
  TransactionId xmax;
  uint32 running;
  int32 running_subtransactions;
  bool operator==(const Answer &) const = default;
};

constexpr int kAnswers = 16;
constinit Answer answers[kAnswers] = {};
constinit int next_answer = 0;
constinit bool watching_relations = false;

// Forgets what is known of a relation whose tracking or triggers may have changed.
void ForgetRelation(Datum, Oid relation) {
  for (Oid &known : captured) {
    if (!OidIsValid(relation) || known == relation) known = InvalidOid;
  }
  for (Answer &answer : answers) {
    if (!OidIsValid(relation) || answer.relation == relation) answer.relation = InvalidOid;
  }
}

// What past_floor() keeps from one row to the next.
struct Floor {
  Oid relation;
  Moment moment;
  FullTransactionId floor;
};

}  // namespace

void RequireAnswer(Oid relation, Moment moment) {
  if (!watching_relations) pg::WatchRelations(ForgetRelation);
  watching_relations = true;
  const Snapshot snapshot = GetActiveSnapshot();
  const Answer answer = {relation,       moment,         pg::CurrentLocalTransaction(),
                         snapshot->xmax, snapshot->xcnt, snapshot->subxcnt};
  for (const Answer &known : answers) {
    if (known == answer) return;
  }
  RequireFirstEpoch();
  if (moment.kind == Moment::Kind::kScn) {
    RequireScn(relation, moment.value);
  } else {
    RequireInstant(relation, moment.value);
  }
  answers[next_answer] = answer;
  next_answer = (next_answer + 1) % kAnswers;
}

changelog::RecordedSnapshot SnapshotOfScn(int64 scn) {
  changelog::RecordedSnapshot found = KnownSnapshot(scn);
  found.seen = datumCopy(found.seen, false, -1);
  return found;
}

FullTransactionId FloorOf(Oid relation, Moment moment) {
  const changelog::TrackedTable table = TrackedOrError(relation);
  if (moment.kind == Moment::Kind::kInstant) return changelog::FloorAt(table, moment.value);
  const FullTransactionId ended = KnownSnapshot(moment.value).xmin;
  return FullTransactionIdPrecedes(table.floor, ended) ? ended : table.floor;
}

TimestampTz HistorySince(const changelog::TrackedTable &table) {
  TimestampTz since;
  return table.since_scn == 0 && FindCommitTime(table.since, &since) ? since : table.since_at;
}

TimestampTz CommitTimeOf(int64 number) {
  RequireCommitTimestamps();
  RequireFirstEpoch();
  const FullTransactionId next = ReadNextFullTransactionId();
  const FullTransactionId xid = FullTransactionIdFromU64(static_cast<uint64>(number));
  TimestampTz at = 0;
  // The commit log tells transactions apart by 32 bits: one of another epoch is not asked for.
  const bool known =
      number > 0 && FullTransactionIdPrecedes(xid, next) &&
      U64FromFullTransactionId(next) - U64FromFullTransactionId(xid) < UINT32_MAX / 2 &&
      TransactionIdIsNormal(XidFromFullTransactionId(xid)) &&
      TransactionIdGetCommitTsData(XidFromFullTransactionId(xid), &at, nullptr);
  if (known) return at;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("transaction %lld is not known to have committed",
                         static_cast<long long>(number)),
                  errhint("It runs, was rolled back, or its commit time was cleaned up.")));
}

namespace {

Datum PastFloor(FunctionCallInfo fcinfo, Moment moment) {
  const Oid relation = PG_GETARG_OID(0);
  auto *known = static_cast<Floor *>(fcinfo->flinfo->fn_extra);
  if (known == nullptr || known->relation != relation || known->moment != moment) {
    if (known == nullptr)
      known = static_cast<Floor *>(MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(*known)));
    known->relation = InvalidOid;
    fcinfo->flinfo->fn_extra = known;
    known->floor = FloorOf(relation, moment);
    known->moment = moment;
    known->relation = relation;
  }
  PG_RETURN_FULLTRANSACTIONID(known->floor);
}

}  // namespace

}  // namespace helios::timetravel

// as_of_instant(table oid, at timestamptz): the instant, once the table can answer for it.
HELIOS_FUNCTION(as_of_instant) {
  helios::timetravel::RequireArguments(fcinfo);
  const TimestampTz at = PG_GETARG_TIMESTAMPTZ(1);
  helios::timetravel::RequireAnswer(PG_GETARG_OID(0), helios::timetravel::AtInstant(at));
  PG_RETURN_TIMESTAMPTZ(at);
}

// as_of_scn(table oid, scn bigint): the SCN, once the table can answer for it.
HELIOS_FUNCTION(as_of_scn) {
  helios::timetravel::RequireArguments(fcinfo);
  const int64 scn = PG_GETARG_INT64(1);
  helios::timetravel::RequireAnswer(PG_GETARG_OID(0), helios::timetravel::AtScn(scn));
  PG_RETURN_INT64(scn);
}

// as_of_transaction(table oid, transaction bigint): the instant right after a transaction committed.
HELIOS_FUNCTION(as_of_transaction) {
  helios::timetravel::RequireArguments(fcinfo);
  const TimestampTz at = helios::timetravel::CommitTimeOf(PG_GETARG_INT64(1));
  helios::timetravel::RequireAnswer(PG_GETARG_OID(0), helios::timetravel::AtInstant(at));
  PG_RETURN_TIMESTAMPTZ(at);
}

// commit_time(transaction bigint): when a transaction committed.
HELIOS_FUNCTION(commit_time) {
  PG_RETURN_TIMESTAMPTZ(helios::timetravel::CommitTimeOf(PG_GETARG_INT64(0)));
}

// past_floor(table oid, moment): a transaction below which all had ended by then.
HELIOS_FUNCTION(past_floor) {
  return helios::timetravel::PastFloor(fcinfo,
                                       helios::timetravel::AtInstant(PG_GETARG_TIMESTAMPTZ(1)));
}
HELIOS_FUNCTION(past_floor_scn) {
  return helios::timetravel::PastFloor(fcinfo, helios::timetravel::AtScn(PG_GETARG_INT64(1)));
}
