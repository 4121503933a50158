// The scan of a table together with its log, as one node of the executor.
#pragma once

#include "pg/pg.hpp"
#include "timetravel/overlay.hpp"

extern "C" {
#include "access/attnum.h"
#include "access/sdir.h"
#include "nodes/extensible.h"
#include "nodes/plannodes.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::timetravel {

// The node in a plan:
//
//   custom_exprs    moment, conditions of the table's index as executed and as written, those of the log's index,
//                   conditions on the log, and the same three of what is laid over
//   custom_private  OIDs: table, index of the table, of the log, of what is laid over, that itself and its deleted keys;
//                   integers: 1 for an SCN, directions of the scans of table and log, range table entry of the log, last
//                   column that is needed, direction and entry of what is laid over; then, to merge, columns of the
//                   table, ordering operators, collations, 1 for nulls first

// The relations.
enum Part { kTable, kLog, kLocal, kParts };

struct PastScan {
  Oid table;
  Oid index[kParts];
  ScanDirection direction[kParts];
  bool by_scn;
  Index entry
      [kParts];  // of the log, 0: a plan of its own reads it; of what is laid over, 0: it is not read
  OverlayTables overlay;
  AttrNumber last_column;
  Expr *moment;
  List *conditions[kParts];
  List *written_conditions[kParts];
  List *quals[kParts];  // of log and what is laid over
  List *sort_columns, *sort_operators, *sort_collations, *nulls_first;
};

// Returns what makes a CustomScan of a plan this node.
const CustomScanMethods *PastScanMethods();

// Makes the node known to the executor.
void InitPastScan();

}  // namespace helios::timetravel
