// Bit-packing of up to 1,024 unsigned integers of 0 to 64 bits.
//
//   1,024 values   16 lanes of 64-bit words, interleaved: word k of lane j is word 16 k + j. Value i is
//                  number i / 16 of lane i % 16, at bit (i / 16) * width of the lane. What is unpacked
//                  from one vector register is thus a run of neighbours (after Lemire and Boytsov 2015,
//                  section 4, with more lanes than any register has).
//   fewer          one after another from the lowest bit of the first byte on, without gaps
//
// Kernels pick the best SIMD target of the running CPU. Pointers to packed bytes need no alignment.
#pragma once

#include <cstddef>
#include <cstdint>

#include "codec/core/codec.hpp"

namespace helios::codec {

constexpr unsigned kMaxWidth = 64;

// Bytes of `count` <= kVectorValues packed values.
constexpr size_t PackedBytes(size_t count, unsigned width) { return (count * width + 7) / 8; }
// A number with the lowest `width` bits set.
constexpr uint64_t LowBits(unsigned width) {
  return width >= kMaxWidth ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
}

// Packs the lowest `width` bits of values[i] - base into PackedBytes(count, width) bytes.
void Pack(const uint64_t *values, size_t count, unsigned width, uint64_t base, uint8_t *packed);

// Unpacks to out[i] = base + value, modulo 2^64.
void Unpack(const uint8_t *packed, size_t count, unsigned width, uint64_t base, uint64_t *out);

// Value `index` < count alone.
uint64_t UnpackOne(const uint8_t *packed, size_t count, unsigned width, size_t index);

// Unpacks to out[i] = double(int64(base + value)) * up * down, in this order (Afroozeh et al. 2023,
// section 3.2: decoding fused with the frame of reference); rounded to float at the end.
void UnpackDecimals(const uint8_t *packed, size_t count, unsigned width, uint64_t base, double up,
                    double down, double *out);
void UnpackDecimals(const uint8_t *packed, size_t count, unsigned width, uint64_t base, double up,
                    double down, float *out);

// The same from integers that are unpacked.
void ToDecimals(const int64_t *integers, size_t count, double up, double down, double *out);
void ToDecimals(const int64_t *integers, size_t count, double up, double down, float *out);

// Unpacks to out[i] = value | high[code i] << width: parts that are packed apart, codes of up to 3 bits
// below 2^code_width (the same, section 3.4). `high` has 8 entries.
void UnpackJoined(const uint8_t *packed, const uint8_t *codes, size_t count, unsigned width,
                  unsigned code_width, const uint64_t *high, uint64_t *out);

// The greatest of some values; 0 of none.
uint64_t Greatest(const uint64_t *values, size_t count);

// Sets bit i of `words` where values[i] - low <= span, modulo 2^64; the words behind `count` bits stay.
void SelectSpan(const uint64_t *values, size_t count, uint64_t low, uint64_t span, uint64_t *words);

}  // namespace helios::codec
