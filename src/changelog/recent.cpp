#include "changelog/recent.hpp"

#include "changelog/changelog.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "access/brin.h"
#include "access/genam.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::changelog {

namespace {

struct PageRun {
  BlockNumber first, last;
};

// Adds a page to runs of pages in ascending order.
List *AddPage(List *runs, BlockNumber page) {
  if (runs != NIL && static_cast<PageRun *>(llast(runs))->last + 1 == page) {
    static_cast<PageRun *>(llast(runs))->last = page;
    return runs;
  }
  auto *run = static_cast<PageRun *>(palloc(sizeof(PageRun)));
  *run = {page, page};
  return lappend(runs, run);
}

// Asks a block range index for the pages that may have records at or above a transaction.
List *FindRuns(Relation index, FullTransactionId xmin) {
  constexpr long kBytesPerKilobyte = 1024;
  TIDBitmap *pages = tbm_create(work_mem * kBytesPerKilobyte, nullptr);
  ScanKeyData key;
  ScanKeyEntryInitialize(&key, 0, 1, BTGreaterEqualStrategyNumber, XID8OID, InvalidOid, F_XID8GE,
                         FullTransactionIdGetDatum(xmin));
  IndexScanDesc search = pg::BeginBitmapScan(index, GetActiveSnapshot(), 1);
  index_rescan(search, &key, 1, nullptr, 0);
  index_getbitmap(search, pages);
  index_endscan(search);
  List *runs = NIL;
  pg::ForEachPage(pages, [&runs](BlockNumber page) { runs = AddPage(runs, page); });
  tbm_free(pages);
  return runs;
}

// Finds the runs of pages to be read: all pages, without an index that tells.
void FindPages(RecentScan *scan) {
  ListCell *cell;
  foreach (cell, RelationGetIndexList(scan->log)) {
    Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    if (index->rd_rel->relam == BRIN_AM_OID && index->rd_index->indisvalid &&
        !OidIsValid(scan->index)) {
      scan->index = RelationGetRelid(index);
      scan->range = BrinGetPagesPerRange(index);
      scan->runs = FindRuns(index, scan->position->xmin);
    }
    index_close(index, NoLock);
  }
  if (OidIsValid(scan->index)) return;
  auto *all = static_cast<PageRun *>(palloc(sizeof(PageRun)));
  *all = {0, MaxBlockNumber};
  scan->runs = list_make1(all);
}

// Begins to read the next run; false behind the last one.
bool BeginRun(RecentScan *scan) {
  if (scan->next == list_length(scan->runs)) return false;
  const auto *run = static_cast<const PageRun *>(list_nth(scan->runs, scan->next++));
  ItemPointerData low, high;
  ItemPointerSet(&low, run->first, FirstOffsetNumber);
  ItemPointerSet(&high, run->last, MaxOffsetNumber);
  if (scan->scan == nullptr) {
    scan->scan = table_beginscan_tidrange(scan->log, GetActiveSnapshot(), &low, &high);
  } else {
    table_rescan_tidrange(scan->scan, &low, &high);
  }
  return true;
}

// Notes that the range of a page has records.
void NoteUse(RecentScan *scan, BlockNumber page) {
  const int range = static_cast<int>(page / scan->range);
  if (range != scan->last_used) scan->used = bms_add_member(scan->used, range);
  scan->last_used = range;
}

// Summarizes the ranges of a run that are full and were not used, from the last one on; false if one of them had a
// summary already.
bool SummarizeRun(const RecentScan *scan, const PageRun &run, BlockNumber full) {
  for (int64 range = run.last / scan->range; range >= run.first / scan->range; range--) {
    if (range >= full || bms_is_member(static_cast<int>(range), scan->used)) continue;
    const Datum summarized = OidFunctionCall2(F_BRIN_SUMMARIZE_RANGE, ObjectIdGetDatum(scan->index),
                                              Int64GetDatum(range * scan->range));
    if (DatumGetInt32(summarized) == 0) return false;
  }
  return true;
}

FullTransactionId TransactionAt(TupleTableSlot *slot, AttrNumber column) {
  bool is_null;
  return DatumGetFullTransactionId(slot_getattr(slot, column, &is_null));
}

// Tells whether a pg_snapshot sees a top-level transaction.
bool Sees(Datum snapshot, FullTransactionId top) {
  return DatumGetBool(
      DirectFunctionCall2(pg_visible_in_snapshot, FullTransactionIdGetDatum(top), snapshot));
}

}  // namespace

Position ReadPosition(const char *text) {
  Position position = {};
  position.snapshot = DirectFunctionCall1(pg_snapshot_in, CStringGetDatum(text));
  position.xmin =
      DatumGetFullTransactionId(DirectFunctionCall1(pg_snapshot_xmin, position.snapshot));
  return position;
}

bool HasEnded(Position *position, FullTransactionId top) {
  if (!FullTransactionIdEquals(top, position->last_top)) {
    position->last_top = top;
    position->is_last_top_seen = Sees(position->snapshot, top);
  }
  return position->is_last_top_seen;
}

bool HadCreated(Position *position, FullTransactionId raw) {
  if (!FullTransactionIdEquals(raw, position->last_raw)) {
    position->last_raw = raw;
    position->is_last_raw_seen =
        FullTransactionIdPrecedes(raw, position->xmin) || Sees(position->snapshot, TopOf(raw));
  }
  return position->is_last_raw_seen;
}

RecentScan *BeginRecent(Oid log, Position *position) {
  auto *scan = static_cast<RecentScan *>(palloc0(sizeof(RecentScan)));
  scan->log = table_open(log, AccessShareLock);
  scan->position = position;
  scan->last_used = -1;
  scan->slot = table_slot_create(scan->log, nullptr);
  FindPages(scan);
  (void)BeginRun(scan);
  return scan;
}

TupleTableSlot *NextRecent(RecentScan *scan) {
  if (scan->scan == nullptr) return nullptr;
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    if (!table_scan_getnextslot_tidrange(scan->scan, ForwardScanDirection, scan->slot)) {
      if (!BeginRun(scan)) return nullptr;
      continue;
    }
    if (HasEnded(scan->position, TransactionAt(scan->slot, kLogXid))) continue;
    if (OidIsValid(scan->index)) NoteUse(scan, ItemPointerGetBlockNumber(&scan->slot->tts_tid));
    return scan->slot;
  }
}

void EndRecent(RecentScan *scan) {
  if (scan->scan != nullptr) table_endscan(scan->scan);
  ExecDropSingleTupleTableSlot(scan->slot);
  table_close(scan->log, NoLock);
}

void SummarizeUnused(const RecentScan *scan) {
  if (!OidIsValid(scan->index) || RecoveryInProgress() || XactReadOnly) return;
  const Oid log = RelationGetRelid(scan->log);
  // VACUUM holds the lock, and does the same.
  if (!ConditionalLockRelationOid(log, ShareUpdateExclusiveLock)) return;
  const BlockNumber full = RelationGetNumberOfBlocks(scan->log) / scan->range;
  for (int i = list_length(scan->runs) - 1; i >= 0; i--) {
    const auto *run = static_cast<const PageRun *>(list_nth(scan->runs, i));
    // Before one that has a summary the others have theirs.
    if (!SummarizeRun(scan, *run, full)) break;
  }
  UnlockRelationOid(log, ShareUpdateExclusiveLock);
}

}  // namespace helios::changelog
