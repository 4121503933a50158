// The checksum of chunks: CRC-32C, which PostgreSQL computes by instructions of the processor.
#pragma once

#include "pg/pg.hpp"

extern "C" {
#include "port/pg_crc32c.h"
}
#undef Min
#undef Max
#undef Abs

#include <span>

namespace helios::hybrid {

// The checksum of bytes, and of those that follow them elsewhere.
inline uint32 Checksum(std::span<const uint8> bytes, std::span<const uint8> more = {}) {
  pg_crc32c crc;
  INIT_CRC32C(crc);
  COMP_CRC32C(crc, bytes.data(), bytes.size());
  COMP_CRC32C(crc, more.data(), more.size());
  FIN_CRC32C(crc);
  return crc;
}

}  // namespace helios::hybrid
