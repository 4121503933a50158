#include "changelog/recent.hpp"

#include "changelog/changelog.hpp"
#include "pg/compat.hpp"

extern "C" {
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
  scan->pages_read += static_cast<int64>(run->last) - run->first + 1;
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
  scan->last_used = InvalidBlockNumber;
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
    const BlockNumber page = ItemPointerGetBlockNumber(&scan->slot->tts_tid);
    if (page != scan->last_used) scan->pages_used++;
    scan->last_used = page;
    return scan->slot;
  }
}

void EndRecent(RecentScan *scan) {
  if (scan->scan != nullptr) table_endscan(scan->scan);
  ExecDropSingleTupleTableSlot(scan->slot);
  table_close(scan->log, NoLock);
}

void SummarizeIfWorth(const RecentScan *scan) {
  // Summaries of fewer pages save less than asking for them costs.
  constexpr BlockNumber kManyPages = 128;
  if (!OidIsValid(scan->index) || scan->pages_read - scan->pages_used < kManyPages ||
      RecoveryInProgress() || XactReadOnly)
    return;
  const Oid log = RelationGetRelid(scan->log);
  // VACUUM holds the lock, and does the same.
  if (!ConditionalLockRelationOid(log, ShareUpdateExclusiveLock)) return;
  OidFunctionCall1(F_BRIN_SUMMARIZE_NEW_VALUES, ObjectIdGetDatum(scan->index));
  UnlockRelationOid(log, ShareUpdateExclusiveLock);
}

}  // namespace helios::changelog
