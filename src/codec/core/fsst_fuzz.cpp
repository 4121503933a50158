// Feeds symbol tables and codes to FSST: what a hostile table encodes it must decode to the same
// string. The corpus is regress/fuzz/fsst: a table, and behind it a string of codes.
#include <algorithm>
#include <cstdlib>

#include "codec/core/fsst.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace helios::codec;
  SymbolTable table;
  size_t length;
  if (table.Read({data, size}, &length) != Status::kOk) return 0;
  const std::span<const uint8_t> codes(data + length, size - length);
  const SymbolDecoder decoder(table);

  const size_t capacity = codes.size() * 3;  // less than some codes need
  std::vector<uint8_t> string(capacity + SymbolDecoder::kSlack);
  if (!decoder.Decode(codes, string.data(), capacity, &length)) return 0;
  string.resize(length);

  std::vector<uint8_t> encoded(SymbolMatcher::MostBytes(length));
  encoded.resize(SymbolMatcher(table).Encode(string.data(), length, encoded.data()));
  std::vector<uint8_t> back(length + SymbolDecoder::kSlack);
  size_t decoded;
  if (!decoder.Decode(encoded, back.data(), length, &decoded) || decoded != length) std::abort();
  if (!std::equal(string.begin(), string.end(), back.begin())) std::abort();
  return 0;
}
