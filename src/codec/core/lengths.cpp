#include "codec/core/lengths.hpp"

#include <algorithm>
#include <bit>

#include "codec/core/bits.hpp"
#include "codec/core/bytes.hpp"

namespace helios::codec {
namespace {

constexpr size_t kVectorHeadBytes = 4 + 4 + 1;

}  // namespace

void AppendLengths(std::span<const uint32_t> offsets, std::vector<uint8_t> *out) {
  const size_t count = offsets.size() - 1;
  std::vector<uint8_t> packed;
  uint32_t lengths[kVectorValues];
  for (size_t first = 0; first < count; first += kVectorValues) {
    const size_t values = std::min(kVectorValues, count - first);
    for (size_t i = 0; i < values; ++i) lengths[i] = offsets[first + i + 1] - offsets[first + i];
    const auto [low, high] = std::minmax_element(lengths, lengths + values);
    const uint32_t least = *low, width = static_cast<uint32_t>(std::bit_width(*high - *low));
    for (size_t i = 0; i < values; ++i) lengths[i] -= least;
    Append(out, offsets[first + values]);
    Append(out, least);
    Append(out, static_cast<uint8_t>(width));
    AppendBits({lengths, values}, width, &packed);
  }
  out->insert(out->end(), packed.begin(), packed.end());
}

Status Lengths::Open(size_t count, Body *body, size_t at, size_t *end) {
  body_ = body;
  count_ = count;
  vectors_.resize((count + kVectorValues - 1) / kVectorValues);
  const size_t heads = vectors_.size() * kVectorHeadBytes;
  if (const Status status = body->Need(at, heads); status != Status::kOk) return status;
  Cursor cursor({body->data() + at, heads});
  at += heads;
  uint32_t begin = 0;
  for (size_t i = 0; i < vectors_.size(); ++i) {
    Vector &vector = vectors_[i];
    uint8_t width;
    if (!cursor.Take(&vector.end) || !cursor.Take(&vector.least) || !cursor.Take(&width) ||
        width > kMaxBits || vector.end < begin)
      return Status::kCorrupted;
    vector.begin = begin;
    vector.width = width;
    vector.at = at;
    at += BitsBytes(std::min(kVectorValues, count - i * kVectorValues), width);
    begin = vector.end;
  }
  *end = at;
  return at <= body->size() ? Status::kOk : Status::kCorrupted;
}

Status Lengths::Read(size_t index, Offsets *offsets) {
  const Vector &vector = vectors_[index];
  offsets->count = std::min(kVectorValues, count_ - index * kVectorValues);
  const size_t size = BitsBytes(offsets->count, vector.width);
  if (const Status status = body_->Need(vector.at, size); status != Status::kOk) return status;
  ReadBits(body_->data() + vector.at, size, vector.width, 0, {offsets->at + 1, offsets->count});
  // Wide enough to see what runs over the end.
  uint64_t at = vector.begin;
  offsets->at[0] = vector.begin;
  for (size_t i = 1; i <= offsets->count; ++i) {
    at += uint64_t{offsets->at[i]} + vector.least;
    offsets->at[i] = static_cast<uint32_t>(at);
  }
  return at == vector.end ? Status::kOk : Status::kCorrupted;
}

void SelectEqualStrings(const Lengths::Offsets &offsets, const uint8_t *bytes,
                        std::string_view value, Selection *selection) {
  for (size_t i = 0; i < offsets.count; ++i) {
    const uint32_t begin = offsets.at[i];
    if (offsets.at[i + 1] - begin != value.size()) continue;
    const bool equal = value.empty() || std::memcmp(bytes + begin, value.data(), value.size()) == 0;
    selection->words[i / 64] |= uint64_t{equal} << (i % 64);
  }
}

}  // namespace helios::codec
