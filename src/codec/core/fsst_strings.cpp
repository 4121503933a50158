// Strings by symbols (fsst.hpp), with one table for the segment:
//
//   body | symbol table | end of each vector's strings u32 … | pieces (pieces.hpp): the codes of strings |
//
// Equal strings have equal codes, so a string is looked for by its codes.
#include <algorithm>
#include <memory>
#include <optional>

#include "codec/core/bytes.hpp"
#include "codec/core/fsst.hpp"
#include "codec/core/pieces.hpp"

namespace helios::codec {
namespace {

// Encoded between two questions whether to stop: some 4 ms.
constexpr size_t kBytesBetweenPolls = size_t{1} << 20;

Status Encode(const Column &column, Stop stop, std::vector<uint8_t> *out) {
  if (column.count == 0 || column.offsets[column.count] == 0) return Status::kUnfit;
  const size_t bytes = column.offsets[column.count];
  const SymbolTable table = SymbolTable::Train(column);
  const SymbolMatcher matcher(table);

  std::vector<uint8_t> codes;
  std::vector<uint32_t> offsets{0};
  offsets.reserve(column.count + 1);
  size_t next_poll = 0;
  for (size_t i = 0; i < column.count; ++i) {
    const uint32_t begin = column.offsets[i], length = column.offsets[i + 1] - begin;
    if (begin >= next_poll) {
      if (stop.requested()) return Status::kInterrupted;
      next_poll = begin + kBytesBetweenPolls;
    }
    const size_t at = offsets.back(), most = matcher.MostBytes(length);
    if (codes.size() < at + most) codes.resize(std::max(at + most, 2 * codes.size()));
    const size_t encoded = matcher.Encode(column.bytes + begin, length, &codes[at]);
    // Not shorter than the strings: not even raw, which has lengths as well.
    if (at + encoded >= bytes) return Status::kUnfit;
    offsets.push_back(static_cast<uint32_t>(at + encoded));
  }

  table.Write(out);
  const Shape shape = ShapeOf(column);
  for (size_t index = 0; index < shape.vectors(); ++index)
    Append(out, column.offsets[index * kVectorValues + shape.values_of(index)]);
  AppendPieces(offsets, codes.data(), out);
  return Status::kOk;
}

class FsstDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    const size_t head = std::min(body->size(), SymbolTable::kMaxBytes);
    if (const Status status = body->Need(0, head); status != Status::kOk) return status;
    size_t at;
    if (const Status status = table_.Read({body->data(), head}, &at); status != Status::kOk)
      return status;
    symbols_ = SymbolDecoder(table_);
    matcher_.reset();

    ends_.assign(shape.vectors() + 1, 0);
    const size_t ends = shape.vectors() * sizeof(uint32_t);
    if (const Status status = body->Need(at, ends); status != Status::kOk) return status;
    for (size_t i = 0; i < shape.vectors(); ++i)
      ends_[i + 1] = Load<uint32_t>(body->data() + at, i);
    if (!std::is_sorted(ends_.begin(), ends_.end())) return Status::kCorrupted;
    if (ends_.back() != shape.value_bytes - shape.count * sizeof(uint32_t))
      return Status::kCorrupted;
    return codes_.Open(shape, body, at + ends);
  }

  Status Read(size_t index, const Target &target) override {
    if (const Status status = codes_.Find(index); status != Status::kOk) return status;
    const size_t bytes = ends_[index + 1] - ends_[index];
    if (bytes > codes_.found_bytes() * kMaxSymbolBytes) return Status::kCorrupted;
    Reserve(bytes);
    return codes_.found_bytes() <= kMostTogether ? ReadTogether(bytes, target.strings)
                                                 : ReadOneByOne(bytes, target.strings);
  }

  Status ReadOne(size_t position, const Target &target) override {
    const size_t index = position / kVectorValues, i = position % kVectorValues;
    if (const Status status = codes_.Find(index); status != Status::kOk) return status;
    const size_t most =
        std::min<size_t>(codes_[i].size() * kMaxSymbolBytes, ends_[index + 1] - ends_[index]);
    Reserve(most);
    return Decode(i, 0, most, &target.strings[0]);
  }

  Status SelectEqual(size_t index, std::string_view value, Selection *selection) override {
    if (const Status status = codes_.Find(index); status != Status::kOk) return status;
    if (!matcher_) matcher_.emplace(table_);
    wanted_.resize(matcher_->MostBytes(value.size()));
    const size_t encoded = matcher_->Encode(reinterpret_cast<const uint8_t *>(value.data()),
                                            value.size(), wanted_.data());
    codes_.SelectEqual({reinterpret_cast<const char *>(wanted_.data()), encoded}, selection);
    return Status::kOk;
  }

 private:
  // Short strings are decoded together: it costs 4 bytes for each of their codes.
  static constexpr size_t kMostTogether = size_t{256} * 1024;

  Status ReadTogether(size_t bytes, std::string_view *strings) {
    begins_.resize(codes_.found_bytes() + 1);
    const std::span<const uint8_t> all = codes_.all();
    if (!symbols_.DecodeAll(all, strings_.get(), bytes, begins_.data())) return Status::kCorrupted;
    uint32_t begin = 0;
    for (size_t i = 0; i < codes_.count(); ++i) {
      const uint32_t end =
          begins_[static_cast<size_t>(codes_[i].data() - all.data()) + codes_[i].size()];
      if (end == SymbolDecoder::kNowhere) return Status::kCorrupted;
      strings[i] = {reinterpret_cast<const char *>(strings_.get()) + begin, end - begin};
      begin = end;
    }
    return begin == bytes ? Status::kOk : Status::kCorrupted;
  }
  Status ReadOneByOne(size_t bytes, std::string_view *strings) {
    size_t at = 0;
    for (size_t i = 0; i < codes_.count(); ++i) {
      const Status status = Decode(i, at, bytes - at, &strings[i]);
      if (status != Status::kOk) return status;
      at += strings[i].size();
    }
    return at == bytes ? Status::kOk : Status::kCorrupted;
  }
  // Decodes string `i` of the vector to byte `at` of the room.
  Status Decode(size_t i, size_t at, size_t capacity, std::string_view *string) {
    uint8_t *const place = strings_.get() + at;
    size_t length;
    if (!symbols_.Decode(codes_[i], place, capacity, &length)) return Status::kCorrupted;
    *string = {reinterpret_cast<const char *>(place), length};
    return Status::kOk;
  }
  void Reserve(size_t bytes) {
    if (capacity_ >= bytes + SymbolDecoder::kSlack) return;
    capacity_ = bytes + SymbolDecoder::kSlack;
    strings_.reset(new uint8_t[capacity_]);
  }

  SymbolTable table_;
  SymbolDecoder symbols_;
  std::optional<SymbolMatcher> matcher_;  // made when first needed
  std::vector<uint32_t> ends_;            // of the strings of each vector, behind a zero
  Pieces codes_;
  std::unique_ptr<uint8_t[]> strings_;  // not initialized: decoding writes it
  size_t capacity_ = 0;
  std::vector<uint32_t> begins_;  // in strings_, by byte of the vector's codes
  std::vector<uint8_t> wanted_;
};

constexpr Scheme kSchemes[] = {{.codec = Codec::kFsst,
                                .kind = Kind::kBytes,
                                .encode = Encode,
                                .decoder = MakeDecoder<FsstDecoder>,
                                .nanoseconds = 6.0}};

}  // namespace

std::span<const Scheme> FsstSchemes() { return kSchemes; }

}  // namespace helios::codec
