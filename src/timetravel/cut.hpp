// A cut: the transactions that count as committed at a moment of the past.
//
//   of an instant                                    its changes, seen AS OF at
//   below the floor      there: it had ended when the table began to be tracked, or at an instant
//                        between that and `at` that the change log has recorded
//   committed at or before `at` (commit timestamp)   there
//   later, or not at all                             not there
//
//   of an SCN: what had ended in the recorded snapshot is there, of a subtransaction what its top level says; of the
//   fork or merge of a branch also the transaction that recorded it, with subtransactions that came after
//
// The commit timestamp is taken before a transaction becomes visible; so a statement refuses instants for
// which its own snapshot still misses a transaction.
#pragma once

#include "pg/pg.hpp"

#include "timetravel/moment.hpp"

extern "C" {
#include "access/transam.h"
#include "access/xact.h"
#include "utils/timestamp.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

// Looks up when a transaction committed, and remembers it; false if that is not known.
bool FindCommitTime(FullTransactionId xid, TimestampTz *at);

// Returns the top-level transaction of one that has ended, and remembers it.
FullTransactionId TopOfEnded(FullTransactionId xid);

// Returns a memory context for what a function keeps in fn_extra from one call to the next, empty: what it kept so far
// goes.
MemoryContext EmptyContextOf(FunctionCallInfo fcinfo);

// Decides about transactions for one table and one moment; lives in an fmgr cache, in whose memory context it must
// be made.
class Cut {
 public:
  // Raises an error if the table cannot answer for the moment.
  Cut(Oid relation, Moment moment);
  bool IsFor(Oid relation, Moment moment) const {
    return relation_ == relation && moment_ == moment;
  }
  // True if the changes of a transaction or subtransaction are there.
  bool Contains(FullTransactionId xid);
  // The same for the raw xmin of a row version that the statement sees.
  bool ContainsXmin(TransactionId xmin) {
    if (likely(TransactionIdIsNormal(xmin) && xmin < low_floor_)) return true;
    return Contains(Widen(xmin));
  }
  // Widens a raw xmin; FirstNormal for those that are always there.
  FullTransactionId Widen(TransactionId xmin);

 private:
  bool CommittedBefore(FullTransactionId xid) const;
  bool HadEnded(FullTransactionId xid) const;
  bool IsOwnPart(FullTransactionId xid) const;

  Oid relation_;
  Moment moment_;
  FullTransactionId floor_;
  TransactionId low_floor_;  // the same for raw numbers of the first epoch, later 0
  FullTransactionId next_;
  changelog::RecordedSnapshot snapshot_;  // of an SCN
};

}  // namespace helios::timetravel
