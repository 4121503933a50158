// What became of cold rows. A row of a chunk is alive until it gets a stand-in: a heap tuple in the TOAST
// relation that is locked and deleted in its place, by heapam, with all that belongs to it (waiting,
// locks of several transactions, subtransactions, EvalPlanQual, snapshots).
//
//   no stand-in                        alive for everybody
//   'live'   frozen                    alive; row locks and the deleter's xid are in its header
//   'live' ── heap_update ─> 'gone'    deleted by the xmin of 'gone', which tells where it went
//   'gone' ── in place ─> 'unindexed'  everybody sees that, and vacuum has removed its index entries
//   none, and a hole in the chunk      what is left when the chunk has been made anew
//
// A snapshot sees the row if it sees the chunk, and sees 'live' or there is no stand-in. There is at most one
// 'live' tuple for a row; it is removed only when everybody sees 'gone'.
#pragma once

#include "hybrid/store.hpp"

extern "C" {
#include "access/tableam.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// Says whether the snapshot sees a row of a chunk that it sees. Of a dirty snapshot xmin and xmax are set
// to who is about to delete the row; xmin of the chunk is the caller's.
bool IsAlive(const Store &store, RowNumber row, Snapshot snapshot);

// The same for an MVCC snapshot and the rows behind `row`, up to `*end`: what is said of `row` goes for all up to
// the `*end` that is told, if it is seen.
bool IsAlive(const Store &store, RowNumber row, Snapshot snapshot, RowNumber *end);

// Says where the update that took a row away in the eyes of the snapshot went, and by whom; the row itself:
// it was deleted. False if the snapshot sees no end of the row.
bool FindNext(const Store &store, const ItemPointerData &tid, Snapshot snapshot,
              ItemPointerData *next, TransactionId *ender);

// Sets the bits of rows [first, first + rows) that the snapshot, of the MVCC kind, does not see, and counts
// them. Bit i of word i / 64 is row first + i.
uint32 MarkGone(const Store &store, RowNumber first, uint32 rows, Snapshot snapshot, uint64 *bits);

// What MarkDead looks for.
enum class Dead { kAll, kIndexed, kUnindexed };

// The same for those whose deletion everybody sees; `horizon` is the oldest transaction that is seen as
// running. Tells who is the youngest of those that have deleted them (null: nobody asks).
uint32 MarkDead(const Store &store, RowNumber first, uint32 rows, TransactionId horizon, Dead which,
                uint64 *bits, TransactionId *youngest);

// Notes that the rows whose bits are set have no index entry any more. Needs no transaction.
void NoteUnindexed(const Store &store, RowNumber first, uint32 rows, const uint64 *bits);

// Deletes the stand-ins of the rows whose bits are set: the chunk itself says that they are gone.
void RemoveStandIns(const Store &store, RowNumber first, uint32 rows, const uint64 *bits);

// Locks a cold row as heap_lock_tuple does; `failure` is heapam's, but ctid is the version of the
// table that follows (`tid` itself: deleted).
TM_Result LockColdRow(const Store &store, const ItemPointerData &tid, CommandId cid,
                      LockTupleMode mode, LockWaitPolicy wait_policy, bool follow_updates,
                      TM_FailureData *failure);

// Deletes a cold row that this transaction has locked: `next` is the version that takes its place, or the
// row itself.
void EndColdRow(const Store &store, const ItemPointerData &tid, const ItemPointerData &next,
                CommandId cid);

}  // namespace helios::hybrid
