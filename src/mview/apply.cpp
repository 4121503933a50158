// The view's rows are compared as a multiset with what they are to be: a row table holds how many more (or fewer) of
// each there have to be. What does not fit into memory is compared in parts, each of which has the rows with certain
// hashes.
#include "mview/apply.hpp"

#include "mview/pairing.hpp"
#include "mview/probe.hpp"
#include "mview/row_table.hpp"
#include "mview/writer.hpp"

#include <algorithm>

extern "C" {
#include "access/tableam.h"
#include "access/xact.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

// So many passes over a view at most.
constexpr double kMostParts = 4096;
constexpr double kBytesPerKilobyte = 1024;

// A row of the view that goes, and the one that takes its place, if any.
struct Match {
  ItemPointerData place;
  Row *by;
};

struct Matches {
  Match *items;
  int64 count, room;
};

void AddMatch(Matches *matches, const ItemPointerData &place, Row *by) {
  constexpr int64 kFirst = 256;
  if (matches->count == matches->room) {
    const int64 room = matches->room == 0 ? kFirst : 2 * matches->room;
    const Size bytes = room * sizeof(Match);
    matches->items = static_cast<Match *>(matches->room == 0
                                              ? MemoryContextAllocHuge(CurrentMemoryContext, bytes)
                                              : repalloc_huge(matches->items, bytes));
    matches->room = room;
  }
  matches->items[matches->count++] = {place, by};
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

// How much memory stored rows take in a row table.
double BytesOf(const pg::StoredRows &rows) {
  double bytes = 0;
  ForEachStored(rows, [&bytes](TupleTableSlot *slot) {
    bool should_free;
    bytes += sizeof(Row) + 2 * sizeof(Row *) + ExecFetchSlotMinimalTuple(slot, &should_free)->t_len;
  });
  return bytes;
}

// In how many parts so much is compared.
uint32 PartsOf(double bytes) {
  const double room = static_cast<double>(maintenance_work_mem) * kBytesPerKilobyte;
  return static_cast<uint32>(std::min(bytes / room + 1, kMostParts));
}

// How often a stored row counts: as its last column says, or once if there is none.
int64 CountOf(TupleTableSlot *slot, int columns) {
  if (slot->tts_tupleDescriptor->natts == columns) return 1;
  bool is_null;
  const Datum count = slot_getattr(slot, static_cast<AttrNumber>(columns + 1), &is_null);
  if (is_null) elog(ERROR, "rows of a view come without their count");
  return DatumGetInt64(count);
}

// Describes stored rows; those of an empty store like the view's.
TupleDesc DescOf(const pg::StoredRows &rows, Relation view) {
  return rows.store != nullptr ? rows.desc : CreateTupleDescCopy(RelationGetDescr(view));
}

// One part of a comparison: of so many, this one.
struct Part {
  uint32 number, of;
};

// Adds stored rows to a table, those of the part.
void AddStored(const pg::StoredRows &rows, int columns, int64 sign, Part part, RowTable *table) {
  ForEachStored(rows, [&](TupleTableSlot *slot) {
    const uint32 hash = HashRow(table, slot, true);
    if (hash % part.of == part.number)
      MakeRow(table, slot, hash)->count += sign * CountOf(slot, columns);
  });
}

// Writes what a part has found, and what of its rows is left.
void Write(Writer *writer, const Matches &matches, const RowTable *rows) {
  TupleTableSlot *slot =
      MakeSingleTupleTableSlot(rows->row_slot->tts_tupleDescriptor, &TTSOpsMinimalTuple);
  for (int64 i = 0; i < matches.count; i++) {
    CHECK_FOR_INTERRUPTS();
    if (matches.items[i].by == nullptr) {
      EmptyPlace(writer, matches.items[i].place);
    } else {
      ExecStoreMinimalTuple(matches.items[i].by->tuple, slot, false);
      ReplaceRow(writer, matches.items[i].place, slot);
    }
  }
  ForEachRow(rows, [&](const Row *row) {
    if (row->count <= 0) return;
    ExecStoreMinimalTuple(row->tuple, slot, false);
    AddRow(writer, slot, row->count);
  });
  ExecDropSingleTupleTableSlot(slot);
}

// Applies a part of the difference of a bag; false if rows that are to go are not there.
bool ApplyBag(Writer *writer, const Delta &delta, TupleDesc desc, Part part) {
  Relation view = writer->view;
  const int columns = RelationGetDescr(view)->natts;
  RowTable *rows = MakeRowTable(desc, columns, 0, nullptr, RelationGetDescr(view));
  AddStored(delta.added, columns, 1, part, rows);
  AddStored(delta.taken, columns, -1, part, rows);
  // What stays as it is must not cost a search.
  RowTable *leaving = MakeRowTable(desc, columns, 0, nullptr, RelationGetDescr(view));
  TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
  int64 missing = 0;
  ForEachRow(rows, [&](const Row *row) {
    if (row->count >= 0) return;
    ExecStoreMinimalTuple(row->tuple, slot, false);
    MakeRow(leaving, slot, row->hash)->count = -row->count;
    missing -= row->count;
  });
  ExecDropSingleTupleTableSlot(slot);
  Matches matches = {};
  if (missing > 0) {
    Pairing *pairing = MakePairing(view, rows);
    ProbeRows(view, leaving, [&](TupleTableSlot *found, Row *row) {
      if (row->count == 0) return true;
      row->count--;
      missing--;
      AddMatch(&matches, found->tts_tid, TakePair(pairing, found));
      return missing > 0;
    });
  }
  if (missing > 0) return false;
  Write(writer, matches, rows);
  return true;
}

// Applies a part of the difference of groups.
void ApplyGroups(Writer *writer, const Delta &delta, Part part) {
  Relation view = writer->view;
  const int columns = RelationGetDescr(view)->natts;
  RowTable *groups = MakeRowTable(delta.taken.desc, delta.key_count, delta.key_count, delta.key,
                                  RelationGetDescr(view));
  AddStored(delta.taken, delta.key_count, 1, part, groups);
  RowTable *rows =
      MakeRowTable(DescOf(delta.added, view), columns, 0, nullptr, RelationGetDescr(view));
  ForEachStored(delta.added, [&](TupleTableSlot *slot) {
    // The rows of a group are compared where the group is.
    if (HashRow(groups, slot, false) % part.of == part.number)
      MakeRow(rows, slot, HashRow(rows, slot, true))->count += CountOf(slot, columns);
  });
  Matches matches = {};
  Pairing *pairing = MakePairing(view, rows);
  ProbeRows(view, groups, [&](TupleTableSlot *found, Row *) {
    Row *row = FindRow(rows, found, HashRow(rows, found, false), false);
    if (row != nullptr && row->count > 0) {
      row->count--;
    } else {
      AddMatch(&matches, found->tts_tid, TakePair(pairing, found));
    }
    return true;
  });
  Write(writer, matches, rows);
}

// Applies a difference in so many parts; false if rows that are to go are not there, which may be found late.
bool ApplyParts(Relation view, const Delta &delta, uint32 parts, Applied *applied) {
  const TupleDesc desc =
      DescOf(delta.key_count > 0 || delta.added.store != nullptr ? delta.added : delta.taken, view);
  Writer *writer = BeginWrites(view, desc);
  MemoryContext memory =
      AllocSetContextCreate(CurrentMemoryContext, "difference of a view", ALLOCSET_DEFAULT_SIZES);
  bool fits = true;
  for (uint32 number = 0; number < parts && fits; number++) {
    MemoryContext old = MemoryContextSwitchTo(memory);
    if (delta.key_count == 0) {
      fits = ApplyBag(writer, delta, desc, {number, parts});
    } else if (delta.taken.store != nullptr) {
      ApplyGroups(writer, delta, {number, parts});
    }
    MemoryContextSwitchTo(old);
    MemoryContextReset(memory);
  }
  if (!fits) writer->place_count = 0;
  if (!fits) tuplestore_clear(writer->added.store);
  FinishWrites(writer);
  *applied = {writer->inserted, writer->deleted};
  return fits;
}

}  // namespace

bool ApplyDelta(Relation view, const Delta &delta, Applied *applied) {
  const uint32 parts = PartsOf(BytesOf(delta.taken) + BytesOf(delta.added));
  if (parts == 1) return ApplyParts(view, delta, parts, applied);
  // What the first parts have written is undone if a later one does not fit.
  MemoryContext context = CurrentMemoryContext;
  ResourceOwner owner = CurrentResourceOwner;
  BeginInternalSubTransaction(nullptr);
  MemoryContextSwitchTo(context);
  const bool fits = ApplyParts(view, delta, parts, applied);
  if (fits) {
    ReleaseCurrentSubTransaction();
  } else {
    RollbackAndReleaseCurrentSubTransaction();
  }
  MemoryContextSwitchTo(context);
  CurrentResourceOwner = owner;
  return fits;
}

void ReplaceRows(Relation view, const pg::StoredRows &rows, Applied *applied) {
  const int columns = RelationGetDescr(view)->natts;
  const uint32 parts = PartsOf(BytesOf(rows));
  Writer *writer = BeginWrites(view, rows.desc);
  MemoryContext memory =
      AllocSetContextCreate(CurrentMemoryContext, "rows of a view", ALLOCSET_DEFAULT_SIZES);
  for (uint32 number = 0; number < parts; number++) {
    MemoryContext old = MemoryContextSwitchTo(memory);
    RowTable *table = MakeRowTable(rows.desc, columns, 0, nullptr, RelationGetDescr(view));
    AddStored(rows, columns, 1, {number, parts}, table);
    Pairing *pairing = MakePairing(view, table);
    Matches matches = {};
    TupleTableSlot *slot = table_slot_create(view, nullptr);
    TableScanDesc scan = table_beginscan(view, GetActiveSnapshot(), 0, nullptr);
    while (table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
      CHECK_FOR_INTERRUPTS();
      const uint32 hash = HashRow(table, slot, false);
      if (hash % parts != number) continue;
      Row *row = FindRow(table, slot, hash, false);
      if (row != nullptr && row->count > 0) {
        row->count--;
      } else {
        AddMatch(&matches, slot->tts_tid, TakePair(pairing, slot));
      }
    }
    table_endscan(scan);
    ExecDropSingleTupleTableSlot(slot);
    Write(writer, matches, table);
    MemoryContextSwitchTo(old);
    MemoryContextReset(memory);
  }
  FinishWrites(writer);
  *applied = {writer->inserted, writer->deleted};
}

}  // namespace helios::mview
