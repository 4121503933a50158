// Strings by symbols (fsst.hpp), with one table for the segment:
//
//   body | symbol table | end of each vector's strings u32 … | lengths (lengths.hpp) of codes | codes |
//
// Equal strings have equal codes, so a string is looked for by its codes.
#include <algorithm>
#include <memory>
#include <optional>

#include "codec/core/bytes.hpp"
#include "codec/core/fsst.hpp"
#include "codec/core/lengths.hpp"

namespace helios::codec {
namespace {

// Between two questions whether to stop.
constexpr size_t kStringsBetweenPolls = 4096;

Status Encode(const Column &column, Stop stop, std::vector<uint8_t> *out) {
  if (column.count == 0 || column.offsets[column.count] == 0) return Status::kUnfit;
  const size_t bytes = column.offsets[column.count];
  const SymbolTable table = SymbolTable::Train(column);
  const SymbolMatcher matcher(table);

  std::vector<uint8_t> codes;
  std::vector<uint32_t> offsets{0};
  offsets.reserve(column.count + 1);
  for (size_t i = 0; i < column.count; ++i) {
    if (i % kStringsBetweenPolls == 0 && stop.requested()) return Status::kInterrupted;
    const uint32_t begin = column.offsets[i], length = column.offsets[i + 1] - begin;
    const size_t at = offsets.back();
    const size_t most = matcher.MostBytes(length);
    if (codes.size() < at + most) codes.resize(std::max(at + most, 2 * codes.size()));
    const size_t encoded = matcher.Encode(column.bytes + begin, length, &codes[at]);
    // Not shorter than the strings: not even raw, which has lengths as well.
    if (at + encoded >= bytes) return Status::kUnfit;
    offsets.push_back(static_cast<uint32_t>(at + encoded));
  }

  table.Write(out);
  for (size_t end = kVectorValues; end < column.count + kVectorValues; end += kVectorValues)
    Append(out, column.offsets[std::min(end, column.count)]);
  AppendLengths(offsets, out);
  AppendArray(out, codes.data(), offsets.back());
  return Status::kOk;
}

class FsstDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    body_ = body;
    const size_t head = std::min(body->size(), SymbolTable::kMaxBytes);
    if (const Status status = body->Need(0, head); status != Status::kOk) return status;
    size_t at;
    if (const Status status = table_.Read({body->data(), head}, &at); status != Status::kOk)
      return status;
    symbols_ = SymbolDecoder(table_);
    matcher_.reset();

    const size_t ends = shape.vectors() * sizeof(uint32_t);
    if (const Status status = body->Need(at, ends); status != Status::kOk) return status;
    ends_.resize(shape.vectors());
    for (size_t i = 0; i < ends_.size(); ++i) ends_[i] = Load<uint32_t>(body->data() + at, i);
    if (!std::is_sorted(ends_.begin(), ends_.end())) return Status::kCorrupted;
    const size_t bytes = ends_.empty() ? 0 : ends_.back();
    if (bytes != shape.value_bytes - shape.count * sizeof(uint32_t)) return Status::kCorrupted;

    const Status status = lengths_.Open(shape.count, body, at + ends, &codes_at_);
    if (status != Status::kOk) return status;
    if (bytes > lengths_.bytes() * kMaxSymbolBytes) return Status::kCorrupted;
    return body->size() - codes_at_ == lengths_.bytes() ? Status::kOk : Status::kCorrupted;
  }

  Status Read(size_t index, const Target &target) override {
    if (const Status status = Find(index); status != Status::kOk) return status;
    const size_t bytes = StringBytes(index);
    if (bytes > (offsets_.at[offsets_.count] - offsets_.at[0]) * kMaxSymbolBytes)
      return Status::kCorrupted;
    Reserve(bytes);
    uint8_t *const strings = strings_.get();
    size_t at = 0;
    for (size_t i = 0; i < offsets_.count; ++i) {
      size_t length;
      if (!symbols_.Decode(Codes(i), strings + at, bytes - at, &length)) return Status::kCorrupted;
      target.strings[i] = {reinterpret_cast<const char *>(strings + at), length};
      at += length;
    }
    return at == bytes ? Status::kOk : Status::kCorrupted;
  }

  Status ReadOne(size_t position, const Target &target) override {
    const Status status = Find(position / kVectorValues);
    if (status != Status::kOk) return status;
    const std::span<const uint8_t> codes = Codes(position % kVectorValues);
    const size_t most =
        std::min(codes.size() * kMaxSymbolBytes, StringBytes(position / kVectorValues));
    Reserve(most);
    size_t length;
    if (!symbols_.Decode(codes, strings_.get(), most, &length)) return Status::kCorrupted;
    target.strings[0] = {reinterpret_cast<const char *>(strings_.get()), length};
    return Status::kOk;
  }

  Status SelectEqual(size_t index, std::string_view value, Selection *selection) override {
    if (const Status status = Find(index); status != Status::kOk) return status;
    if (!matcher_) matcher_.emplace(table_);
    wanted_.resize(matcher_->MostBytes(value.size()));
    const size_t encoded = matcher_->Encode(reinterpret_cast<const uint8_t *>(value.data()),
                                            value.size(), wanted_.data());
    const std::string_view codes(reinterpret_cast<const char *>(wanted_.data()), encoded);
    SelectEqualStrings(offsets_, body_->data() + codes_at_, codes, selection);
    return Status::kOk;
  }

 private:
  // Makes the codes of a vector readable.
  Status Find(size_t index) {
    if (const Status status = lengths_.Read(index, &offsets_); status != Status::kOk) return status;
    const uint32_t begin = offsets_.at[0], end = offsets_.at[offsets_.count];
    return body_->Need(codes_at_ + begin, end - begin);
  }
  std::span<const uint8_t> Codes(size_t i) const {
    const uint8_t *codes = body_->data() + codes_at_;
    return {codes + offsets_.at[i], codes + offsets_.at[i + 1]};
  }
  size_t StringBytes(size_t index) const {
    return ends_[index] - (index == 0 ? 0 : ends_[index - 1]);
  }
  void Reserve(size_t bytes) {
    if (capacity_ >= bytes + SymbolDecoder::kSlack) return;
    capacity_ = bytes + SymbolDecoder::kSlack;
    strings_.reset(new uint8_t[capacity_]);
  }

  Body *body_ = nullptr;
  SymbolTable table_;
  SymbolDecoder symbols_;
  std::optional<SymbolMatcher> matcher_;  // made when first needed
  std::vector<uint32_t> ends_;            // of the strings of each vector
  size_t codes_at_ = 0;
  Lengths lengths_;
  Lengths::Offsets offsets_;
  std::unique_ptr<uint8_t[]> strings_;  // not initialized: decoding writes it
  size_t capacity_ = 0;
  std::vector<uint8_t> wanted_;
};

constexpr Scheme kSchemes[] = {{.codec = Codec::kFsst,
                                .kind = Kind::kBytes,
                                .encode = Encode,
                                .decoder = MakeDecoder<FsstDecoder>,
                                .nanoseconds = 10.0}};

}  // namespace

std::span<const Scheme> FsstSchemes() { return kSchemes; }

}  // namespace helios::codec
