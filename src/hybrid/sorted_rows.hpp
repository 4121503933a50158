// Rows of a table that go through a sort, within maintenance_work_mem, with who made them and where they were.
#pragma once

#include "hybrid/order.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "executor/tuptable.h"
#include "utils/tuplesort.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// Values out of line stay there. An error leaves it to its memory context and resource owner.
class SortedRows {
 public:
  // Begins to gather rows; of more than `limit` the first ones are enough.
  static SortedRows Begin(Relation rel, const Order &order, uint64 limit);
  void End();

  // Adds a row, given as columns by attnum - 1, which are copied.
  void Put(const Datum *values, const bool *nulls, TransactionId creator,
           const ItemPointerData &source);
  // Adds what the row is sorted by alone.
  void PutKeys(const Datum *values, const bool *nulls);
  void Sort() { tuplesort_performsort(sort_); }

  // Goes on to a row; false: there is none. It is good until the next one.
  bool Next();
  const Datum *values() const { return found_->tts_values; }
  const bool *nulls() const { return found_->tts_isnull; }
  TransactionId creator() const { return DatumGetTransactionId(values()[columns_]); }
  const ItemPointerData &source() const {
    return *reinterpret_cast<const ItemPointerData *>(DatumGetPointer(values()[columns_ + 1]));
  }

 private:
  Tuplesortstate *sort_;
  TupleTableSlot *given_;
  TupleTableSlot *found_;
  int columns_;
  SortKeys keys_;
};

}  // namespace helios::hybrid
