#include "hybrid/core/numeric.hpp"

#include <cstring>
#include <initializer_list>
#include <random>

#include "gtest/gtest.h"

namespace helios::hybrid {
namespace {

// The bytes of 12.50: short header of scale 2 and weight 0, groups 12 and 5000.
TEST(Numeric, WritesAsPostgres) {
  uint8_t bytes[kMaxNumericBytes];
  const uint16_t expected[] = {0x8000 | 2 << 7, 12, 5000};
  ASSERT_EQ(WriteNumeric(1250, 2, bytes), sizeof(expected));
  EXPECT_EQ(memcmp(bytes, expected, sizeof(expected)), 0);
}

TEST(Numeric, WritesZeroWithoutGroups) {
  uint8_t bytes[kMaxNumericBytes];
  const uint16_t expected = 0x8000 | 3 << 7;
  ASSERT_EQ(WriteNumeric(0, 3, bytes), sizeof(expected));
  EXPECT_EQ(memcmp(bytes, &expected, sizeof(expected)), 0);
}

// Groups before and behind the point that are there, zero, or left out.
TEST(Numeric, LeavesOutGroupsThatAreZero) {
  const struct {
    int64_t value;
    int scale;
    std::initializer_list<uint16_t> expected;
  } cases[] = {
      {5, 2, {0x8000 | 2 << 7 | 0x7F, 500}},
      {-5, 4, {0xA000 | 4 << 7 | 0x7F, 5}},
      {7, 0, {0x8000, 7}},
      {1000000, 2, {0x8000 | 2 << 7 | 1, 1}},
      {1000005, 2, {0x8000 | 2 << 7 | 1, 1, 0, 500}},
      {9999999999, 2, {0x8000 | 2 << 7 | 1, 9999, 9999, 9900}},
      {10000000000, 2, {0x8000 | 2 << 7 | 2, 1}},
      {10000000001, 2, {0x8000 | 2 << 7 | 2, 1, 0, 0, 100}},
      {1, 6, {0x8000 | 6 << 7 | 0x7E, 100}},
  };
  for (const auto &one : cases) {
    uint8_t bytes[kMaxNumericBytes];
    const size_t size = WriteNumeric(one.value, one.scale, bytes);
    ASSERT_EQ(size, one.expected.size() * sizeof(uint16_t)) << one.value << " " << one.scale;
    EXPECT_EQ(memcmp(bytes, one.expected.begin(), size), 0) << one.value << " " << one.scale;
  }
}

TEST(Numeric, ReadsWhatItWrote) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200000; i++) {
    const int scale = static_cast<int>(random() % (kMaxNumericDigits + 1));
    auto value = static_cast<int64_t>(random() % 1000000000000000000ull >> random() % 60);
    if (random() % 2 == 0) value = -value;
    if (random() % 4 == 0) value = value / 10000 * 10000;
    uint8_t bytes[kMaxNumericBytes];
    const size_t size = WriteNumeric(value, scale, bytes);
    ASSERT_LE(size, kMaxNumericBytes);
    int64_t read;
    int read_scale;
    ASSERT_TRUE(ParseNumeric({bytes, size}, &read, &read_scale)) << value << " " << scale;
    EXPECT_EQ(read, value);
    EXPECT_EQ(read_scale, scale);
  }
}

TEST(Numeric, RefusesWhatItWouldNotWrite) {
  int64_t value;
  int scale;
  // A group too large, a leading zero group, NaN, a scale too long, nothing.
  for (const auto &groups : {std::initializer_list<uint16_t>{0x8000, 10000},
                             {0x8000 | 1, 0, 5},
                             {0xC000},
                             {0x8000 | 19 << 7, 1},
                             {}}) {
    EXPECT_FALSE(ParseNumeric(
        {reinterpret_cast<const uint8_t *>(groups.begin()), groups.size() * sizeof(uint16_t)},
        &value, &scale));
  }
}

TEST(Numeric, SurvivesAnyBytes) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 200000; i++) {
    uint8_t bytes[24];
    for (uint8_t &byte : bytes) byte = static_cast<uint8_t>(random() >> random() % 8);
    int64_t value;
    int scale;
    ParseNumeric({bytes, random() % sizeof(bytes)}, &value, &scale);
  }
}

}  // namespace
}  // namespace helios::hybrid
