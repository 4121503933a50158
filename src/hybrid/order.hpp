// The order that cold rows of a table are kept in (option order_by): its text, its keys, places in it.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "utils/rel.h"
#include "utils/sortsupport.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

// A column that rows are sorted by.
struct OrderColumn {
  AttrNumber attribute;
  int16 flags;  // INDOPTION_DESC, INDOPTION_NULLS_FIRST, as of a column of an index
};

struct Order {
  int count;  // 0: no order
  OrderColumn columns[INDEX_MAX_KEYS];

  bool Names(AttrNumber attribute) const;
};

// What a sort of rows takes.
struct SortKeys {
  int count;
  AttrNumber attributes[INDEX_MAX_KEYS];
  Oid operators[INDEX_MAX_KEYS];
  Oid collations[INDEX_MAX_KEYS];
  bool nulls_first[INDEX_MAX_KEYS];
};

// Takes a list of columns as behind ORDER BY; an error unless it is one.
Order ParseOrder(Oid relation, const char *text);
// Writes it with the names that the columns have now.
char *FormatOrder(Oid relation, const Order &order);
// Stores it as smallint[], number and flags of each column, and takes it back.
Datum EncodeOrder(const Order &order);
Order DecodeOrder(Datum stored);

// Tells whether all columns still have types that can be sorted.
bool CanSort(Relation rel, const Order &order);
// Finds the operators of an order; an error if a column has none.
SortKeys KeysOf(Relation rel, const Order &order);

// A place in the order of a table: the keys of one row, which others are compared with. Lives in a memory context of
// its own, and goes with it.
class OrderMark {
 public:
  static OrderMark *Make(MemoryContext parent, Relation rel, const Order &order);
  void Destroy();

  bool is_set() const { return is_set_; }
  // Puts the mark at a row, given as columns by attnum - 1.
  void Set(const Datum *values, const bool *nulls);
  // Says on which side of the mark a row is: below 0 before it, above 0 behind it.
  int Compare(const Datum *values, const bool *nulls) const;

 private:
  MemoryContext context_;
  MemoryContext values_context_;
  TupleDesc tupdesc_;
  SortSupportData keys_[INDEX_MAX_KEYS];
  Datum values_[INDEX_MAX_KEYS];
  bool nulls_[INDEX_MAX_KEYS];
  int count_;
  bool is_set_;
};

}  // namespace helios::hybrid
