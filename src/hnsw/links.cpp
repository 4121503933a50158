#include "hnsw/links.hpp"

#include <algorithm>
#include <cstring>

namespace helios::hnsw {

namespace {

constexpr size_t kValueCacheBytes = 8 * 1024 * 1024;

}  // namespace

// All nodes have codes of one format: then the space of these codes serves, and no rotation is
// undone.
bool Linker::OneFormat() const { return index_->meta.converted || !index_->meta.trained; }

// Decodes into floats of one space, so that all values can be compared.
uint8_t *Linker::Load(uint32 id, bool coded) {
  const Meta &meta = index_->meta;
  const bool quantized = meta.quantization != Quantization::kNone;
  const PageFormat expected = meta.trained ? kOwnFormat : kFallbackFormat;
  Buffer buffer = ReadBuffer(index_->rel, NodeBlock(meta, id));
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  Page page = BufferGetPage(buffer);
  Node *node = CheckedNode(index_->rel, meta, buffer, page, NodeSlot(meta, id));
  uint8_t *value = nullptr;
  if (node != nullptr && node->state == NodeState::kLive) {
    const PageFormat format = Trailer(page)->format;
    const bool inline_code = meta.inline_codes[format];
    const bool copy = index_->copy_codec != nullptr && format == kOwnFormat;
    uint32 skip = copy && !inline_code ? meta.code_bytes[format] : 0;
    uint32 bytes = copy ? meta.copy_bytes : meta.code_bytes[format];
    const uint8 *code = nullptr;
    if (inline_code && !copy) {
      code = CodeOf(node, meta.m);
    } else {
      const bool sparse = bytes == 0;
      if (sparse) bytes = MaxItemBytes(index_->space);
      code_.resize(skip + bytes);
      int32 nnz = 0;
      bool read = true;
      if (sparse) {
        read = ReadPayload(index_->rel, BufferGetBlockNumber(buffer), node->payload, sizeof(nnz),
                           reinterpret_cast<uint8_t *>(&nnz)) &&
               nnz >= 0 && nnz <= kMaxSparseElements;
        bytes = sizeof(int32) + nnz * (sizeof(int32) + sizeof(float));
      }
      if (read && ReadPayload(index_->rel, BufferGetBlockNumber(buffer), node->payload,
                              skip + bytes, code_.data()))
        code = code_.data() + skip;
    }
    const Codec *codec = copy ? index_->copy_codec : index_->codec[format];
    // A page that an insertion in flight left in the other format has values of another space: no
    // candidate.
    if (code != nullptr && (!quantized || (codec != nullptr && (!coded || format == expected)))) {
      const size_t size =
          !quantized ? bytes : (coded ? codec->coded_dim() : meta.dim) * sizeof(float);
      value = new (std::nothrow) uint8_t[size];
      if (value != nullptr && quantized && coded) {
        codec->DecodeCoded(code, reinterpret_cast<float *>(value));
      } else if (value != nullptr && quantized) {
        scratch_.resize(codec->scratch_floats());
        codec->Decode(code, reinterpret_cast<float *>(value), scratch_.data());
      } else if (value != nullptr) {
        memcpy(value, code, size);
      }
      value_bytes_ += size;
    }
  }
  UnlockReleaseBuffer(buffer);
  return value;
}

const void *Linker::Value(uint32 node) {
  auto [at, fresh] = values_.try_emplace(node);
  if (fresh) at->second.bytes.reset(Load(node, OneFormat()));
  return at->second.bytes.get();
}

const void *Linker::QueryValue(uint32 node) {
  query_.bytes.reset(Load(node, false));
  return query_.bytes.get();
}

float Linker::Distance(const void *a, const void *b) const {
  if (index_->meta.quantization == Quantization::kNone) {
    const Space space = ItemDistance(&index_->space);
    return space.distance(space.ctx, a, b);
  }
  ItemSpace decoded = index_->space;
  const Codec *codec = index_->copy_codec != nullptr && index_->meta.trained
                           ? index_->copy_codec
                           : index_->codec[index_->meta.trained ? kOwnFormat : kFallbackFormat];
  if (OneFormat()) decoded.dim = static_cast<uint32>(codec->coded_dim());
  const Space space = FloatDistance(&decoded);
  return space.distance(space.ctx, a, b);
}

void Linker::Choose(const std::vector<Candidate> &nearest_first, size_t limit,
                    std::vector<uint32> *chosen) {
  candidate_values_.clear();
  for (const Candidate &candidate : nearest_first) candidate_values_.push_back(Value(candidate.id));
  SelectNeighbors(
      nearest_first, limit,
      [&](uint32_t a, uint32_t b) {
        const void *va = candidate_values_[a];
        const void *vb = candidate_values_[b];
        return va == nullptr || vb == nullptr ? INFINITY : Distance(va, vb);
      },
      &positions_);
  chosen->clear();
  for (uint32_t position : positions_) {
    if (candidate_values_[position] != nullptr) chosen->push_back(nearest_first[position].id);
  }
}

// The choice is made without a lock and written only when the list is still what it was made from.
void Linker::AddLink(uint32 node, int level, uint32 target) {
  uint32 links[2 * kMaxM + 1];
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    const int count = walker_->ReadLinks(node, level, links);
    if (std::find(links, links + count, target) != links + count) return;
    if (static_cast<size_t>(count) < Limit(level)) {
      chosen_.assign(links, links + count);
      chosen_.push_back(target);
    } else {
      const void *base = Value(node);
      if (base == nullptr) return;
      candidates_.clear();
      links[count] = target;
      for (int i = 0; i <= count; i++) {
        const void *value = Value(links[i]);
        if (value != nullptr) candidates_.push_back({Distance(base, value), links[i]});
      }
      std::sort(candidates_.begin(), candidates_.end());
      Choose(candidates_, Limit(level), &chosen_);
      if (std::find(chosen_.begin(), chosen_.end(), target) == chosen_.end()) return;
    }
    if (ReplaceLinks(*index_, node, level, links, count, chosen_.data(),
                     static_cast<int>(chosen_.size())))
      return;
  }
}

void Linker::Forget() {
  if (value_bytes_ > kValueCacheBytes) ForgetAll();
}

void Linker::ForgetAll() {
  values_.clear();
  value_bytes_ = 0;
}

}  // namespace helios::hnsw
