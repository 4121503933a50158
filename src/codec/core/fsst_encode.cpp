// Encoding by symbols (fsst.hpp):
//
//   buckets | hash of 3 bytes -> up to two symbols of 3 … 8 bytes, the longer one last | taken first
//   pairs   | 2 bytes -> a symbol that is these, or else what `bytes` says             |
//   bytes   | 1 byte -> a symbol that is this, or else the byte, escaped               | for the last byte
//
// No symbol, not even one of zeros, reaches over the end of its string.
#include "codec/core/fsst.hpp"

#include <utility>

namespace helios::codec {
namespace {

constexpr uint64_t kNever = ~uint64_t{0};  // what no word is that a mask of 0 is laid over
constexpr size_t kPairs = size_t{1} << 16;

// Keeps the first bytes of a word.
uint64_t Mask(size_t length) { return ~uint64_t{0} >> (64 - 8 * length); }

// Writes a match, behind which there is room for a byte, and tells its bytes.
size_t Put(SymbolMatcher::Match match, uint64_t word, uint8_t *out) {
  const size_t escaped = match.id / SymbolMatcher::kEscaped;
  out[0] = static_cast<uint8_t>(escaped != 0 ? kEscapeCode : match.id);
  out[1] = static_cast<uint8_t>(word);
  return 1 + escaped;
}

}  // namespace

SymbolMatcher::SymbolMatcher() : buckets_(size_t{1} << kHashBits), pairs_(kPairs) { Clear(); }

void SymbolMatcher::Clear() {
  for (Bucket &bucket : buckets_) bucket.fill({.bytes = kNever, .mask = 0, .match = {}});
  for (size_t byte = 0; byte < 256; ++byte)
    bytes_[byte] = {.id = static_cast<uint16_t>(kEscaped + byte), .length = 1};
  for (size_t pair = 0; pair < kPairs; ++pair) pairs_[pair] = bytes_[pair & 0xFF];
}

SymbolMatcher::SymbolMatcher(const SymbolTable &table) : SymbolMatcher() {
  for (size_t code = 0; code < table.symbols().size(); ++code)
    Add(table.symbols()[code], static_cast<uint8_t>(code));
}

bool SymbolMatcher::Add(Symbol symbol, uint8_t code) {
  const Match match{.id = code, .length = symbol.length};
  if (symbol.length == 1) {
    const Match escaped = bytes_[symbol.bytes];
    if (escaped.id < kEscaped) return false;
    bytes_[symbol.bytes] = match;
    for (size_t pair = symbol.bytes; pair < kPairs; pair += 256)
      if (pairs_[pair].length == 1) pairs_[pair] = match;
    return true;
  }
  if (symbol.length == 2) {
    if (pairs_[symbol.bytes].length == 2) return false;
    pairs_[symbol.bytes] = match;
    return true;
  }
  auto &[shorter, longer] = buckets_[Hash(symbol.bytes)];
  if (shorter.bytes != kNever) return false;
  shorter = {.bytes = symbol.bytes, .mask = Mask(symbol.length), .match = match};
  if (longer.bytes == kNever || longer.match.length < symbol.length) std::swap(shorter, longer);
  return true;
}

size_t SymbolMatcher::Encode(const uint8_t *string, size_t length, uint8_t *out) const {
  const uint8_t *const start = out;
  size_t at = 0;
  while (length - at >= kMaxSymbolBytes) {
    const uint64_t word = LoadWord(string + at);
    const Match match = Longest(word, kMaxSymbolBytes);
    out += Put(match, word, out);
    at += match.length;
  }
  if (at == length) return static_cast<size_t>(out - start);
  size_t left = length - at;
  for (uint64_t word = LoadWord(string + at, left); left > 0;) {
    const Match match = Longest(word, left);
    out += Put(match, word, out);
    left -= match.length;
    word = match.length < kMaxSymbolBytes ? word >> (8 * match.length) : 0;
  }
  return static_cast<size_t>(out - start);
}

}  // namespace helios::codec
