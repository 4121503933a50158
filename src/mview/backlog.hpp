// How far a view is behind.
#pragma once

#include "mview/catalog.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

struct Backlog {
  bool
      is_locked;  // somebody keeps others from looking at the view or what it reads: nothing is known now
  bool is_counted;    // changes of all that it reads are known
  bool is_known;      // and nothing but them changes its result
  bool is_current;    // nothing has changed, as far as that is known
  int64 changes;      // records in logs, up to the limit
  TimestampTz since;  // when the first of them was committed; 0: nobody knows, or there are none
};

// Finds out how far a view is behind, as of its last refresh; waits for nobody's lock. `bases` is what ReadBases says.
Backlog FindBacklog(Oid view, const Record &record, List *bases, int64 limit);

// Hashes a query with all that was expanded in it.
int64 HashOf(const Query *query);

}  // namespace helios::mview
