// Numbering of different words in the order of first use, by hashing with open addressing.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace helios::codec {

class WordTable {
 public:
  explicit WordTable(size_t most)
      : slots_(std::bit_ceil(2 * most + 1)), shift_(64 - std::countr_zero(slots_.size())) {}

  // The number of a word; `next` if it is new. No more than `most` may be.
  uint32_t Number(uint64_t word, uint32_t next) {
    // Fibonacci hashing: the high bits of the product depend on all bits of the word.
    constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;
    size_t at = (word ^ word >> 32) * kGolden >> shift_;
    while (slots_[at].number != kFree && slots_[at].word != word) at = (at + 1) % slots_.size();
    if (slots_[at].number == kFree) slots_[at] = {word, next};
    return slots_[at].number;
  }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;
  struct Slot {
    uint64_t word = 0;
    uint32_t number = kFree;
  };
  std::vector<Slot> slots_;
  int shift_;
};

}  // namespace helios::codec
