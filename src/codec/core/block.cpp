// Sizing, writing and reading of the blocks that block.hpp draws.
#include "codec/core/block.hpp"

#include <algorithm>
#include <bit>

#include "codec/core/bitpack.hpp"
#include "codec/core/bitpack_scalar.hpp"

namespace helios::codec {
namespace {

constexpr uint8_t kPatchedMark = 128;
constexpr size_t kPatchHeadBytes = sizeof(uint16_t) + sizeof(uint8_t);

// How a block is laid out.
struct Plan {
  size_t bytes;  // behind the base
  unsigned width;
  unsigned patch_width;  // 0: no patches
  uint64_t base;
};

// Numbers of values by the bits that their distances need.
using Widths = uint32_t[kMaxWidth + 1];

// Takes the best width where values that need more are patched, each in `patch_width(width)` bits.
template <typename PatchWidth>
Plan BestWidth(const Widths &widths, size_t count, PatchWidth patch_width) {
  unsigned widest = kMaxWidth;
  while (widest > 0 && widths[widest] == 0) --widest;
  Plan best = {PackedBytes(count, widest), widest, 0, 0};
  size_t patches = 0;
  for (unsigned width = widest; width-- > 0;) {
    patches += widths[width + 1];
    const unsigned bits = patch_width(width, widest);
    const size_t bytes = PackedBytes(count, width) + kPatchHeadBytes +
                         PackedBytes(patches, kPositionBits) + PackedBytes(patches, bits);
    if (bytes < best.bytes) best = {bytes, width, bits, 0};
  }
  return best;
}

// Weighs a base at the least value, with patches above, and one below the greatest, with patches that
// lie below the base and so need all bits.
Plan MakePlan(const int64_t *values, size_t count) {
  const auto [least, greatest] = std::minmax_element(values, values + count);
  const uint64_t low = static_cast<uint64_t>(*least), high = static_cast<uint64_t>(*greatest);
  Widths above = {}, below = {};
  for (size_t i = 0; i < count; ++i) {
    const uint64_t value = static_cast<uint64_t>(values[i]);
    ++above[std::bit_width(value - low)];
    ++below[std::bit_width(high - value)];
  }
  Plan plan =
      BestWidth(above, count, [](unsigned width, unsigned widest) { return widest - width; });
  plan.base = low;
  Plan other = BestWidth(below, count, [](unsigned width, unsigned) { return kMaxWidth - width; });
  if (other.patch_width == 0 || other.bytes >= plan.bytes) return plan;
  other.base = high - LowBits(other.width);
  return other;
}

}  // namespace

void AppendShort(std::vector<uint8_t> *out, int64_t value) {
  const uint64_t magnitude = static_cast<uint64_t>(value < 0 ? ~value : value);
  const size_t bytes = value == 0 ? 0 : static_cast<size_t>(std::bit_width(magnitude)) / 8 + 1;
  Append(out, static_cast<uint8_t>(bytes));
  AppendArray(out, reinterpret_cast<const uint8_t *>(&value), bytes);
}

bool TakeShort(Cursor *cursor, int64_t *value) {
  uint8_t bytes;
  const uint8_t *low;
  if (!cursor->Take(&bytes) || bytes > sizeof(*value) || !cursor->TakeBytes(bytes, &low))
    return false;
  uint64_t word = 0;
  std::memcpy(&word, low, bytes);
  const unsigned unused = static_cast<unsigned>(8 * (sizeof(word) - bytes));
  *value = bytes == 0 ? 0 : static_cast<int64_t>(word << unused) >> unused;
  return true;
}

void AppendBits(std::vector<uint8_t> *out, const uint64_t *values, size_t count, unsigned width) {
  const size_t at = out->size(), bytes = PackedBytes(count, width);
  out->resize(at + bytes);
  if (width == 0) return;
  for (size_t i = 0; i < count; ++i) {
    scalar::SetBitsAt(out->data() + at, bytes, i * width, width, values[i] & LowBits(width));
  }
}

bool Bits::Take(Cursor *cursor, size_t count, unsigned bits) {
  width = bits;
  length = PackedBytes(count, bits);
  return cursor->TakeBytes(length, &bytes);
}

uint64_t Bits::At(size_t index) const {
  return width == 0 ? 0 : scalar::BitsAt(bytes, length, index * width, width);
}

void AppendBlock(const int64_t *values, size_t count, std::vector<uint8_t> *out) {
  const uint64_t *words = reinterpret_cast<const uint64_t *>(values);
  const Plan plan = MakePlan(values, count);
  const bool patched = plan.patch_width != 0;
  Append(out, static_cast<uint8_t>(plan.width | (patched ? kPatchedMark : 0)));
  AppendShort(out, static_cast<int64_t>(plan.base));
  const size_t at = out->size();
  out->resize(at + PackedBytes(count, plan.width));
  Pack(words, count, plan.width, plan.base, out->data() + at);
  if (!patched) return;
  uint64_t positions[kVectorValues], highs[kVectorValues];
  size_t patches = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t offset = words[i] - plan.base;
    if (offset <= LowBits(plan.width)) continue;
    positions[patches] = i;
    highs[patches++] = offset >> plan.width;
  }
  Append(out, static_cast<uint16_t>(patches - 1));
  Append(out, static_cast<uint8_t>(plan.patch_width));
  AppendBits(out, positions, patches, kPositionBits);
  AppendBits(out, highs, patches, plan.patch_width);
}

bool Block::Take(Cursor *cursor, size_t count) {
  uint8_t width;
  count_ = count;
  patches_ = 0;
  if (!cursor->Take(&width) || !TakeShort(cursor, &base_)) return false;
  width_ = width & ~kPatchedMark;
  if (width_ > kMaxWidth) return false;
  if (!cursor->TakeBytes(PackedBytes(count, width_), &packed_)) return false;
  if ((width & kPatchedMark) == 0) return true;
  uint16_t patches;
  uint8_t patch_width;
  if (!cursor->Take(&patches) || !cursor->Take(&patch_width)) return false;
  patches_ = size_t{patches} + 1;
  return patches_ <= count && patch_width > 0 && patch_width <= kMaxWidth - width_ &&
         positions_.Take(cursor, patches_, kPositionBits) &&
         highs_.Take(cursor, patches_, patch_width);
}

void Block::Decode(int64_t *out) const {
  uint64_t *words = reinterpret_cast<uint64_t *>(out);
  Unpack(packed_, count_, width_, static_cast<uint64_t>(base_), words);
  // Positions have as many bits as there is room for values: hostile ones stay inside.
  for (size_t i = 0; i < patches_; ++i) words[positions_.At(i)] += highs_.At(i) << width_;
}

int64_t Block::Patched(size_t patch) const {
  const size_t position = positions_.At(patch);
  const uint64_t low = position < count_ ? UnpackOne(packed_, count_, width_, position) : 0;
  return static_cast<int64_t>(static_cast<uint64_t>(base_) + low + (highs_.At(patch) << width_));
}

int64_t Block::At(size_t index) const {
  for (size_t i = 0; i < patches_; ++i) {
    if (positions_.At(i) == index) return Patched(i);
  }
  return static_cast<int64_t>(static_cast<uint64_t>(base_) +
                              UnpackOne(packed_, count_, width_, index));
}

void Block::SelectRange(int64_t low, int64_t high, Selection *selection) const {
  const uint64_t base = static_cast<uint64_t>(base_);
  const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  // Without patches and overflow all values lie in [base, base + mask].
  const int64_t top = static_cast<int64_t>(base + LowBits(width_));
  if (patches_ == 0 && top >= base_ && (high < base_ || low > top)) return;
  alignas(64) int64_t values[kVectorValues];
  Decode(values);
  SelectSpan(reinterpret_cast<const uint64_t *>(values), count_, static_cast<uint64_t>(low), span,
             selection->words);
}

}  // namespace helios::codec
