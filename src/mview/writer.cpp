#include "mview/writer.hpp"

#include <algorithm>

#include "changelog/changelog.hpp"

extern "C" {
#include "access/heapam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

// Fills the slot of the view with the first columns of a row.
void TakeRow(Writer *writer, TupleTableSlot *row) {
  const int columns = RelationGetDescr(writer->view)->natts;
  slot_getsomeattrs(row, columns);
  ExecClearTuple(writer->slot);
  std::copy_n(row->tts_values, columns, writer->slot->tts_values);
  std::copy_n(row->tts_isnull, columns, writer->slot->tts_isnull);
  ExecStoreVirtualTuple(writer->slot);
}

// Records a row as it is before it goes.
void RecordFormer(Writer *writer, const ItemPointerData &place) {
  if (!writer->is_recorded) return;
  ItemPointerData id = place;
  if (!table_tuple_fetch_row_version(writer->view, &id, GetActiveSnapshot(), writer->former)) {
    elog(ERROR, "a row of materialized view \"%s\" has gone",
         RelationGetRelationName(writer->view));
  }
  changelog::RecordDeleted(writer->view, writer->former);
  ExecClearTuple(writer->former);
}

// Records the row in the slot as it was written.
void RecordWritten(Writer *writer) {
  if (!writer->is_recorded) return;
  bool should_free;
  HeapTuple tuple = ExecFetchSlotHeapTuple(writer->slot, true, &should_free);
  tuple->t_self = writer->slot->tts_tid;
  changelog::RecordInserted(writer->view, tuple);
  if (should_free) heap_freetuple(tuple);
}

// Makes the entries of the row in the slot in all indexes.
void InsertEntries(Writer *writer, bool is_update) {
  if (writer->target->ri_NumIndices > 0) {
    (void)ExecInsertIndexTuples(writer->target, writer->slot, writer->state, is_update, false,
                                nullptr, NIL);
  }
}

}  // namespace

Writer *BeginWrites(Relation view, TupleDesc added) {
  auto *writer = static_cast<Writer *>(palloc0(sizeof(Writer)));
  changelog::TrackedTable tracked;
  writer->view = view;
  writer->is_recorded = changelog::FindTracked(RelationGetRelid(view), &tracked);
  writer->state = CreateExecutorState();
  writer->target = makeNode(ResultRelInfo);
  InitResultRelInfo(writer->target, view, 0, nullptr, 0);
  ExecOpenIndices(writer->target, false);
  writer->slot = MakeSingleTupleTableSlot(RelationGetDescr(view), &TTSOpsVirtual);
  writer->former = table_slot_create(view, nullptr);
  writer->added = {tuplestore_begin_heap(false, false, work_mem), added};
  return writer;
}

void EmptyPlace(Writer *writer, const ItemPointerData &place) {
  constexpr int64 kFirst = 256;
  if (writer->place_count == writer->place_room) {
    const int64 room = writer->place_room == 0 ? kFirst : 2 * writer->place_room;
    const Size bytes = room * sizeof(ItemPointerData);
    writer->places = static_cast<ItemPointerData *>(
        writer->place_room == 0 ? MemoryContextAllocHuge(GetMemoryChunkContext(writer), bytes)
                                : repalloc_huge(writer->places, bytes));
    writer->place_room = room;
  }
  writer->places[writer->place_count++] = place;
}

void AddRow(Writer *writer, TupleTableSlot *row, int64 times) {
  for (int64 i = 0; i < times; i++) tuplestore_puttupleslot(writer->added.store, row);
}

void ReplaceRow(Writer *writer, const ItemPointerData &place, TupleTableSlot *row) {
  RecordFormer(writer, place);
  TakeRow(writer, row);
  ItemPointerData id = place;
  bool needs_entries;
  simple_table_tuple_update(writer->view, &id, writer->slot, GetActiveSnapshot(), &needs_entries);
  RecordWritten(writer);
  if (needs_entries) InsertEntries(writer, true);
  ResetPerTupleExprContext(writer->state);
  writer->deleted++;
  writer->inserted++;
}

void FinishWrites(Writer *writer) {
  for (int64 i = 0; i < writer->place_count; i++) {
    CHECK_FOR_INTERRUPTS();
    RecordFormer(writer, writer->places[i]);
    simple_table_tuple_delete(writer->view, &writer->places[i], GetActiveSnapshot());
    writer->deleted++;
  }
  TupleTableSlot *row = MakeSingleTupleTableSlot(writer->added.desc, &TTSOpsMinimalTuple);
  while (tuplestore_gettupleslot(writer->added.store, true, false, row)) {
    CHECK_FOR_INTERRUPTS();
    TakeRow(writer, row);
    table_tuple_insert(writer->view, writer->slot, GetCurrentCommandId(true), 0, nullptr);
    RecordWritten(writer);
    InsertEntries(writer, false);
    ResetPerTupleExprContext(writer->state);
    writer->inserted++;
  }
  ExecDropSingleTupleTableSlot(row);
  tuplestore_end(writer->added.store);
  ExecCloseIndices(writer->target);
  ExecDropSingleTupleTableSlot(writer->slot);
  ExecDropSingleTupleTableSlot(writer->former);
  FreeExecutorState(writer->state);
  CommandCounterIncrement();
}

}  // namespace helios::mview
