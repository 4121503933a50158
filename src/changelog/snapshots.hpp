// Recorded snapshots: states of the database that have a number, the SCN, and a time.
//
//   heliosdb_log.snapshots   scn bigint         position of the WAL when the snapshot was taken: cluster-wide, and
//                                               later states have higher numbers whatever the clock does
//                            at timestamptz     the clock after the snapshot was taken
//                            xid xid8           transaction that recorded it; it counts as running in the snapshot
//                            until xid8         the upper end of `seen`, indexed: which snapshot saw a transaction first
//                            seen pg_snapshot   what had ended
//                            automatic, description
//                            with_own           the transaction that recorded it counts as ended once it has: forks and merges of
//                                               branches are the end of a transaction. `seen` leaves it out, so that what is
//                                               seen grows with the number whenever that transaction commits
//
// Transactions that write to tracked tables leave one now and then: then AS OF an instant need not look up the
// commit time of each row ever written, but only of what came after. Rows are inserted frozen: everybody sees
// them at once, and they outlive a rollback of their transaction.
#pragma once

#include "changelog/changelog.hpp"
#include "pg/pg.hpp"

namespace helios::changelog {

// Records the present snapshot if nobody has done so for a while; for transactions that write anyway.
void NoteInstant();

// Finds the snapshot that was recorded last; false if there is none.
bool FindNewestSnapshot(RecordedSnapshot *found);

}  // namespace helios::changelog
