// Plain loops for bitpack.hpp: the layout of fewer than 1,024 values, and references with which the
// kernels are compared.
#pragma once

#include <cstring>

#include "codec/core/bitpack.hpp"

namespace helios::codec::scalar {

constexpr size_t kLanes = 16;
constexpr size_t kRows = kVectorValues / kLanes;

inline uint64_t Word(const uint8_t *packed, size_t index) {
  uint64_t word;
  std::memcpy(&word, packed + index * sizeof(word), sizeof(word));
  return word;
}

// The word at byte `at` < `bytes`, or as much of it as there is. Copies of a fixed length are one
// instruction.
inline uint64_t WordAt(const uint8_t *string, size_t bytes, size_t at) {
  uint64_t word = 0;
  if (bytes - at >= sizeof(word)) {
    std::memcpy(&word, string + at, sizeof(word));
  } else {
    std::memcpy(&word, string + at, bytes - at);
  }
  return word;
}
inline void SetWordAt(uint8_t *string, size_t bytes, size_t at, uint64_t word) {
  if (bytes - at >= sizeof(word)) {
    std::memcpy(string + at, &word, sizeof(word));
  } else {
    std::memcpy(string + at, &word, bytes - at);
  }
}

// The `width` > 0 bits from `bit` on, of a string of `bytes` bytes that has them.
inline uint64_t BitsAt(const uint8_t *string, size_t bytes, size_t bit, unsigned width) {
  const size_t at = bit / 8;
  const unsigned shift = bit % 8;
  uint64_t value = WordAt(string, bytes, at) >> shift;
  if (shift + width > kMaxWidth)
    value |= uint64_t{string[at + sizeof(value)]} << (kMaxWidth - shift);
  return value & LowBits(width);
}

// Sets the `width` > 0 bits from `bit` on, which are zero, of a string of `bytes` bytes.
inline void SetBitsAt(uint8_t *string, size_t bytes, size_t bit, unsigned width, uint64_t value) {
  const size_t at = bit / 8;
  const unsigned shift = bit % 8;
  SetWordAt(string, bytes, at, WordAt(string, bytes, at) | value << shift);
  if (shift + width > kMaxWidth) {
    string[at + sizeof(value)] |= static_cast<uint8_t>(value >> (kMaxWidth - shift));
  }
}

// One value of either layout.
inline uint64_t UnpackOne(const uint8_t *packed, size_t count, unsigned width, size_t index) {
  if (width == 0) return 0;
  if (count < kVectorValues) {
    return BitsAt(packed, PackedBytes(count, width), index * width, width);
  }
  const size_t lane = index % kLanes, bit = index / kLanes * width;
  const unsigned shift = bit % kMaxWidth;
  uint64_t value = Word(packed, bit / kMaxWidth * kLanes + lane) >> shift;
  if (shift + width > kMaxWidth) {
    value |= Word(packed, (bit / kMaxWidth + 1) * kLanes + lane) << (kMaxWidth - shift);
  }
  return value & LowBits(width);
}

inline void Pack(const uint64_t *values, size_t count, unsigned width, uint64_t base,
                 uint8_t *packed) {
  if (width == 0) return;
  const size_t bytes = PackedBytes(count, width);
  std::memset(packed, 0, bytes);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t value = (values[i] - base) & LowBits(width);
    if (count < kVectorValues) {
      SetBitsAt(packed, bytes, i * width, width, value);
      continue;
    }
    const size_t lane = i % kLanes, bit = i / kLanes * width;
    const unsigned shift = bit % kMaxWidth;
    uint8_t *word = packed + (bit / kMaxWidth * kLanes + lane) * sizeof(uint64_t);
    SetBitsAt(word, sizeof(uint64_t), 0, kMaxWidth, value << shift);
    if (shift + width > kMaxWidth) {
      SetBitsAt(word + kLanes * sizeof(uint64_t), sizeof(uint64_t), 0, kMaxWidth,
                value >> (kMaxWidth - shift));
    }
  }
}

inline void Unpack(const uint8_t *packed, size_t count, unsigned width, uint64_t base,
                   uint64_t *out) {
  for (size_t i = 0; i < count; ++i) out[i] = base + UnpackOne(packed, count, width, i);
}

template <typename T>
void UnpackDecimals(const uint8_t *packed, size_t count, unsigned width, uint64_t base, double up,
                    double down, T *out) {
  for (size_t i = 0; i < count; ++i) {
    const auto integer = static_cast<int64_t>(base + UnpackOne(packed, count, width, i));
    out[i] = static_cast<T>(static_cast<double>(integer) * up * down);
  }
}

template <typename T>
void ToDecimals(const int64_t *integers, size_t count, double up, double down, T *out) {
  for (size_t i = 0; i < count; ++i) {
    out[i] = static_cast<T>(static_cast<double>(integers[i]) * up * down);
  }
}

inline void UnpackJoined(const uint8_t *packed, const uint8_t *codes, size_t count, unsigned width,
                         unsigned code_width, const uint64_t *high, uint64_t *out) {
  for (size_t i = 0; i < count; ++i) {
    out[i] = UnpackOne(packed, count, width, i) | high[UnpackOne(codes, count, code_width, i)]
                                                      << width;
  }
}

inline uint64_t Greatest(const uint64_t *values, size_t count) {
  uint64_t greatest = 0;
  for (size_t i = 0; i < count; ++i) greatest = values[i] > greatest ? values[i] : greatest;
  return greatest;
}

inline void SelectSpan(const uint64_t *values, size_t count, uint64_t low, uint64_t span,
                       uint64_t *words) {
  for (size_t i = 0; i < count; ++i) {
    const uint64_t bit = uint64_t{1} << (i % 64);
    words[i / 64] = values[i] - low <= span ? words[i / 64] | bit : words[i / 64] & ~bit;
  }
}

}  // namespace helios::codec::scalar
