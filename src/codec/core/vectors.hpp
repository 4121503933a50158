// A body, or its rest, of which each vector is a string of bytes of its own.
//
//   | length of each vector but the last, u16 … | vectors …, the last to the end of the body |
#pragma once

#include <span>
#include <vector>

#include "codec/core/scheme.hpp"

namespace helios::codec {

// Writes vectors one after another.
class VectorWriter {
 public:
  // Begins behind what is in *out.
  VectorWriter(size_t vectors, std::vector<uint8_t> *out);
  // Ends a vector that was appended to *out; false if it is too long for this form.
  bool End();

 private:
  std::vector<uint8_t> *out_;
  size_t vectors_, done_ = 0, lengths_at_, begin_;
};

// Finds vectors.
class VectorTable {
 public:
  // Reads the lengths, from byte `at` of the body on.
  Status Open(const Shape &shape, Body *body, size_t at = 0);
  // The bytes of a vector.
  Status Find(size_t index, std::span<const uint8_t> *bytes) const;

 private:
  Body *body_ = nullptr;
  std::vector<size_t> ends_;
  size_t begin_ = 0;
};

}  // namespace helios::codec
