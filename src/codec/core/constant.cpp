// One value for a whole segment, which has one at least.
//
//   kInt | int64   kFloat | float   kDouble | double   kBytes | the string |
#include <algorithm>
#include <cstring>

#include "codec/core/bytes.hpp"
#include "codec/core/scheme.hpp"
#include "codec/core/selection.hpp"

namespace helios::codec {
namespace {

// Compares bits: equal zeros may differ, and a NaN is its own equal.
template <typename T>
Status EncodeNumber(const Column &column, Stop, std::vector<uint8_t> *out) {
  const T *values = ArrayOf<T>(column);
  if (column.count == 0) return Status::kUnfit;
  for (size_t i = 1; i < column.count; ++i) {
    if (std::memcmp(values, values + i, sizeof(T)) != 0) return Status::kUnfit;
  }
  Append(out, values[0]);
  return Status::kOk;
}

Status EncodeString(const Column &column, Stop, std::vector<uint8_t> *out) {
  if (column.count == 0) return Status::kUnfit;
  const size_t length = column.offsets[1];
  for (size_t i = 1; i < column.count; ++i) {
    const uint32_t at = column.offsets[i];
    if (column.offsets[i + 1] - at != length ||
        (length > 0 && std::memcmp(column.bytes, column.bytes + at, length) != 0)) {
      return Status::kUnfit;
    }
  }
  AppendArray(out, column.bytes, length);
  return Status::kOk;
}

template <typename T>
class NumberDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    shape_ = shape;
    if (shape.count == 0 || body->size() != sizeof(T)) return Status::kCorrupted;
    if (const Status status = body->Need(0, sizeof(T)); status != Status::kOk) return status;
    value_ = Load<T>(body->data());
    return Status::kOk;
  }
  Status Read(size_t index, const Target &target) override {
    std::fill_n(PlacesOf<T>(target), shape_.values_of(index), value_);
    return Status::kOk;
  }
  Status ReadOne(size_t, const Target &target) override {
    PlacesOf<T>(target)[0] = value_;
    return Status::kOk;
  }
  Status SelectRange(size_t index, int64_t low, int64_t high, Selection *selection) override {
    if (low <= value_ && value_ <= high) SelectRun(0, shape_.values_of(index), selection);
    return Status::kOk;
  }

 private:
  Shape shape_;
  T value_ = 0;
};

class StringDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    shape_ = shape;
    if (shape.count == 0) return Status::kCorrupted;
    if (shape.value_bytes != shape.count * (body->size() + sizeof(uint32_t))) {
      return Status::kCorrupted;
    }
    if (const Status status = body->Need(0, body->size()); status != Status::kOk) return status;
    value_ = {reinterpret_cast<const char *>(body->data()), body->size()};
    return Status::kOk;
  }
  Status Read(size_t index, const Target &target) override {
    std::fill_n(target.strings, shape_.values_of(index), value_);
    return Status::kOk;
  }
  Status ReadOne(size_t, const Target &target) override {
    target.strings[0] = value_;
    return Status::kOk;
  }
  Status SelectEqual(size_t index, std::string_view value, Selection *selection) override {
    if (value == value_) SelectRun(0, shape_.values_of(index), selection);
    return Status::kOk;
  }

 private:
  Shape shape_;
  std::string_view value_;
};

constexpr double kFillNanoseconds = 0.1;

constexpr Scheme kSchemes[] = {
    {Codec::kConstant, Kind::kInt, EncodeNumber<int64_t>, MakeDecoder<NumberDecoder<int64_t>>,
     kFillNanoseconds},
    {Codec::kConstant, Kind::kFloat, EncodeNumber<float>, MakeDecoder<NumberDecoder<float>>,
     kFillNanoseconds},
    {Codec::kConstant, Kind::kDouble, EncodeNumber<double>, MakeDecoder<NumberDecoder<double>>,
     kFillNanoseconds},
    {Codec::kConstant, Kind::kBytes, EncodeString, MakeDecoder<StringDecoder>, kFillNanoseconds},
};

}  // namespace

std::span<const Scheme> ConstantSchemes() { return kSchemes; }

}  // namespace helios::codec
