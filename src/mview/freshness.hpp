// Whether a view shows exactly what its query returns in a snapshot.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "utils/snapshot.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

// Tells whether queries of the transaction may be answered from views at all, whatever the view.
bool MayReadViews();

// Tells whether the rows of a view that a snapshot sees are what the query with this hash returns in that snapshot. The
// caller holds locks that keep the view and its tables from being rewritten.
bool IsFresh(Oid view, int64 query_hash, Snapshot snapshot);

}  // namespace helios::mview
