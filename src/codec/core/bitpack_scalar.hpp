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

// The `width` > 0 bits from `bit` on, of a string of `bytes` bytes that has them.
inline uint64_t BitsAt(const uint8_t *string, size_t bytes, size_t bit, unsigned width) {
  const size_t at = bit / 8;
  const unsigned shift = bit % 8;
  uint64_t value = 0;
  std::memcpy(&value, string + at, bytes - at < sizeof(value) ? bytes - at : sizeof(value));
  value >>= shift;
  if (shift + width > kMaxWidth)
    value |= uint64_t{string[at + sizeof(value)]} << (kMaxWidth - shift);
  return value & LowBits(width);
}

// Sets the `width` > 0 bits from `bit` on, which are zero, of a string of `bytes` bytes.
inline void SetBitsAt(uint8_t *string, size_t bytes, size_t bit, unsigned width, uint64_t value) {
  const size_t at = bit / 8;
  const unsigned shift = bit % 8;
  const size_t length = bytes - at < sizeof(value) ? bytes - at : sizeof(value);
  uint64_t word = 0;
  std::memcpy(&word, string + at, length);
  word |= value << shift;
  std::memcpy(string + at, &word, length);
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

inline void UnpackDoubles(const uint8_t *packed, size_t count, unsigned width, uint64_t base,
                          double up, double down, double *out) {
  UnpackDecimals(packed, count, width, base, up, down, out);
}
inline void UnpackFloats(const uint8_t *packed, size_t count, unsigned width, uint64_t base,
                         double up, double down, float *out) {
  UnpackDecimals(packed, count, width, base, up, down, out);
}

inline void UnpackJoined(const uint8_t *packed, const uint8_t *codes, size_t count, unsigned width,
                         unsigned code_width, const uint64_t *high, uint64_t *out) {
  for (size_t i = 0; i < count; ++i) {
    out[i] = UnpackOne(packed, count, width, i) | high[UnpackOne(codes, count, code_width, i)]
                                                      << width;
  }
}

inline void SelectSpan(const uint64_t *values, size_t count, uint64_t low, uint64_t span,
                       uint64_t *words) {
  for (size_t i = 0; i < count; ++i) {
    const uint64_t bit = uint64_t{1} << (i % 64);
    words[i / 64] = values[i] - low <= span ? words[i / 64] | bit : words[i / 64] & ~bit;
  }
}

}  // namespace helios::codec::scalar
