// Strings as codes of symbols that occur often: FSST (Boncz, Neumann, Leis: FSST: Fast Random Access
// String Compression, VLDB 2020).
//
//   encoded string | code | code | 255 byte | code | …     255 escapes a byte that is no symbol
//   symbol table   | 8 bytes: symbols of 1, 2, … 8 bytes | the symbols, in order of their codes |
//
// A string is encoded by itself, so it decodes by itself, and two strings are equal if and only if what
// one table makes of them is. Codes are ordered by the lengths of their symbols.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "codec/core/codec.hpp"

namespace helios::codec {

constexpr size_t kMaxSymbols = 255;
constexpr size_t kMaxSymbolBytes = 8;
constexpr uint8_t kEscapeCode = 255;

struct Symbol {
  uint64_t bytes = 0;  // the first one lowest, zeros above `length`
  uint8_t length = 0;  // 1 … kMaxSymbolBytes
};

// The symbols of a segment, by code.
class SymbolTable {
 public:
  // Symbols that suit these strings (kBytes), found on a sample of up to 32 KB (section 4) in
  // some 3 ms; the same ones for the same column.
  static SymbolTable Train(const Column &column);

  // Takes symbols in any order, at most kMaxSymbols.
  explicit SymbolTable(std::vector<Symbol> symbols = {});

  static constexpr size_t kMaxBytes = kMaxSymbolBytes + kMaxSymbols * kMaxSymbolBytes;

  std::span<const Symbol> symbols() const { return symbols_; }

  void Write(std::vector<uint8_t> *out) const;
  // Takes the table at the start of hostile bytes, and tells its length.
  Status Read(std::span<const uint8_t> bytes, size_t *length);

 private:
  std::vector<Symbol> symbols_;
};

// What a string is encoded with: finds the longest symbol at a place in constant time by a hash of three
// bytes, where each hash has room for two symbols only (section 5, which has one).
class SymbolMatcher {
 public:
  // A symbol by its code, or, from kEscaped, a byte.
  static constexpr uint16_t kEscaped = 256;
  struct Match {
    uint16_t id;
    uint16_t length;  // bytes
  };

  SymbolMatcher();
  explicit SymbolMatcher(const SymbolTable &table);

  // Forgets all symbols: all bytes are escaped.
  void Clear();
  // Gives the symbol this code unless its place is taken.
  bool Add(Symbol symbol, uint8_t code);

  // The longest symbol at the start of a string of `left` > 0 bytes; `word` has the first 8 of them, and
  // zeros for those that are not there.
  Match Longest(uint64_t word, size_t left) const {
    const Bucket &bucket = buckets_[Hash(word)];
    Match match = left > 1 ? pairs_[word & 0xFFFF] : bytes_[word & 0xFF];
    for (const Slot &slot : bucket)
      if ((word & slot.mask) == slot.bytes && slot.match.length <= left) match = slot.match;
    return match;
  }

  // Room that Encode needs for a string.
  static constexpr size_t MostBytes(size_t length) { return 2 * length + 1; }
  // Writes the codes of a string and returns the number of their bytes.
  size_t Encode(const uint8_t *string, size_t length, uint8_t *out) const;

 private:
  static constexpr int kHashBits = 10;
  struct Slot {
    uint64_t bytes;
    uint64_t mask;
    Match match;
  };
  using Bucket = std::array<Slot, 2>;  // the longer symbol last
  static size_t Hash(uint64_t word) {
    return ((word & 0xFFFFFF) * 0x9E3779B97F4A7C15u) >> (64 - kHashBits);
  }

  std::vector<Bucket> buckets_;  // symbols of 3 and more bytes
  std::vector<Match> pairs_;     // by two bytes: that symbol, or the match of the first byte
  Match bytes_[256];             // that symbol, or the byte escaped
};

// What a string is decoded with.
class SymbolDecoder {
 public:
  // Decoding may write so many bytes more than a string has.
  static constexpr size_t kSlack = kMaxSymbolBytes;
  // No place in what was decoded.
  static constexpr uint32_t kNowhere = UINT32_MAX;

  explicit SymbolDecoder(const SymbolTable &table = SymbolTable());

  // Decodes a hostile string of codes into room for `capacity` bytes and kSlack more; false if it takes
  // more or ends in the midst of an escape.
  bool Decode(std::span<const uint8_t> codes, uint8_t *out, size_t capacity, size_t *length) const;

  // The same for strings whose codes lie one behind the other, and tells where each begins: the string
  // whose codes begin at byte i begins at byte begins[i] of `out`, and begins[codes.size()] is the end.
  // Where no code begins there is kNowhere. Twice as fast as one string after another: what is short
  // ends where no branch predictor expects it. `capacity` < kNowhere.
  bool DecodeAll(std::span<const uint8_t> codes, uint8_t *out, size_t capacity,
                 uint32_t *begins) const;

 private:
  template <typename Note>
  bool DecodeNoting(std::span<const uint8_t> codes, uint8_t *out, size_t capacity, size_t *length,
                    Note note) const;

  uint64_t bytes_[256] = {};
  uint8_t lengths_[256] = {};
};

// The 8 bytes at a place, the first one lowest.
inline uint64_t LoadWord(const uint8_t *place) {
  uint64_t word;
  std::memcpy(&word, place, sizeof(word));
  return word;
}

// The same where only `left` > 0 bytes are there, with zeros for the others.
inline uint64_t LoadWord(const uint8_t *place, size_t left) {
  if (left >= sizeof(uint64_t)) return LoadWord(place);
  if (left < sizeof(uint32_t)) {
    const size_t middle = left / 2, last = left - 1;
    return place[0] | uint64_t{place[middle]} << (8 * middle) | uint64_t{place[last]} << (8 * last);
  }
  uint32_t low, high;  // which overlap
  std::memcpy(&low, place, sizeof(low));
  std::memcpy(&high, place + left - sizeof(high), sizeof(high));
  return low | uint64_t{high} << (8 * (left - sizeof(high)));
}

}  // namespace helios::codec
