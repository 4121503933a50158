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

bool SymbolDecoder::Decode(std::span<const uint8_t> codes, uint8_t *out, size_t capacity,
                           size_t *length) const {
  const uint8_t *in = codes.data(), *const end = in + codes.size();
  uint8_t *const start = out, *const limit = out + capacity;
  const auto put = [&](uint8_t code) {
    std::memcpy(out, &bytes_[code], kMaxSymbolBytes);
    out += lengths_[code];
  };
  constexpr ptrdiff_t kCodes = sizeof(Block);
  // One byte more than a block, so that what an escape in it escapes is there.
  while (end - in > kCodes && limit - out >= kCodes * static_cast<ptrdiff_t>(kMaxSymbolBytes)) {
    Block block;
    std::memcpy(&block, in, sizeof(block));
    const Block escapes = MarkEscapes(block);
    if (escapes == 0) {
      for (ptrdiff_t i = 0; i < kCodes; ++i) put(in[i]);
      in += kCodes;
    } else {
      for (size_t left = BeforeEscape(escapes); left > 0; --left) put(*in++);
      *out++ = in[1];
      in += 2;
    }
  }
  while (in < end) {
    if (out > limit) return false;
    if (*in != kEscapeCode) {
      put(*in++);
    } else if (end - in > 1) {
      *out++ = in[1];
      in += 2;
    } else {
      return false;
    }
  }
  *length = static_cast<size_t>(out - start);
  return *length <= capacity;
}

}  // namespace helios::codec
