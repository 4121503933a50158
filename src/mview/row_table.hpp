// A hash table of rows in memory, each with a count. Rows are compared by their images, or by some columns as GROUP BY
// compares them.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "access/htup.h"
#include "executor/tuptable.h"
#include "utils/typcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::mview {

struct Row {
  Row *next;
  Row *next_of_key;  // see pairing.hpp
  uint32 hash;
  MinimalTuple tuple;
  int64 count;
};

// Which columns are compared, and how: `row` of the rows in the table, `slot` of those that are looked up.
struct RowColumn {
  AttrNumber row;
  AttrNumber slot;
  bool is_by_value;
  int16 length;
  Oid collation;
  FmgrInfo *equals;  // null: by image
  FmgrInfo *hash;    // null: by image, or not hashed if compared by an operator
};

// Lives in the memory context that was current when it was made.
struct RowTable {
  MemoryContext context;
  int column_count;
  RowColumn *columns;
  TupleTableSlot *row_slot;  // to compare with a row of the table
  Row **buckets;
  uint64 mask;
  int64 rows;
  Size bytes;
};

// Makes a table of rows of this shape. key_count = 0: the first `columns` columns are compared by their images; else
// column i of the rows in the table with column key[i] of the rows looked up.
RowTable *MakeRowTable(TupleDesc desc, int columns, int key_count, const AttrNumber *key,
                       TupleDesc looked_up);

// Hashes a row to be looked up; `of_table` says that it has the shape of the rows in the table.
uint32 HashRow(const RowTable *table, TupleTableSlot *slot, bool of_table);

// Finds the equal row, or null.
Row *FindRow(RowTable *table, TupleTableSlot *slot, uint32 hash, bool of_table);

// Finds the equal row, or adds the one of the slot with count 0.
Row *MakeRow(RowTable *table, TupleTableSlot *slot, uint32 hash);

// Calls `visit` with every row.
template <typename Visit>
void ForEachRow(const RowTable *table, Visit visit) {
  for (uint64 bucket = 0; bucket <= table->mask; bucket++) {
    for (Row *row = table->buckets[bucket]; row != nullptr; row = row->next) visit(row);
  }
}

}  // namespace helios::mview
