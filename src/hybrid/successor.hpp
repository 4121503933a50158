// The hot version that follows a cold row. heapam, which locks the stand-in of the old version, does not know of it.
#pragma once

#include "hybrid/store.hpp"

extern "C" {
#include "access/tableam.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// Gives the version at `next` the locks that others hold on the row at `cold` (FOR KEY SHARE), as heap_update does:
// heapam has put them on `gone`, the stand-in's last tuple. The caller holds LockSuccession.
void PassLocksOn(const Store &store, HeapTuple gone, const ItemPointerData &next);

// Keeps apart who makes a row's stand-in, who puts a version in its place, until that has the row's locks, and who locks
// that version. For moments.
void LockSuccession(const Store &store, const ItemPointerData &cold);
void UnlockSuccession(const Store &store, const ItemPointerData &cold);

// Locks the version at `next`, which `ender` has made or is about to make of the row at `cold` without changing its key,
// FOR KEY SHARE. TM_Updated: not so, and `ender` is to be waited for, or the version looked at by itself.
TM_Result LockSuccessor(const Store &store, const ItemPointerData &cold,
                        const ItemPointerData &next, TransactionId ender, CommandId cid,
                        LockWaitPolicy wait_policy);

}  // namespace helios::hybrid
