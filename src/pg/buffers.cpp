#include "pg/buffers.hpp"

#include "pg/compat.hpp"

#include <algorithm>

extern "C" {
#include "storage/buf_internals.h"
#include "utils/memutils.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::pg {

namespace {

// One remembered page; the table is direct-mapped.
struct Hint {
  Oid file;
  BlockNumber block;
  Buffer buffer;
};

constexpr uint32 kHints = 1 << 16;  // 768 KiB, pages of 512 MiB of index
// A pin through a hint does not count as use in the clock sweep, so some reads go the ordinary way.
constexpr uint32 kOrdinaryEvery = 8;
constexpr Size kCacheLine = 64;
constexpr Size kMaxPrefetchLines = 16;  // the hardware follows a longer run by itself

constinit Hint *hints = nullptr;
constinit uint32 reads = 0;

Hint *SlotOf(Oid file, BlockNumber block) {
  return &hints[(block ^ file * 0x9E3779B1u) & (kHints - 1)];
}

}  // namespace

// A temporary relation may bear the number of a shared one.
Buffer ReadHinted(Relation rel, BlockNumber block) {
  if (RelationUsesLocalBuffers(rel)) return ReadBuffer(rel, block);
  if (hints == nullptr)
    hints = static_cast<Hint *>(MemoryContextAllocZero(TopMemoryContext, kHints * sizeof(Hint)));
  const Oid file = FileOf(rel);
  Hint *hint = SlotOf(file, block);
  if (hint->file == file && hint->block == block && ++reads % kOrdinaryEvery != 0) {
#if PG_VERSION_NUM >= 160000
    const bool found = ReadRecentBuffer(rel->rd_locator, MAIN_FORKNUM, block, hint->buffer);
#else
    const bool found = ReadRecentBuffer(rel->rd_node, MAIN_FORKNUM, block, hint->buffer);
#endif
    if (found) return hint->buffer;
  }
  const Buffer buffer = ReadBuffer(rel, block);
  *hint = {file, block, buffer};
  return buffer;
}

void PrefetchHinted(Relation rel, BlockNumber block, Size offset, Size bytes) {
  if (hints == nullptr) return;
  const Oid file = FileOf(rel);
  const Hint *hint = SlotOf(file, block);
  if (hint->file != file || hint->block != block) return;
  __builtin_prefetch(GetBufferDescriptor(hint->buffer - 1));
  const char *page = static_cast<const char *>(BufferGetBlock(hint->buffer));
  __builtin_prefetch(page);
  __builtin_prefetch(page + BLCKSZ - kCacheLine);
  const Size lines =
      std::min((bytes + offset % kCacheLine + kCacheLine - 1) / kCacheLine, kMaxPrefetchLines);
  const char *first = page + (offset & ~(kCacheLine - 1));
  for (Size line = 0; line < lines; line++) __builtin_prefetch(first + line * kCacheLine);
}

}  // namespace helios::pg
