// Bits of a Selection.
#pragma once

#include <algorithm>

#include "codec/core/codec.hpp"

namespace helios::codec {

// Sets the bits of the values [begin, end) of a vector.
inline void SelectRun(size_t begin, size_t end, Selection *selection) {
  constexpr size_t kWordBits = 64;
  while (begin < end) {
    const size_t bit = begin % kWordBits, run = std::min(end - begin, kWordBits - bit);
    selection->words[begin / kWordBits] |= ~uint64_t{0} >> (kWordBits - run) << bit;
    begin += run;
  }
}

}  // namespace helios::codec
