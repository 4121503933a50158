// Gathers rows and makes chunks of them.
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

#include <cstdint>
#include <span>
#include <vector>

namespace helios::hybrid {

// How the columns of a table are encoded.
struct ColumnPolicies {
  codec::Policy table;
  codec::Policy *columns = nullptr;  // by attnum - 1; null: `table` for all
  const codec::Policy &of(int attribute) const {
    return columns != nullptr && attribute > 0 ? columns[attribute - 1] : table;
  }
};

// Lives in a memory context of its own, and goes with it.
class ChunkWriter {
 public:
  // Makes a writer in a new context below `parent`; `with_sources` keeps where rows were hot.
  static ChunkWriter *Make(MemoryContext parent, Relation rel, const ColumnPolicies &policies,
                           bool with_sources);
  void Destroy();

  // Says whether a chunk is to be made before more rows come.
  bool IsFull() const;
  uint32 rows() const { return rows_; }
  uint32 holes() const { return holes_; }

  // Adds a row, whose values are copied; those out of line are fetched. `source` is where it was hot.
  void Add(const Datum *values, const bool *nulls, TransactionId creator,
           const ItemPointerData *source);
  // Adds a row of which nothing is kept but its place.
  void AddGone();

  // Encodes what was gathered. The bytes belong to the writer, until Reset.
  std::span<const uint8> Encode();
  uint32 meta_bytes() const { return meta_bytes_; }
  // Forgets what was gathered, but not what was encoded.
  void Forget() { rows_ = 0; }
  // Forgets both.
  void Reset();

 private:
  struct Column;
  ChunkWriter(MemoryContext context, Relation rel, const ColumnPolicies &policies,
              bool with_sources);
  void EncodeAll();

  MemoryContext context_;
  MemoryContext rows_context_;  // what was gathered
  TupleDesc tupdesc_;
  ColumnPolicies policies_;
  Column *columns_;
  int column_count_;
  bool with_sources_;
  uint32 rows_ = 0;
  uint32 holes_ = 0;
  size_t bytes_ = 0;
  uint32 meta_bytes_ = 0;
  std::vector<uint8_t> *encoded_;
};

}  // namespace helios::hybrid
