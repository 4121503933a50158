#include "hybrid/holes.hpp"

#include "hybrid/core/chunk.hpp"

#include <algorithm>

namespace helios::hybrid {

namespace {

// The rows of a chunk that are holes: those without a creator. The last chunk that was asked for is kept,
// since rows are asked for one by one.
struct HoleCache {
  Oid table;
  Oid blob;
  uint64 bits[kMaxChunkRows / 64];
};

const uint64 *HolesOf(const Store &store, const ChunkEntry &chunk) {
  static HoleCache cache;
  if (cache.table == RelationGetRelid(store.toast) && cache.blob == chunk.blob) return cache.bits;
  cache.blob = InvalidOid;
  auto *bytes = static_cast<uint8 *>(palloc(chunk.meta_bytes));
  ReadPieces(store, chunk.blob, 0, chunk.meta_bytes, bytes);
  ChunkMeta meta;
  const ChunkColumn *creators = nullptr;
  if (ParseChunk({bytes, chunk.meta_bytes}, &meta)) {
    for (const ChunkColumn &column : meta.columns) {
      if (column.attribute == kCreatorColumn) creators = &column;
    }
  }
  if (creators == nullptr || meta.header->rows != chunk.rows) {
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
                    errmsg("table \"%s\" has a damaged chunk: its header is not what was written",
                           RelationGetRelationName(store.rel))));
  }
  std::fill(std::begin(cache.bits), std::end(cache.bits), 0);
  if (creators->nulls == chunk.rows) {
    std::fill(std::begin(cache.bits), std::end(cache.bits), ~uint64{0});
  } else if (creators->nulls > 0) {
    ReadPieces(store, chunk.blob, creators->nulls_offset, NullBytes(chunk.rows),
               reinterpret_cast<uint8 *>(cache.bits));
  }
  pfree(bytes);
  cache.table = RelationGetRelid(store.toast);
  cache.blob = chunk.blob;
  return cache.bits;
}

}  // namespace

uint32 MarkHoles(const Store &store, const ChunkEntry &chunk, uint64 *bits) {
  if (chunk.holes == 0) return 0;
  const uint64 *holes = HolesOf(store, chunk);
  uint32 count = 0;
  for (uint32 row = 0; row < chunk.rows; row++) {
    const uint64 bit = uint64{1} << (row % 64);
    if (!(holes[row / 64] & bit) || (bits[row / 64] & bit)) continue;
    bits[row / 64] |= bit;
    count++;
  }
  return count;
}

bool IsHole(const Store &store, const ChunkEntry &chunk, RowNumber row) {
  if (chunk.holes == 0) return false;
  const auto index = static_cast<uint32>(row - chunk.first_row);
  return HolesOf(store, chunk)[index / 64] >> (index % 64) & 1;
}

}  // namespace helios::hybrid
