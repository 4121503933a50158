// One bit for each row of a chunk: bit i % 64 of word i / 64.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hybrid/core/chunk.hpp"

namespace helios::hybrid {

constexpr size_t WordsFor(size_t rows) { return (rows + 63) / 64; }
constexpr size_t kChunkWords = WordsFor(kMaxChunkRows);

inline void SetBit(uint64_t *bits, size_t row) { bits[row / 64] |= uint64_t{1} << (row % 64); }
inline bool GetBit(const uint64_t *bits, size_t row) { return bits[row / 64] >> (row % 64) & 1; }

}  // namespace helios::hybrid
