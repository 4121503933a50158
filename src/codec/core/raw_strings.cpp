// Strings as they are:
//
//   body | form u8 = 0 | pieces (pieces.hpp): the strings                                            |
//        | form u8 = 1 | terminator u8 | end of each vector u32 … | strings, each with a terminator   |
//
// A wrap sees words that end in the same way better than lengths apart from them (by up to 15 %), so a
// body that will be wrapped is of the second form, unless all strings are of one length or all 256
// bytes occur.
#include <algorithm>
#include <bit>

#include "codec/core/bytes.hpp"
#include "codec/core/pieces.hpp"

namespace helios::codec {
namespace {

constexpr uint8_t kPieces = 0, kTerminated = 1;

Status Encode(const Column &column, Stop, std::vector<uint8_t> *out) {
  Append(out, kPieces);
  if (column.count > 0) AppendPieces({column.offsets, column.count + 1}, column.bytes, out);
  return Status::kOk;
}

bool OneLength(const Column &column) {
  for (size_t i = 1; i < column.count; ++i)
    if (column.offsets[i + 1] - column.offsets[i] != column.offsets[1]) return false;
  return true;
}

// The lowest byte that no string has; false if all occur.
bool FreeByte(const Column &column, uint8_t *free) {
  bool occurs[256] = {};
  for (size_t i = 0; i < column.offsets[column.count]; ++i) occurs[column.bytes[i]] = true;
  const auto *found = std::find(std::begin(occurs), std::end(occurs), false);
  *free = static_cast<uint8_t>(found - occurs);
  return found != std::end(occurs);
}

Status EncodeForWrap(const Column &column, Stop stop, std::vector<uint8_t> *out) {
  uint8_t terminator;
  if (column.count == 0 || OneLength(column) || !FreeByte(column, &terminator))
    return Encode(column, stop, out);
  Append(out, kTerminated);
  Append(out, terminator);
  const Shape shape = ShapeOf(column);
  for (size_t index = 0; index < shape.vectors(); ++index) {
    const size_t strings = index * kVectorValues + shape.values_of(index);
    Append(out, static_cast<uint32_t>(column.offsets[strings] + strings));
  }
  for (size_t i = 0; i < column.count; ++i) {
    AppendArray(out, column.bytes + column.offsets[i], column.offsets[i + 1] - column.offsets[i]);
    out->push_back(terminator);
  }
  return Status::kOk;
}

std::string_view View(std::span<const uint8_t> piece) {
  return {reinterpret_cast<const char *>(piece.data()), piece.size()};
}

// Sets bit i where byte i of 64 is `sought`.
uint64_t FindByte(const uint8_t *bytes, uint8_t sought) {
  constexpr uint64_t kEach = 0x0101010101010101u, kLow7 = 0x7F * kEach;
  constexpr uint64_t kGather = 0x0102040810204080u;  // highest bits of bytes to the highest byte
  uint64_t found = 0;
  for (size_t i = 0; i < sizeof(uint64_t); ++i) {
    const uint64_t word = Load<uint64_t>(bytes, i) ^ sought * kEach;
    const uint64_t zeros = ~(((word & kLow7) + kLow7) | word | kLow7);
    found |= (zeros >> 7) * kGather >> 56 << (8 * i);
  }
  return found;
}

// Finds `count` strings in [at, limit), each with its terminator; false if there are more or fewer.
bool Split(const uint8_t *at, const uint8_t *limit, uint8_t terminator, size_t count,
           std::string_view *strings) {
  const uint8_t *begin = at;
  size_t found = 0;
  const auto end_string = [&](const uint8_t *end) {
    if (found < count) strings[found] = View({begin, end});
    ++found;
    begin = end + 1;
  };
  // Many bytes together: where short strings end no branch predictor can tell.
  constexpr ptrdiff_t kTogether = 64;
  for (; limit - at >= kTogether; at += kTogether)
    for (uint64_t ends = FindByte(at, terminator); ends != 0; ends &= ends - 1)
      end_string(at + std::countr_zero(ends));
  for (; at < limit; ++at)
    if (*at == terminator) end_string(at);
  return found == count && begin == limit;
}

class StringDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    shape_ = shape;
    body_ = body;
    if (const Status status = body->Need(0, 1); status != Status::kOk) return status;
    form_ = body->data()[0];
    const size_t bytes = shape.value_bytes - shape.count * sizeof(uint32_t);
    if (form_ == kPieces) {
      const Status status = pieces_.Open(shape, body, 1);
      if (status != Status::kOk) return status;
      return pieces_.bytes() == bytes ? Status::kOk : Status::kCorrupted;
    }
    if (form_ != kTerminated) return Status::kCorrupted;
    strings_at_ = kEndsAt + shape.vectors() * sizeof(uint32_t);
    if (const Status status = body->Need(0, strings_at_); status != Status::kOk) return status;
    return body->size() - strings_at_ == bytes + shape.count ? Status::kOk : Status::kCorrupted;
  }

  Status Read(size_t index, const Target &target) override {
    if (form_ == kTerminated) return ReadTerminated(index, target.strings);
    if (const Status status = pieces_.Find(index); status != Status::kOk) return status;
    for (size_t i = 0; i < pieces_.count(); ++i) target.strings[i] = View(pieces_[i]);
    return Status::kOk;
  }

  Status ReadOne(size_t position, const Target &target) override {
    if (form_ == kTerminated) return Status::kUnfit;
    const Status status = pieces_.Find(position / kVectorValues);
    if (status == Status::kOk) target.strings[0] = View(pieces_[position % kVectorValues]);
    return status;
  }

  Status SelectEqual(size_t index, std::string_view value, Selection *selection) override {
    if (form_ == kTerminated) return Status::kUnfit;
    const Status status = pieces_.Find(index);
    if (status == Status::kOk) pieces_.SelectEqual(value, selection);
    return status;
  }

 private:
  static constexpr size_t kEndsAt = 2;

  Status ReadTerminated(size_t index, std::string_view *strings) {
    const uint8_t *ends = body_->data() + kEndsAt;
    const uint32_t begin = index == 0 ? 0 : Load<uint32_t>(ends, index - 1);
    const uint32_t end = Load<uint32_t>(ends, index);
    if (begin > end) return Status::kCorrupted;
    const Status status = body_->Need(strings_at_ + begin, end - begin);
    if (status != Status::kOk) return status;
    const uint8_t *at = body_->data() + strings_at_ + begin, *const limit = at + (end - begin);
    return Split(at, limit, body_->data()[1], shape_.values_of(index), strings)
               ? Status::kOk
               : Status::kCorrupted;
  }

  Shape shape_;
  Body *body_ = nullptr;
  uint8_t form_ = kPieces;
  Pieces pieces_;
  size_t strings_at_ = 0;  // terminated
};

constexpr Scheme kSchemes[] = {{.codec = Codec::kRaw,
                                .kind = Kind::kBytes,
                                .encode = Encode,
                                .decoder = MakeDecoder<StringDecoder>,
                                .nanoseconds = 2.0,
                                .encode_for_wrap = EncodeForWrap}};

}  // namespace

std::span<const Scheme> RawStringSchemes() { return kSchemes; }

}  // namespace helios::codec
