// Changes rows of a materialized view, which no statement may do.
#pragma once

#include "mview/delta.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "utils/relcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

struct Applied {
  int64 inserted, deleted;
};

// Brings the rows of a view in line with a difference; rows that stay the same are not touched. False, and nothing is
// changed, if rows that are to go are not there. The view is locked in ROW EXCLUSIVE mode at least, no other refresh
// of it runs, and the active snapshot sees all of its rows.
bool ApplyDelta(Relation view, const Delta &delta, Applied *applied);

// Lets the view have just these rows; those that are the same already are not touched.
void ReplaceRows(Relation view, const pg::StoredRows &rows, Applied *applied);

}  // namespace helios::mview
