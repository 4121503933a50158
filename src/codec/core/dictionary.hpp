// The body of kDictionary, for all kinds.
//
//   body     | the different values, nested, ascending | table of vectors |
//   vector   | block of codes: places among the different values |
#pragma once

#include <vector>

#include "codec/core/block.hpp"
#include "codec/core/scheme.hpp"
#include "codec/core/vectors.hpp"

namespace helios::codec {

// A dictionary of more values than this share of all is no use: it is built for nothing.
constexpr size_t kLeastMeanUses = 2;

// Appends the body: `codes` of all values of the column into `different`.
Status AppendDictionary(const Column &column, const Column &different,
                        std::span<const uint32_t> codes, Stop stop, std::vector<uint8_t> *out);

// Reads the body's parts; what the values are is left to the decoder of each kind.
class DictionaryBody {
 public:
  Status Open(const Shape &shape, Body *body);

  // The different values.
  Reader &values() { return values_; }
  // Decodes the codes of a vector, all below values().count(); room for kVectorValues.
  Status Codes(size_t index, int64_t *codes);
  // One code.
  Status CodeAt(size_t position, size_t *code);
  // Sets the bits of a vector's codes in [low, high].
  Status SelectCodes(size_t index, size_t low, size_t high, Selection *selection);

 private:
  Status Find(size_t index, Block *block);

  Shape shape_;
  Reader values_;
  VectorTable table_;
};

}  // namespace helios::codec
