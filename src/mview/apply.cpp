// The view's rows are compared as a multiset with what they are to be: a row table holds how many more (or fewer) of
// each there have to be. Rows that go are found first and deleted before any is inserted, so that unique indexes see no
// state between.
#include "mview/apply.hpp"

#include "changelog/changelog.hpp"
#include "mview/probe.hpp"
#include "mview/row_table.hpp"

#include <algorithm>

extern "C" {
#include "access/heapam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "nodes/makefuncs.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

// Rows of the view that are to go.
struct Places {
  ItemPointerData *ids;
  int64 count, room;
};

void AddPlace(Places *places, const ItemPointerData &id) {
  constexpr int64 kFirst = 256;
  if (places->count == places->room) {
    const int64 room = places->room == 0 ? kFirst : 2 * places->room;
    const Size bytes = room * sizeof(ItemPointerData);
    places->ids = static_cast<ItemPointerData *>(
        places->room == 0 ? MemoryContextAllocHuge(CurrentMemoryContext, bytes)
                          : repalloc_huge(places->ids, bytes));
    places->room = room;
  }
  places->ids[places->count++] = id;
}

// Calls `visit` with every stored row, in a slot.
template <typename Visit>
void ForEachStored(const pg::StoredRows &rows, Visit visit) {
  if (rows.store == nullptr) return;
  TupleTableSlot *slot = MakeSingleTupleTableSlot(rows.desc, &TTSOpsMinimalTuple);
  tuplestore_rescan(rows.store);
  while (tuplestore_gettupleslot(rows.store, true, false, slot)) {
    CHECK_FOR_INTERRUPTS();
    visit(slot);
  }
  ExecDropSingleTupleTableSlot(slot);
}

// Adds stored rows to a table, each as often as its last column says, or once if there is none.
void AddStored(const pg::StoredRows &rows, int columns, int64 sign, RowTable *table) {
  const bool has_count = rows.store != nullptr && rows.desc->natts > columns;
  ForEachStored(rows, [&](TupleTableSlot *slot) {
    bool is_null = false;
    const int64 count =
        has_count
            ? DatumGetInt64(slot_getattr(slot, static_cast<AttrNumber>(columns + 1), &is_null))
            : 1;
    if (is_null) elog(ERROR, "rows of a view come without their count");
    MakeRow(table, slot, HashRow(table, slot, true))->count += sign * count;
  });
}

// Describes stored rows; those of an empty store like the view's.
TupleDesc DescOf(const pg::StoredRows &rows, Relation view) {
  return rows.store != nullptr ? rows.desc : CreateTupleDescCopy(RelationGetDescr(view));
}

// True if other views read the changes of this one.
bool IsRecorded(Relation view) {
  changelog::TrackedTable tracked;
  return changelog::FindTracked(RelationGetRelid(view), &tracked);
}

void DeletePlaces(Relation view, const Places &places) {
  Snapshot snapshot = GetActiveSnapshot();
  const bool is_recorded = IsRecorded(view);
  TupleTableSlot *slot = table_slot_create(view, nullptr);
  for (int64 i = 0; i < places.count; i++) {
    CHECK_FOR_INTERRUPTS();
    if (is_recorded) {
      if (!table_tuple_fetch_row_version(view, &places.ids[i], snapshot, slot))
        elog(ERROR, "a row of materialized view \"%s\" has gone", RelationGetRelationName(view));
      bool should_free;
      changelog::RecordDeleted(view, ExecFetchSlotHeapTuple(slot, false, &should_free));
      ExecClearTuple(slot);
    }
    simple_table_tuple_delete(view, &places.ids[i], snapshot);
  }
  ExecDropSingleTupleTableSlot(slot);
}

// Inserts rows with the entries of all indexes.
struct Inserter {
  Relation view;
  bool is_recorded;
  EState *state;
  ResultRelInfo *target;
  TupleTableSlot *slot;
};

Inserter BeginInserts(Relation view) {
  Inserter inserter = {view, IsRecorded(view), CreateExecutorState(), makeNode(ResultRelInfo),
                       nullptr};
  InitResultRelInfo(inserter.target, view, 0, nullptr, 0);
  ExecOpenIndices(inserter.target, false);
  inserter.slot = MakeSingleTupleTableSlot(RelationGetDescr(view), &TTSOpsVirtual);
  return inserter;
}

// Inserts a row, whose first columns are the view's, so many times.
void InsertRow(const Inserter &inserter, TupleTableSlot *row, int64 times) {
  const int columns = RelationGetDescr(inserter.view)->natts;
  slot_getsomeattrs(row, columns);
  for (int64 i = 0; i < times; i++) {
    CHECK_FOR_INTERRUPTS();
    ExecClearTuple(inserter.slot);
    std::copy_n(row->tts_values, columns, inserter.slot->tts_values);
    std::copy_n(row->tts_isnull, columns, inserter.slot->tts_isnull);
    ExecStoreVirtualTuple(inserter.slot);
    table_tuple_insert(inserter.view, inserter.slot, GetCurrentCommandId(true), 0, nullptr);
    if (inserter.is_recorded) {
      bool should_free;
      HeapTuple tuple = ExecFetchSlotHeapTuple(inserter.slot, true, &should_free);
      changelog::RecordInserted(inserter.view, tuple);
      if (should_free) heap_freetuple(tuple);
    }
    if (inserter.target->ri_NumIndices > 0) {
      (void)ExecInsertIndexTuples(inserter.target, inserter.slot, inserter.state, false, false,
                                  nullptr, NIL);
    }
    ResetPerTupleExprContext(inserter.state);
  }
}

void EndInserts(Inserter *inserter) {
  ExecCloseIndices(inserter->target);
  ExecDropSingleTupleTableSlot(inserter->slot);
  FreeExecutorState(inserter->state);
}

// Inserts what a table has too many of.
int64 InsertRest(Relation view, const RowTable *table) {
  int64 inserted = 0;
  Inserter inserter = BeginInserts(view);
  TupleTableSlot *slot =
      MakeSingleTupleTableSlot(table->row_slot->tts_tupleDescriptor, &TTSOpsMinimalTuple);
  ForEachRow(table, [&](const Row *row) {
    if (row->count <= 0) return;
    ExecStoreMinimalTuple(row->tuple, slot, false);
    InsertRow(inserter, slot, row->count);
    inserted += row->count;
  });
  ExecDropSingleTupleTableSlot(slot);
  EndInserts(&inserter);
  return inserted;
}

// So many passes over a view at most.
constexpr double kMostParts = 4096;
constexpr double kBytesPerKilobyte = 1024;

// Finds the rows of a bag that go; false if there are fewer than there must be.
bool FindInBag(Relation view, RowTable *rows, Places *places) {
  const int columns = RelationGetDescr(view)->natts;
  // What stays as it is must not cost a search.
  RowTable *leaving = MakeRowTable(rows->row_slot->tts_tupleDescriptor, columns, 0, nullptr,
                                   RelationGetDescr(view));
  TupleTableSlot *slot =
      MakeSingleTupleTableSlot(rows->row_slot->tts_tupleDescriptor, &TTSOpsMinimalTuple);
  int64 missing = 0;
  ForEachRow(rows, [&](const Row *row) {
    if (row->count >= 0) return;
    ExecStoreMinimalTuple(row->tuple, slot, false);
    MakeRow(leaving, slot, row->hash)->count = -row->count;
    missing -= row->count;
  });
  ExecDropSingleTupleTableSlot(slot);
  if (missing == 0) return true;
  ProbeRows(view, leaving, [&](TupleTableSlot *found, Row *row) {
    if (row->count == 0) return true;
    row->count--;
    missing--;
    AddPlace(places, found->tts_tid);
    return missing > 0;
  });
  return missing == 0;
}

// Finds the rows of groups that go, and takes those that stay from what is to be inserted.
void FindInGroups(Relation view, const Delta &delta, RowTable *rows, Places *places) {
  RowTable *groups = MakeRowTable(delta.taken.desc, delta.key_count, delta.key_count, delta.key,
                                  RelationGetDescr(view));
  AddStored(delta.taken, delta.key_count, 1, groups);
  ProbeRows(view, groups, [&](TupleTableSlot *found, Row *) {
    Row *row = FindRow(rows, found, HashRow(rows, found, false), false);
    if (row != nullptr && row->count > 0) {
      row->count--;
    } else {
      AddPlace(places, found->tts_tid);
    }
    return true;
  });
}

}  // namespace

bool ApplyDelta(Relation view, const Delta &delta, Applied *applied) {
  const int columns = RelationGetDescr(view)->natts;
  const pg::StoredRows &shape =
      delta.key_count > 0 || delta.added.store != nullptr ? delta.added : delta.taken;
  RowTable *rows = MakeRowTable(DescOf(shape, view), columns, 0, nullptr, RelationGetDescr(view));
  AddStored(delta.added, columns, 1, rows);
  Places places = {};
  if (delta.key_count == 0) {
    AddStored(delta.taken, columns, -1, rows);
    if (!FindInBag(view, rows, &places)) return false;
  } else if (delta.taken.store != nullptr) {
    FindInGroups(view, delta, rows, &places);
  }
  DeletePlaces(view, places);
  *applied = {InsertRest(view, rows), places.count};
  CommandCounterIncrement();
  return true;
}

void ReplaceRows(Relation view, const pg::StoredRows &rows, Applied *applied) {
  const int columns = RelationGetDescr(view)->natts;
  const double room = static_cast<double>(maintenance_work_mem) * kBytesPerKilobyte;
  // Each part has the rows whose hash it is, so that a part fits into memory.
  double bytes = 0;
  ForEachStored(rows, [&bytes](TupleTableSlot *slot) {
    bool should_free;
    bytes += sizeof(Row) + 2 * sizeof(Row *) + ExecFetchSlotMinimalTuple(slot, &should_free)->t_len;
  });
  const auto parts = static_cast<uint32>(std::min(bytes / room + 1, kMostParts));
  pg::StoredRows added = {tuplestore_begin_heap(false, false, work_mem), rows.desc};
  Places places = {};
  MemoryContext memory =
      AllocSetContextCreate(CurrentMemoryContext, "rows of a view", ALLOCSET_DEFAULT_SIZES);
  for (uint32 part = 0; part < parts; part++) {
    MemoryContext old = MemoryContextSwitchTo(memory);
    RowTable *table = MakeRowTable(rows.desc, columns, 0, nullptr, RelationGetDescr(view));
    ForEachStored(rows, [&](TupleTableSlot *slot) {
      const uint32 hash = HashRow(table, slot, true);
      if (hash % parts == part) MakeRow(table, slot, hash)->count++;
    });
    MemoryContextSwitchTo(old);
    TupleTableSlot *slot = table_slot_create(view, nullptr);
    TableScanDesc scan = table_beginscan(view, GetActiveSnapshot(), 0, nullptr);
    while (table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
      CHECK_FOR_INTERRUPTS();
      const uint32 hash = HashRow(table, slot, false);
      if (hash % parts != part) continue;
      Row *row = FindRow(table, slot, hash, false);
      if (row != nullptr && row->count > 0) {
        row->count--;
      } else {
        AddPlace(&places, slot->tts_tid);
      }
    }
    table_endscan(scan);
    ExecDropSingleTupleTableSlot(slot);
    ForEachRow(table, [&](const Row *row) {
      ExecStoreMinimalTuple(row->tuple, table->row_slot, false);
      for (int64 i = 0; i < row->count; i++) tuplestore_puttupleslot(added.store, table->row_slot);
    });
    MemoryContextReset(memory);
  }
  DeletePlaces(view, places);
  Inserter inserter = BeginInserts(view);
  int64 inserted = 0;
  ForEachStored(added, [&](TupleTableSlot *slot) {
    InsertRow(inserter, slot, 1);
    inserted++;
  });
  EndInserts(&inserter);
  tuplestore_end(added.store);
  *applied = {inserted, places.count};
  CommandCounterIncrement();
}

}  // namespace helios::mview
