// Runs of equal values. No run crosses the border of a vector, so that vectors decode alone.
//
//   body     | values of the runs, nested | runs of each vector - 1, u16 … | table of vectors |
//   vector   | block of the lengths of its runs - 1 |
#include <algorithm>

#include "codec/core/block.hpp"
#include "codec/core/gather.hpp"
#include "codec/core/nested.hpp"
#include "codec/core/selection.hpp"
#include "codec/core/vectors.hpp"

namespace helios::codec {
namespace {

// Runs of at least this many values on average, else other codecs are better in size and speed.
constexpr size_t kLeastMeanRun = 2;

Status Encode(const Column &column, Stop stop, std::vector<uint8_t> *out) {
  const Shape shape = ShapeOf(column);
  std::vector<uint32_t> begins;  // of the runs
  std::vector<uint16_t> runs;    // of each vector, less one
  for (size_t index = 0; index < shape.vectors(); ++index) {
    const size_t begin = index * kVectorValues, before = begins.size();
    for (size_t i = begin; i < begin + shape.values_of(index); ++i) {
      if (i == begin || !SameAt(column, i - 1, i)) begins.push_back(static_cast<uint32_t>(i));
    }
    if (begins.size() * kLeastMeanRun > column.count) return Status::kUnfit;
    runs.push_back(static_cast<uint16_t>(begins.size() - before - 1));
  }
  const Gathered values(column, begins);
  const Status status = AppendNested(values.column(), Codec::kRunLength, stop, out);
  if (status != Status::kOk) return status;
  AppendArray(out, runs.data(), runs.size());
  begins.push_back(static_cast<uint32_t>(column.count));
  VectorWriter writer(shape.vectors(), out);
  const uint32_t *begin = begins.data();
  for (const uint16_t more : runs) {
    int64_t lengths[kVectorValues];
    const size_t count = size_t{more} + 1;
    for (size_t i = 0; i < count; ++i) lengths[i] = int64_t{begin[i + 1]} - begin[i] - 1;
    AppendBlock(lengths, count, out);
    writer.End();
    begin += count;
  }
  return Status::kOk;
}

template <typename T>
class RunLengthDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    shape_ = shape;
    std::span<const uint8_t> segment;
    size_t at = 0;
    Status status = FindNested(body, &at, Codec::kRunLength, shape.kind, &segment);
    for (Reader &reader : values_) {
      if (status == Status::kOk) status = reader.Open(segment);
    }
    const size_t runs_bytes = shape.vectors() * sizeof(uint16_t);
    if (status == Status::kOk) status = body->Need(at, runs_bytes);
    if (status == Status::kOk) status = table_.Open(shape, body, at + runs_bytes);
    if (status != Status::kOk) return status;
    first_runs_.assign(1, 0);
    for (size_t index = 0; index < shape.vectors(); ++index) {
      const size_t runs = size_t{Load<uint16_t>(body->data() + at, index)} + 1;
      if (runs > shape.values_of(index)) return Status::kCorrupted;
      first_runs_.push_back(first_runs_.back() + runs);
    }
    return first_runs_.back() == values_[0].count() ? Status::kOk : Status::kCorrupted;
  }

  Status Read(size_t index, const Target &target) override {
    T *places = PlacesOf<T>(target);
    return ForEachRun(index, [places](const T &value, size_t begin, size_t end) {
      // Most runs are short: a copy of fixed length, of which the next run overwrites what is too much.
      constexpr size_t kAhead = 8;
      if (begin + kAhead <= kVectorValues) {
        std::fill_n(places + begin, kAhead, value);
        begin += kAhead;
      }
      if (begin < end) std::fill(places + begin, places + end, value);
    });
  }

  Status SelectRange(size_t index, int64_t low, int64_t high, Selection *selection) override {
    if constexpr (std::is_same_v<T, int64_t>) {
      return ForEachRun(index, [=](int64_t value, size_t begin, size_t end) {
        if (low <= value && value <= high) SelectRun(begin, end, selection);
      });
    }
    return Status::kUnfit;
  }

 private:
  // Gives each run of a vector to use(value, begin, end).
  template <typename Use>
  Status ForEachRun(size_t index, Use use) {
    const size_t first = first_runs_[index], runs = first_runs_[index + 1] - first;
    std::span<const uint8_t> bytes;
    if (const Status status = table_.Find(index, &bytes); status != Status::kOk) return status;
    Cursor cursor(bytes);
    Block block;
    if (!block.Take(&cursor, runs) || cursor.left() != 0) return Status::kCorrupted;
    alignas(64) int64_t lengths[kVectorValues];
    block.Decode(lengths);
    const size_t count = shape_.values_of(index);
    size_t begin = 0;
    Values values;
    for (size_t run = 0; run < runs; ++run) {
      const size_t position = first + run;
      if (run == 0 || position % kVectorValues == 0) {
        const Status status = ReadValues(position / kVectorValues, &values);
        if (status != Status::kOk) return status;
      }
      const uint64_t more = static_cast<uint64_t>(lengths[run]);
      if (more >= count - begin) return Status::kCorrupted;
      use(ArrayOf<T>(values)[position % kVectorValues], begin, begin + more + 1);
      begin += more + 1;
    }
    return begin == count ? Status::kOk : Status::kCorrupted;
  }

  // The runs of a vector have values in two neighbouring vectors at most: with a reader for each of two
  // neighbours the strings of both stay good.
  Status ReadValues(size_t vector, Values *values) {
    return values_[vector % std::size(values_)].Read(vector, values);
  }

  Shape shape_;
  Reader values_[2];
  std::vector<size_t> first_runs_;  // the first of each vector, and the number of all
  VectorTable table_;
};

constexpr double kRunNanoseconds = 1.5;

constexpr Scheme kSchemes[] = {
    {Codec::kRunLength, Kind::kInt, Encode, MakeDecoder<RunLengthDecoder<int64_t>>,
     kRunNanoseconds},
    {Codec::kRunLength, Kind::kFloat, Encode, MakeDecoder<RunLengthDecoder<float>>,
     kRunNanoseconds},
    {Codec::kRunLength, Kind::kDouble, Encode, MakeDecoder<RunLengthDecoder<double>>,
     kRunNanoseconds},
    {Codec::kRunLength, Kind::kBytes, Encode, MakeDecoder<RunLengthDecoder<std::string_view>>,
     2 * kRunNanoseconds},
};

}  // namespace

std::span<const Scheme> RunLengthSchemes() { return kSchemes; }

}  // namespace helios::codec
