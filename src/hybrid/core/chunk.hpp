// A chunk: up to 65,536 rows, column by column, as the bytes that are stored.
//
//   | ChunkHeader | ChunkColumn × columns | zones | nulls, segments …                             |
//   |<──────────────── meta_bytes ───────────────>|                                               |
//   zones     least and greatest value of each column, as their bytes in a Datum's payload
//   nulls     one bit for each row, least significant first: set where the row has no value
//   segment   the values of the rows that have one, see codec/core/codec.hpp
//
// Offsets count from the beginning of the chunk. Integers are the server's own, as in a heap page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace helios::hybrid {

constexpr uint32_t kChunkMagic = 0x4b484348;  // "HCHK"
constexpr uint16_t kChunkVersion = 1;
constexpr uint32_t kMaxChunkRows = 65536;
constexpr uint32_t kMaxZoneBytes = 64;  // a longer least or greatest value is not kept

// Columns that no user named: their `attribute` is not positive.
constexpr int16_t kCreatorColumn = -2;  // xmin of the row
constexpr int16_t kSourceColumn = -1;   // where the hot row was: block << 16 | line pointer

// How values of a column's type are given to codecs.
enum class Form : uint8_t {
  kInt = 1,  // passed by value: Kind::kInt
  kFloat,    // float4
  kDouble,   // float8
  kNumeric,  // numeric whose values share a scale: Kind::kInt, times 10^scale
  kVarlena,  // the payload without its length word: Kind::kBytes
  kFixed,    // passed by reference, of a fixed length: Kind::kBytes
  kCString,  // up to its NUL: Kind::kBytes
};

struct ChunkHeader {
  uint32_t magic;
  uint16_t version;
  uint16_t columns;
  uint32_t rows;
  uint32_t meta_bytes;
  uint64_t bytes;
  uint32_t checksum;  // CRC-32C of the meta bytes, taken with this field as 0
  uint32_t reserved;
};

struct ChunkColumn {
  int16_t attribute;
  Form form;
  uint8_t scale;            // kNumeric: digits behind the point
  uint32_t type;            // of the column when the chunk was made
  uint32_t nulls;           // rows without a value; rows: no segment, no bitmap
  uint32_t nulls_offset;    // 0: no bitmap
  uint32_t segment_offset;  // 0: no segment
  uint32_t segment_bytes;
  uint32_t checksum;     // CRC-32C of the bitmap, if there is one, and the segment
  uint32_t raw_bytes;    // of the values as heap stores them, for statistics
  uint32_t zone_offset;  // of the least value; the greatest follows
  uint8_t least_bytes;   // 0 together with greatest_bytes and zone_offset 0: no zone
  uint8_t greatest_bytes;
  uint16_t reserved;
};

static_assert(sizeof(ChunkHeader) == 32 && sizeof(ChunkColumn) == 40);

// A checked look at the meta bytes of a chunk; nothing is owned.
struct ChunkMeta {
  const ChunkHeader *header = nullptr;
  std::span<const ChunkColumn> columns;
};

// The bytes of the bitmap of a column's nulls.
constexpr uint32_t NullBytes(uint32_t rows) { return (rows + 63) / 64 * 8; }

// Checks everything in `meta` but the checksum: `meta` holds meta_bytes and is aligned to 8. False if it is
// not what a writer wrote.
bool ParseChunk(std::span<const uint8_t> meta, ChunkMeta *chunk);

}  // namespace helios::hybrid
