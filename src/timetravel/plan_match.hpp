// Recognizes, in a finished plan, the scans of a table and of its log that the planner made for a table AS OF.
#pragma once

#include "pg/pg.hpp"
#include "timetravel/overlay.hpp"

extern "C" {
#include "access/sdir.h"
#include "nodes/plannodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

// A scan as a whole or by a btree index, whose rows are those that were there at a moment.
struct PastRead {
  const Scan *scan;
  Oid table;     // the tracked table, also where its log is scanned
  Node *moment;  // a constant or a parameter of the statement
  bool by_scn;
  List *quals;            // conditions beside that
  OverlayTables overlay;  // rows that it stands for are left out
  Oid index;              // invalid: the whole relation
  ScanDirection direction;
  List *conditions;          // of the index, as executed
  List *written_conditions;  // the same as written
};

// Matches a scan of a table with in_past() among its conditions.
bool MatchTableRead(Plan *plan, PastRead *read);

// Matches a scan of what stands in place of rows of a table.
bool MatchLocalRead(Plan *plan, PastRead *read);

// Matches a Result that asks whether a table can answer, over a scan of its log with was_alive() among its
// conditions.
bool MatchLogRead(Plan *plan, PastRead *read);

}  // namespace helios::timetravel
