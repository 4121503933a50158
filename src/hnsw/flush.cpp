// Writes a finished graph to pages, in this order, so that every id is known before it is used:
//
//   meta | model pages | payload pages | upper pages | node pages
//
// Node i of the graph is slot i % n of node page i / n, n being the slots of a page in the format
// written.
#include "hnsw/build.hpp"
#include "hnsw/store.hpp"
#include "pg/compat.hpp"
#include "pg/pause.hpp"

#include <algorithm>
#include <cstring>

extern "C" {
#include "access/xloginsert.h"
#include "utils/memutils.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

namespace {

// The state of one flush; palloc'd arrays belong to the builder's context.
struct Flush {
  Builder *builder;
  PageFormat format;
  uint32 nodes;
  uint32 nodes_per_page;      // of the format
  BlockNumber first_node;     // block
  uint32 *uppers;             // upper id of each node, 0 on level 0
  ItemPointerData *payloads;  // null when nothing lies out of line
  Buffer buffer;              // page being filled
  Page page;
};

void OpenPage(Flush *flush, PageKind kind, uint32 slot_bytes) {
  CHECK_FOR_INTERRUPTS();
  flush->buffer = pg::ExtendLocked(flush->builder->index, MAIN_FORKNUM);
  flush->page = BufferGetPage(flush->buffer);
  InitPage(flush->page, kind, kind == PageKind::kNode ? flush->format : kOwnFormat, slot_bytes);
}

void ClosePage(Flush *flush) {
  if (!BufferIsValid(flush->buffer)) return;
  const PageTrailer *trailer = Trailer(flush->page);
  if (trailer->slot_bytes != 0) {
    reinterpret_cast<PageHeader>(flush->page)->pd_lower = static_cast<LocationIndex>(
        PageGetContents(flush->page) - flush->page + trailer->used * trailer->slot_bytes);
  }
  MarkBufferDirty(flush->buffer);
  UnlockReleaseBuffer(flush->buffer);
  flush->buffer = InvalidBuffer;
}

uint32 IdOf(const Flush &flush, uint32 node) {
  const Meta &meta = flush.builder->plan.meta;
  return NodeId(meta, flush.first_node + node / flush.nodes_per_page, node % flush.nodes_per_page);
}

// Appends an item to the payload pages, starting a page when the last is full.
ItemPointerData AppendPayload(Flush *flush, const char *item, Size bytes) {
  if (BufferIsValid(flush->buffer) && PageGetFreeSpace(flush->page) < MAXALIGN(bytes))
    ClosePage(flush);
  if (!BufferIsValid(flush->buffer)) OpenPage(flush, PageKind::kPayload, 0);
  const OffsetNumber offset =
      PageAddItem(flush->page, const_cast<char *>(item), bytes, InvalidOffsetNumber, false, false);
  if (offset == InvalidOffsetNumber) elog(ERROR, "no room for a payload of %zu bytes", bytes);
  ItemPointerData at;
  ItemPointerSet(&at, BufferGetBlockNumber(flush->buffer), offset);
  return at;
}

// The code of a node in the format written, and its scalar copy.
struct NodeBytes {
  const uint8 *code;
  uint32 code_bytes;
  const uint8 *copy;
  uint32 copy_bytes;
};

NodeBytes BytesOf(const Flush &flush, uint32 node, char *spilled) {
  const Builder &builder = *flush.builder;
  const Meta &meta = builder.plan.meta;
  const auto *item = static_cast<const uint8 *>(builder.graph.item(node));
  switch (builder.plan.kind) {
    case ItemKind::kPlain:
      return {item, static_cast<uint32>(builder.graph.item_size(node)), nullptr, 0};
    case ItemKind::kCoded:
      return {item + builder.plan.own_offset, ItemBytes(builder.space), nullptr, 0};
    case ItemKind::kSpilled: {
      const uint32 bytes = ItemBytes(builder.space);
      if (BufFileRead(builder.spill, spilled, bytes) != bytes)
        elog(ERROR, "temporary file of an index build is too short");
      return {reinterpret_cast<const uint8 *>(spilled), bytes, nullptr, 0};
    }
    case ItemKind::kQuantized:
      break;
  }
  const bool copy = flush.format == kOwnFormat && meta.copy_bytes != 0;
  return {item + builder.plan.own_offset, meta.code_bytes[flush.format], copy ? item : nullptr,
          copy ? meta.copy_bytes : 0};
}

// Chains of chunks are written back to front, so that each chunk knows its successor.
void WritePayloads(Flush *flush) {
  Builder &builder = *flush->builder;
  const Meta &meta = builder.plan.meta;
  const bool out_of_line = !meta.inline_codes[flush->format];
  const bool copies = flush->format == kOwnFormat && meta.copy_bytes != 0;
  if (!out_of_line && !copies) return;
  flush->payloads = static_cast<ItemPointerData *>(
      MemoryContextAllocHuge(builder.context, flush->nodes * sizeof(ItemPointerData)));
  auto *item = static_cast<char *>(
      MemoryContextAlloc(builder.context, sizeof(PayloadHeader) + kPayloadChunk));
  auto *spilled =
      static_cast<char *>(MemoryContextAlloc(builder.context, MaxItemBytes(builder.space)));
  auto *whole = static_cast<char *>(MemoryContextAlloc(
      builder.context,
      MaxItemBytes(builder.space) + meta.code_bytes[flush->format] + meta.copy_bytes));
  for (uint32 node = 0; node < flush->nodes; node++) {
    const NodeBytes bytes = BytesOf(*flush, node, spilled);
    const uint32 code_bytes = out_of_line ? bytes.code_bytes : 0;
    const uint32 total = code_bytes + bytes.copy_bytes;
    memcpy(whole, bytes.code, code_bytes);
    if (bytes.copy_bytes != 0) memcpy(whole + code_bytes, bytes.copy, bytes.copy_bytes);
    ItemPointerData next;
    ItemPointerSetInvalid(&next);
    for (uint32 chunks = (total + kPayloadChunk - 1) / kPayloadChunk; chunks > 0; chunks--) {
      const uint32 from = (chunks - 1) * kPayloadChunk;
      const uint32 chunk = std::min(kPayloadChunk, total - from);
      const PayloadHeader header{next, 0};
      memcpy(item, &header, sizeof(header));
      memcpy(item + sizeof(header), whole + from, chunk);
      next = AppendPayload(flush, item, sizeof(header) + chunk);
    }
    flush->payloads[node] = next;
  }
  ClosePage(flush);
  if (builder.plan.kind == ItemKind::kSpilled && BufFileSeek(builder.spill, 0, 0, SEEK_SET) != 0)
    elog(ERROR, "could not rewind a temporary file");
}

// Gives every node above level 0 its run of upper slots; returns the number of upper pages.
uint32 PlaceUppers(Flush *flush, BlockNumber first) {
  const Meta &meta = flush->builder->plan.meta;
  flush->uppers = static_cast<uint32 *>(MemoryContextAllocHuge(
      flush->builder->context, std::max<Size>(flush->nodes, 1) * sizeof(uint32)));
  uint32 page = 0;
  uint32 slot = 0;
  for (uint32 node = 0; node < flush->nodes; node++) {
    const Graph &graph = flush->builder->graph;
    const uint32 level = graph.duplicate_of(node) == kNone ? graph.level(node) : 0;
    flush->uppers[node] = 0;
    if (level == 0) continue;
    if (slot + level > meta.uppers_per_page) {
      page++;
      slot = 0;
    }
    flush->uppers[node] =
        CheckedId(flush->builder->index, meta.uppers_per_page, first + page, slot);
    slot += level;
  }
  return slot == 0 && page == 0 ? 0 : page + 1;
}

void WriteUppers(Flush *flush) {
  const Meta &meta = flush->builder->plan.meta;
  const Graph &graph = flush->builder->graph;
  for (uint32 node = 0; node < flush->nodes; node++) {
    const uint32 upper = flush->uppers[node];
    if (upper == 0) continue;
    const uint32 slot = upper % meta.uppers_per_page;
    if (slot == 0) {
      ClosePage(flush);
      OpenPage(flush, PageKind::kUpper, UpperSlotBytes(meta.m));
    }
    const int level = graph.level(node);
    for (int at = 1; at <= level; at++) {
      auto *list = reinterpret_cast<UpperSlot *>(SlotAt(flush->page, slot + at - 1));
      const std::span<const uint32_t> links = graph.links(node, at);
      list->count = static_cast<uint16>(links.size());
      for (size_t i = 0; i < links.size(); i++) list->links[i] = IdOf(*flush, links[i]);
    }
    Trailer(flush->page)->used = static_cast<uint16>(slot + level);
  }
  ClosePage(flush);
}

void WriteNodes(Flush *flush) {
  Builder &builder = *flush->builder;
  const Meta &meta = builder.plan.meta;
  const Graph &graph = builder.graph;
  const bool inline_code = meta.inline_codes[flush->format];
  auto *spilled =
      static_cast<char *>(MemoryContextAlloc(builder.context, MaxItemBytes(builder.space)));
  for (uint32 node = 0; node < flush->nodes; node++) {
    const uint32 slot = node % flush->nodes_per_page;
    if (slot == 0) {
      ClosePage(flush);
      OpenPage(flush, PageKind::kNode, meta.slot_bytes[flush->format]);
    }
    Trailer(flush->page)->used = static_cast<uint16>(slot + 1);
    Node *stored = NodeAt(flush->page, slot);
    *stored = {};
    const uint64 tid = graph.tid(node);
    ItemPointerSet(&stored->tid, static_cast<BlockNumber>(tid >> 16),
                   static_cast<OffsetNumber>(tid & 0xFFFF));
    const uint32 next = graph.next_duplicate(node);
    stored->duplicate = next == kNone ? kNoNode : IdOf(*flush, next);
    ItemPointerSetInvalid(&stored->payload);
    if (flush->payloads != nullptr) stored->payload = flush->payloads[node];
    if (inline_code) {
      const NodeBytes bytes = BytesOf(*flush, node, spilled);
      memcpy(CodeOf(stored, meta.m), bytes.code, bytes.code_bytes);
    }
    if (graph.duplicate_of(node) != kNone) {
      stored->state = NodeState::kDuplicate;
      LinksOf(stored)[0] = IdOf(*flush, graph.duplicate_of(node));
      continue;
    }
    stored->state = NodeState::kLive;
    stored->level = stored->upper_slots = static_cast<uint8>(graph.level(node));
    stored->upper = flush->uppers[node];
    const std::span<const uint32_t> links = graph.links(node, 0);
    stored->count = static_cast<uint8>(links.size());
    for (size_t i = 0; i < links.size(); i++) LinksOf(stored)[i] = IdOf(*flush, links[i]);
  }
  ClosePage(flush);
}

// Fills the meta page in; until then the index is empty.
void WriteMeta(Flush *flush, BlockNumber last_upper, BlockNumber last_payload) {
  Builder &builder = *flush->builder;
  const Graph &graph = builder.graph;
  Meta &meta = builder.plan.meta;
  if (graph.entry() != kNone) {
    meta.entry = IdOf(*flush, graph.entry());
    meta.entry_level = graph.level(graph.entry());
    meta.insert_node = flush->first_node + (flush->nodes - 1) / flush->nodes_per_page;
  }
  meta.insert_upper = last_upper;
  meta.insert_payload = last_payload;
  Buffer buffer = ReadBuffer(builder.index, kMetaBlock);
  LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
  *MetaOf(BufferGetPage(buffer)) = meta;
  MarkBufferDirty(buffer);
  UnlockReleaseBuffer(buffer);
}

}  // namespace

void FlushGraph(Builder *builder) {
  Meta &meta = builder->plan.meta;
  Relation index = builder->index;
  pg::Pause("hnsw-build-flush");
  Flush flush{};
  flush.builder = builder;
  flush.nodes = builder->graph.size();
  flush.format = meta.trained ? kOwnFormat : kFallbackFormat;
  flush.nodes_per_page = kPageBytes / meta.slot_bytes[flush.format];
  if (builder->spill != nullptr && BufFileSeek(builder->spill, 0, 0, SEEK_SET) != 0)
    elog(ERROR, "could not rewind a temporary file");
  WritePayloads(&flush);
  const BlockNumber after_payloads = RelationGetNumberOfBlocks(index);
  const uint32 upper_pages = PlaceUppers(&flush, after_payloads);
  flush.first_node = after_payloads + upper_pages;
  (void)CheckedId(index, meta.nodes_per_page, flush.first_node + flush.nodes / flush.nodes_per_page,
                  0);
  WriteUppers(&flush);
  WriteNodes(&flush);
  WriteMeta(&flush, upper_pages > 0 ? flush.first_node - 1 : InvalidBlockNumber,
            flush.payloads != nullptr && flush.nodes > 0 ? after_payloads - 1 : InvalidBlockNumber);
  if (RelationNeedsWAL(index))
    log_newpage_range(index, MAIN_FORKNUM, 0, RelationGetNumberOfBlocks(index), true);
}

}  // namespace helios::hnsw
