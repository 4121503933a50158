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

// Makes the body of a column, before it is wrapped; kUnfit as EncodeAs.
Status EncodeBody(const Column &column, Encoding encoding, Stop stop, std::vector<uint8_t> *body);
// Says whether bodies that will be wrapped differ from those that will not: see Scheme.
bool HasOwnForm(Codec codec, Kind kind);

// Appends the segment of a body, wrapped in frames of `frame_bytes`; kUnfit, and nothing appended, if a
// wrap does not make it shorter.
Status AppendSegment(const Shape &shape, Encoding encoding, std::span<const uint8_t> body,
                     int zstd_level, size_t frame_bytes, Stop stop, std::vector<uint8_t> *out);

// As EncodeAs, with frames of `frame_bytes`.
Status EncodeFramed(const Column &column, Encoding encoding, int zstd_level, size_t frame_bytes,
                    Stop stop, std::vector<uint8_t> *out);

// No encoder writes a longer body: a codec that would is unfit, and the raw body is the longest.
size_t LongestBody(const Shape &shape);

}  // namespace helios::codec
