// A cut: the transactions that count as committed at an instant of the past.
//
//   transaction          its changes, seen AS OF at
//   below the floor      there: it had ended when the table began to be tracked, or at an instant
//                        between that and `at` that the change log has recorded
//   committed at or before `at` (commit timestamp)   there
//   later, or not at all                             not there
//
// The commit timestamp is taken before a transaction becomes visible; so a statement refuses instants for
// which its own snapshot still misses a transaction.
#pragma once

#include "pg/pg.hpp"

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

// Decides about transactions for one table and one instant; lives in an fmgr cache.
class Cut {
 public:
  // Raises an error if the table cannot answer for the instant.
  Cut(Oid relation, TimestampTz at);
  bool IsFor(Oid relation, TimestampTz at) const { return relation_ == relation && at_ == at; }
  // True if the changes of a transaction or subtransaction are there.
  bool Contains(FullTransactionId xid);
  // The same for the raw xmin of a row version that the statement sees.
  bool ContainsXmin(TransactionId xmin);

 private:
  Oid relation_;
  TimestampTz at_;
  FullTransactionId floor_;
  FullTransactionId next_;
};

}  // namespace helios::timetravel
