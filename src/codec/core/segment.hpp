// The header of a segment.
//
//    0  magic u16 'CS'   2  version u8   3  kind u8   4  codec u8   5  wrap u8   6  zero u16
//    8  count u32       12  value bytes u32: see SegmentInfo
//   16  body, wrapped or not, to the end
#pragma once

#include <span>
#include <vector>

#include "codec/core/codec.hpp"
#include "codec/core/scheme.hpp"

namespace helios::codec {

constexpr size_t kHeaderBytes = 16;

// What a header says, checked.
struct Header {
  Shape shape;
  Encoding encoding;
  const Scheme *scheme;
};
Status ReadHeader(std::span<const uint8_t> segment, Header *header);

// Appends the header of a column's segment.
void WriteHeader(const Shape &shape, Encoding encoding, std::vector<uint8_t> *out);

// As EncodeAs, with frames of `frame_bytes`.
Status EncodeFramed(const Column &column, Encoding encoding, int zstd_level, size_t frame_bytes,
                    Stop stop, std::vector<uint8_t> *out);

// No encoder writes a longer body: a codec that would is unfit, and the raw body is the longest.
size_t LongestBody(const Shape &shape);

}  // namespace helios::codec
