// A block: up to 1,024 integers as packed offsets from a base, with patches where few outliers would
// widen all of them (frame of reference, patched: Zukowski et al. 2006, section 3). What most codecs
// make of a vector.
//
//   block   | width, + 128 when there are patches, u8 | base, short | packed offsets, `width` bits each
//           | patches - 1 u16 | patch width u8 | their positions, 10 bits each, sequential |
//           | their offsets' bits above `width`, with sign (zigzag), sequential |    (if patched)
//   short   | bytes u8: 0 to 8 | that many low bytes of an int64, the rest is its sign |
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "codec/core/bitpack_scalar.hpp"
#include "codec/core/bytes.hpp"
#include "codec/core/codec.hpp"

namespace helios::codec {

// Appends and takes a short integer.
void AppendShort(std::vector<uint8_t> *out, int64_t value);
bool TakeShort(Cursor *cursor, int64_t *value);

// Appends `count` <= 2^16 unsigned integers below 2^width as one string of bits, and takes one.
void AppendBits(std::vector<uint8_t> *out, const uint64_t *values, size_t count, unsigned width);
// The checked string of bits, and one of its integers.
struct Bits {
  const uint8_t *bytes = nullptr;
  size_t length = 0;
  unsigned width = 0;

  // False when too few bytes are left.
  bool Take(Cursor *cursor, size_t count, unsigned bits);
  uint64_t At(size_t index) const {
    return width == 0 ? 0 : scalar::BitsAt(bytes, length, index * width, width);
  }
};

constexpr unsigned kPositionBits = 10;  // of a value's position in its vector

// Appends the block of values[count], 1 <= count <= kVectorValues, with patches where these pay.
void AppendBlock(const int64_t *values, size_t count, std::vector<uint8_t> *out);

// A checked view of a block.
class Block {
 public:
  // Takes the block of `count` values, 1 to kVectorValues, off the cursor; false if it is none.
  bool Take(Cursor *cursor, size_t count);

  // Decodes all values; out has room for kVectorValues.
  void Decode(int64_t *out) const;
  int64_t At(size_t index) const;
  // The sum of the values up to `index`, and that of the sums up to each of these, modulo 2^64.
  uint64_t SumTo(size_t index) const;
  uint64_t SumOfSumsTo(size_t index) const;
  // Sets the bits of the values in [low, high].
  void SelectRange(int64_t low, int64_t high, Selection *selection) const;

  // For kernels that decode the packed offsets in their own way where there are no patches.
  const uint8_t *packed() const { return packed_; }
  unsigned width() const { return width_; }
  int64_t base() const { return base_; }
  size_t patches() const { return patches_; }

 private:
  template <typename Weight>
  uint64_t WeightedSum(size_t index, Weight weight) const;

  const uint8_t *packed_ = nullptr;
  size_t count_ = 0;
  unsigned width_ = 0;
  int64_t base_ = 0;
  size_t patches_ = 0;
  Bits positions_, highs_;
};

}  // namespace helios::codec
