#include "timetravel/instant.hpp"

#include "timetravel/cut.hpp"

extern "C" {
#include "access/commit_ts.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/lsyscache.h"
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

namespace {

// Refuses null, for which an empty table would be no answer.
void RequireArguments(FunctionCallInfo fcinfo) {
  if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1)) return;
  ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                  errmsg("the instant or transaction of AS OF must not be null")));
}

// An instant needs commit timestamps.
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
  ereport(ERROR,
          (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
           errmsg("AS OF is not supported yet in a cluster that has used up 2^32 transactions"),
           errdetail("Rows of long ago could be taken for new ones.")));
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
    if (TransactionIdGetCommitTsData(xid, &committed, nullptr) && committed <= at) {
      ereport(ERROR,
              (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
               errmsg("AS OF %s is not settled yet", timestamptz_to_str(at)),
               errdetail("Transaction %u has committed but is not visible to this snapshot.", xid),
               errhint("Run the statement again.")));
    }
  }
}

// Refuses an instant before the table's history.
void RequireHistory(Oid relation, TimestampTz at) {
  const changelog::TrackedTable table = TrackedOrError(relation);
  // The triggers are those of the partitions, which are asked on their own.
  if (OidIsValid(table.log)) changelog::CheckCapture(relation);
  TimestampTz since;
  const TransactionId xid = XidFromFullTransactionId(table.since);
  if (!FindCommitTime(table.since, &since)) since = table.since_at;
  if (TransactionIdIsCurrentTransactionId(xid) || at < since) {
    ereport(ERROR,
            (errcode(ERRCODE_SNAPSHOT_TOO_OLD),
             errmsg("history of table \"%s\" does not reach back to %s", get_rel_name(relation),
                    timestamptz_to_str(at)),
             TransactionIdIsCurrentTransactionId(xid)
                 ? errdetail("It begins when this transaction commits (%s).", table.reason)
                 : errdetail("It begins at %s (%s).", timestamptz_to_str(since), table.reason)));
  }
}

// Decides for past_floor(), kept from one row to the next.
struct Floor {
  Oid relation;
  TimestampTz at;
  FullTransactionId floor;
};

}  // namespace

void RequireAnswer(Oid relation, TimestampTz at) {
  RequireCommitTimestamps();
  RequireFirstEpoch();
  RequireSettled(at);
  RequireHistory(relation, at);
}

}  // namespace helios::timetravel

// as_of_instant(table oid, at timestamptz): the instant, once the table can answer for it.
HELIOS_FUNCTION(as_of_instant) {
  helios::timetravel::RequireArguments(fcinfo);
  const TimestampTz at = PG_GETARG_TIMESTAMPTZ(1);
  helios::timetravel::RequireAnswer(PG_GETARG_OID(0), at);
  PG_RETURN_TIMESTAMPTZ(at);
}

// past_floor(table oid, at timestamptz): a transaction below which all had ended by then.
HELIOS_FUNCTION(past_floor) {
  const Oid relation = PG_GETARG_OID(0);
  const TimestampTz at = PG_GETARG_TIMESTAMPTZ(1);
  auto *known = static_cast<helios::timetravel::Floor *>(fcinfo->flinfo->fn_extra);
  if (known == nullptr || known->relation != relation || known->at != at) {
    if (known == nullptr)
      known = static_cast<helios::timetravel::Floor *>(
          MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(*known)));
    known->relation = InvalidOid;
    fcinfo->flinfo->fn_extra = known;
    known->floor = helios::changelog::FloorAt(helios::timetravel::TrackedOrError(relation), at);
    known->at = at;
    known->relation = relation;
  }
  PG_RETURN_FULLTRANSACTIONID(known->floor);
}

// as_of_transaction(table oid, transaction bigint): the instant right after a transaction committed.
HELIOS_FUNCTION(as_of_transaction) {
  helios::timetravel::RequireArguments(fcinfo);
  const int64 number = PG_GETARG_INT64(1);
  helios::timetravel::RequireCommitTimestamps();
  helios::timetravel::RequireFirstEpoch();
  const FullTransactionId next = ReadNextFullTransactionId();
  const FullTransactionId xid = FullTransactionIdFromU64(static_cast<uint64>(number));
  TimestampTz at = 0;
  // The commit log tells transactions apart by 32 bits: one of another epoch is not asked for.
  const bool known =
      number > 0 && FullTransactionIdPrecedes(xid, next) &&
      U64FromFullTransactionId(next) - U64FromFullTransactionId(xid) < UINT32_MAX / 2 &&
      TransactionIdIsNormal(XidFromFullTransactionId(xid)) &&
      TransactionIdGetCommitTsData(XidFromFullTransactionId(xid), &at, nullptr);
  if (!known) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("transaction %lld is not known to have committed",
                           static_cast<long long>(number)),
                    errhint("It runs, was rolled back, or its commit time was cleaned up.")));
  }
  helios::timetravel::RequireAnswer(PG_GETARG_OID(0), at);
  PG_RETURN_TIMESTAMPTZ(at);
}
