// The symbol table as bytes, and decoding (fsst.hpp).
#include "codec/core/fsst.hpp"

#include <algorithm>
#include <bit>

namespace helios::codec {
namespace {

using Block = uint32_t;  // codes that are looked at together

// Counts the codes in front of the first escape of a block that has one.
size_t BeforeEscape(Block marks) { return static_cast<size_t>(std::countr_zero(marks)) / 8; }

// Marks the highest bit of the first byte that is 255, and perhaps others above it.
Block MarkEscapes(Block block) {
  constexpr Block kLowest = 0x01010101u, kHighest = 0x80808080u;
  return (~block - kLowest) & block & kHighest;
}

}  // namespace

SymbolTable::SymbolTable(std::vector<Symbol> symbols) : symbols_(std::move(symbols)) {
  std::stable_sort(symbols_.begin(), symbols_.end(),
                   [](Symbol a, Symbol b) { return a.length < b.length; });
}

void SymbolTable::Write(std::vector<uint8_t> *out) const {
  const size_t start = out->size();
  out->resize(start + kMaxSymbolBytes);
  for (const Symbol symbol : symbols_) {
    ++(*out)[start + symbol.length - 1];
    for (size_t i = 0; i < symbol.length; ++i)
      out->push_back(static_cast<uint8_t>(symbol.bytes >> (8 * i)));
  }
}

Status SymbolTable::Read(std::span<const uint8_t> bytes, size_t *length) {
  symbols_.clear();
  if (bytes.size() < kMaxSymbolBytes) return Status::kCorrupted;
  size_t at = kMaxSymbolBytes;
  for (size_t size = 1; size <= kMaxSymbolBytes; ++size) {
    const size_t count = bytes[size - 1];
    if (symbols_.size() + count > kMaxSymbols || (bytes.size() - at) / size < count)
      return Status::kCorrupted;
    for (size_t i = 0; i < count; ++i, at += size)
      symbols_.push_back({LoadWord(&bytes[at], size), static_cast<uint8_t>(size)});
  }
  *length = at;
  return Status::kOk;
}

SymbolDecoder::SymbolDecoder(const SymbolTable &table) {
  for (size_t code = 0; code < table.symbols().size(); ++code) {
    bytes_[code] = table.symbols()[code].bytes;
    lengths_[code] = table.symbols()[code].length;
  }
}

// `note` is called with the place of a code among the codes and where the bytes begin that it gives;
// with kNowhere for a byte that an escape takes along.
template <typename Note>
bool SymbolDecoder::DecodeNoting(std::span<const uint8_t> codes, uint8_t *out, size_t capacity,
                                 size_t *length, Note note) const {
  constexpr size_t kCodes = sizeof(Block), kRoom = kCodes * kMaxSymbolBytes;
  const uint8_t *const in = codes.data();
  size_t from = 0, to = 0;
  const auto put = [&](size_t at) {
    const uint8_t code = in[at];
    note(at, to);
    std::memcpy(out + to, &bytes_[code], kMaxSymbolBytes);
    to += lengths_[code];
  };
  const auto put_escaped = [&] {
    note(from, to);
    note(from + 1, kNowhere);
    out[to++] = in[from + 1];
    from += 2;
  };
  while (codes.size() - from >= kCodes && to + kRoom <= capacity) {
    Block block;
    std::memcpy(&block, in + from, sizeof(block));
    const Block escapes = MarkEscapes(block);
    if (escapes == 0) {
      for (size_t i = 0; i < kCodes; ++i) put(from + i);
      from += kCodes;
    } else {
      for (size_t left = BeforeEscape(escapes); left > 0; --left) put(from++);
      if (codes.size() - from == 1) return false;
      put_escaped();
    }
  }
  while (from < codes.size()) {
    if (to > capacity) return false;
    if (in[from] != kEscapeCode) {
      put(from++);
    } else if (codes.size() - from == 1) {
      return false;
    } else {
      put_escaped();
    }
  }
  *length = to;
  return to <= capacity;
}

bool SymbolDecoder::Decode(std::span<const uint8_t> codes, uint8_t *out, size_t capacity,
                           size_t *length) const {
  return DecodeNoting(codes, out, capacity, length, [](size_t, size_t) {});
}

bool SymbolDecoder::DecodeAll(std::span<const uint8_t> codes, uint8_t *out, size_t capacity,
                              uint32_t *begins) const {
  size_t length;
  const bool decoded = DecodeNoting(
      codes, out, capacity, &length,
      [begins](size_t at, size_t begin) { begins[at] = static_cast<uint32_t>(begin); });
  if (decoded) begins[codes.size()] = static_cast<uint32_t>(length);
  return decoded;
}

}  // namespace helios::codec
