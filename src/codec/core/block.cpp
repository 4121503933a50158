// Sizing, writing and reading of the blocks that block.hpp draws.
#include "codec/core/block.hpp"

#include <algorithm>
#include <bit>

#include "codec/core/bitpack.hpp"

namespace helios::codec {
namespace {

constexpr uint8_t kPatchedMark = 128;
// A patch must save more than it takes: decoding one costs as much as that of several values.
constexpr unsigned kPatchPenaltyBits = 8;
constexpr size_t kPatchHeadBytes = sizeof(uint16_t) + sizeof(uint8_t);

// How a block is laid out.
struct Plan {
  size_t bytes = SIZE_MAX;  // roughly, behind the base, with penalties
  unsigned width = 0;
  unsigned patch_width = 0;  // 0: no patches
  uint64_t base = 0;
};

// Small absolute values as small unsigned ones.
uint64_t ZigZag(int64_t value) { return static_cast<uint64_t>(value) << 1 ^ value >> 63; }
uint64_t UnZigZag(uint64_t word) { return word >> 1 ^ (0 - (word & 1)); }

// Takes the best width for a base: offsets below 2^width are packed, others and negative ones patched.
Plan PlanFor(const int64_t *values, size_t count, uint64_t base) {
  uint32_t widths[kMaxWidth + 1] = {};  // numbers of offsets by the bits that they need
  size_t patches = 0;
  unsigned below = 0;  // bits of the most negative offset
  for (size_t i = 0; i < count; ++i) {
    const uint64_t offset = static_cast<uint64_t>(values[i]) - base;
    if (values[i] < static_cast<int64_t>(base)) {
      below = std::max(below, static_cast<unsigned>(std::bit_width(~offset)));
      ++patches;
    } else {
      ++widths[std::bit_width(offset)];
    }
  }
  unsigned above = kMaxWidth;
  while (above > 0 && widths[above] == 0) --above;
  Plan best = {.base = base};
  for (unsigned width = above;; --width) {
    // One bit more for the sign.
    const unsigned patch_width =
        std::min(std::max({above, below, width}) - width + 1, kMaxWidth - width);
    const size_t bytes =
        PackedBytes(count, width) +
        (patches == 0 ? 0
                      : kPatchHeadBytes +
                            PackedBytes(patches, kPositionBits + patch_width + kPatchPenaltyBits));
    const bool possible = patches == 0 || patch_width > 0;
    if (possible && bytes < best.bytes) best = {bytes, width, patches == 0 ? 0 : patch_width, base};
    if (width == 0) return best;
    patches += widths[width];
  }
}

// Weighs the least value as base, and the one that fits a sample best where outliers lie below it.
Plan MakePlan(const int64_t *values, size_t count) {
  constexpr size_t kSampled = 64;
  constexpr size_t kRanks[] = {1, 4, 16, 32};  // in the sorted sample, as bases
  const int64_t least = *std::min_element(values, values + count);
  const Plan plan = PlanFor(values, count, static_cast<uint64_t>(least));
  if (count < kSampled || plan.width == 0) return plan;
  int64_t sample[kSampled];
  for (size_t i = 0; i < kSampled; ++i) sample[i] = values[i * count / kSampled];
  std::sort(sample, sample + kSampled);
  Plan sampled = PlanFor(sample, kSampled, static_cast<uint64_t>(least));
  for (const size_t rank : kRanks) {
    const Plan other = PlanFor(sample, kSampled, static_cast<uint64_t>(sample[rank]));
    if (other.bytes < sampled.bytes) sampled = other;
  }
  if (sampled.base == static_cast<uint64_t>(least)) return plan;
  const Plan other = PlanFor(values, count, sampled.base);
  return other.bytes < plan.bytes ? other : plan;
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
    const bool negative = values[i] < static_cast<int64_t>(plan.base);
    if (!negative && offset <= LowBits(plan.width)) continue;
    positions[patches] = i;
    highs[patches++] = ZigZag(static_cast<int64_t>(offset) >> plan.width);
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
  for (size_t i = 0; i < patches_; ++i) {
    words[positions_.At(i)] += UnZigZag(highs_.At(i)) << width_;
  }
}

int64_t Block::At(size_t index) const {
  uint64_t value = static_cast<uint64_t>(base_) + UnpackOne(packed_, count_, width_, index);
  for (size_t i = 0; i < patches_; ++i) {
    if (positions_.At(i) == index) value += UnZigZag(highs_.At(i)) << width_;
  }
  return static_cast<int64_t>(value);
}

// Adds up the values up to `index`, each times weight(its position).
template <typename Weight>
uint64_t Block::WeightedSum(size_t index, Weight weight) const {
  uint64_t sum = 0;
  if (width_ == 0) {
    for (size_t i = 0; i <= index; ++i) sum += weight(i);
    sum *= static_cast<uint64_t>(base_);
  } else {
    alignas(64) uint64_t words[kVectorValues];
    Unpack(packed_, count_, width_, static_cast<uint64_t>(base_), words);
    for (size_t i = 0; i <= index; ++i) sum += words[i] * weight(i);
  }
  // A patch that is not in its order, which only hostile bytes have, is one all the same for Decode.
  for (size_t i = 0; i < patches_; ++i) {
    const size_t position = positions_.At(i);
    if (position <= index) sum += (UnZigZag(highs_.At(i)) << width_) * weight(position);
  }
  return sum;
}

uint64_t Block::SumTo(size_t index) const {
  return WeightedSum(index, [](size_t) { return uint64_t{1}; });
}

uint64_t Block::SumOfSumsTo(size_t index) const {
  return WeightedSum(index, [index](size_t i) { return uint64_t{index - i + 1}; });
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
