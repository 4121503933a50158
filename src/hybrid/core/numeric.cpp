#include "hybrid/core/numeric.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace helios::hybrid {

namespace {

// numeric.c: NUMERIC_SHORT, and what its header says.
constexpr uint16_t kSignMask = 0xC000;
constexpr uint16_t kNegative = 0x4000;
constexpr uint16_t kShort = 0x8000;
constexpr uint16_t kSpecial = 0xC000;
constexpr uint16_t kShortNegative = 0x2000;
constexpr int kShortScaleShift = 7;
constexpr uint16_t kShortScaleMask = 0x3F;
constexpr uint16_t kShortWeightSign = 0x0040;
constexpr uint16_t kShortWeightMask = 0x003F;
constexpr uint16_t kLongScaleMask = 0x3FFF;

constexpr int kDigitsPerGroup = 4;
constexpr int64_t kBase = 10000;
constexpr int kMaxGroups = 7;  // 18 digits, the point anywhere

constexpr int64_t kPowers[] = {1,
                               10,
                               100,
                               1000,
                               10000,
                               100000,
                               1000000,
                               10000000,
                               100000000,
                               1000000000,
                               10000000000,
                               100000000000,
                               1000000000000,
                               10000000000000,
                               100000000000000,
                               1000000000000000,
                               10000000000000000,
                               100000000000000000,
                               1000000000000000000};
constexpr int64_t kLimit = kPowers[kMaxNumericDigits];

uint16_t Get16(const uint8_t *bytes) {
  uint16_t value;
  memcpy(&value, bytes, sizeof(value));
  return value;
}

// The header of a numeric whose first group stands for its value times 10,000 ^ weight.
uint16_t HeaderOf(bool negative, int scale, int weight) {
  return static_cast<uint16_t>(kShort | (negative ? kShortNegative : 0) |
                               scale << kShortScaleShift | (weight < 0 ? kShortWeightSign : 0) |
                               (static_cast<uint16_t>(weight) & kShortWeightMask));
}

// Writes a numeric of at most two groups before the point and one, `part`, behind it, without a branch: how many groups
// a price has cannot be guessed.
size_t WriteShort(bool negative, int scale, uint64_t whole, uint64_t part, uint8_t *payload) {
  static_assert(std::endian::native == std::endian::little);
  constexpr int kGroupBits = 16;
  const uint64_t high = whole / kBase;
  const uint64_t low = whole % kBase;
  const uint64_t groups = high | low << kGroupBits | part << 2 * kGroupBits;
  const unsigned present = (high != 0) | (low != 0) << 1 | (part != 0) << 2;
  const int first = groups == 0 ? 1 : std::countr_zero(present);
  const int last = groups == 0 ? 1 : std::bit_width(present);
  const uint16_t header = HeaderOf(negative, scale, 1 - first);
  const uint64_t digits = groups >> first * kGroupBits;
  memcpy(payload, &header, sizeof(header));
  memcpy(payload + sizeof(header), &digits, sizeof(digits));
  return sizeof(header) + static_cast<size_t>(last - first) * sizeof(uint16_t);
}

// Writes a numeric of a scale that the compiler knows: what is divided by then is constant.
template <int kScale>
size_t Write(int64_t value, uint8_t *payload) {
  const bool negative = value < 0;
  const uint64_t magnitude =
      negative ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  uint64_t whole = magnitude / static_cast<uint64_t>(kPowers[kScale]);
  uint64_t part = magnitude % static_cast<uint64_t>(kPowers[kScale]);
  if constexpr (kScale <= kDigitsPerGroup) {
    if (whole < kBase * kBase) {
      return WriteShort(negative, kScale, whole,
                        part * static_cast<uint64_t>(kPowers[kDigitsPerGroup - kScale]), payload);
    }
  }
  constexpr int part_groups = (kScale + kDigitsPerGroup - 1) / kDigitsPerGroup;

  uint16_t groups[2 * kMaxGroups];
  int first = kMaxGroups;  // groups [first, last), those from kMaxGroups on are behind the point
  int last = kMaxGroups + part_groups;
  if constexpr (part_groups > 0) {
    // The last group may be filled up with zeros.
    constexpr int in_last = kScale - (part_groups - 1) * kDigitsPerGroup;
    groups[last - 1] =
        static_cast<uint16_t>(part % static_cast<uint64_t>(kPowers[in_last]) *
                              static_cast<uint64_t>(kPowers[kDigitsPerGroup - in_last]));
    part /= static_cast<uint64_t>(kPowers[in_last]);
    for (int i = last - 2; i >= kMaxGroups; i--) {
      groups[i] = static_cast<uint16_t>(part % kBase);
      part /= kBase;
    }
  }
  for (; whole > 0; whole /= kBase) groups[--first] = static_cast<uint16_t>(whole % kBase);
  while (first < last && groups[first] == 0) first++;
  while (last > first && groups[last - 1] == 0) last--;
  const int weight = first == last ? 0 : kMaxGroups - 1 - first;

  const uint16_t header = HeaderOf(negative, kScale, weight);
  memcpy(payload, &header, sizeof(header));
  const size_t bytes = static_cast<size_t>(last - first) * sizeof(uint16_t);
  memcpy(payload + sizeof(header), groups + first, bytes);
  return sizeof(header) + bytes;
}

using Writer = size_t (*)(int64_t value, uint8_t *payload);

template <size_t... scales>
constexpr std::array<Writer, sizeof...(scales)> Writers(std::index_sequence<scales...>) {
  return {Write<static_cast<int>(scales)>...};
}

constexpr std::array kWriters = Writers(std::make_index_sequence<kMaxNumericDigits + 1>());

}  // namespace

bool ParseNumeric(std::span<const uint8_t> payload, int64_t *value, int *scale) {
  if (payload.size() < sizeof(uint16_t)) return false;
  const uint16_t header = Get16(payload.data());
  if ((header & kSignMask) == kSpecial) return false;
  size_t at = sizeof(uint16_t);
  bool negative;
  int weight;
  if (header & kShort) {
    negative = header & kShortNegative;
    *scale = header >> kShortScaleShift & kShortScaleMask;
    weight = header & kShortWeightMask;
    if (header & kShortWeightSign) weight -= kShortWeightMask + 1;
  } else {
    if (payload.size() < 2 * sizeof(uint16_t)) return false;
    negative = (header & kSignMask) == kNegative;
    *scale = header & kLongScaleMask;
    weight = static_cast<int16_t>(Get16(payload.data() + at));
    at += sizeof(uint16_t);
  }
  const size_t groups = (payload.size() - at) / sizeof(uint16_t);
  if (*scale > kMaxNumericDigits || groups > kMaxGroups) return false;
  __int128 sum = 0;
  for (size_t i = 0; i < groups; i++) {
    const int64_t digits = Get16(payload.data() + at + i * sizeof(uint16_t));
    const int exponent = kDigitsPerGroup * (weight - static_cast<int>(i)) + *scale;
    if (digits >= kBase || exponent > kMaxNumericDigits || exponent <= -kDigitsPerGroup)
      return false;
    if (exponent >= 0) {
      sum += static_cast<__int128>(digits) * kPowers[exponent];
    } else {
      if (digits % kPowers[-exponent] != 0) return false;
      sum += digits / kPowers[-exponent];
    }
    if (sum >= kLimit) return false;
  }
  *value = negative ? -static_cast<int64_t>(sum) : static_cast<int64_t>(sum);
  // Only what is written again byte for byte is taken.
  uint8_t again[kMaxNumericBytes + 2];
  return WriteNumeric(*value, *scale, again) == payload.size() &&
         memcmp(again, payload.data(), payload.size()) == 0;
}

size_t WriteNumeric(int64_t value, int scale, uint8_t *payload) {
  return kWriters[static_cast<size_t>(scale)](value, payload);
}

}  // namespace helios::hybrid
