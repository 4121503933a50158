// Pieces: strings of bytes that lie one behind the other in a body. Raw strings are, and the codes that
// FSST makes of strings.
//
//   pieces   | end of each vector's pieces u32 … | pieces | table of vectors, to the end of the body |
//   vector   | block of the lengths of its pieces |
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "codec/core/scheme.hpp"
#include "codec/core/vectors.hpp"

namespace helios::codec {

// Appends pieces of which number i is [offsets[i], offsets[i + 1]) of `bytes`.
void AppendPieces(std::span<const uint32_t> offsets, const uint8_t *bytes,
                  std::vector<uint8_t> *out);

// Finds the pieces of one vector after another; hostile bytes.
class Pieces {
 public:
  // The pieces begin at byte `at` of the body, as many as the shape has values.
  Status Open(const Shape &shape, Body *body, size_t at);
  // Bytes of all pieces together.
  size_t bytes() const { return ends_.empty() ? 0 : ends_.back(); }

  // Makes the pieces of a vector readable: what the functions below give.
  Status Find(size_t index);
  size_t count() const { return count_; }
  std::span<const uint8_t> operator[](size_t i) const {
    return {body_->data() + at_ + offsets_[i], body_->data() + at_ + offsets_[i + 1]};
  }
  // The vector's pieces as one, and their bytes.
  std::span<const uint8_t> all() const {
    return {body_->data() + at_ + offsets_[0], body_->data() + at_ + offsets_[count_]};
  }
  size_t found_bytes() const { return all().size(); }
  // Marks the pieces that equal `value`.
  void SelectEqual(std::string_view value, Selection *selection) const;

 private:
  static constexpr size_t kNone = SIZE_MAX;

  Shape shape_;
  Body *body_ = nullptr;
  size_t at_ = 0;               // of the pieces in the body
  std::vector<uint32_t> ends_;  // by vector, from there
  VectorTable table_;
  size_t found_ = kNone;
  size_t count_ = 0;
  uint32_t offsets_[kVectorValues + 1];
};

}  // namespace helios::codec
