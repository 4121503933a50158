// Columns made of some values of another: samples, different values, values of runs.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "codec/core/codec.hpp"

namespace helios::codec {

// Value `i` of a column of strings.
inline std::string_view StringAt(const Column &column, size_t i) {
  const uint32_t begin = column.offsets[i];
  return {reinterpret_cast<const char *>(column.bytes) + begin, column.offsets[i + 1] - begin};
}

// The bits of number `i` of a column.
inline uint64_t WordAt(const Column &column, size_t i) {
  uint64_t word = 0;
  if (column.kind == Kind::kInt) {
    std::memcpy(&word, column.ints + i, sizeof(int64_t));
  } else if (column.kind == Kind::kFloat) {
    std::memcpy(&word, column.floats + i, sizeof(float));
  } else {
    std::memcpy(&word, column.doubles + i, sizeof(double));
  }
  return word;
}

// Says whether two values are the same bits.
inline bool SameAt(const Column &column, size_t i, size_t j) {
  if (column.kind == Kind::kBytes) return StringAt(column, i) == StringAt(column, j);
  return WordAt(column, i) == WordAt(column, j);
}

// A column with its own values. Does not move.
class Gathered {
 public:
  // Takes the values of `from` at these positions, in this order.
  Gathered(const Column &from, std::span<const uint32_t> positions);
  Gathered(const Gathered &) = delete;
  Gathered &operator=(const Gathered &) = delete;

  const Column &column() const { return column_; }

 private:
  Column column_;
  std::vector<int64_t> ints_;
  std::vector<float> floats_;
  std::vector<double> doubles_;
  std::vector<uint32_t> offsets_;
  std::vector<uint8_t> bytes_;
};

}  // namespace helios::codec
