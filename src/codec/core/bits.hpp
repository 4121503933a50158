// Small numbers in few bits: value i of an array of `width` bits each begins at bit i * width, the
// lowest bit of the lowest byte first. Lengths of strings and codes of dictionaries lie so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace helios::codec {

constexpr uint32_t kMaxBits = 32;

// The 8 bytes at a place, the first one lowest.
inline uint64_t LoadWord(const uint8_t *place) {
  uint64_t word;
  std::memcpy(&word, place, sizeof(word));
  return word;
}

// The same where only `left` > 0 bytes are there, with zeros for the others.
inline uint64_t LoadWord(const uint8_t *place, size_t left) {
  if (left >= sizeof(uint64_t)) return LoadWord(place);
  if (left < sizeof(uint32_t)) {
    const size_t middle = left / 2, last = left - 1;
    return place[0] | uint64_t{place[middle]} << (8 * middle) | uint64_t{place[last]} << (8 * last);
  }
  uint32_t low, high;  // which overlap
  std::memcpy(&low, place, sizeof(low));
  std::memcpy(&high, place + left - sizeof(high), sizeof(high));
  return low | uint64_t{high} << (8 * (left - sizeof(high)));
}

// Bytes of `count` values of `width` <= kMaxBits bits.
constexpr size_t BitsBytes(size_t count, uint32_t width) { return (count * width + 7) / 8; }

// Appends the low `width` bits of values that have no others.
void AppendBits(std::span<const uint32_t> values, uint32_t width, std::vector<uint8_t> *out);

// Value `index` of an array of `size` bytes, which it lies in.
inline uint32_t BitsAt(const uint8_t *bytes, size_t size, uint32_t width, size_t index) {
  if (width == 0) return 0;
  const size_t bit = index * width, at = bit / 8;
  const uint64_t word = LoadWord(bytes + at, size - at);
  return static_cast<uint32_t>(word >> (bit % 8) & ((uint64_t{1} << width) - 1));
}

// Values first … first + values.size() - 1 of an array of `size` bytes, which they lie in.
void ReadBits(const uint8_t *bytes, size_t size, uint32_t width, size_t first,
              std::span<uint32_t> values);

}  // namespace helios::codec
