#include "codec/core/bits.hpp"

namespace helios::codec {

void AppendBits(std::span<const uint32_t> values, uint32_t width, std::vector<uint8_t> *out) {
  uint64_t waiting = 0;  // bits that fill no byte yet
  uint32_t bits = 0;
  for (const uint32_t value : values) {
    waiting |= uint64_t{value} << bits;
    for (bits += width; bits >= 8; bits -= 8, waiting >>= 8)
      out->push_back(static_cast<uint8_t>(waiting));
  }
  if (bits > 0) out->push_back(static_cast<uint8_t>(waiting));
}

void ReadBits(const uint8_t *bytes, size_t size, uint32_t width, size_t first,
              std::span<uint32_t> values) {
  const uint64_t mask = (uint64_t{1} << width) - 1;
  size_t i = 0;
  // Whole words as long as they are there.
  for (size_t bit = first * width; i < values.size() && bit / 8 + sizeof(uint64_t) <= size;
       ++i, bit += width)
    values[i] = static_cast<uint32_t>(LoadWord(bytes + bit / 8) >> (bit % 8) & mask);
  for (; i < values.size(); ++i) values[i] = BitsAt(bytes, size, width, first + i);
}

}  // namespace helios::codec
