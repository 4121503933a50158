// Every kernel against its plain-loop reference, on every SIMD target this CPU supports.
#include "vector/core/distance.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "gtest/gtest.h"
// The widest set of targets any kernel file compiles.
#define HWY_WANT_AVX3_DL
#include "hwy/targets.h"
#include "vector/core/distance_scalar.hpp"

namespace helios::vector {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Array lengths: all that exercise vector tails, and dimensions met in practice.
std::vector<size_t> Lengths() {
  std::vector<size_t> lengths;
  for (size_t n = 0; n <= 130; ++n) lengths.push_back(n);
  for (const size_t n : {512, 784, 1536, 2047, 16000}) lengths.push_back(n);
  return lengths;
}

// A copy of an array that begins `shift` bytes into a heap block and ends exactly at its end, so
// that misaligned access works and any read outside the array is a sanitizer error.
template <typename T>
class Misaligned {
 public:
  Misaligned(const std::vector<T>& values, size_t shift)
      : bytes_(shift + values.size() * sizeof(T)), shift_(shift) {
    bytes_.shrink_to_fit();
    if (!values.empty()) std::memcpy(bytes_.data() + shift, values.data(), bytes_.size() - shift);
  }
  const T* data() const { return reinterpret_cast<const T*>(bytes_.data() + shift_); }
  T* data() { return reinterpret_cast<T*>(bytes_.data() + shift_); }
  std::vector<T> values() const {
    std::vector<T> copy((bytes_.size() - shift_) / sizeof(T));
    if (!copy.empty()) std::memcpy(copy.data(), bytes_.data() + shift_, bytes_.size() - shift_);
    return copy;
  }

 private:
  std::vector<char> bytes_;
  size_t shift_;
};

// Runs every test under one forced target.
class DistanceTest : public testing::TestWithParam<int64_t> {
 protected:
  void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
  void TearDown() override { hwy::SetSupportedTargetsForTest(0); }

  std::vector<float> Floats(size_t n) {
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    std::vector<float> values(n);
    for (float& value : values) value = uniform(random_);
    return values;
  }
  std::vector<uint16_t> Halves(size_t n) {
    std::vector<uint16_t> values;
    for (const float value : Floats(n)) values.push_back(FloatToHalf(value));
    return values;
  }
  template <typename T>
  std::vector<T> Integers(size_t n, int64_t low, int64_t high) {
    std::uniform_int_distribution<int64_t> uniform(low, high);
    std::vector<T> values(n);
    for (T& value : values) value = static_cast<T>(uniform(random_));
    return values;
  }
  std::vector<uint8_t> Bytes(size_t n) { return Integers<uint8_t>(n, 0, 255); }
  std::vector<uint64_t> Words(size_t n) {
    std::vector<uint64_t> values(n);
    for (uint64_t& value : values) value = random_();
    return values;
  }

  std::mt19937_64 random_{42};
};

// Rounding allowance of a sum of n terms whose magnitudes add up to `magnitude`.
double Tolerance(double magnitude, size_t n) {
  const double epsilon = std::numeric_limits<float>::epsilon();
  return epsilon * magnitude * (2.0 + static_cast<double>(n) / 8) + 1e-30;
}

void ExpectNear(const CosineParts& actual, const CosineParts& expected, size_t n) {
  const double magnitude = std::sqrt(static_cast<double>(expected.norm_a) * expected.norm_b);
  EXPECT_NEAR(actual.dot, expected.dot, Tolerance(magnitude, n));
  EXPECT_NEAR(actual.norm_a, expected.norm_a, Tolerance(expected.norm_a, n));
  EXPECT_NEAR(actual.norm_b, expected.norm_b, Tolerance(expected.norm_b, n));
}

TEST_P(DistanceTest, ForcedTargetIsInUse) {
  EXPECT_STREQ(SimdTargetName(), hwy::TargetName(GetParam()));
}

TEST_P(DistanceTest, FloatKernelsMatchReference) {
  for (const size_t n : Lengths()) {
    SCOPED_TRACE(n);
    const auto a = Floats(n), b = Floats(n);
    const Misaligned<float> ma(a, n % 5), mb(b, n % 3);
    const float* x = ma.data();
    const float* y = mb.data();
    const float l2 = scalar::L2Squared(a.data(), b.data(), n);
    const float l1 = scalar::L1(a.data(), b.data(), n);
    const CosineParts cosine = scalar::Cosine(a.data(), b.data(), n);
    const double magnitude = std::sqrt(static_cast<double>(cosine.norm_a) * cosine.norm_b);
    EXPECT_NEAR(L2Squared(x, y, n), l2, Tolerance(l2, n));
    EXPECT_NEAR(L1(x, y, n), l1, Tolerance(l1, n));
    EXPECT_NEAR(Dot(x, y, n), cosine.dot, Tolerance(magnitude, n));
    ExpectNear(Cosine(x, y, n), cosine, n);
  }
}

TEST_P(DistanceTest, HalfKernelsMatchReference) {
  for (const size_t n : Lengths()) {
    SCOPED_TRACE(n);
    const auto a = Halves(n), b = Halves(n);
    const Misaligned<uint16_t> ma(a, n % 3), mb(b, n % 5);
    const uint16_t* x = ma.data();
    const uint16_t* y = mb.data();
    const float l2 = scalar::L2SquaredHalf(a.data(), b.data(), n);
    const float l1 = scalar::L1Half(a.data(), b.data(), n);
    const CosineParts cosine = scalar::CosineHalf(a.data(), b.data(), n);
    const double magnitude = std::sqrt(static_cast<double>(cosine.norm_a) * cosine.norm_b);
    EXPECT_NEAR(L2SquaredHalf(x, y, n), l2, Tolerance(l2, n));
    EXPECT_NEAR(L1Half(x, y, n), l1, Tolerance(l1, n));
    EXPECT_NEAR(DotHalf(x, y, n), cosine.dot, Tolerance(magnitude, n));
    ExpectNear(CosineHalf(x, y, n), cosine, n);
  }
}

TEST_P(DistanceTest, NullPointersAreFineForLengthZero) {
  EXPECT_EQ(L2Squared(nullptr, nullptr, 0), 0.0f);
  EXPECT_EQ(DotHalf(nullptr, nullptr, 0), 0.0f);
  EXPECT_EQ(L1F32U8(nullptr, nullptr, 5.0f, 2.0f, 0), 0.0f);
  EXPECT_EQ(DotU8(nullptr, nullptr, 0), 0u);
  EXPECT_EQ(DotI16U8(nullptr, nullptr, 0), 0);
  EXPECT_EQ(Hamming(nullptr, nullptr, 0), 0u);
  EXPECT_EQ(Jaccard(nullptr, nullptr, 0).either, 0u);
  EXPECT_EQ(SumPqTable(nullptr, nullptr, 0, 256), 0.0f);
  EXPECT_EQ(DotBitPlanes(nullptr, nullptr, 0, 4), 0u);
  HalfToFloat(nullptr, nullptr, 0);
  FloatToHalf(nullptr, nullptr, 0);
}

// A special value at any position, tail or not, decides the result.
TEST_P(DistanceTest, NanAndInfinityPropagate) {
  for (const size_t n : {1, 7, 16, 37, 130}) {
    for (size_t at = 0; at < n; ++at) {
      SCOPED_TRACE(testing::Message() << "position " << at << " of " << n);
      std::vector<float> a(n, 1.0f);
      const std::vector<float> b(n, 2.0f);
      const std::vector<uint8_t> bytes(n, 3);
      std::vector<uint16_t> half_a(n, FloatToHalf(1.0f));
      const std::vector<uint16_t> half_b(n, FloatToHalf(2.0f));
      a[at] = kNan;
      half_a[at] = FloatToHalf(kNan);
      EXPECT_TRUE(std::isnan(L2Squared(a.data(), b.data(), n)));
      EXPECT_TRUE(std::isnan(L1(a.data(), b.data(), n)));
      EXPECT_TRUE(std::isnan(Dot(a.data(), b.data(), n)));
      EXPECT_TRUE(std::isnan(DotF32U8(a.data(), bytes.data(), n)));
      EXPECT_TRUE(std::isnan(L1F32U8(a.data(), bytes.data(), 0.0f, 1.0f, n)));
      EXPECT_TRUE(std::isnan(L2SquaredHalf(half_a.data(), half_b.data(), n)));
      EXPECT_TRUE(std::isnan(L1Half(half_a.data(), half_b.data(), n)));
      EXPECT_TRUE(std::isnan(DotHalf(half_a.data(), half_b.data(), n)));
      EXPECT_TRUE(std::isnan(CosineHalf(half_a.data(), half_b.data(), n).norm_a));
      EXPECT_EQ(CosineHalf(half_a.data(), half_b.data(), n).norm_b, 4.0f * n);
      a[at] = -kInfinity;
      half_a[at] = FloatToHalf(-kInfinity);
      EXPECT_EQ(L2Squared(a.data(), b.data(), n), kInfinity);
      EXPECT_EQ(L1(a.data(), b.data(), n), kInfinity);
      EXPECT_EQ(Dot(a.data(), b.data(), n), -kInfinity);
      EXPECT_EQ(Cosine(a.data(), b.data(), n).norm_a, kInfinity);
      EXPECT_EQ(L1F32U8(a.data(), bytes.data(), 0.0f, 1.0f, n), kInfinity);
      EXPECT_EQ(L2SquaredHalf(half_a.data(), half_b.data(), n), kInfinity);
      EXPECT_EQ(L1Half(half_a.data(), half_b.data(), n), kInfinity);
      EXPECT_EQ(DotHalf(half_a.data(), half_b.data(), n), -kInfinity);
    }
  }
}

TEST_P(DistanceTest, FloatOverflowIsInfinity) {
  const std::vector<float> big(40, 1e30f), negative(40, -1e30f);
  EXPECT_EQ(L2Squared(big.data(), negative.data(), 40), kInfinity);
  EXPECT_EQ(Dot(big.data(), negative.data(), 40), -kInfinity);
}

TEST_P(DistanceTest, AllHalvesRoundTrip) {
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  std::vector<float> floats(halves.size());
  std::vector<uint16_t> back(halves.size());
  HalfToFloat(halves.data(), floats.data(), halves.size());
  FloatToHalf(floats.data(), back.data(), floats.size());
  for (size_t i = 0; i < halves.size(); ++i) {
    const uint32_t magnitude = i & 0x7fff;
    const float scalar_float = HalfToFloat(halves[i]);
    if (magnitude > 0x7c00) {
      ASSERT_TRUE(std::isnan(floats[i])) << i;
      ASSERT_TRUE(std::isnan(scalar_float)) << i;
      ASSERT_GT(back[i] & 0x7fff, 0x7c00) << i;
      ASSERT_GT(FloatToHalf(scalar_float) & 0x7fff, 0x7c00) << i;
      continue;
    }
    const int exponent = static_cast<int>(magnitude >> 10);
    const double fraction = magnitude & 0x3ff;
    double value = exponent == 0 ? std::ldexp(fraction, -24)
                                 : std::ldexp(1024 + fraction, exponent - 25);
    if (exponent == 31) value = kInfinity;
    ASSERT_EQ(std::fabs(scalar_float), value) << i;
    ASSERT_EQ(std::signbit(scalar_float), i >= 0x8000) << i;
    ASSERT_EQ(std::bit_cast<uint32_t>(floats[i]), std::bit_cast<uint32_t>(scalar_float)) << i;
    ASSERT_EQ(back[i], halves[i]);
    ASSERT_EQ(FloatToHalf(scalar_float), halves[i]);
  }
}

// Around every half value: the midpoint to the next one goes to the even neighbour, and the floats
// just below and above the midpoint go to the nearer one.
TEST_P(DistanceTest, HalfRoundingIsToNearestEven) {
  std::vector<float> inputs;
  std::vector<uint16_t> expected;
  for (uint32_t half = 0; half < 0x7c00; ++half) {
    const float low = HalfToFloat(static_cast<uint16_t>(half));
    const float high =
        half == 0x7bff ? 65536.0f : HalfToFloat(static_cast<uint16_t>(half + 1));
    const float middle = (low + high) / 2;
    const uint16_t even = static_cast<uint16_t>(half + (half & 1));
    for (const uint16_t sign : {0, 0x8000}) {
      const float unit = sign != 0 ? -1.0f : 1.0f;
      inputs.push_back(unit * std::nextafter(middle, 0.0f));
      expected.push_back(sign | half);
      inputs.push_back(unit * middle);
      expected.push_back(sign | even);
      inputs.push_back(unit * std::nextafter(middle, kInfinity));
      expected.push_back(static_cast<uint16_t>(sign | (half + 1)));
    }
  }
  for (const float value : {1e9f, 3e38f, kInfinity, 1e-30f, 1e-44f, 0.0f}) {
    inputs.push_back(value);
    expected.push_back(value > 1.0f ? 0x7c00 : 0);
    inputs.push_back(-value);
    expected.push_back(value > 1.0f ? 0xfc00 : 0x8000);
  }
  std::vector<uint16_t> actual(inputs.size());
  FloatToHalf(inputs.data(), actual.data(), inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    ASSERT_EQ(actual[i], expected[i]) << inputs[i];
    ASSERT_EQ(FloatToHalf(inputs[i]), expected[i]) << inputs[i];
  }
}

TEST_P(DistanceTest, HalfArrayConversionsHandleTails) {
  for (const size_t n : Lengths()) {
    SCOPED_TRACE(n);
    const auto halves = Halves(n);
    const Misaligned<uint16_t> in(halves, 1);
    Misaligned<float> floats(std::vector<float>(n), 3);
    Misaligned<uint16_t> back(std::vector<uint16_t>(n), 1);
    HalfToFloat(in.data(), floats.data(), n);
    FloatToHalf(floats.data(), back.data(), n);
    std::vector<float> expected(n);
    scalar::HalfToFloat(halves.data(), expected.data(), n);
    EXPECT_EQ(floats.values(), expected);
    EXPECT_EQ(back.values(), halves);
  }
}

TEST_P(DistanceTest, ByteKernelsMatchReference) {
  for (const size_t n : Lengths()) {
    SCOPED_TRACE(n);
    const auto a = Bytes(n), b = Bytes(n);
    const auto wide = Integers<int16_t>(n, -2047, 2047);
    const auto floats = Floats(n);
    const Misaligned<uint8_t> ma(a, n % 4), mb(b, n % 7);
    const Misaligned<int16_t> mwide(wide, n % 3);
    const Misaligned<float> mfloats(floats, n % 5);
    EXPECT_EQ(DotU8(ma.data(), mb.data(), n), scalar::DotU8(a.data(), b.data(), n));
    EXPECT_EQ(DotI16U8(mwide.data(), mb.data(), n), scalar::DotI16U8(wide.data(), b.data(), n));
    const double magnitude = 255.0 * static_cast<double>(n);
    EXPECT_NEAR(DotF32U8(mfloats.data(), mb.data(), n),
                scalar::DotF32U8(floats.data(), b.data(), n), Tolerance(magnitude, n));
    const float lo = -1.25f, step = 0.0101f;
    const float l1 = scalar::L1F32U8(floats.data(), b.data(), lo, step, n);
    EXPECT_NEAR(L1F32U8(mfloats.data(), mb.data(), lo, step, n), l1,
                Tolerance(l1 + 3.0 * static_cast<double>(n), n));
  }
}

TEST_P(DistanceTest, IntegerDotsAreExactAtTheirLimits) {
  const size_t max_u8 = 66051;
  const std::vector<uint8_t> bytes(max_u8, 255);
  EXPECT_EQ(DotU8(bytes.data(), bytes.data(), max_u8), 255u * 255u * max_u8);
  const size_t max_i16 = 4096;
  const std::vector<int16_t> high(max_i16, 2047), low(max_i16, -2047);
  EXPECT_EQ(DotI16U8(high.data(), bytes.data(), max_i16), 2047 * 255 * 4096);
  EXPECT_EQ(DotI16U8(low.data(), bytes.data(), max_i16), -2047 * 255 * 4096);
}

TEST_P(DistanceTest, BitKernelsMatchReference) {
  for (const size_t n : Lengths()) {
    SCOPED_TRACE(n);
    const auto a = Bytes(n), b = Bytes(n);
    const Misaligned<uint8_t> ma(a, n % 3), mb(b, n % 8);
    EXPECT_EQ(Hamming(ma.data(), mb.data(), n), scalar::Hamming(a.data(), b.data(), n));
    const JaccardCounts actual = Jaccard(ma.data(), mb.data(), n);
    const JaccardCounts expected = scalar::Jaccard(a.data(), b.data(), n);
    EXPECT_EQ(actual.both, expected.both);
    EXPECT_EQ(actual.either, expected.either);
  }
  const std::vector<uint8_t> ones(16000, 0xff), zeros(16000, 0);
  EXPECT_EQ(Hamming(ones.data(), zeros.data(), 16000), 128000u);
}

TEST_P(DistanceTest, BitPlanesMatchReference) {
  for (size_t words = 0; words <= 40; ++words) {
    for (const int nplanes : {0, 1, 4, 8}) {
      SCOPED_TRACE(testing::Message() << words << " words, " << nplanes << " planes");
      const auto bits = Words(words), planes = Words(words * nplanes);
      const Misaligned<uint64_t> mbits(bits, words % 8), mplanes(planes, 3);
      EXPECT_EQ(DotBitPlanes(mbits.data(), mplanes.data(), words, nplanes),
                scalar::DotBitPlanes(bits.data(), planes.data(), words, nplanes));
    }
  }
}

TEST_P(DistanceTest, PqTableMatchesReference) {
  for (const size_t k : {16, 100, 256}) {
    for (const size_t m : {0, 1, 2, 7, 8, 15, 16, 17, 31, 48, 96, 98, 192}) {
      SCOPED_TRACE(testing::Message() << m << " codes of " << k);
      const auto table = Floats(m * k);
      const auto codes = Integers<uint8_t>(m, 0, static_cast<int64_t>(k) - 1);
      const Misaligned<float> mtable(table, m % 4);
      const Misaligned<uint8_t> mcodes(codes, 1);
      EXPECT_NEAR(SumPqTable(mtable.data(), mcodes.data(), m, k),
                  scalar::SumPqTable(table.data(), codes.data(), m, k),
                  Tolerance(static_cast<double>(m), m));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, DistanceTest,
                         testing::ValuesIn(hwy::SupportedAndGeneratedTargets()),
                         [](const testing::TestParamInfo<int64_t>& info) {
                           return std::string(hwy::TargetName(info.param));
                         });

}  // namespace
}  // namespace helios::vector
