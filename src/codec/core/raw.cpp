// Numbers as they are, integers in the fewest bytes that hold all of them.
//
//   kInt            | width u8: 1, 2, 4 or 8 | values, signed, of that width … |
//   kFloat, kDouble | values …                                                |
#include <algorithm>
#include <cstring>

#include "codec/core/bytes.hpp"
#include "codec/core/scheme.hpp"

namespace helios::codec {
namespace {

// The narrowest width in bytes that holds all integers of a column.
size_t IntWidth(const Column &column) {
  if (column.count == 0) return 1;
  const auto [low, high] = std::minmax_element(column.ints, column.ints + column.count);
  const auto holds = [low = *low, high = *high](int64_t least, int64_t most) {
    return least <= low && high <= most;
  };
  if (holds(INT8_MIN, INT8_MAX)) return sizeof(int8_t);
  if (holds(INT16_MIN, INT16_MAX)) return sizeof(int16_t);
  if (holds(INT32_MIN, INT32_MAX)) return sizeof(int32_t);
  return sizeof(int64_t);
}

template <typename Narrow>
void AppendNarrow(const Column &column, std::vector<uint8_t> *out) {
  const size_t at = out->size();
  out->resize(at + column.count * sizeof(Narrow));
  for (size_t i = 0; i < column.count; ++i) {
    const Narrow value = static_cast<Narrow>(column.ints[i]);
    std::memcpy(out->data() + at + i * sizeof(Narrow), &value, sizeof(Narrow));
  }
}

template <typename Narrow>
void Widen(const uint8_t *bytes, size_t count, int64_t *ints) {
  for (size_t i = 0; i < count; ++i) ints[i] = Load<Narrow>(bytes, i);
}

Status EncodeInts(const Column &column, Stop, std::vector<uint8_t> *out) {
  const size_t width = IntWidth(column);
  Append(out, static_cast<uint8_t>(width));
  switch (width) {
    case sizeof(int8_t):
      AppendNarrow<int8_t>(column, out);
      break;
    case sizeof(int16_t):
      AppendNarrow<int16_t>(column, out);
      break;
    case sizeof(int32_t):
      AppendNarrow<int32_t>(column, out);
      break;
    default:
      AppendArray(out, column.ints, column.count);
  }
  return Status::kOk;
}

template <typename T>
Status EncodeNumbers(const Column &column, Stop, std::vector<uint8_t> *out) {
  AppendArray(out, ArrayOf<T>(column), column.count);
  return Status::kOk;
}

class IntDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    shape_ = shape;
    body_ = body;
    if (const Status status = body->Need(0, 1); status != Status::kOk) return status;
    width_ = body->data()[0];
    if (width_ != 1 && width_ != 2 && width_ != 4 && width_ != 8) return Status::kCorrupted;
    return body->size() == 1 + shape.count * width_ ? Status::kOk : Status::kCorrupted;
  }

  Status Read(size_t index, const Target &target) override {
    return ReadSome(index * kVectorValues, shape_.values_of(index), target.ints);
  }
  Status ReadOne(size_t position, const Target &target) override {
    return ReadSome(position, 1, target.ints);
  }

 private:
  Status ReadSome(size_t first, size_t count, int64_t *ints) {
    const size_t at = 1 + first * width_;
    if (const Status status = body_->Need(at, count * width_); status != Status::kOk) return status;
    const uint8_t *bytes = body_->data() + at;
    switch (width_) {
      case sizeof(int8_t):
        Widen<int8_t>(bytes, count, ints);
        break;
      case sizeof(int16_t):
        Widen<int16_t>(bytes, count, ints);
        break;
      case sizeof(int32_t):
        Widen<int32_t>(bytes, count, ints);
        break;
      default:
        std::memcpy(ints, bytes, count * sizeof(int64_t));
    }
    return Status::kOk;
  }

  Shape shape_;
  Body *body_ = nullptr;
  size_t width_ = 0;
};

template <typename T>
class NumberDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    shape_ = shape;
    body_ = body;
    return body->size() == shape.count * sizeof(T) ? Status::kOk : Status::kCorrupted;
  }

  Status Read(size_t index, const Target &target) override {
    return ReadSome(index * kVectorValues, shape_.values_of(index), PlacesOf<T>(target));
  }
  Status ReadOne(size_t position, const Target &target) override {
    return ReadSome(position, 1, PlacesOf<T>(target));
  }

 private:
  Status ReadSome(size_t first, size_t count, T *values) {
    const Status status = body_->Need(first * sizeof(T), count * sizeof(T));
    if (status != Status::kOk) return status;
    std::memcpy(values, body_->data() + first * sizeof(T), count * sizeof(T));
    return Status::kOk;
  }

  Shape shape_;
  Body *body_ = nullptr;
};

constexpr double kCopyNanoseconds = 0.2;

constexpr Scheme kSchemes[] = {
    {Codec::kRaw, Kind::kInt, EncodeInts, MakeDecoder<IntDecoder>, kCopyNanoseconds},
    {Codec::kRaw, Kind::kFloat, EncodeNumbers<float>, MakeDecoder<NumberDecoder<float>>,
     kCopyNanoseconds},
    {Codec::kRaw, Kind::kDouble, EncodeNumbers<double>, MakeDecoder<NumberDecoder<double>>,
     kCopyNanoseconds},
};

}  // namespace

std::span<const Scheme> RawSchemes() { return kSchemes; }

size_t RawBytes(const Column &column) {
  if (column.kind == Kind::kInt) return 1 + column.count * IntWidth(column);
  return ShapeOf(column).value_bytes;
}

}  // namespace helios::codec
