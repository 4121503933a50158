// Integers by frames of reference, by differences of neighbours and by differences of those.
//
//   body, a vector of kFrameOfReference   | block of the values |
//   of kDelta                             | start, short | block of the differences |
//   of kDeltaOfDelta                      | start, short | first difference, short | block |
//
// A block holds as many differences as the vector has values, so that full vectors are full blocks: the
// first is free and made equal to the second, and `start` is the value before it.
#include <algorithm>

#include "codec/core/block.hpp"
#include "codec/core/scheme.hpp"
#include "codec/core/vectors.hpp"

namespace helios::codec {
namespace {

constexpr size_t kMaxOrder = 2;

// Replaces values by the differences to the ones before; returns what stands before the first. The
// first difference is made such that `more` further rounds of this give the first result twice, too.
int64_t Differentiate(int64_t *values, size_t count, size_t more) {
  uint64_t *words = reinterpret_cast<uint64_t *>(values);
  const uint64_t first = words[0];
  for (size_t i = count; i-- > 1;) words[i] -= words[i - 1];
  words[0] = count > 1 ? words[1] : 0;
  if (more > 0 && count > 2) words[0] += words[1] - words[2];
  return static_cast<int64_t>(first - words[0]);
}

// Undoes Differentiate.
void Integrate(int64_t start, int64_t *values, size_t count) {
  uint64_t sum = static_cast<uint64_t>(start);
  uint64_t *words = reinterpret_cast<uint64_t *>(values);
  for (size_t i = 0; i < count; ++i) words[i] = sum += words[i];
}

template <size_t kOrder>
Status EncodeDifferences(const Column &column, Stop, std::vector<uint8_t> *out) {
  const Shape shape = ShapeOf(column);
  VectorWriter writer(shape.vectors(), out);
  for (size_t index = 0; index < shape.vectors(); ++index) {
    int64_t values[kVectorValues];
    const size_t count = shape.values_of(index);
    std::copy_n(column.ints + index * kVectorValues, count, values);
    for (size_t more = kOrder; more-- > 0;) AppendShort(out, Differentiate(values, count, more));
    AppendBlock(values, count, out);
    writer.End();
  }
  return Status::kOk;
}

template <size_t kOrder>
class DifferenceDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    shape_ = shape;
    return table_.Open(shape, body);
  }

  Status Read(size_t index, const Target &target) override {
    const size_t count = shape_.values_of(index);
    if (const Status status = Find(index); status != Status::kOk) return status;
    block_.Decode(target.ints);
    for (size_t order = kOrder; order-- > 0;) Integrate(starts_[order], target.ints, count);
    return Status::kOk;
  }

  Status ReadOne(size_t position, const Target &target) override {
    if (const Status status = Find(position / kVectorValues); status != Status::kOk) return status;
    const size_t at = position % kVectorValues;
    uint64_t value = kOrder > 0 ? static_cast<uint64_t>(starts_[0]) : 0;
    if constexpr (kOrder == 0) value = static_cast<uint64_t>(block_.At(at));
    if constexpr (kOrder == 1) value += block_.SumTo(at);
    if constexpr (kOrder == 2) {
      value += (at + 1) * static_cast<uint64_t>(starts_[1]) + block_.SumOfSumsTo(at);
    }
    target.ints[0] = static_cast<int64_t>(value);
    return Status::kOk;
  }

  Status SelectRange(size_t index, int64_t low, int64_t high, Selection *selection) override {
    if constexpr (kOrder > 0) return Status::kUnfit;
    if (const Status status = Find(index); status != Status::kOk) return status;
    block_.SelectRange(low, high, selection);
    return Status::kOk;
  }

 private:
  // Takes the parts of a vector.
  Status Find(size_t index) {
    std::span<const uint8_t> bytes;
    if (const Status status = table_.Find(index, &bytes); status != Status::kOk) return status;
    Cursor cursor(bytes);
    for (size_t order = 0; order < kOrder; ++order) {
      if (!TakeShort(&cursor, &starts_[order])) return Status::kCorrupted;
    }
    const bool whole = block_.Take(&cursor, shape_.values_of(index)) && cursor.left() == 0;
    return whole ? Status::kOk : Status::kCorrupted;
  }

  Shape shape_;
  VectorTable table_;
  int64_t starts_[kMaxOrder] = {};
  Block block_;
};

constexpr Scheme kSchemes[] = {
    {Codec::kFrameOfReference, Kind::kInt, EncodeDifferences<0>, MakeDecoder<DifferenceDecoder<0>>,
     0.3},
    {Codec::kDelta, Kind::kInt, EncodeDifferences<1>, MakeDecoder<DifferenceDecoder<1>>, 0.6},
    {Codec::kDeltaOfDelta, Kind::kInt, EncodeDifferences<2>, MakeDecoder<DifferenceDecoder<2>>,
     0.9},
};

}  // namespace

std::span<const Scheme> IntegerSchemes() { return kSchemes; }

}  // namespace helios::codec
