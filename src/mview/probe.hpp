// Finds rows of a materialized view by their columns: through one of its indexes, or in one pass over all.
#pragma once

#include "mview/row_table.hpp"
#include "pg/compat.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "access/genam.h"
#include "access/skey.h"
#include "access/tableam.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

// An index whose first `key_count` columns are looked up; the relation is null if there is none that serves.
struct Probe {
  Relation index;
  int key_count;
  AttrNumber column[INDEX_MAX_KEYS];  // of the row looked up, as stored in the row table
  FmgrInfo equals[INDEX_MAX_KEYS];
  Oid type[INDEX_MAX_KEYS];
};

// Chooses an index of the view by which the rows of a table are found with less work than by reading the whole view.
Probe ChooseProbe(Relation view, const RowTable *table);

// Calls `visit` with every row of the view that equals one of the table, in a slot of the view, and with that one; it
// returns false to end the search.
template <typename Visit>
void ProbeRows(Relation view, RowTable *table, Visit visit);

// Lists the rows of a table in the order of the index: lookups that follow each other meet the same pages.
Row **SortRows(const Probe &probe, const RowTable *table);

// Fills the scan keys that look for a row.
void FillKeys(const Probe &probe, TupleTableSlot *row, ScanKey keys);

template <typename Visit>
void ProbeRows(Relation view, RowTable *table, Visit visit) {
  TupleTableSlot *slot = table_slot_create(view, nullptr);
  Snapshot snapshot = GetActiveSnapshot();
  Probe probe = ChooseProbe(view, table);
  if (probe.index == nullptr) {
    TableScanDesc scan = table_beginscan(view, snapshot, 0, nullptr);
    while (table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
      CHECK_FOR_INTERRUPTS();
      Row *row = FindRow(table, slot, HashRow(table, slot, false), false);
      if (row != nullptr && !visit(slot, row)) break;
    }
    table_endscan(scan);
  } else {
    ScanKeyData keys[INDEX_MAX_KEYS];
    TupleTableSlot *row_slot =
        MakeSingleTupleTableSlot(table->row_slot->tts_tupleDescriptor, &TTSOpsMinimalTuple);
    IndexScanDesc scan = pg::BeginIndexScan(view, probe.index, snapshot, probe.key_count, 0);
    Row **rows = SortRows(probe, table);
    bool goes_on = true;
    for (int64 i = 0; goes_on && i < table->rows; i++) {
      ExecStoreMinimalTuple(rows[i]->tuple, row_slot, false);
      FillKeys(probe, row_slot, keys);
      index_rescan(scan, keys, probe.key_count, nullptr, 0);
      while (goes_on && index_getnext_slot(scan, ForwardScanDirection, slot)) {
        CHECK_FOR_INTERRUPTS();
        // An index on fewer columns finds rows that another lookup is to find.
        if (FindRow(table, slot, HashRow(table, slot, false), false) == rows[i])
          goes_on = visit(slot, rows[i]);
      }
    }
    index_endscan(scan);
    index_close(probe.index, NoLock);
    ExecDropSingleTupleTableSlot(row_slot);
  }
  ExecDropSingleTupleTableSlot(slot);
}

}  // namespace helios::mview
