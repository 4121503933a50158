// Records of a log that came after a position.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "access/relscan.h"
#include "access/transam.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

// A pg_snapshot, and what it says of the transactions that were asked about last: records of one follow each other.
struct Position {
  Datum snapshot;
  FullTransactionId xmin;  // every transaction below it had ended
  FullTransactionId last_top, last_raw;
  bool is_last_top_seen, is_last_raw_seen;
};

// Reads a position as type pg_snapshot writes it.
Position ReadPosition(const char *text);

// Tells whether a top-level transaction, or the one that a raw xmin of a version belongs to, had ended at a position.
bool HasEnded(Position *position, FullTransactionId top);
bool HadCreated(Position *position, FullTransactionId raw);

// A scan of the pages that may have records after a position: runs of pages that follow each other.
struct RecentScan {
  Relation log;
  Position *position;
  Oid index;          // the block range index on transactions; invalid: all pages are read
  BlockNumber range;  // so many pages has each of its ranges
  List *runs;         // of PageRun
  int next;           // the first run that has not been begun
  TableScanDesc scan;
  TupleTableSlot *slot;
  Bitmapset *used;  // numbers of ranges that had such records
  int last_used;
};

// Begins a scan in the active snapshot; memory of the caller's context.
RecentScan *BeginRecent(Oid log, Position *position);

// Returns the next record, in the order in which they lie, or null.
TupleTableSlot *NextRecent(RecentScan *scan);

// Ends a scan.
void EndRecent(RecentScan *scan);

// Lets the index tell of full ranges that a scan has read for nothing: the next one passes them by.
void SummarizeUnused(const RecentScan *scan);

}  // namespace helios::changelog
