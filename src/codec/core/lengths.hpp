// Where strings lie that stand one behind the other: their lengths, bit-packed by vectors.
//
//   lengths | for each vector: end of its strings u32, least length u32, width u8 |
//           | for each vector: each length less the least, in `width` bits; whole bytes |
//
// Strings may be any: those of a column, or what a codec made of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "codec/core/scheme.hpp"

namespace helios::codec {

// Appends the lengths of strings of which number i lies in [offsets[i], offsets[i + 1]).
void AppendLengths(std::span<const uint32_t> offsets, std::vector<uint8_t> *out);

// Reads lengths out of a body; hostile bytes.
class Lengths {
 public:
  // Offsets of the strings of a vector, from the start of the first string of all.
  struct Offsets {
    size_t count;  // strings: at[count] is the end of the last one
    uint32_t at[kVectorValues + 1];
  };

  // Takes the lengths of `count` strings at `at` and tells where they end in the body.
  Status Open(size_t count, Body *body, size_t at, size_t *end);

  // Bytes of all strings together.
  size_t bytes() const { return vectors_.empty() ? 0 : vectors_.back().end; }

  // Finds the strings of a vector, which lie one behind the other within bytes().
  Status Read(size_t index, Offsets *offsets);

 private:
  struct Vector {
    uint32_t begin, end;  // of the strings
    uint32_t least;
    uint32_t width;
    size_t at;  // of the packed lengths in the body
  };

  Body *body_ = nullptr;
  size_t count_ = 0;
  std::vector<Vector> vectors_;
};

// Marks the strings that equal `value`; `bytes` is what the offsets count from.
void SelectEqualStrings(const Lengths::Offsets &offsets, const uint8_t *bytes,
                        std::string_view value, Selection *selection);

}  // namespace helios::codec
