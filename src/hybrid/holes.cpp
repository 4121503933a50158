#include "hybrid/holes.hpp"

#include "hybrid/chunk_reader.hpp"
#include "hybrid/core/row_bits.hpp"

#include <algorithm>

namespace helios::hybrid {

namespace {

// The rows of a chunk that are holes: those without a creator. Some chunks that were asked for are kept, since rows
// are asked for one by one, and in joins from any chunk.
struct HoleCache {
  Oid table;
  Oid blob;
  uint64 bits[kChunkWords];
};

constexpr Oid kCaches = 64;

const uint64 *HolesOf(const Store &store, const ChunkEntry &chunk) {
  static HoleCache caches[kCaches];
  HoleCache &cache = caches[chunk.blob % kCaches];
  if (cache.table == RelationGetRelid(store.toast) && cache.blob == chunk.blob) return cache.bits;
  cache.blob = InvalidOid;
  // The reader checks what it reads: a damaged bitmap must not make rows vanish.
  ChunkReader *reader =
      ChunkReader::Make(CurrentMemoryContext, store.rel, RelationGetDescr(store.rel));
  reader->Open(chunk);
  std::fill(std::begin(cache.bits), std::end(cache.bits), 0);
  for (uint32 row = 0; row < chunk.rows; row++) {
    if (reader->IsHole(row)) SetBit(cache.bits, row);
  }
  reader->Destroy();
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
    if (!GetBit(holes, row) || GetBit(bits, row)) continue;
    SetBit(bits, row);
    count++;
  }
  return count;
}

bool IsHole(const Store &store, const ChunkEntry &chunk, RowNumber row) {
  if (chunk.holes == 0) return false;
  return GetBit(HolesOf(store, chunk), row - chunk.first_row);
}

}  // namespace helios::hybrid
