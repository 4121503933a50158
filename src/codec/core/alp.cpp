// Decimals as integers (Afroozeh, Kuffo, Boncz 2023, "ALP: Adaptive Lossless floating-Point
// Compression", section 3): a value is n * 10^f * 10^-e for an exponent e and a factor f of its vector;
// what is not, bit by bit, is an exception. Floats are computed as doubles and rounded at the end, which
// makes more of them decimals.
//
//   body, a vector   | pair u8: e (e + 1) / 2 + f | exceptions u16 | block of the n |
//                    | positions of the exceptions, 10 bits each | the exceptions, as they are |
#include <algorithm>
#include <array>
#include <cmath>

#include "codec/core/bitpack.hpp"
#include "codec/core/block.hpp"
#include "codec/core/scheme.hpp"
#include "codec/core/vectors.hpp"

namespace helios::codec {
namespace {

// Powers of ten beyond these do not help (the paper's section 3.1; floats have half the digits).
template <typename T>
constexpr int kMaxExponent = sizeof(T) == sizeof(double) ? 18 : 10;
constexpr int kPowers = 19;
constexpr double kPower[kPowers] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
constexpr double kFraction[kPowers] = {1e0,   1e-1,  1e-2,  1e-3,  1e-4,  1e-5,  1e-6,
                                       1e-7,  1e-8,  1e-9,  1e-10, 1e-11, 1e-12, 1e-13,
                                       1e-14, 1e-15, 1e-16, 1e-17, 1e-18};

// Sampling in two levels (section 3.2): of a column for a few good pairs, of each vector for the best of
// them. The first samples stretches of the column, not vectors: some have nothing but zeros.
constexpr size_t kSampledStretches = 8;
constexpr size_t kSampledValues = 64;
constexpr size_t kKeptPairs = 5;

// An exponent and a factor.
struct Pair {
  int exponent, factor;

  uint8_t Stored() const { return static_cast<uint8_t>(exponent * (exponent + 1) / 2 + factor); }
};
constexpr size_t kPairs = kPowers * (kPowers + 1) / 2;

constexpr std::array<Pair, kPairs> MakePairs() {
  std::array<Pair, kPairs> pairs = {};
  size_t at = 0;
  for (int exponent = 0; exponent < kPowers; ++exponent) {
    for (int factor = 0; factor <= exponent; ++factor) pairs[at++] = {exponent, factor};
  }
  return pairs;
}
constexpr std::array<Pair, kPairs> kPairOf = MakePairs();

template <typename T>
T DecodeOne(int64_t integer, Pair pair) {
  return static_cast<T>(static_cast<double>(integer) * kPower[pair.factor] *
                        kFraction[pair.exponent]);
}

// Finds the integer of a value; false if the value is an exception.
template <typename T>
bool EncodeOne(T value, Pair pair, int64_t *integer) {
  // Adding and taking away 1.5 * 2^52 rounds to an integer (section 3.1, "fast rounding"), of numbers
  // whose fraction bits it pushes out.
  constexpr double kRounder = 6755399441055744.0, kGreatest = 2251799813685248.0;
  const double scaled = static_cast<double>(value) * kPower[pair.exponent] * kFraction[pair.factor];
  if (!(std::fabs(scaled) < kGreatest)) return false;
  *integer = static_cast<int64_t>(scaled + kRounder - kRounder);
  const T decoded = DecodeOne<T>(*integer, pair);
  return std::memcmp(&decoded, &value, sizeof(T)) == 0;
}

// Bits that sampled values take by a pair, roughly.
template <typename T>
size_t SampleBits(std::span<const T> sample, Pair pair) {
  int64_t least = INT64_MAX, greatest = INT64_MIN;
  size_t exceptions = 0;
  for (const T value : sample) {
    int64_t integer;
    if (!EncodeOne(value, pair, &integer)) {
      ++exceptions;
      continue;
    }
    least = std::min(least, integer);
    greatest = std::max(greatest, integer);
  }
  const size_t width =
      exceptions == sample.size()
          ? 0
          : std::bit_width(static_cast<uint64_t>(greatest) - static_cast<uint64_t>(least));
  return sample.size() * width + exceptions * (8 * sizeof(T) + kPositionBits);
}

// Takes some of the values at equal distances. Zeros are passed over, since every pair encodes them, but
// for one that stands for all.
template <typename T>
std::span<const T> Sample(const T *values, size_t count, T *sample) {
  const size_t found = static_cast<size_t>(
      std::count_if(values, values + count, [](T value) { return value != 0; }));
  const size_t wanted = std::min(found, kSampledValues - 1);
  size_t sampled = 0;
  if (found < count) sample[sampled++] = 0;
  for (size_t i = 0, met = 0, taken = 0; taken < wanted; ++i) {
    if (values[i] == 0) continue;
    if (met++ != taken * found / wanted) continue;
    sample[sampled++] = values[i];
    ++taken;
  }
  return {sample, sampled};
}

// The best of some pairs for a sample; of equals the first.
template <typename T, typename Pairs>
Pair BestPair(std::span<const T> sample, const Pairs &pairs) {
  Pair best = {};
  size_t best_bits = SIZE_MAX;
  for (const Pair pair : pairs) {
    if (pair.exponent > kMaxExponent<T>) continue;
    const size_t bits = SampleBits(sample, pair);
    if (bits < best_bits) {
      best = pair;
      best_bits = bits;
    }
  }
  return best;
}

// The pairs that are best for most stretches of a column.
template <typename T>
std::vector<Pair> GoodPairs(const Column &column) {
  const size_t stretches = std::min(column.count, kSampledStretches);
  // High exponents first: of equals they keep most digits.
  std::array<Pair, kPairs> descending = kPairOf;
  std::reverse(descending.begin(), descending.end());
  std::array<size_t, kPairs> wins = {};
  for (size_t i = 0; i < stretches; ++i) {
    const size_t begin = i * column.count / stretches;
    const size_t end = (i + 1) * column.count / stretches;
    T room[kSampledValues];
    const auto sample = Sample(ArrayOf<T>(column) + begin, end - begin, room);
    ++wins[BestPair(sample, descending).Stored()];
  }
  std::stable_sort(descending.begin(), descending.end(),
                   [&](Pair a, Pair b) { return wins[a.Stored()] > wins[b.Stored()]; });
  std::vector<Pair> good;
  for (const Pair pair : descending) {
    if (good.size() == kKeptPairs || wins[pair.Stored()] == 0) break;
    good.push_back(pair);
  }
  return good;
}

// Appends a vector by a pair.
template <typename T>
void AppendVector(const T *values, size_t count, Pair pair, std::vector<uint8_t> *out) {
  int64_t integers[kVectorValues];
  uint64_t positions[kVectorValues];
  size_t exceptions = 0;
  int64_t filler = 0;
  for (size_t i = 0; i < count; ++i) {
    if (EncodeOne(values[i], pair, &integers[i])) {
      filler = integers[i];
    } else {
      positions[exceptions++] = i;
    }
  }
  // In the place of an exception stands a neighbour: it widens nothing.
  for (size_t i = 0; i < exceptions; ++i) integers[positions[i]] = filler;
  Append(out, pair.Stored());
  Append(out, static_cast<uint16_t>(exceptions));
  AppendBlock(integers, count, out);
  AppendBits(out, positions, exceptions, kPositionBits);
  for (size_t i = 0; i < exceptions; ++i) Append(out, values[positions[i]]);
}

template <typename T>
Status Encode(const Column &column, Stop, std::vector<uint8_t> *out) {
  const Shape shape = ShapeOf(column);
  const std::vector<Pair> pairs = GoodPairs<T>(column);
  VectorWriter writer(shape.vectors(), out);
  for (size_t index = 0; index < shape.vectors(); ++index) {
    const T *values = ArrayOf<T>(column) + index * kVectorValues;
    const size_t count = shape.values_of(index);
    T room[kSampledValues];
    const Pair pair = pairs.size() == 1 ? pairs[0] : BestPair(Sample(values, count, room), pairs);
    AppendVector(values, count, pair, out);
    writer.End();
  }
  return Status::kOk;
}

template <typename T>
class AlpDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    shape_ = shape;
    return table_.Open(shape, body);
  }

  Status Read(size_t index, const Target &target) override {
    if (const Status status = Find(index); status != Status::kOk) return status;
    T *places = PlacesOf<T>(target);
    const size_t count = shape_.values_of(index);
    const double up = kPower[pair_.factor], down = kFraction[pair_.exponent];
    if (block_.patches() == 0) {
      UnpackDecimals(block_.packed(), count, block_.width(), static_cast<uint64_t>(block_.base()),
                     up, down, places);
    } else {
      alignas(64) int64_t integers[kVectorValues];
      block_.Decode(integers);
      ToDecimals(integers, count, up, down, places);
    }
    // Positions have as many bits as there is room for values: hostile ones stay inside.
    for (size_t i = 0; i < exceptions_; ++i) places[positions_.At(i)] = Load<T>(values_, i);
    return Status::kOk;
  }

  Status ReadOne(size_t position, const Target &target) override {
    const size_t index = position / kVectorValues, at = position % kVectorValues;
    if (const Status status = Find(index); status != Status::kOk) return status;
    T *place = PlacesOf<T>(target);
    *place = DecodeOne<T>(block_.At(at), pair_);
    for (size_t i = 0; i < exceptions_; ++i) {
      if (positions_.At(i) == at) *place = Load<T>(values_, i);
    }
    return Status::kOk;
  }

 private:
  // Takes the parts of a vector.
  Status Find(size_t index) {
    std::span<const uint8_t> bytes;
    if (const Status status = table_.Find(index, &bytes); status != Status::kOk) return status;
    Cursor cursor(bytes);
    uint8_t pair;
    uint16_t exceptions;
    if (!cursor.Take(&pair) || pair >= kPairs || !cursor.Take(&exceptions) ||
        exceptions > kVectorValues || !block_.Take(&cursor, shape_.values_of(index)) ||
        !positions_.Take(&cursor, exceptions, kPositionBits) ||
        !cursor.TakeBytes(exceptions * sizeof(T), &values_) || cursor.left() != 0) {
      return Status::kCorrupted;
    }
    pair_ = kPairOf[pair];
    exceptions_ = exceptions;
    return Status::kOk;
  }

  Shape shape_;
  VectorTable table_;
  Pair pair_ = {};
  Block block_;
  size_t exceptions_ = 0;
  Bits positions_;
  const uint8_t *values_ = nullptr;
};

constexpr Scheme kSchemes[] = {
    {Codec::kAlp, Kind::kFloat, Encode<float>, MakeDecoder<AlpDecoder<float>>, 0.6},
    {Codec::kAlp, Kind::kDouble, Encode<double>, MakeDecoder<AlpDecoder<double>>, 0.6},
};

}  // namespace

std::span<const Scheme> AlpSchemes() { return kSchemes; }

}  // namespace helios::codec
