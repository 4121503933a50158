// Feeds the meta bytes of chunks, as they are and with their own size written into them, and reads numerics
// from the same bytes; the corpus is regress/fuzz/chunk.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "hybrid/core/chunk.hpp"
#include "hybrid/core/numeric.hpp"

namespace helios::hybrid {
namespace {

// Parses a chunk, and holds the promises that readers rely on.
void Check(std::span<const uint8_t> meta) {
  ChunkMeta chunk;
  if (!ParseChunk(meta, &chunk)) return;
  for (const ChunkColumn &column : chunk.columns) {
    if (column.nulls > chunk.header->rows) std::abort();
    if (uint64_t{column.segment_offset} + column.segment_bytes > chunk.header->bytes) std::abort();
    if (column.nulls_offset != 0 &&
        column.nulls_offset + uint64_t{NullBytes(chunk.header->rows)} > chunk.header->bytes) {
      std::abort();
    }
    if (uint64_t{column.zone_offset} + column.least_bytes + column.greatest_bytes > meta.size()) {
      std::abort();
    }
  }
}

// Reads a numeric; what is taken must be written again as it was.
void CheckNumeric(std::span<const uint8_t> payload) {
  int64_t value;
  int scale;
  if (!ParseNumeric(payload, &value, &scale)) return;
  uint8_t again[kMaxNumericBytes];
  if (WriteNumeric(value, scale, again) != payload.size()) std::abort();
  if (memcmp(again, payload.data(), payload.size()) != 0) std::abort();
}

}  // namespace
}  // namespace helios::hybrid

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using helios::hybrid::Check;
  using helios::hybrid::ChunkHeader;
  helios::hybrid::CheckNumeric({data, size});
  // The meta bytes of a chunk are aligned.
  std::vector<uint64_t> words((size + sizeof(uint64_t) - 1) / sizeof(uint64_t));
  if (size > 0) memcpy(words.data(), data, size);
  auto *bytes = reinterpret_cast<uint8_t *>(words.data());
  Check({bytes, size});
  if (size >= sizeof(ChunkHeader)) {
    auto *header = reinterpret_cast<ChunkHeader *>(bytes);
    header->magic = helios::hybrid::kChunkMagic;
    header->version = helios::hybrid::kChunkVersion;
    header->meta_bytes = static_cast<uint32_t>(size);
    Check({bytes, size});
  }
  return 0;
}
