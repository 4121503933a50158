#include "mview/probe.hpp"

#include "pg/tables.hpp"

#include <algorithm>

extern "C" {
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "catalog/pg_am.h"
#include "catalog/pg_statistic.h"
#include "nodes/pg_list.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/sortsupport.h"
#include "utils/syscache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

namespace {

// A descent of an index costs about as much as comparing the rows of a quarter of a page.
constexpr double kProbesPerPage = 4;

// Finds the column of the row table that is compared with a column of the view; 0 if none is.
AttrNumber FindColumn(const RowTable *table, AttrNumber of_view) {
  for (int i = 0; i < table->column_count; i++) {
    if (table->columns[i].slot == of_view) return table->columns[i].row;
  }
  return 0;
}

// True if the index finds all rows that are equal in the sense of the table. What has equal images is equal to every
// operator; GROUP BY has one of its own.
bool Serves(Relation index, int key, const RowColumn &column, Oid type) {
  if (column.equals == nullptr) return true;
  return index->rd_indcollation[key] == column.collation &&
         index->rd_opfamily[key] == lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
}

// Estimates how many rows of the view have the same value in a column; negative: nobody knows.
double RowsPerValue(Relation view, AttrNumber column) {
  HeapTuple tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(RelationGetRelid(view)),
                                    Int16GetDatum(column), BoolGetDatum(false));
  if (!HeapTupleIsValid(tuple)) return -1;
  const double distinct = reinterpret_cast<Form_pg_statistic>(GETSTRUCT(tuple))->stadistinct;
  ReleaseSysCache(tuple);
  if (distinct == 0) return -1;
  return distinct < 0 ? -1 / distinct
                      : std::max(1.0, static_cast<double>(view->rd_rel->reltuples) / distinct);
}

// Sees how far an index serves; returns the estimate of rows for one lookup, negative if it does not.
double Judge(Relation view, Relation index, const RowTable *table, Probe *probe) {
  const Form_pg_index form = index->rd_index;
  if (index->rd_rel->relam != BTREE_AM_OID || !form->indisvalid || !form->indisready ||
      RelationGetIndexPredicate(index) != NIL)
    return -1;
  double rows = -1;
  *probe = {};
  for (int key = 0; key < form->indnkeyatts; key++) {
    const AttrNumber of_view = form->indkey.values[key];
    const AttrNumber column = of_view > 0 ? FindColumn(table, of_view) : 0;
    if (column == 0) break;
    const Oid type = TupleDescAttr(RelationGetDescr(view), of_view - 1)->atttypid;
    if (!Serves(index, key, table->columns[column - 1], type)) break;
    const Oid op = get_opfamily_member(index->rd_opfamily[key], index->rd_opcintype[key],
                                       index->rd_opcintype[key], BTEqualStrategyNumber);
    if (!OidIsValid(op)) break;
    probe->column[key] = column;
    probe->type[key] = index->rd_opcintype[key];
    fmgr_info(get_opcode(op), &probe->equals[key]);
    probe->key_count = key + 1;
    const double with_value = RowsPerValue(view, of_view);
    if (with_value >= 0) rows = rows < 0 ? with_value : std::min(rows, with_value);
  }
  if (probe->key_count == 0) return -1;
  if (form->indisunique && probe->key_count == form->indnkeyatts) return 1;
  return rows;
}

// A row with the columns by which it is looked up.
struct Sorted {
  Row *row;
  const Datum *values;
  const bool *nulls;
};

struct Order {
  int count;
  SortSupportData keys[INDEX_MAX_KEYS];
};

int CompareRows(const void *a, const void *b, void *order_pointer) {
  const auto *left = static_cast<const Sorted *>(a);
  const auto *right = static_cast<const Sorted *>(b);
  auto *order = static_cast<Order *>(order_pointer);
  for (int i = 0; i < order->count; i++) {
    const int result = ApplySortComparator(left->values[i], left->nulls[i], right->values[i],
                                           right->nulls[i], &order->keys[i]);
    if (result != 0) return result;
  }
  return 0;
}

// Takes over how an index compares.
Order OrderOf(const Probe &probe) {
  Order order = {};
  order.count = probe.key_count;
  for (int i = 0; i < probe.key_count; i++) {
    SortSupport key = &order.keys[i];
    key->ssup_cxt = CurrentMemoryContext;
    key->ssup_collation = probe.index->rd_indcollation[i];
    key->ssup_nulls_first = (probe.index->rd_indoption[i] & INDOPTION_NULLS_FIRST) != 0;
    key->ssup_attno = static_cast<AttrNumber>(i + 1);
    const bool is_descending = (probe.index->rd_indoption[i] & INDOPTION_DESC) != 0;
    PrepareSortSupportFromIndexRel(
        probe.index, is_descending ? BTGreaterStrategyNumber : BTLessStrategyNumber, key);
  }
  return order;
}

void *AllocateHuge(int64 count, Size size) {
  return MemoryContextAllocHuge(CurrentMemoryContext, static_cast<Size>(count) * size);
}

}  // namespace

Probe ChooseProbe(Relation view, const RowTable *table) {
  Probe best = {};
  double fewest = 0;
  List *indexes = RelationGetIndexList(view);
  ListCell *cell;
  foreach (cell, indexes) {
    Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    Probe probe;
    const double rows = Judge(view, index, table, &probe);
    if (rows < 0 || (best.index != nullptr && rows >= fewest)) {
      index_close(index, AccessShareLock);
      continue;
    }
    if (best.index != nullptr) index_close(best.index, AccessShareLock);
    best = probe;
    best.index = index;
    fewest = rows;
  }
  if (best.index == nullptr) return best;
  const double pages = pg::PagesOf(view);
  if (static_cast<double>(table->rows) * fewest <= pages * kProbesPerPage) return best;
  index_close(best.index, AccessShareLock);
  best.index = nullptr;
  return best;
}

Row **SortRows(const Probe &probe, const RowTable *table) {
  const int64 count = table->rows + 1;
  auto **rows = static_cast<Row **>(AllocateHuge(count, sizeof(Row *)));
  auto *sorted = static_cast<Sorted *>(AllocateHuge(count, sizeof(Sorted)));
  auto *values = static_cast<Datum *>(AllocateHuge(count * probe.key_count, sizeof(Datum)));
  auto *nulls = static_cast<bool *>(AllocateHuge(count * probe.key_count, sizeof(bool)));
  TupleTableSlot *slot =
      MakeSingleTupleTableSlot(table->row_slot->tts_tupleDescriptor, &TTSOpsMinimalTuple);
  int64 at = 0;
  ForEachRow(table, [&](Row *row) {
    Datum *of_row = values + at * probe.key_count;
    bool *nulls_of_row = nulls + at * probe.key_count;
    // Values point into the row itself, which stays.
    ExecStoreMinimalTuple(row->tuple, slot, false);
    for (int i = 0; i < probe.key_count; i++)
      of_row[i] = slot_getattr(slot, probe.column[i], &nulls_of_row[i]);
    sorted[at++] = {row, of_row, nulls_of_row};
  });
  ExecDropSingleTupleTableSlot(slot);
  Order order = OrderOf(probe);
  qsort_arg(sorted, at, sizeof(Sorted), CompareRows, &order);
  for (int64 i = 0; i < at; i++) rows[i] = sorted[i].row;
  for (void *memory :
       {static_cast<void *>(sorted), static_cast<void *>(values), static_cast<void *>(nulls)})
    pfree(memory);
  return rows;
}

void FillKeys(const Probe &probe, TupleTableSlot *row, ScanKey keys) {
  for (int i = 0; i < probe.key_count; i++) {
    bool is_null;
    const Datum value = slot_getattr(row, probe.column[i], &is_null);
    const int flags = is_null ? SK_ISNULL | SK_SEARCHNULL : 0;
    ScanKeyEntryInitializeWithInfo(&keys[i], flags, static_cast<AttrNumber>(i + 1),
                                   BTEqualStrategyNumber, probe.type[i],
                                   probe.index->rd_indcollation[i],
                                   const_cast<FmgrInfo *>(&probe.equals[i]), is_null ? 0 : value);
  }
}

}  // namespace helios::mview
