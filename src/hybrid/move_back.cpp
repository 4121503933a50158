// Makes cold rows hot again: each gets a version in a heap page, as an update would give it, which no trigger
// and no subscriber sees, and which keeps who made the row. What remains of the chunks goes by VACUUM and
// heliosdb.recompress().
#include "hybrid/am.hpp"
#include "hybrid/hot_page.hpp"
#include "hybrid/index_entries.hpp"
#include "hybrid/owner.hpp"
#include "hybrid/scan.hpp"
#include "hybrid/size.hpp"
#include "hybrid/slot.hpp"
#include "hybrid/stand_in.hpp"
#include "hybrid/table_argument.hpp"

extern "C" {
#include "access/table.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "pgstat.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

namespace {

// Gives the cold row in the slot a hot version; its identifier is the slot's from then on.
void Promote(const Store &store, TupleTableSlot *slot, CommandId cid) {
  const ItemPointerData tid = slot->tts_tid;
  TM_FailureData failure;
  const TM_Result result =
      LockColdRow(store, tid, cid, LockTupleExclusive, LockWaitBlock, false, &failure);
  if (result != TM_Ok)
    elog(ERROR, "a cold row of an exclusively locked table is in use: %d", result);
  bool should_free;
  HeapTuple tuple = ExecFetchSlotHeapTuple(slot, true, &should_free);
  slot->tts_tid = InsertMoved(store.rel, tuple, HeapTupleHeaderGetRawXmin(tuple->t_data), cid);
  pgstat_count_heap_update(store.rel, false);
  if (should_free) heap_freetuple(tuple);
  EndColdRow(store, tid, slot->tts_tid, cid);
}

}  // namespace

// Makes the cold rows of an open and exclusively locked table hot that fit a condition (null: all).
static uint64 MoveToHot(Relation rel, ExprState *condition, ExprContext *context) {
  Store store = OpenStore(rel, RowExclusiveLock);
  if (store.toast == nullptr) return 0;
  RefuseOldSnapshot(store);
  TableIndexes indexes = OpenTableIndexes(rel);
  TupleTableSlot *slot = table_slot_create(rel, nullptr);
  ColdCursor cold = {};
  cold.context = CurrentMemoryContext;
  const Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
  const CommandId cid = GetCurrentCommandId(true);
  cold.chunks = ListEntries(store, snapshot, &cold.chunk_count);
  uint64 moved = 0;
  for (uint32 chunk = 0; chunk < cold.chunk_count; chunk++) {
    EnterChunk(rel, &cold, chunk, snapshot, false);
    while (NextInChunk(&cold, ForwardScanDirection)) {
      CHECK_FOR_INTERRUPTS();
      StoreAt(rel, cold, slot);
      if (condition != nullptr) {
        ResetExprContext(context);
        context->ecxt_scantuple = slot;
        if (!ExecQual(condition, context)) continue;
      }
      AsOwner as_owner;
      as_owner.Begin(rel);
      Promote(store, slot, cid);
      AddIndexEntries(&indexes, slot);
      as_owner.End();
      moved++;
    }
  }
  UnregisterSnapshot(snapshot);
  ExecDropSingleTupleTableSlot(slot);
  CloseTableIndexes(&indexes);
  CloseStore(&store);
  if (moved > 0) ForgetColdSize(rel);
  return moved;
}

}  // namespace helios::hybrid

// heliosdb.move_to_hot(table regclass, condition text) returns bigint
HELIOS_FUNCTION(hybrid_move_to_hot) {
  using namespace helios::hybrid;
  PreventCommandIfReadOnly("heliosdb.move_to_hot()");
  if (PG_ARGISNULL(0)) PG_RETURN_NULL();
  Relation rel = OpenTableArgument(PG_GETARG_OID(0), ExclusiveLock);
  EState *estate = CreateExecutorState();
  RowChoice choice = {};
  if (!PG_ARGISNULL(1)) choice.condition = text_to_cstring(PG_GETARG_TEXT_PP(1));
  ExprState *condition = PrepareChoice(rel, choice, estate);
  const uint64 moved = MoveToHot(rel, condition, GetPerTupleExprContext(estate));
  FreeExecutorState(estate);
  table_close(rel, NoLock);
  PG_RETURN_INT64(static_cast<int64>(moved));
}
