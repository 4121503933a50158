// Takes rows off heap pages: those that everybody sees, and that nobody has locked. Puts rows on them that were cold.
#pragma once

#include "hybrid/tid.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "storage/buf.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// Line pointers of one page.
struct PageRows {
  OffsetNumber offsets[MaxHeapTuplesPerPage];
  int count;
};

// Lists the rows of a pinned page that may be moved: older than `horizon`, without a lock or an end.
void ListMovableRows(Relation rel, Buffer buffer, TransactionId horizon, PageRows *rows);

// Marks rows of a pinned page as moved by this transaction, as heap_delete marks those that left for another
// partition, and leaves those in `rows` that could still be moved. Logical decoding does not see it: for it
// nothing has changed.
void MarkMoved(Relation rel, Buffer buffer, TransactionId horizon, CommandId cid, PageRows *rows);

// Inserts a row that was cold, as heap_insert does, but keeps who made it, and hides it from logical decoding.
// Returns its identifier.
ItemPointerData InsertMoved(Relation rel, HeapTuple row, TransactionId creator, CommandId cid);

}  // namespace helios::hybrid
