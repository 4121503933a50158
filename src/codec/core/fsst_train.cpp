// The symbol table of a sample of strings, found from below (Boncz et al. 2020, section 4):
//
//   round 1 … n   encode a growing part of the sample by the table so far; count the symbols and the
//                 pairs of neighbours; the next table has the symbols and joined pairs that gained most
//
// A symbol gains its length for each occurrence. The last round joins no pairs: it only throws out what
// better symbols have made useless.
#include <algorithm>
#include <memory>

#include "codec/core/fsst.hpp"

namespace helios::codec {
namespace {

constexpr size_t kRounds = 8;
constexpr size_t kSampleBytes = size_t{32} * 1024;
static_assert(kSampleBytes < UINT16_MAX);
constexpr size_t kPieceBytes = 512;  // at most, of one string
constexpr size_t kIds = 512;         // of SymbolMatcher::Match
// A lone byte saves an escape, and more: longer symbols grow from it.
constexpr size_t kByteWeight = 8;
// Of what occurs less in the whole sample, little can be said about the other strings.
constexpr size_t kLeastCount = 5;

using Piece = std::span<const uint8_t>;

// Takes pieces evenly from all strings, kSampleBytes at most.
std::vector<Piece> Sample(const Column &column) {
  const size_t bytes = column.count == 0 ? 0 : column.offsets[column.count];
  const size_t step = bytes / kSampleBytes + 1;
  std::vector<Piece> pieces;
  size_t number = 0, taken = 0;
  for (size_t i = 0; i < column.count; ++i)
    for (size_t at = column.offsets[i]; at < column.offsets[i + 1]; at += kPieceBytes) {
      if (number++ % step != 0) continue;
      const size_t length = std::min(kPieceBytes, column.offsets[i + 1] - at);
      if (taken + length > kSampleBytes) return pieces;
      pieces.emplace_back(column.bytes + at, length);
      taken += length;
    }
  return pieces;
}

// How often symbols, and pairs of them, occurred.
class Counts {
 public:
  Counts() : pairs_(kIds * kIds) {}

  void Clear() {
    std::fill(std::begin(singles), std::end(singles), 0);
    for (const uint32_t pair : seen) pairs_[pair] = 0;
    seen.clear();
  }
  void AddPair(uint32_t first, uint32_t second) {
    const uint32_t pair = first * kIds + second;
    if (pairs_[pair]++ == 0) seen.push_back(pair);
  }
  uint32_t pair(uint32_t pair) const { return pairs_[pair]; }

  uint32_t singles[kIds] = {};
  std::vector<uint32_t> seen;  // pairs: first * kIds + second

 private:
  std::vector<uint16_t> pairs_;  // no sample is so long that one overflows
};

// Encodes a piece and counts what it is made of, and, to find more, what it could be made of.
void Count(const SymbolMatcher &matcher, Piece piece, bool join, Counts *counts) {
  uint32_t before = kIds;
  for (size_t at = 0; at < piece.size();) {
    const size_t left = piece.size() - at;
    const uint64_t word = LoadWord(&piece[at], left);
    const SymbolMatcher::Match match = matcher.Longest(word, left);
    const uint32_t byte = SymbolMatcher::kEscaped + (word & 0xFF);
    ++counts->singles[match.id];
    if (join) {
      if (match.length > 1) ++counts->singles[byte];
      if (before != kIds) {
        counts->AddPair(before, match.id);
        if (match.length > 1) counts->AddPair(before, byte);
      }
    }
    before = match.id;
    at += match.length;
  }
}

struct Candidate {
  Symbol symbol;
  size_t gain;
};

// Lists what was counted often enough, each symbol once.
std::vector<Candidate> Candidates(const Counts &counts, const std::vector<Symbol> &symbols,
                                  bool join, size_t least) {
  const auto symbol_of = [&](uint32_t id) {
    return id < SymbolMatcher::kEscaped
               ? symbols[id]
               : Symbol{.bytes = id - uint64_t{SymbolMatcher::kEscaped}, .length = 1};
  };
  std::vector<Candidate> found;
  const auto offer = [&](Symbol symbol, size_t count) {
    if (count >= least)
      found.push_back({symbol, count * symbol.length * (symbol.length == 1 ? kByteWeight : 1)});
  };
  for (uint32_t id = 0; id < kIds; ++id)
    if (counts.singles[id] > 0) offer(symbol_of(id), counts.singles[id]);
  if (join)
    for (const uint32_t pair : counts.seen) {
      const Symbol first = symbol_of(pair / kIds), second = symbol_of(pair % kIds);
      if (first.length >= kMaxSymbolBytes) continue;
      const size_t length = std::min<size_t>(kMaxSymbolBytes, first.length + second.length);
      const uint64_t bytes = first.bytes | second.bytes << (8 * first.length);
      offer({.bytes = bytes, .length = static_cast<uint8_t>(length)}, counts.pair(pair));
    }

  const auto less = [](const Candidate &a, const Candidate &b) {
    return a.symbol.bytes != b.symbol.bytes ? a.symbol.bytes < b.symbol.bytes
                                            : a.symbol.length < b.symbol.length;
  };
  std::sort(found.begin(), found.end(), less);
  size_t kept = 0;
  for (size_t i = 1; i < found.size(); ++i) {
    if (less(found[kept], found[i]))
      found[++kept] = found[i];
    else
      found[kept].gain += found[i].gain;
  }
  if (!found.empty()) found.resize(kept + 1);
  return found;
}

}  // namespace

SymbolTable SymbolTable::Train(const Column &column) {
  const std::vector<Piece> pieces = Sample(column);
  std::vector<Symbol> symbols;
  SymbolMatcher matcher;
  Counts counts;
  for (size_t round = 1; round <= kRounds; ++round) {
    const bool join = round < kRounds;
    counts.Clear();
    for (size_t i = 0; i < pieces.size(); ++i)
      if (i % kRounds < round) Count(matcher, pieces[i], join, &counts);
    std::vector<Candidate> candidates =
        Candidates(counts, symbols, join, std::max<size_t>(1, kLeastCount * round / kRounds));
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate &a, const Candidate &b) { return a.gain > b.gain; });
    matcher.Clear();
    symbols.clear();
    for (const Candidate &candidate : candidates) {
      if (symbols.size() == kMaxSymbols) break;
      if (matcher.Add(candidate.symbol, static_cast<uint8_t>(symbols.size())))
        symbols.push_back(candidate.symbol);
    }
  }
  return SymbolTable(std::move(symbols));
}

}  // namespace helios::codec
