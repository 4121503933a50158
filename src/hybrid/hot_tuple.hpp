// Hot rows that have been cold. They are to be seen only by who sees that they were moved, so their xmin is the
// mover; who had made them follows in the header, as OIDs of rows once did:
//
//   header | null bitmap | padding | creator, 4 bytes unused | values        all before the values counts in t_hoff
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "access/htup_details.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// Tells whether values of a row are to be put out of line before it fits on a page.
bool NeedsToast(HeapTuple row);
// Tells whether a hot row has been cold, and was moved by its xmin.
bool WasCold(HeapTupleHeader row);
// The transaction that made a hot row, wherever it has been since.
TransactionId CreatorOf(HeapTupleHeader row);
// A copy of a tuple that says who made the row.
HeapTuple WithCreator(HeapTuple tuple, TransactionId creator);

}  // namespace helios::hybrid
