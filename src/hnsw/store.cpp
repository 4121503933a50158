#include "hnsw/store.hpp"

#include "pg/compat.hpp"

#include <algorithm>
#include <climits>
#include <cstring>

extern "C" {
#include "access/generic_xlog.h"
#include "storage/freespace.h"
#include "storage/indexfsm.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hnsw {

namespace {

// A page registered in a generic WAL record.
struct Edit {
  Buffer buffer;
  GenericXLogState *state;
  Page page;
};

Edit StartEdit(Relation rel, Buffer buffer, bool fresh) {
  Edit edit{buffer, GenericXLogStart(rel), nullptr};
  edit.page = GenericXLogRegisterBuffer(edit.state, buffer, fresh ? GENERIC_XLOG_FULL_IMAGE : 0);
  return edit;
}

void FinishEdit(const Edit &edit) {
  GenericXLogFinish(edit.state);
  UnlockReleaseBuffer(edit.buffer);
}

// Keeps the page's hole honest: generic WAL does not log what lies between pd_lower and pd_upper.
void SetLower(Page page) {
  const PageTrailer *trailer = Trailer(page);
  reinterpret_cast<PageHeader>(page)->pd_lower = static_cast<LocationIndex>(
      PageGetContents(page) - page + trailer->used * trailer->slot_bytes);
}

// Remembers where the next insertion looks first; a hint, so a change by someone else is simply
// overwritten.
template <typename Apply>
void EditMeta(Relation rel, Apply &&apply) {
  Buffer buffer = ReadBuffer(rel, kMetaBlock);
  LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
  Edit edit = StartEdit(rel, buffer, false);
  CheckPage(rel, buffer, edit.page, PageKind::kMeta);
  apply(MetaOf(edit.page));
  FinishEdit(edit);
}

// Finds a slot of a node page for a node of a level, or -1: a freed one whose upper slots fit best,
// so that upper slots are neither wasted on level 0 nor allocated again.
int FreeSlot(Page page, int level) {
  const PageTrailer *trailer = Trailer(page);
  int best = -1;
  int best_waste = INT_MAX;
  for (int slot = 0; trailer->free > 0 && slot < trailer->used && best_waste > 0; slot++) {
    const Node *node = NodeAt(page, slot);
    if (node->state != NodeState::kFree) continue;
    const int spare = node->upper_slots - level;
    const int waste = spare >= 0 ? spare : kMaxGraphLevel - spare;
    if (waste >= best_waste) continue;
    best = slot;
    best_waste = waste;
  }
  const bool fits = best >= 0 && best_waste <= kMaxGraphLevel;
  return !fits && trailer->used < trailer->slots ? trailer->used : best;
}

// Locks a page and tells whether it has room for a node in this format; the lock is kept only then.
bool LockNodePage(const IndexHandle &index, BlockNumber block, PageFormat format, int level,
                  Buffer *buffer, int *slot) {
  *buffer = ReadBuffer(index.rel, block);
  LockBuffer(*buffer, BUFFER_LOCK_EXCLUSIVE);
  Page page = BufferGetPage(*buffer);
  const bool node_page =
      !PageIsNew(page) && PageGetSpecialSize(page) == MAXALIGN(sizeof(PageTrailer)) &&
      Trailer(page)->magic == kPageMagic && Trailer(page)->kind == PageKind::kNode;
  if (node_page) {
    CheckPage(index.rel, *buffer, page, PageKind::kNode);
    if (Trailer(page)->format == format && (*slot = FreeSlot(page, level)) >= 0) return true;
  }
  UnlockReleaseBuffer(*buffer);
  return false;
}

// Finds or makes a node page with room and returns it locked, with the slot.
Buffer NodePageWithRoom(const IndexHandle &index, PageFormat format, int level, int *slot,
                        bool *fresh) {
  Buffer buffer;
  *fresh = false;
  const BlockNumber hint = index.meta.insert_node;
  if (hint != InvalidBlockNumber && LockNodePage(index, hint, format, level, &buffer, slot))
    return buffer;
  const BlockNumber blocks = RelationGetNumberOfBlocks(index.rel);
  for (BlockNumber block = GetFreeIndexPage(index.rel); block != InvalidBlockNumber;
       block = GetFreeIndexPage(index.rel)) {
    if (block < blocks && LockNodePage(index, block, format, level, &buffer, slot)) return buffer;
  }
  *fresh = true;
  *slot = 0;
  return pg::ExtendLocked(index.rel, MAIN_FORKNUM);
}

// Allocates consecutive upper slots in one page and writes their links.
uint32 StoreUpper(const IndexHandle &index, const NewNode &node, uint32 reuse) {
  const Meta &meta = index.meta;
  const uint32 levels = node.level;
  Buffer buffer = InvalidBuffer;
  bool fresh = false;
  uint32 slot = 0;
  if (reuse != 0) {
    buffer = ReadBuffer(index.rel, reuse / meta.uppers_per_page);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    slot = reuse % meta.uppers_per_page;
    CheckUpper(index.rel, meta, buffer, BufferGetPage(buffer), slot, levels);
  } else {
    if (meta.insert_upper != InvalidBlockNumber) {
      buffer = ReadBuffer(index.rel, meta.insert_upper);
      LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
      CheckUpper(index.rel, meta, buffer, BufferGetPage(buffer), 0, 0);
      slot = Trailer(BufferGetPage(buffer))->used;
      if (slot + levels > meta.uppers_per_page) {
        UnlockReleaseBuffer(buffer);
        buffer = InvalidBuffer;
      }
    }
    if (!BufferIsValid(buffer)) {
      buffer = pg::ExtendLocked(index.rel, MAIN_FORKNUM);
      fresh = true;
      slot = 0;
    }
  }
  const BlockNumber block = BufferGetBlockNumber(buffer);
  const uint32 id = CheckedId(index.rel, meta.uppers_per_page, block, slot);
  Edit edit = StartEdit(index.rel, buffer, fresh);
  if (fresh) InitPage(edit.page, PageKind::kUpper, kOwnFormat, UpperSlotBytes(meta.m));
  for (uint32 i = 0; i < levels; i++) {
    auto *list = reinterpret_cast<UpperSlot *>(SlotAt(edit.page, slot + i));
    list->count = static_cast<uint16>(node.counts[i + 1]);
    list->unused = 0;
    memcpy(list->links, node.links[i + 1], node.counts[i + 1] * sizeof(uint32));
  }
  PageTrailer *trailer = Trailer(edit.page);
  trailer->used = std::max<uint16>(trailer->used, static_cast<uint16>(slot + levels));
  SetLower(edit.page);
  FinishEdit(edit);
  if (fresh) EditMeta(index.rel, [&](Meta *m) { m->insert_upper = block; });
  return id;
}

// Writes one payload item, in place when it fits the item at `reuse`.
ItemPointerData StorePayloadItem(const IndexHandle &index, BlockNumber held, const char *item,
                                 Size bytes, ItemPointerData reuse) {
  if (ItemPointerIsValid(&reuse) && ItemPointerGetBlockNumber(&reuse) != held) {
    Buffer buffer = ReadBuffer(index.rel, ItemPointerGetBlockNumber(&reuse));
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    Edit edit = StartEdit(index.rel, buffer, false);
    CheckPage(index.rel, buffer, edit.page, PageKind::kPayload);
    const OffsetNumber offset = ItemPointerGetOffsetNumber(&reuse);
    if (offset <= PageGetMaxOffsetNumber(edit.page) &&
        PageIndexTupleOverwrite(edit.page, offset, const_cast<char *>(item), bytes)) {
      FinishEdit(edit);
      return reuse;
    }
    GenericXLogAbort(edit.state);
    UnlockReleaseBuffer(buffer);
  }
  Buffer buffer = InvalidBuffer;
  bool fresh = false;
  BlockNumber hint = InvalidBlockNumber;
  {
    Meta meta;
    ReadMeta(index.rel, &meta);
    hint = meta.insert_payload;
  }
  if (hint != InvalidBlockNumber) {
    buffer = ReadBuffer(index.rel, hint);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    CheckPage(index.rel, buffer, BufferGetPage(buffer), PageKind::kPayload);
    if (PageGetFreeSpace(BufferGetPage(buffer)) < MAXALIGN(bytes)) {
      UnlockReleaseBuffer(buffer);
      buffer = InvalidBuffer;
    }
  }
  if (!BufferIsValid(buffer)) {
    buffer = pg::ExtendLocked(index.rel, MAIN_FORKNUM);
    fresh = true;
  }
  const BlockNumber block = BufferGetBlockNumber(buffer);
  Edit edit = StartEdit(index.rel, buffer, fresh);
  if (fresh) InitPage(edit.page, PageKind::kPayload, kOwnFormat, 0);
  const OffsetNumber offset =
      PageAddItem(edit.page, const_cast<char *>(item), bytes, InvalidOffsetNumber, false, false);
  if (offset == InvalidOffsetNumber)
    elog(ERROR, "no room for a payload of %zu bytes in index \"%s\"", bytes,
         RelationGetRelationName(index.rel));
  FinishEdit(edit);
  if (fresh) EditMeta(index.rel, [&](Meta *m) { m->insert_payload = block; });
  ItemPointerData at;
  ItemPointerSet(&at, block, offset);
  return at;
}

// Raises when a node id of a link points at something that is no node.
Node *NodeForUpdate(const IndexHandle &index, uint32 id, Buffer *buffer) {
  *buffer = ReadBuffer(index.rel, NodeBlock(index.meta, id));
  LockBuffer(*buffer, BUFFER_LOCK_EXCLUSIVE);
  return CheckedNode(index.rel, index.meta, *buffer, BufferGetPage(*buffer),
                     NodeSlot(index.meta, id));
}

}  // namespace

// Chunks are written back to front, so that each knows its successor and a crash leaves no broken
// chain.
ItemPointerData StorePayload(const IndexHandle &index, BlockNumber held, const uint8 *first,
                             uint32 first_bytes, const uint8 *second, uint32 second_bytes,
                             ItemPointerData reuse) {
  const uint32 total = first_bytes + second_bytes;
  auto *whole = static_cast<char *>(palloc(total + sizeof(PayloadHeader) + kPayloadChunk));
  memcpy(whole, first, first_bytes);
  if (second_bytes != 0) memcpy(whole + first_bytes, second, second_bytes);
  auto *item = static_cast<char *>(palloc(sizeof(PayloadHeader) + kPayloadChunk));
  ItemPointerData next;
  ItemPointerSetInvalid(&next);
  for (uint32 chunks = (total + kPayloadChunk - 1) / kPayloadChunk; chunks > 0; chunks--) {
    const uint32 from = (chunks - 1) * kPayloadChunk;
    const uint32 bytes = std::min(kPayloadChunk, total - from);
    PayloadHeader header{next, 0};
    memcpy(item, &header, sizeof(header));
    memcpy(item + sizeof(header), whole + from, bytes);
    ItemPointerData none;
    ItemPointerSetInvalid(&none);
    next = StorePayloadItem(index, held, item, sizeof(header) + bytes, chunks == 1 ? reuse : none);
  }
  pfree(item);
  pfree(whole);
  return next;
}

// The slot is filled last: until then nothing refers to the payload and the upper slots.
uint32 StoreNode(const IndexHandle &index, const NewNode &node) {
  const Meta &meta = index.meta;
  int slot;
  bool fresh;
  Buffer buffer = NodePageWithRoom(index, node.format, node.level, &slot, &fresh);
  const BlockNumber block = BufferGetBlockNumber(buffer);
  const uint32 id = CheckedId(index.rel, meta.nodes_per_page, block, static_cast<uint32>(slot));
  Node header{};
  ItemPointerSetInvalid(&header.payload);
  if (!fresh && slot < Trailer(BufferGetPage(buffer))->used) {
    const Node *old = NodeAt(BufferGetPage(buffer), slot);
    header.payload = old->payload;
    header.upper = old->upper;
    header.upper_slots = old->upper_slots;
  }
  const bool inline_code = meta.inline_codes[node.format];
  if (!inline_code || node.copy != nullptr) {
    header.payload =
        StorePayload(index, block, node.code, inline_code ? 0 : node.code_bytes, node.copy,
                     node.copy == nullptr ? 0 : node.copy_bytes, header.payload);
  }
  if (node.level > 0) {
    const bool reuse =
        header.upper_slots >= node.level && header.upper / meta.uppers_per_page != block;
    header.upper = StoreUpper(index, node, reuse ? header.upper : 0);
    if (!reuse) header.upper_slots = static_cast<uint8>(node.level);
  }
  header.tid = node.tid;
  header.state = node.state;
  header.level = static_cast<uint8>(node.level);
  header.count = static_cast<uint8>(node.counts[0]);

  Edit edit = StartEdit(index.rel, buffer, fresh);
  if (fresh) InitPage(edit.page, PageKind::kNode, node.format, meta.slot_bytes[node.format]);
  PageTrailer *trailer = Trailer(edit.page);
  if (slot == trailer->used) {
    trailer->used++;
  } else {
    trailer->free--;
  }
  SetLower(edit.page);
  Node *stored = NodeAt(edit.page, slot);
  *stored = header;
  memcpy(LinksOf(stored), node.links[0], node.counts[0] * sizeof(uint32));
  if (node.state == NodeState::kDuplicate) LinksOf(stored)[0] = node.head;
  if (inline_code) memcpy(CodeOf(stored, meta.m), node.code, node.code_bytes);
  FinishEdit(edit);
  if (block != meta.insert_node) EditMeta(index.rel, [&](Meta *m) { m->insert_node = block; });
  return id;
}

bool ReplaceLinks(const IndexHandle &index, uint32 id, int level, const uint32 *expected,
                  int expected_count, const uint32 *links, int count) {
  Buffer buffer;
  const Node *node = NodeForUpdate(index, id, &buffer);
  if (node == nullptr || node->state == NodeState::kFree || node->level < level) {
    UnlockReleaseBuffer(buffer);
    return true;  // the node has gone: there is nothing left to link
  }
  if (level == 0) {
    const bool same =
        node->count == expected_count &&
        memcmp(LinksOf(const_cast<Node *>(node)), expected, expected_count * sizeof(uint32)) == 0;
    if (!same) {
      UnlockReleaseBuffer(buffer);
      return false;
    }
    Edit edit = StartEdit(index.rel, buffer, false);
    Node *stored = NodeAt(edit.page, NodeSlot(index.meta, id));
    stored->count = static_cast<uint8>(count);
    memcpy(LinksOf(stored), links, count * sizeof(uint32));
    FinishEdit(edit);
    return true;
  }
  const uint32 upper = node->upper + level - 1;
  if (upper / index.meta.uppers_per_page == NodeBlock(index.meta, id))
    ReportCorruption(index.rel, NodeBlock(index.meta, id),
                     "a node names its own page as an upper page");
  Buffer upper_buffer = ReadBuffer(index.rel, upper / index.meta.uppers_per_page);
  LockBuffer(upper_buffer, BUFFER_LOCK_EXCLUSIVE);
  const uint32 slot = upper % index.meta.uppers_per_page;
  CheckUpper(index.rel, index.meta, upper_buffer, BufferGetPage(upper_buffer), slot, 1);
  if (slot >= Trailer(BufferGetPage(upper_buffer))->used)
    ReportCorruption(index.rel, BufferGetBlockNumber(upper_buffer), "an upper slot was never used");
  const auto *list = reinterpret_cast<const UpperSlot *>(SlotAt(BufferGetPage(upper_buffer), slot));
  const bool same = list->count == expected_count &&
                    memcmp(list->links, expected, expected_count * sizeof(uint32)) == 0;
  if (same) {
    Edit edit = StartEdit(index.rel, upper_buffer, false);
    auto *stored = reinterpret_cast<UpperSlot *>(SlotAt(edit.page, slot));
    stored->count = static_cast<uint16>(count);
    memcpy(stored->links, links, count * sizeof(uint32));
    FinishEdit(edit);
  } else {
    UnlockReleaseBuffer(upper_buffer);
  }
  UnlockReleaseBuffer(buffer);
  return same;
}

// The duplicate's own successor is written first, so that the chain is whole at every instant.
bool ChainDuplicate(const IndexHandle &index, uint32 id, uint32 duplicate) {
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    Buffer buffer = ReadBuffer(index.rel, NodeBlock(index.meta, id));
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    const Node *node =
        CheckedNode(index.rel, index.meta, buffer, BufferGetPage(buffer), NodeSlot(index.meta, id));
    const bool live = node != nullptr && node->state == NodeState::kLive;
    const uint32 head = live ? node->duplicate : kNoNode;
    UnlockReleaseBuffer(buffer);
    if (!live) return false;

    if (NodeForUpdate(index, duplicate, &buffer) == nullptr)
      ReportCorruption(index.rel, NodeBlock(index.meta, duplicate), "a new node vanished");
    Edit edit = StartEdit(index.rel, buffer, false);
    NodeAt(edit.page, NodeSlot(index.meta, duplicate))->duplicate = head;
    FinishEdit(edit);

    node = NodeForUpdate(index, id, &buffer);
    if (node != nullptr && node->state == NodeState::kLive && node->duplicate == head) {
      edit = StartEdit(index.rel, buffer, false);
      NodeAt(edit.page, NodeSlot(index.meta, id))->duplicate = duplicate;
      FinishEdit(edit);
      return true;
    }
    UnlockReleaseBuffer(buffer);
  }
}

void SetEntry(const IndexHandle &index, uint32 node, int level, bool replace) {
  EditMeta(index.rel, [&](Meta *meta) {
    if (!replace && meta->entry != kNoNode && meta->entry_level >= level) return;
    meta->entry = node;
    meta->entry_level = level;
  });
}

void SetModel(Relation rel, BlockNumber block, uint32 bytes) {
  EditMeta(rel, [&](Meta *meta) {
    meta->model_block = block;
    meta->model_bytes = bytes;
    meta->model_version++;
    meta->trained = 1;
    meta->insert_node = InvalidBlockNumber;
  });
}

void SetConverted(Relation rel) {
  EditMeta(rel, [](Meta *meta) { meta->converted = 1; });
}

}  // namespace helios::hnsw
