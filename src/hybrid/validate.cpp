// The second pass of CREATE INDEX CONCURRENTLY: rows that the snapshot sees and the index lacks. One merge
// of what the index has, sorted, with hot rows and then cold ones, which follow in the order of identifiers.
#include "hybrid/am.hpp"
#include "hybrid/columns.hpp"
#include "hybrid/scan.hpp"
#include "hybrid/slot.hpp"

extern "C" {
#include "catalog/index.h"
#include "commands/progress.h"
#include "executor/executor.h"
#include "storage/bufmgr.h"
#include "utils/backend_progress.h"
#include "utils/tuplesort.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

// The sorted identifiers that the index has.
class IndexCursor {
 public:
  explicit IndexCursor(Tuplesortstate *sorted) : sorted_(sorted) {}

  // Says whether the index has `tid`. Identifiers are asked for block by block in ascending order,
  // within a block in any order.
  bool Has(const ItemPointerData &tid) {
    const BlockNumber block = ItemPointerGetBlockNumber(&tid);
    if (block != block_) {
      memset(passed_, 0, sizeof(passed_));
      block_ = block;
    }
    ItemPointerData wanted = tid;
    while (!done_ && (!valid_ || ItemPointerCompare(&at_, &wanted) < 0)) {
      if (valid_ && ItemPointerGetBlockNumber(&at_) == block_) {
        passed_[ItemPointerGetOffsetNumber(&at_) - 1] = true;
      }
      Datum value;
      bool isnull;
      done_ = !tuplesort_getdatum(sorted_, true, &value, &isnull, nullptr);
      valid_ = !done_;
      if (valid_) itemptr_decode(&at_, DatumGetInt64(value));
    }
    if (passed_[ItemPointerGetOffsetNumber(&tid) - 1]) return true;
    return valid_ && ItemPointerCompare(&at_, &wanted) == 0;
  }

 private:
  Tuplesortstate *sorted_;
  bool done_ = false;
  bool valid_ = false;
  ItemPointerData at_;
  BlockNumber block_ = InvalidBlockNumber;
  bool passed_[MaxHeapTuplesPerPage] = {};
};

}  // namespace

void ValidateIndex(Relation table, Relation index, IndexInfo *info, Snapshot snapshot,
                   ValidateIndexState *state) {
  EState *estate = CreateExecutorState();
  ExprContext *context = GetPerTupleExprContext(estate);
  TupleTableSlot *slot = table_slot_create(table, nullptr);
  ReadColumns(slot, ColumnsOfIndex(info));
  context->ecxt_scantuple = slot;
  ExprState *predicate = ExecPrepareQual(info->ii_Predicate, estate);
  // No synchronized scan: identifiers have to come in ascending order.
  TableScanDesc base = table_beginscan_strat(table, snapshot, 0, nullptr, true, false);
  auto scan = reinterpret_cast<HeapScanDesc>(base);
  pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_TOTAL, scan->rs_nblocks);
  IndexCursor cursor(state->tuplesort);
  BlockNumber root_block = InvalidBlockNumber;
  OffsetNumber roots[MaxHeapTuplesPerPage];

  while (table_scan_getnextslot(base, ForwardScanDirection, slot)) {
    CHECK_FOR_INTERRUPTS();
    state->htups += 1;
    ItemPointerData tid = slot->tts_tid;
    if (!IsCold(tid)) {
      if (scan->rs_cblock != root_block) {
        pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_DONE, scan->rs_cblock);
        LockBuffer(scan->rs_cbuf, BUFFER_LOCK_SHARE);
        heap_get_root_tuples(BufferGetPage(scan->rs_cbuf), roots);
        LockBuffer(scan->rs_cbuf, BUFFER_LOCK_UNLOCK);
        root_block = scan->rs_cblock;
      }
      if (HeapTupleIsHeapOnly(&scan->rs_ctup)) {
        const OffsetNumber root = roots[ItemPointerGetOffsetNumber(&tid) - 1];
        if (!OffsetNumberIsValid(root)) {
          ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
                          errmsg_internal("failed to find parent tuple for heap-only tuple at "
                                          "(%u,%u) in table \"%s\"",
                                          ItemPointerGetBlockNumber(&tid),
                                          ItemPointerGetOffsetNumber(&tid),
                                          RelationGetRelationName(table))));
        }
        ItemPointerSetOffsetNumber(&tid, root);
      }
    }
    if (cursor.Has(tid)) continue;
    MemoryContextReset(context->ecxt_per_tuple_memory);
    if (predicate != nullptr && !ExecQual(predicate, context)) continue;
    Datum values[INDEX_MAX_KEYS];
    bool nulls[INDEX_MAX_KEYS];
    FormIndexDatum(info, slot, estate, values, nulls);
    index_insert(index, values, nulls, &tid, table,
                 info->ii_Unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, info);
    state->tups_inserted += 1;
  }
  table_endscan(base);
  ExecDropSingleTupleTableSlot(slot);
  FreeExecutorState(estate);
  info->ii_ExpressionsState = NIL;
  info->ii_PredicateState = nullptr;
}

}  // namespace helios::hybrid
