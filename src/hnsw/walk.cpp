#include "hnsw/walk.hpp"

#include "pg/buffers.hpp"

#include <algorithm>
#include <cstring>

namespace helios::hnsw {

void OpenIndex(Relation rel, MemoryContext owner, IndexHandle *handle) {
  *handle = {};
  handle->rel = rel;
  handle->owner = owner;
  ReadMeta(rel, &handle->meta);
  handle->space = {handle->meta.type, handle->meta.distance, handle->meta.dim};
  if (handle->meta.quantization == Quantization::kNone) return;
  handle->codec[kOwnFormat] = OpenCodec(rel, handle->meta, kOwnFormat, owner);
  handle->codec[kFallbackFormat] = OpenCodec(rel, handle->meta, kFallbackFormat, owner);
  if (handle->meta.copy_bytes != 0) handle->copy_codec = OpenScalarCodec(rel, handle->meta, owner);
}

void Walker::SetItem(const void *item) {
  item_ = item;
  null_query_ = item == nullptr;
}

void Walker::SetFloats(const float *query) {
  floats_ = query;
  null_query_ = query == nullptr;
  if (null_query_) return;
  for (int format = 0; format < kFormats; format++) {
    if (index_->codec[format] != nullptr) scorer_[format].Prepare(*index_->codec[format], query);
  }
  if (index_->copy_codec != nullptr) copy_scorer_.Prepare(*index_->copy_codec, query);
}

// The page of the code is readable, see LockReadable.
float Walker::Score(PageFormat format, const uint8 *code) const {
  if (null_query_) return 0;
  if (index_->meta.quantization != Quantization::kNone) return scorer_[format].Distance(code);
  const Space space = ItemDistance(&index_->space);
  return space.distance(space.ctx, item_, code);
}

// Keeps the last page pinned: neighbours often share it.
Page Walker::Pin(uint32 id, Buffer *buffer) {
  const BlockNumber block = NodeBlock(index_->meta, id);
  if (!BufferIsValid(pinned_) || pinned_block_ != block) {
    Release();
    pinned_ = pg::ReadHinted(index_->rel, block);
    pinned_block_ = block;
  }
  *buffer = pinned_;
  return BufferGetPage(pinned_);
}

void Walker::Release() {
  if (BufferIsValid(pinned_)) ReleaseBuffer(pinned_);
  pinned_ = InvalidBuffer;
}

bool ReadPayload(Relation rel, BlockNumber held, ItemPointerData at, uint32 bytes, uint8_t *out) {
  uint32 done = 0;
  while (done < bytes) {
    if (!ItemPointerIsValid(&at) || ItemPointerGetBlockNumberNoCheck(&at) == held) return false;
    Buffer buffer = pg::ReadHinted(rel, ItemPointerGetBlockNumberNoCheck(&at));
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    CheckPage(rel, buffer, page, PageKind::kPayload);
    const OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(&at);
    const ItemId item = offset >= 1 && offset <= PageGetMaxOffsetNumber(page)
                            ? PageGetItemId(page, offset)
                            : nullptr;
    if (item == nullptr || !ItemIdIsUsed(item) || ItemIdGetLength(item) < sizeof(PayloadHeader) ||
        ItemIdGetOffset(item) + ItemIdGetLength(item) > BLCKSZ) {
      UnlockReleaseBuffer(buffer);
      return false;
    }
    const char *bytes_at = PageGetItem(page, item);
    PayloadHeader header;
    memcpy(&header, bytes_at, sizeof(header));
    const uint32 chunk = std::min<uint32>(ItemIdGetLength(item) - sizeof(header), bytes - done);
    memcpy(out + done, bytes_at + sizeof(header), chunk);
    UnlockReleaseBuffer(buffer);
    if (chunk == 0) return false;
    done += chunk;
    at = header.next;
  }
  return true;
}

bool Walker::Readable(PageFormat format) const {
  return index_->meta.quantization == Quantization::kNone || index_->codec[format] != nullptr;
}

// Opens the index anew because vacuum trained it after this search began; no page may be locked.
void Walker::TakeUpModel(BlockNumber block) {
  OpenIndex(index_->rel, index_->owner, index_);
  if (!index_->meta.trained)
    ReportCorruption(index_->rel, block, "a page has codes of a model that is not there");
  if (!null_query_) SetFloats(floats_);
}

// Share-locks a node's page, whose codes can be scored then; returns the node, null when its slot
// was never used.
Node *Walker::LockReadable(uint32 id, Buffer *buffer, Page *page) {
  *page = Pin(id, buffer);
  for (;;) {
    LockBuffer(*buffer, BUFFER_LOCK_SHARE);
    Node *node = CheckedNode(index_->rel, index_->meta, *buffer, *page, NodeSlot(index_->meta, id));
    if (Readable(Trailer(*page)->format)) return node;
    LockBuffer(*buffer, BUFFER_LOCK_UNLOCK);
    TakeUpModel(BufferGetBlockNumber(*buffer));
  }
}

// Reads an out-of-line code while the node's page is locked, so that code and row belong together.
const uint8 *Walker::Payload(const Node *node, uint32 bytes) {
  const bool sparse = bytes == 0;
  if (sparse) {
    int32 nnz;
    if (!ReadPayload(index_->rel, BufferGetBlockNumber(pinned_), node->payload, sizeof(nnz),
                     reinterpret_cast<uint8_t *>(&nnz)))
      return nullptr;
    if (nnz < 0 || nnz > kMaxSparseElements) return nullptr;
    bytes = sizeof(int32) + nnz * (sizeof(int32) + sizeof(float));
  }
  if (payload_.size() < bytes) payload_.resize(bytes);
  return ReadPayload(index_->rel, BufferGetBlockNumber(pinned_), node->payload, bytes,
                     payload_.data())
             ? payload_.data()
             : nullptr;
}

bool Walker::Visit(uint32 id, Hit *hit, NodeState *state, int *level) {
  Buffer buffer;
  Page page;
  Node *node = LockReadable(id, &buffer, &page);
  bool found = false;
  if (node != nullptr && node->state != NodeState::kFree) {
    const PageFormat format = Trailer(page)->format;
    const uint8 *code = index_->meta.inline_codes[format]
                            ? CodeOf(node, index_->meta.m)
                            : Payload(node, index_->meta.code_bytes[format]);
    if (code == nullptr)
      ReportCorruption(index_->rel, BufferGetBlockNumber(buffer), "a payload is missing");
    {
      hit->distance = Score(format, code);
      hit->node = hit->head = id;
      hit->duplicate = node->duplicate;
      hit->tid = node->tid;
      *state = node->state;
      *level = node->level;
      found = true;
    }
  }
  LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
  return found;
}

int Walker::ReadLinks(uint32 id, int level, uint32 *links) {
  Buffer buffer;
  Page page = Pin(id, &buffer);
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  Node *node = CheckedNode(index_->rel, index_->meta, buffer, page, NodeSlot(index_->meta, id));
  int count = 0;
  if (node != nullptr && node->state != NodeState::kFree && node->level >= level) {
    if (level == 0) {
      count = node->count;
      memcpy(links, LinksOf(node), count * sizeof(uint32));
    } else {
      const uint32 upper = node->upper + level - 1;
      if (upper / index_->meta.uppers_per_page == BufferGetBlockNumber(buffer))
        ReportCorruption(index_->rel, BufferGetBlockNumber(buffer),
                         "a node names its own page as an upper page");
      Buffer upper_buffer = pg::ReadHinted(index_->rel, upper / index_->meta.uppers_per_page);
      LockBuffer(upper_buffer, BUFFER_LOCK_SHARE);
      Page upper_page = BufferGetPage(upper_buffer);
      const uint32 slot = upper % index_->meta.uppers_per_page;
      CheckUpper(index_->rel, index_->meta, upper_buffer, upper_page, slot, 1);
      if (slot < Trailer(upper_page)->used) {
        const auto *list = reinterpret_cast<const UpperSlot *>(SlotAt(upper_page, slot));
        if (list->count > index_->meta.m)
          ReportCorruption(index_->rel, BufferGetBlockNumber(upper_buffer), "too many links");
        count = list->count;
        memcpy(links, list->links, count * sizeof(uint32));
      }
      UnlockReleaseBuffer(upper_buffer);
    }
  }
  LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
  return count;
}

// Drops visited nodes from links_ and asks the processor for the others' pages; returns how many
// are left.
int Walker::Prefetch(int count) {
  const Meta &meta = index_->meta;
  const PageFormat format = meta.trained ? kOwnFormat : kFallbackFormat;
  const Size slot_bytes = meta.slot_bytes[format];
  int fresh = 0;
  for (int i = 0; i < count; i++) {
    const uint32 id = links_[i];
    if (id == kNoNode || !visited_.Insert(id)) continue;
    links_[fresh++] = id;
    pg::PrefetchHinted(index_->rel, NodeBlock(meta, id),
                       MAXALIGN(SizeOfPageHeaderData) + NodeSlot(meta, id) * slot_bytes,
                       slot_bytes);
  }
  return fresh;
}

// Follows the nearest neighbour on every level above the wanted one.
bool Walker::Begin(int level) {
  visited_.Clear();
  frontier_.Clear();
  nearest_.Clear();
  rest_.Clear();
  hits_.clear();
  chain_steps_ = 0;
  Hit best;
  NodeState state;
  int node_level;
  if (index_->meta.entry == kNoNode) return false;
  while (!Visit(index_->meta.entry, &best, &state, &node_level)) {
    // Vacuum replaced and freed the entry point after this index was opened.
    const uint32 gone = index_->meta.entry;
    Meta now;
    ReadMeta(index_->rel, &now);
    index_->meta.entry = now.entry;
    index_->meta.entry_level = now.entry_level;
    if (now.entry == gone || now.entry == kNoNode) return false;
  }
  for (int at = std::min<int>(index_->meta.entry_level, node_level); at > level; at--) {
    bool moved = true;
    while (moved) {
      CHECK_FOR_INTERRUPTS();
      moved = false;
      const int count = Prefetch(ReadLinks(best.node, at, links_));
      for (int i = 0; i < count; i++) {
        Hit next;
        if (!Visit(links_[i], &next, &state, &node_level)) continue;
        if (next.distance < best.distance) {
          best = next;
          moved = true;
        }
      }
    }
  }
  visited_.Clear();
  visited_.Insert(best.node);
  hits_.push_back(best);
  frontier_.Push({best.distance, 0});
  if (Visit(best.node, &best, &state, &node_level) && state == NodeState::kLive)
    rest_.Push({best.distance, 0});
  return true;
}

void Walker::Enter(const std::vector<Hit> &found) {
  visited_.Clear();
  frontier_.Clear();
  nearest_.Clear();
  rest_.Clear();
  hits_.clear();
  for (const Hit &hit : found) {
    if (!visited_.Insert(hit.node)) continue;
    const auto id = static_cast<uint32>(hits_.size());
    hits_.push_back(hit);
    frontier_.Push({hit.distance, id});
    rest_.Push({hit.distance, id});
  }
}

void Walker::PutBack(const Hit &hit) {
  rest_.Push({hit.distance, static_cast<uint32>(hits_.size())});
  hits_.push_back(hit);
}

// Algorithm 2 of Malkov and Yashunin, made resumable: the frontier and what fell out of the best ef
// survive.
void Walker::NextBatch(int level, size_t ef, bool keep_rest, std::vector<Hit> *batch) {
  nearest_.Clear();
  while (nearest_.Size() < ef && !rest_.Empty()) {
    nearest_.Push(rest_.Top());
    rest_.Pop();
  }
  if (!keep_rest) rest_.Clear();
  while (!frontier_.Empty()) {
    CHECK_FOR_INTERRUPTS();
    const Candidate next = frontier_.Top();
    if (nearest_.Size() >= ef && next.distance > nearest_.Top().distance) break;
    frontier_.Pop();
    const int count = Prefetch(ReadLinks(hits_[next.id].node, level, links_));
    for (int i = 0; i < count; i++) {
      Hit hit;
      NodeState state;
      int node_level;
      if (!Visit(links_[i], &hit, &state, &node_level) || node_level < level) continue;
      const bool full = nearest_.Size() >= ef;
      const bool near = !full || hit.distance < nearest_.Top().distance;
      if (!near && !keep_rest) continue;
      const Candidate candidate{hit.distance, static_cast<uint32>(hits_.size())};
      hits_.push_back(hit);
      frontier_.Push(candidate);
      if (state != NodeState::kLive) continue;
      if (!near) {
        rest_.Push(candidate);
        continue;
      }
      nearest_.Push(candidate);
      if (!full) continue;
      if (keep_rest) rest_.Push(nearest_.Top());
      nearest_.Pop();
    }
  }
  batch->clear();
  batch->reserve(nearest_.Size());
  while (!nearest_.Empty()) {
    batch->push_back(hits_[nearest_.Top().id]);
    nearest_.Pop();
  }
  std::reverse(batch->begin(), batch->end());
}

bool Walker::Refine(const Hit &hit, Estimate *estimate) {
  if (null_query_) {
    *estimate = {0, 0};
    return true;
  }
  Buffer buffer;
  Page page;
  Node *node = LockReadable(hit.node, &buffer, &page);
  const Meta &meta = index_->meta;
  // A node that vacuum took the row from may still lead to duplicates; the row itself is invisible
  // to every snapshot.
  bool found = node != nullptr && node->state != NodeState::kFree;
  if (found) {
    const PageFormat format = Trailer(page)->format;
    const bool inline_code = meta.inline_codes[format];
    if (index_->copy_codec != nullptr && format == kOwnFormat) {
      const uint32 code_bytes = inline_code ? 0 : meta.code_bytes[format];
      const uint8 *payload = Payload(node, code_bytes + meta.copy_bytes);
      found = payload != nullptr;
      if (found) *estimate = copy_scorer_.Bound(payload + code_bytes);
    } else {
      const uint8 *code =
          inline_code ? CodeOf(node, meta.m) : Payload(node, meta.code_bytes[format]);
      found = code != nullptr;
      if (found) *estimate = scorer_[format].Bound(code);
    }
  }
  LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
  return found;
}

bool Walker::ReadDuplicate(uint32 id, uint32 head, Hit *hit) {
  constexpr uint64 kSuspicious = 10000;
  if (++chain_steps_ > kSuspicious &&
      chain_steps_ > static_cast<uint64>(RelationGetNumberOfBlocks(index_->rel)) *
                         index_->meta.nodes_per_page) {
    ReportCorruption(index_->rel, NodeBlock(index_->meta, id), "a chain of duplicates has no end");
  }
  Buffer buffer;
  Page page = Pin(id, &buffer);
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  Node *node = CheckedNode(index_->rel, index_->meta, buffer, page, NodeSlot(index_->meta, id));
  // A dead or freed member still leads to its successors, until its slot is used again: then it
  // names another head.
  const bool found = node != nullptr && node->state != NodeState::kLive && node->count == 0 &&
                     LinksOf(node)[0] == head;
  if (found) {
    hit->node = id;
    hit->tid = node->tid;
    if (node->state == NodeState::kFree) ItemPointerSetInvalid(&hit->tid);
    hit->duplicate = node->duplicate;
    hit->head = head;
  }
  LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
  return found;
}

bool Walker::HasCode(uint32 id, PageFormat format, const uint8 *code, uint32 bytes) {
  Buffer buffer;
  Page page = Pin(id, &buffer);
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  Node *node = CheckedNode(index_->rel, index_->meta, buffer, page, NodeSlot(index_->meta, id));
  bool same = node != nullptr && node->state == NodeState::kLive && Trailer(page)->format == format;
  if (same) {
    const uint8 *stored = index_->meta.inline_codes[format]
                              ? CodeOf(node, index_->meta.m)
                              : Payload(node, index_->meta.code_bytes[format]);
    // Codes of varying size begin with their number of elements.
    same = stored != nullptr && memcmp(stored, code, std::min<uint32>(bytes, sizeof(int32))) == 0 &&
           memcmp(stored, code, bytes) == 0;
  }
  LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
  return same;
}

size_t Walker::MemoryBytes() const {
  return visited_.MemoryBytes() + hits_.capacity() * sizeof(Hit) +
         (frontier_.Size() + rest_.Size()) * sizeof(Candidate);
}

}  // namespace helios::hnsw
