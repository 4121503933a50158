#include "hybrid/sorted_rows.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
}
#undef Min
#undef Max
#undef Abs

#include <algorithm>

namespace helios::hybrid {

namespace {

constexpr int kOwnColumns = 2;  // behind those of the table: creator, source

TupleDesc DescribeRows(Relation rel) {
  const TupleDesc table = RelationGetDescr(rel);
  TupleDesc rows = CreateTemplateTupleDesc(table->natts + kOwnColumns);
  for (int a = 1; a <= table->natts; a++)
    TupleDescCopyEntry(rows, static_cast<AttrNumber>(a), table, static_cast<AttrNumber>(a));
  TupleDescInitEntry(rows, static_cast<AttrNumber>(table->natts + 1), "creator", XIDOID, -1, 0);
  TupleDescInitEntry(rows, static_cast<AttrNumber>(table->natts + 2), "source", TIDOID, -1, 0);
  return rows;
}

}  // namespace

SortedRows SortedRows::Begin(Relation rel, const Order &order, uint64 limit) {
  SortedRows rows = {};
  const TupleDesc desc = DescribeRows(rel);
  rows.columns_ = RelationGetNumberOfAttributes(rel);
  rows.keys_ = KeysOf(rel, order);
  rows.given_ = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
  rows.found_ = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
  rows.sort_ = tuplesort_begin_heap(
      desc, rows.keys_.count, rows.keys_.attributes, rows.keys_.operators, rows.keys_.collations,
      rows.keys_.nulls_first, maintenance_work_mem, nullptr, TUPLESORT_ALLOWBOUNDED);
  if (limit <= PG_INT64_MAX) tuplesort_set_bound(rows.sort_, static_cast<int64>(limit));
  return rows;
}

void SortedRows::End() {
  ExecDropSingleTupleTableSlot(found_);
  ExecDropSingleTupleTableSlot(given_);
  tuplesort_end(sort_);
}

void SortedRows::Put(const Datum *values, const bool *nulls, TransactionId creator,
                     const ItemPointerData &source) {
  ExecClearTuple(given_);
  std::copy_n(values, columns_, given_->tts_values);
  std::copy_n(nulls, columns_, given_->tts_isnull);
  given_->tts_values[columns_] = TransactionIdGetDatum(creator);
  given_->tts_values[columns_ + 1] = PointerGetDatum(&source);
  std::fill_n(given_->tts_isnull + columns_, kOwnColumns, false);
  ExecStoreVirtualTuple(given_);
  tuplesort_puttupleslot(sort_, given_);
}

void SortedRows::PutKeys(const Datum *values, const bool *nulls) {
  ExecClearTuple(given_);
  std::fill_n(given_->tts_isnull, columns_ + kOwnColumns, true);
  for (int i = 0; i < keys_.count; i++) {
    const int column = keys_.attributes[i] - 1;
    given_->tts_values[column] = values[column];
    given_->tts_isnull[column] = nulls[column];
  }
  ExecStoreVirtualTuple(given_);
  tuplesort_puttupleslot(sort_, given_);
}

bool SortedRows::Next() {
  if (!tuplesort_gettupleslot(sort_, true, false, found_, nullptr)) return false;
  slot_getallattrs(found_);
  return true;
}

}  // namespace helios::hybrid
