#include "vector/core/parse.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace helios::vector {
namespace {

constexpr float kNoLimit = std::numeric_limits<float>::infinity();
constexpr size_t kMax = 8;

struct Dense {
  ParseResult result;
  std::vector<float> elements;
};

Dense Parse(std::string_view text, float limit = kNoLimit) {
  Dense dense;
  dense.elements.resize(kMax);
  dense.result = ParseDense(text, limit, dense.elements);
  dense.elements.resize(dense.result.count);
  return dense;
}

struct Sparse {
  ParseResult result;
  std::vector<SparseElement> elements;
};

Sparse ParseS(std::string_view text) {
  Sparse sparse;
  sparse.elements.resize(kMax);
  sparse.result = ParseSparse(text, sparse.elements);
  sparse.elements.resize(sparse.result.count);
  return sparse;
}

TEST(ParseDense, ReadsElementsAndWhitespace) {
  EXPECT_EQ(Parse("[1,2,3]").elements, (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(Parse(" \t\n\v\f\r[ 1 ,\t-2.5 , +3e0 ] \n").elements, (std::vector<float>{1, -2.5, 3}));
  EXPECT_EQ(Parse("[.5,5.,1E+2,1e-2]").elements, (std::vector<float>{0.5f, 5, 100, 0.01f}));
}

TEST(ParseDense, NamesEachViolation) {
  EXPECT_EQ(Parse("").result.status, ParseStatus::kNoOpening);
  EXPECT_EQ(Parse("1,2]").result.status, ParseStatus::kNoOpening);
  EXPECT_EQ(Parse("[]").result.status, ParseStatus::kEmpty);
  EXPECT_EQ(Parse("[ ]x").result.status, ParseStatus::kEmpty);
  EXPECT_EQ(Parse("[1]x").result.status, ParseStatus::kJunk);
  EXPECT_EQ(Parse("[nan]").result.status, ParseStatus::kNan);
  EXPECT_EQ(Parse("[-Infinity]").result.status, ParseStatus::kInfinite);
  EXPECT_EQ(Parse("[1,2,3,4,5,6,7,8,9]").result.status, ParseStatus::kTooMany);
  for (const char *text :
       {"[",     "[ ",    "[1",  "[1,", "[1,]", "[,1]", "[1 2]", "[1;2]", "[1,,2]", "[--1]",
        "[+-1]", "[-+1]", "[-]", "[+]", "[.]",  "[e5]", "[1e]",  "[0x]",  "[0x-1]", "[one]"}) {
    EXPECT_EQ(Parse(text).result.status, ParseStatus::kSyntax) << text;
  }
}

TEST(ParseDense, TooLargeIsAnErrorAndTooSmallIsZero) {
  for (const char *number :
       {"1e39", "-1e39", "3.5e38", "1e400", "1e99999999999999999999", "0x1p128",
        "1000000000000000000000000000000000000000", "100000e35", "0.001e43"}) {
    const std::string text = "[ " + std::string(number) + " ]";
    const Dense dense = Parse(text);
    EXPECT_EQ(dense.result.status, ParseStatus::kOutOfRange) << number;
    EXPECT_EQ(dense.result.number, number);
  }
  for (const char *number :
       {"1e-46", "-1e-46", "1e-400", "-1e-99999999999999999999", "0x1p-200",
        "0.0000000000000000000000000000000000000000000000001", "100000e-60", "0e99999"}) {
    const Dense dense = Parse("[" + std::string(number) + "]");
    ASSERT_EQ(dense.result.status, ParseStatus::kOk) << number;
    EXPECT_EQ(dense.elements[0], 0) << number;
    EXPECT_EQ(std::signbit(dense.elements[0]), number[0] == '-') << number;
  }
  EXPECT_EQ(Parse("[1e-45]").elements[0], std::numeric_limits<float>::denorm_min());
}

TEST(ParseDense, KeepsFiniteNumbersBelowTheLimit) {
  constexpr float kLimit = 65520;
  EXPECT_EQ(Parse("[65519.99]", kLimit).elements[0], 65519.99f);
  EXPECT_EQ(Parse("[1,-65520]", kLimit).result.status, ParseStatus::kOutOfRange);
  EXPECT_EQ(Parse("[1,-65520]", kLimit).result.number, "-65520");
  EXPECT_EQ(Parse("[inf]", kLimit).result.status, ParseStatus::kInfinite);
}

TEST(ParseDense, ReadsHexadecimalNumbers) {
  EXPECT_EQ(Parse("[0x10,-0X1p-2,0x.8]").elements, (std::vector<float>{16, -0.25, 0.5}));
}

// Any number that strtof understands, alone in brackets, gives what strtof gives.
TEST(ParseDense, AgreesWithStrtof) {
  constexpr const char *kPieces[] = {"",  "+",  "-",  ".",  "0",  "1",  "7", "99",
                                     "e", "E+", "e-", "44", "38", "0x", "p", "inf"};
  std::mt19937 random(1);
  for (int round = 0; round < 200000; ++round) {
    std::string number;
    for (int pieces = static_cast<int>(random() % 7); pieces > 0; --pieces) {
      number += kPieces[random() % std::size(kPieces)];
    }
    if (number.empty()) continue;
    char *end;
    const float expected = std::strtof(number.c_str(), &end);
    const Dense dense = Parse("[" + number + "]");
    if (*end != '\0') {
      // What strtof leaves over is no comma and no bracket; an infinity is noticed before that.
      EXPECT_NE(dense.result.status, ParseStatus::kOk) << number;
    } else if (std::isinf(expected)) {
      EXPECT_EQ(dense.result.status, number.find("inf") == std::string::npos
                                         ? ParseStatus::kOutOfRange
                                         : ParseStatus::kInfinite)
          << number;
    } else {
      ASSERT_EQ(dense.result.status, ParseStatus::kOk) << number;
      EXPECT_EQ(std::bit_cast<uint32_t>(dense.elements[0]), std::bit_cast<uint32_t>(expected))
          << number;
    }
  }
}

// Every finite float survives being written with nine digits.
TEST(ParseDense, RoundTripsFloats) {
  std::mt19937 random(2);
  for (int round = 0; round < 100000; ++round) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (!std::isfinite(value)) continue;
    char text[64];
    std::snprintf(text, sizeof text, "[%.9g]", static_cast<double>(value));
    EXPECT_EQ(std::bit_cast<uint32_t>(Parse(text).elements[0]), std::bit_cast<uint32_t>(value))
        << text;
  }
}

TEST(ParseSparse, SortsAndDropsZeros) {
  const Sparse sparse = ParseS(" { 3 : 2 , +1:1.5, 2:0 } / 5 ");
  ASSERT_EQ(sparse.result.status, ParseStatus::kOk);
  EXPECT_EQ(sparse.result.dim, 5);
  ASSERT_EQ(sparse.elements.size(), 2u);
  EXPECT_EQ(sparse.elements[0].index, 0);
  EXPECT_EQ(sparse.elements[0].value, 1.5f);
  EXPECT_EQ(sparse.elements[1].index, 2);
  EXPECT_EQ(sparse.elements[1].value, 2.0f);
  EXPECT_EQ(ParseS("{}/7").result.dim, 7);
}

TEST(ParseSparse, NamesEachViolation) {
  EXPECT_EQ(ParseS("[1:1}/2").result.status, ParseStatus::kNoOpening);
  EXPECT_EQ(ParseS("{1:1}").result.status, ParseStatus::kNoDimension);
  EXPECT_EQ(ParseS("{1:1}2").result.status, ParseStatus::kNoDimension);
  EXPECT_EQ(ParseS("{1:1}/2 x").result.status, ParseStatus::kJunk);
  EXPECT_EQ(ParseS("{1:nan}/2").result.status, ParseStatus::kNan);
  EXPECT_EQ(ParseS("{1:-inf}/2").result.status, ParseStatus::kInfinite);
  EXPECT_EQ(ParseS("{1:1e39}/2").result.status, ParseStatus::kOutOfRange);
  EXPECT_EQ(ParseS("{1:1e-46}/2").result.number, "1e-46");
  for (const char *text :
       {"{", "{ ", "{1", "{1:", "{1:1", "{1:1,", "{1:1,}/2", "{,}/2", "{1 1}/2", "{x:1}/2",
        "{1:x}/2", "{:1}/2", "{+:1}/2", "{--1:1}/2", "{}/", "{}/x", "{1:1;2:1}/2"}) {
    EXPECT_EQ(ParseS(text).result.status, ParseStatus::kSyntax) << text;
  }
}

TEST(ParseSparse, SaturatesIntegers) {
  const Sparse sparse =
      ParseS("{-99999999999999999999:1,99999999999999999999:2}/99999999999999999999");
  ASSERT_EQ(sparse.result.status, ParseStatus::kOk);
  EXPECT_EQ(sparse.result.dim, std::numeric_limits<int32_t>::max());
  EXPECT_EQ(sparse.elements[0].index, std::numeric_limits<int32_t>::min());
  EXPECT_EQ(sparse.elements[1].index, std::numeric_limits<int32_t>::max() - 1);
}

TEST(MaxElements, CountsCommas) {
  EXPECT_EQ(MaxElements(""), 1u);
  EXPECT_EQ(MaxElements("[1,2,3]"), 3u);
}

}  // namespace
}  // namespace helios::vector
