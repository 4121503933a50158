// The bit-packing kernels against their plain loops, on every SIMD target this CPU supports.
#include "codec/core/bitpack.hpp"

#include <random>
#include <vector>

#include "codec/core/bitpack_scalar.hpp"
#include "gtest/gtest.h"
#include "hwy/targets.h"

namespace helios::codec {
namespace {

constexpr size_t kCounts[] = {1, 2, 15, 16, 17, 63, 64, 65, 1000, 1023, 1024};

class BitpackTest : public testing::TestWithParam<int64_t> {
 protected:
  void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
  void TearDown() override { hwy::SetSupportedTargetsForTest(0); }

  // Numbers of all widths up to 64 bits.
  std::vector<uint64_t> Numbers(size_t count) {
    std::vector<uint64_t> numbers(count);
    for (uint64_t &number : numbers) number = random_() >> random_() % 64;
    return numbers;
  }

  std::mt19937_64 random_{7};
};

TEST_P(BitpackTest, MatchesPlainLoopsAtEveryWidth) {
  for (const size_t count : kCounts) {
    for (unsigned width = 0; width <= kMaxWidth; ++width) {
      SCOPED_TRACE(testing::Message() << count << " values of " << width << " bits");
      const std::vector<uint64_t> values = Numbers(count);
      const uint64_t base = random_();
      // Vectors of exactly this length make the sanitizer see what lies outside.
      std::vector<uint8_t> packed(PackedBytes(count, width)), expected(packed.size());
      Pack(values.data(), count, width, base, packed.data());
      scalar::Pack(values.data(), count, width, base, expected.data());
      ASSERT_EQ(packed, expected);
      std::vector<uint64_t> out(count);
      Unpack(packed.data(), count, width, base, out.data());
      for (size_t i = 0; i < count; ++i) {
        ASSERT_EQ(out[i], base + ((values[i] - base) & LowBits(width))) << i;
        ASSERT_EQ(base + UnpackOne(packed.data(), count, width, i), out[i]) << i;
      }
    }
  }
}

TEST_P(BitpackTest, DecimalsMatchPlainLoops) {
  for (const size_t count : kCounts) {
    for (const unsigned width : {0u, 1u, 13u, 31u, 32u, 33u, 51u, 64u}) {
      SCOPED_TRACE(testing::Message() << count << " values of " << width << " bits");
      const std::vector<uint64_t> values = Numbers(count);
      std::vector<uint8_t> packed(PackedBytes(count, width));
      Pack(values.data(), count, width, 0, packed.data());
      const uint64_t base = static_cast<uint64_t>(-12345);
      std::vector<double> doubles(count), expected_doubles(count);
      UnpackDecimals(packed.data(), count, width, base, 1e2, 1e-5, doubles.data());
      scalar::UnpackDecimals(packed.data(), count, width, base, 1e2, 1e-5, expected_doubles.data());
      EXPECT_EQ(doubles, expected_doubles);
      std::vector<float> floats(count), expected_floats(count);
      UnpackDecimals(packed.data(), count, width, base, 1, 1e-1, floats.data());
      scalar::UnpackDecimals(packed.data(), count, width, base, 1, 1e-1, expected_floats.data());
      EXPECT_EQ(floats, expected_floats);
    }
  }
}

TEST_P(BitpackTest, JoinedPartsMatchPlainLoops) {
  const std::vector<uint64_t> high = Numbers(8);
  for (const size_t count : kCounts) {
    for (const unsigned width : {16u, 31u, 48u, 63u}) {
      for (unsigned code_width = 0; code_width <= 3; ++code_width) {
        const std::vector<uint64_t> values = Numbers(count), codes = Numbers(count);
        std::vector<uint8_t> packed(PackedBytes(count, width)),
            packed_codes(PackedBytes(count, code_width));
        Pack(values.data(), count, width, 0, packed.data());
        Pack(codes.data(), count, code_width, 0, packed_codes.data());
        std::vector<uint64_t> out(count), expected(count);
        UnpackJoined(packed.data(), packed_codes.data(), count, width, code_width, high.data(),
                     out.data());
        scalar::UnpackJoined(packed.data(), packed_codes.data(), count, width, code_width,
                             high.data(), expected.data());
        EXPECT_EQ(out, expected);
      }
    }
  }
}

TEST_P(BitpackTest, ConversionsAndTheGreatestMatchPlainLoops) {
  for (const size_t count : kCounts) {
    const std::vector<uint64_t> values = Numbers(count);
    EXPECT_EQ(Greatest(values.data(), count), scalar::Greatest(values.data(), count));
    const std::vector<int64_t> integers(values.begin(), values.end());
    std::vector<double> doubles(count), expected_doubles(count);
    ToDecimals(integers.data(), count, 1e2, 1e-5, doubles.data());
    scalar::ToDecimals(integers.data(), count, 1e2, 1e-5, expected_doubles.data());
    EXPECT_EQ(doubles, expected_doubles);
    std::vector<float> floats(count), expected_floats(count);
    ToDecimals(integers.data(), count, 1, 1e-1, floats.data());
    scalar::ToDecimals(integers.data(), count, 1, 1e-1, expected_floats.data());
    EXPECT_EQ(floats, expected_floats);
  }
  EXPECT_EQ(Greatest(nullptr, 0), 0u);
}

TEST_P(BitpackTest, SelectionMatchesPlainLoops) {
  for (const size_t count : kCounts) {
    const std::vector<uint64_t> values = Numbers(count);
    for (const uint64_t low : {uint64_t{0}, values[0], ~uint64_t{0}}) {
      for (const uint64_t span : {uint64_t{0}, uint64_t{1} << 32, ~uint64_t{0}}) {
        Selection selection = {}, expected = {};
        SelectSpan(values.data(), count, low, span, selection.words);
        scalar::SelectSpan(values.data(), count, low, span, expected.words);
        for (size_t i = 0; i < std::size(expected.words); ++i) {
          EXPECT_EQ(selection.words[i], expected.words[i]) << count << " values, word " << i;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, BitpackTest,
                         testing::ValuesIn(hwy::SupportedAndGeneratedTargets()),
                         [](const testing::TestParamInfo<int64_t> &info) {
                           return std::string(hwy::TargetName(info.param));
                         });

}  // namespace
}  // namespace helios::codec
