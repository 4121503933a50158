#include "hybrid/reencode.hpp"

#include "hybrid/columns.hpp"
#include "hybrid/core/row_bits.hpp"

namespace helios::hybrid {

void GatherChunk(ChunkReader *reader, TupleDesc tupdesc, const uint64 *dead, ChunkWriter *writer) {
  auto *values = static_cast<Datum *>(palloc(tupdesc->natts * sizeof(Datum)));
  auto *nulls = static_cast<bool *>(palloc(tupdesc->natts * sizeof(bool)));
  const std::span<const int> columns = ListColumns(tupdesc, nullptr);
  for (uint32 row = 0; row < reader->rows(); row++) {
    CHECK_FOR_INTERRUPTS();
    if (reader->IsHole(row) || (dead != nullptr && GetBit(dead, row))) {
      writer->AddGone();
      continue;
    }
    reader->GetColumns(row, 0, tupdesc->natts, columns, values, nulls);
    ItemPointerData source;
    const bool has_source = reader->SourceOf(row, &source);
    writer->Add(values, nulls, reader->CreatorOf(row), has_source ? &source : nullptr);
  }
  pfree(values);
  pfree(nulls);
  pfree(const_cast<int *>(columns.data()));
}

}  // namespace helios::hybrid
