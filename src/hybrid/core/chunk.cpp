#include "hybrid/core/chunk.hpp"

namespace helios::hybrid {

namespace {

bool IsForm(Form form) { return form >= Form::kInt && form <= Form::kCString; }

// Says whether [offset, offset + bytes) lies between `from` and `to`.
bool Within(uint64_t offset, uint64_t bytes, uint64_t from, uint64_t to) {
  return offset >= from && offset <= to && bytes <= to - offset;
}

bool IsSound(const ChunkColumn &column, const ChunkHeader &header, uint64_t zones) {
  if (!IsForm(column.form) || column.nulls > header.rows) return false;
  const bool has_values = column.nulls < header.rows;
  if (has_values != (column.segment_offset != 0)) return false;
  if (!has_values && column.segment_bytes != 0) return false;
  if (has_values &&
      !Within(column.segment_offset, column.segment_bytes, header.meta_bytes, header.bytes)) {
    return false;
  }
  const bool has_bitmap = has_values && column.nulls > 0;
  if (has_bitmap != (column.nulls_offset != 0)) return false;
  if (has_bitmap &&
      !Within(column.nulls_offset, NullBytes(header.rows), header.meta_bytes, header.bytes)) {
    return false;
  }
  if (column.zone_offset == 0) return column.least_bytes == 0 && column.greatest_bytes == 0;
  return Within(column.zone_offset, uint64_t{column.least_bytes} + column.greatest_bytes, zones,
                header.meta_bytes);
}

}  // namespace

bool ParseChunk(std::span<const uint8_t> meta, ChunkMeta *chunk) {
  if (meta.size() < sizeof(ChunkHeader)) return false;
  const auto *header = reinterpret_cast<const ChunkHeader *>(meta.data());
  if (header->magic != kChunkMagic || header->version != kChunkVersion) return false;
  if (header->rows == 0 || header->rows > kMaxChunkRows) return false;
  const uint64_t zones = sizeof(ChunkHeader) + uint64_t{header->columns} * sizeof(ChunkColumn);
  if (header->meta_bytes != meta.size() || zones > header->meta_bytes ||
      header->meta_bytes > header->bytes) {
    return false;
  }
  chunk->header = header;
  chunk->columns = {reinterpret_cast<const ChunkColumn *>(header + 1), header->columns};
  for (const ChunkColumn &column : chunk->columns) {
    if (!IsSound(column, *header, zones)) return false;
  }
  return true;
}

}  // namespace helios::hybrid
