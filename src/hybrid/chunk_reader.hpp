// Reads chunks: one at a time, and of it the columns that are asked for, 1,024 rows at once.
#pragma once

#include "codec/codec.hpp"
#include "hybrid/core/chunk.hpp"
#include "hybrid/store.hpp"
#include "hybrid/tid.hpp"
#include "pg/pg.hpp"

extern "C" {
#include "access/tupdesc.h"
#include "utils/rel.h"
}
#undef Min
#undef Max
#undef Abs

#include <span>

namespace helios::hybrid {

// The values of a column, by attnum - 1, between two integers, both included.
struct ValueRange {
  int column;
  int64 low;
  int64 high;
};

// Lives in a memory context of its own and goes with it, so that an error leaks nothing.
class ChunkReader {
 public:
  // Makes a reader of a table's chunks in a new context below `parent`; `tupdesc` must outlive it.
  static ChunkReader *Make(MemoryContext parent, Relation rel, TupleDesc tupdesc);
  void Destroy();
  // Tells under which pointer the table is open now.
  void UseRelation(Relation rel) { rel_ = rel; }

  // Opens a chunk; nothing happens if it is open.
  void Open(const ChunkEntry &entry);
  RowNumber first_row() const { return entry_.first_row; }
  uint32 rows() const { return entry_.rows; }
  bool IsOpen(Oid blob) const { return open_ && entry_.blob == blob; }
  const ChunkEntry &entry() const { return entry_; }
  const ChunkMeta &meta() const { return meta_; }

  // Fills columns [from, to) of a row: values by reference belong to the reader until the next row is asked for.
  // Columns that are not in `columns` (ListColumns) are null.
  void GetColumns(uint32 position, int from, int to, std::span<const int> columns, Datum *values,
                  bool *nulls);

  // Says whether the values of a row, none of which is null, lie in the ranges. All are of columns that are integers.
  bool Fits(std::span<const ValueRange> ranges, uint32 position);

  TransactionId CreatorOf(uint32 position);
  // Says whether nothing is kept of a row but its place.
  bool IsHole(uint32 position);
  // Where a row was hot; false if it was not, or that is no longer known.
  bool SourceOf(uint32 position, ItemPointerData *tid);
  // Says whether the chunk lacks a column of the table, of which rows have a value nevertheless.
  bool LacksColumns();

  // The position of the row that was hot at `tid`; false if none was.
  bool FindSource(const ItemPointerData &tid, uint32 *position);

  // What it takes of memory, about.
  Size bytes() const { return bytes_; }

  // Says that rows are asked for here and there: single values are decoded, not whole vectors.
  void ExpectSparseReads() { sparse_ = true; }

 private:
  struct Column;
  ChunkReader(MemoryContext context, Relation rel, TupleDesc tupdesc);

  Column *ColumnOf(int attribute);
  Column *Prepare(int attribute);
  void Load(Column *column);
  void Get(int a, uint32 position, Datum *value, bool *isnull);
  bool Fetch(Column *column, int a, uint32 position, Datum *value, bool *isnull);
  void Decode(Column *column, uint32 vector);
  void DecodeOne(Column *column, uint32 position, Datum *value, bool *isnull);
  void Place(Column *column, const codec::Values &values, size_t from, size_t count, Datum *to);
  bool ReadSystem(int attribute, uint32 position, Datum *value);
  [[noreturn]] void RaiseCorrupted(const char *what) const;

  MemoryContext context_;
  MemoryContext chunk_context_;  // bytes of the open chunk
  Relation rel_;
  TupleDesc tupdesc_;
  ChunkEntry entry_;
  ChunkMeta meta_;
  Size bytes_ = 0;
  bool open_ = false;
  bool sparse_ = false;
  uint32 fit_vector_ = PG_UINT32_MAX;  // the last one of which Fits was asked
  uint32 fits_ = 0;                    // how many of its rows did
  uint32 expected_ = PG_UINT32_MAX;    // as many as in the one before it
  Column *columns_;                    // by attribute - kCreatorColumn
};

}  // namespace helios::hybrid
