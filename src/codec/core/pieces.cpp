// Writing and finding of the pieces that pieces.hpp draws.
#include "codec/core/pieces.hpp"

#include <algorithm>
#include <cstring>

#include "codec/core/block.hpp"
#include "codec/core/bytes.hpp"

namespace helios::codec {

void AppendPieces(std::span<const uint32_t> offsets, const uint8_t *bytes,
                  std::vector<uint8_t> *out) {
  const Shape shape{.kind = Kind::kBytes, .count = offsets.size() - 1, .value_bytes = 0};
  for (size_t index = 0; index < shape.vectors(); ++index)
    Append(out, offsets[index * kVectorValues + shape.values_of(index)]);
  AppendArray(out, bytes, offsets.back());
  VectorWriter writer(shape.vectors(), out);
  int64_t lengths[kVectorValues];
  for (size_t index = 0; index < shape.vectors(); ++index) {
    const uint32_t *const first = &offsets[index * kVectorValues];
    for (size_t i = 0; i < shape.values_of(index); ++i) lengths[i] = first[i + 1] - first[i];
    AppendBlock(lengths, shape.values_of(index), out);
    writer.End();
  }
}

Status Pieces::Open(const Shape &shape, Body *body, size_t at) {
  shape_ = shape;
  body_ = body;
  found_ = kNone;
  at_ = at + shape.vectors() * sizeof(uint32_t);
  if (const Status status = body->Need(at, at_ - at); status != Status::kOk) return status;
  ends_.resize(shape.vectors());
  for (size_t i = 0; i < ends_.size(); ++i) ends_[i] = Load<uint32_t>(body->data() + at, i);
  if (!std::is_sorted(ends_.begin(), ends_.end())) return Status::kCorrupted;
  return table_.Open(shape, body, at_ + bytes());
}

Status Pieces::Find(size_t index) {
  if (found_ == index) return Status::kOk;
  found_ = kNone;
  std::span<const uint8_t> stored;
  if (const Status status = table_.Find(index, &stored); status != Status::kOk) return status;
  Cursor cursor(stored);
  Block block;
  count_ = shape_.values_of(index);
  if (!block.Take(&cursor, count_) || cursor.left() != 0) return Status::kCorrupted;
  alignas(64) int64_t lengths[kVectorValues];
  block.Decode(lengths);
  uint32_t at = index == 0 ? 0 : ends_[index - 1];
  const uint32_t begin = at, end = ends_[index];
  for (size_t i = 0; i < count_; ++i) {
    offsets_[i] = at;
    const uint64_t length = static_cast<uint64_t>(lengths[i]);
    if (length > end - at) return Status::kCorrupted;
    at += static_cast<uint32_t>(length);
  }
  offsets_[count_] = at;
  if (at != end) return Status::kCorrupted;
  const Status status = body_->Need(at_ + begin, end - begin);
  if (status == Status::kOk) found_ = index;
  return status;
}

void Pieces::SelectEqual(std::string_view value, Selection *selection) const {
  for (size_t i = 0; i < count_; ++i) {
    const uint32_t begin = offsets_[i];
    if (offsets_[i + 1] - begin != value.size()) continue;
    const bool equal =
        value.empty() || std::memcmp(body_->data() + at_ + begin, value.data(), value.size()) == 0;
    selection->words[i / 64] |= uint64_t{equal} << (i % 64);
  }
}

}  // namespace helios::codec
