// Blocks: values come back whatever their spread, outliers cost little, damage is refused.
#include "codec/core/block.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include "codec/core/bitpack.hpp"
#include "gtest/gtest.h"

namespace helios::codec {
namespace {

constexpr size_t kCounts[] = {1, 2, 63, 64, 65, 1023, 1024};

std::vector<uint8_t> Encoded(const std::vector<int64_t> &values) {
  std::vector<uint8_t> bytes;
  AppendBlock(values.data(), values.size(), &bytes);
  return bytes;
}

// Reads a block in every way and compares it with the values.
void ExpectBlock(const std::vector<uint8_t> &bytes, const std::vector<int64_t> &values) {
  Cursor cursor(bytes);
  Block block;
  ASSERT_TRUE(block.Take(&cursor, values.size()));
  ASSERT_EQ(cursor.left(), 0u);
  std::vector<int64_t> out(kVectorValues);
  block.Decode(out.data());
  out.resize(values.size());
  ASSERT_EQ(out, values);
  for (size_t i = 0; i < values.size(); i += 7) ASSERT_EQ(block.At(i), values[i]);
}

TEST(BlockTest, ValuesOfAnySpreadComeBack) {
  std::mt19937_64 random(1);
  for (const size_t count : kCounts) {
    for (int spread = 0; spread < 64; ++spread) {
      for (const int64_t base : {int64_t{0}, int64_t{-1000}, INT64_MIN, INT64_MAX}) {
        std::vector<int64_t> values(count);
        for (int64_t &value : values) {
          value = static_cast<int64_t>(static_cast<uint64_t>(base) + (random() >> 1 >> spread));
        }
        ASSERT_NO_FATAL_FAILURE(ExpectBlock(Encoded(values), values)) << count << " " << spread;
      }
    }
  }
}

TEST(BlockTest, OutliersOnEitherSideAndBothComeBackAndCostLittle) {
  std::mt19937_64 random(2);
  for (const int sides : {1, 2, 3}) {
    for (const int64_t outlier : {int64_t{5000}, int64_t{1} << 40, INT64_MAX / 3}) {
      std::vector<int64_t> values(kVectorValues);
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] = 100 + static_cast<int64_t>(random() % 16);
        if (i % 100 == 50 && (sides & 1) != 0) values[i] += outlier + static_cast<int64_t>(i);
        if (i % 100 == 90 && (sides & 2) != 0) values[i] -= outlier + static_cast<int64_t>(i);
      }
      const std::vector<uint8_t> bytes = Encoded(values);
      ASSERT_NO_FATAL_FAILURE(ExpectBlock(bytes, values));
      const size_t outliers = 11 * (sides == 3 ? 2 : 1);
      // Five bits each, where the base is a little off the least, and a patch of 10 + 64 bits at most.
      EXPECT_LE(bytes.size(), 16 + PackedBytes(kVectorValues, 5) + outliers * 10);
    }
  }
}

TEST(BlockTest, ExtremesComeBack) {
  std::mt19937_64 random(3);
  const int64_t extremes[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
  for (const size_t count : kCounts) {
    for (const unsigned rare : {1u, 2u, 50u}) {
      std::vector<int64_t> values(count);
      for (int64_t &value : values) value = random() % rare == 0 ? extremes[random() % 7] : 3;
      ASSERT_NO_FATAL_FAILURE(ExpectBlock(Encoded(values), values));
    }
  }
}

TEST(BlockTest, RangesAreThoseOfTheValues) {
  std::vector<int64_t> values(1000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int64_t>(i % 300) - 100;
  values[7] = INT64_MAX;
  values[8] = INT64_MIN;
  const std::vector<uint8_t> bytes = Encoded(values);
  Cursor cursor(bytes);
  Block block;
  ASSERT_TRUE(block.Take(&cursor, values.size()));
  for (const int64_t low : {INT64_MIN, int64_t{-100}, int64_t{0}, int64_t{150}, INT64_MAX}) {
    for (const int64_t high : {INT64_MIN, int64_t{-100}, int64_t{20}, INT64_MAX}) {
      if (low > high) continue;
      Selection selection = {};
      block.SelectRange(low, high, &selection);
      for (size_t i = 0; i < kVectorValues; ++i) {
        const bool fits = i < values.size() && low <= values[i] && values[i] <= high;
        ASSERT_EQ(selection.words[i / 64] >> (i % 64) & 1, fits) << i;
      }
    }
  }
}

TEST(BlockTest, EveryCutIsRefused) {
  std::vector<int64_t> values(kVectorValues, 5);
  values[3] = 1 << 20;
  const std::vector<uint8_t> bytes = Encoded(values);
  for (size_t length = 0; length < bytes.size(); ++length) {
    const std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length));
    Cursor cursor(cut);
    Block block;
    EXPECT_FALSE(block.Take(&cursor, values.size())) << length;
  }
}

TEST(ShortTest, IntegersTakeTheBytesTheyNeed) {
  const std::pair<int64_t, size_t> cases[] = {
      {0, 1},    {1, 2},         {-1, 2},        {127, 2},       {-128, 2},     {128, 3},
      {-129, 3}, {INT32_MAX, 5}, {1ll << 55, 9}, {INT64_MIN, 9}, {INT64_MAX, 9}};
  for (const auto &[value, length] : cases) {
    std::vector<uint8_t> bytes;
    AppendShort(&bytes, value);
    EXPECT_EQ(bytes.size(), length) << value;
    Cursor cursor(bytes);
    int64_t taken;
    ASSERT_TRUE(TakeShort(&cursor, &taken));
    EXPECT_EQ(taken, value);
  }
}

}  // namespace
}  // namespace helios::codec
