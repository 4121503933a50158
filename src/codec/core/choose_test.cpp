// What is chosen for columns of typical shapes, and what the policies promise.
#include <cmath>
#include <memory>

#include <lz4.h>
#include <zstd.h>

#include "codec/core/round_trip.hpp"
#include "gtest/gtest.h"

namespace helios::codec {
namespace {

constexpr size_t kCount = kMaxSegmentValues;

// A column's segment by a policy, checked to give the column back.
struct Chosen {
  Encoding encoding;
  std::vector<uint8_t> segment;

  Chosen(const Column &column, Policy::Aim aim) {
    Policy policy;
    policy.aim = aim;
    EXPECT_EQ(Encode(column, policy, {}, &segment, &encoding), Status::kOk);
    EXPECT_EQ(Difference(column, segment), "");
    SegmentInfo info;
    EXPECT_EQ(Inspect(segment, &info), Status::kOk);
    EXPECT_EQ(info.encoding, encoding);
  }
  // How many times smaller than values as they are in memory.
  double Factor() const {
    SegmentInfo info;
    EXPECT_EQ(Inspect(segment, &info), Status::kOk);
    return static_cast<double>(info.value_bytes) / static_cast<double>(segment.size());
  }
};

template <typename Make>
auto Column65536(Make make) {
  std::vector<decltype(make(size_t{0}))> values(kCount);
  for (size_t i = 0; i < kCount; ++i) values[i] = make(i);
  return std::make_unique<Owned>(std::move(values));
}

// Keys that ascend with gaps, each repeated up to seven times, as of order lines.
std::unique_ptr<Owned> SortedKeys() {
  std::mt19937_64 random(1);
  int64_t key = 1;
  size_t left = 0;
  return Column65536([&](size_t) {
    if (left == 0) {
      left = 1 + random() % 7;
      key += key % 8 == 7 ? 25 : 1;
    }
    --left;
    return key;
  });
}

TEST(ChooseTest, RegularTimestampsTakeDifferences) {
  const auto owned = Column65536([](size_t i) { return 1700000000000000 + 1000000 * int64_t(i); });
  const Chosen chosen(owned->column, Policy::Aim::kFast);
  EXPECT_TRUE(chosen.encoding.codec == Codec::kDelta ||
              chosen.encoding.codec == Codec::kDeltaOfDelta);
  EXPECT_GE(chosen.Factor(), 200);
  EXPECT_GE(Chosen(owned->column, Policy::Aim::kAuto).Factor(), 200);
}

TEST(ChooseTest, SortedKeysTakeDifferencesOrRuns) {
  const auto owned = SortedKeys();
  EXPECT_GE(Chosen(owned->column, Policy::Aim::kFast).Factor(), 6.2);
  EXPECT_GE(Chosen(owned->column, Policy::Aim::kAuto).Factor(), 6.2);
}

TEST(ChooseTest, PricesTakeFramesOfReference) {
  std::mt19937_64 random(1);
  const auto owned =
      Column65536([&](size_t) { return static_cast<int64_t>(90000 + random() % 10400000); });
  const Chosen chosen(owned->column, Policy::Aim::kAuto);
  EXPECT_EQ(chosen.encoding, (Encoding{Codec::kFrameOfReference, Wrap::kNone}));
  EXPECT_GE(chosen.Factor(), 2.6);
}

TEST(ChooseTest, OneValueIsConstant) {
  const auto ints = Column65536([](size_t) { return int64_t{7}; });
  const auto doubles = Column65536([](size_t) { return std::nan("7"); });
  for (const Owned *owned : {ints.get(), doubles.get()}) {
    EXPECT_EQ(Chosen(owned->column, Policy::Aim::kAuto).encoding,
              (Encoding{Codec::kConstant, Wrap::kNone}));
  }
}

TEST(ChooseTest, LongRunsTakeRunLengths) {
  std::mt19937_64 random(1);
  double value = 0;
  const auto owned = Column65536([&](size_t i) {
    if (i % 300 == 0) value = std::sqrt(static_cast<double>(random() % 1000));
    return value;
  });
  EXPECT_EQ(Chosen(owned->column, Policy::Aim::kFast).encoding.codec, Codec::kRunLength);
}

TEST(ChooseTest, FewValuesTakeADictionary) {
  std::mt19937_64 random(1);
  const auto doubles =
      Column65536([&](size_t) { return std::sqrt(static_cast<double>(random() % 5000 + 2)); });
  EXPECT_EQ(Chosen(doubles->column, Policy::Aim::kAuto).encoding.codec, Codec::kDictionary);
  const auto ints =
      Column65536([&](size_t) { return static_cast<int64_t>((random() % 50) * 1234567890123); });
  EXPECT_EQ(Chosen(ints->column, Policy::Aim::kAuto).encoding.codec, Codec::kDictionary);
}

TEST(ChooseTest, DecimalsTakeAlpAndRealNumbersItsSecondForm) {
  std::mt19937_64 random(1);
  const auto prices =
      Column65536([&](size_t) { return static_cast<double>(random() % 10000000) / 100; });
  EXPECT_EQ(Chosen(prices->column, Policy::Aim::kAuto).encoding,
            (Encoding{Codec::kAlp, Wrap::kNone}));
  const auto real = Column65536([&](size_t) { return 1 + static_cast<double>(random()) / 1e20; });
  EXPECT_EQ(Chosen(real->column, Policy::Aim::kAuto).encoding.codec, Codec::kAlpRd);
}

TEST(ChooseTest, NoiseStaysRaw) {
  std::mt19937_64 random(1);
  const auto ints = Column65536([&](size_t) { return static_cast<int64_t>(random()); });
  for (const auto aim : {Policy::Aim::kAuto, Policy::Aim::kFast, Policy::Aim::kSmall}) {
    EXPECT_EQ(Chosen(ints->column, aim).encoding, Encoding{});
  }
}

TEST(ChooseTest, FastNeverWraps) {
  const auto keys = SortedKeys();
  EXPECT_EQ(Chosen(keys->column, Policy::Aim::kFast).encoding.wrap, Wrap::kNone);
  const Owned text(std::vector<std::string>(3000, std::string(200, 'x') + "y"));
  EXPECT_EQ(Chosen(text.column, Policy::Aim::kFast).encoding.wrap, Wrap::kNone);
}

// What a segment has beside what is compressed.
constexpr size_t kHeads = kHeaderBytes + 3 * sizeof(uint32_t) + 1;

// Bytes of what zstd or lz4, the better one, make of a whole column as it would lie in an array.
size_t CompressedBytes(const void *bytes, size_t length) {
  std::vector<char> out(std::max(ZSTD_compressBound(length),
                                 static_cast<size_t>(LZ4_compressBound(static_cast<int>(length)))));
  const size_t zstd = ZSTD_compress(out.data(), out.size(), bytes, length, Policy().zstd_level);
  const int lz4 = LZ4_compress_default(static_cast<const char *>(bytes), out.data(),
                                       static_cast<int>(length), static_cast<int>(out.size()));
  return std::min(zstd, static_cast<size_t>(lz4));
}

TEST(ChooseTest, SmallKeepsUpWithWholeCompression) {
  constexpr double kPromise = 1.02;
  std::mt19937_64 random(1);
  std::vector<int32_t> narrow(kCount);
  // A pattern that only a compressor with a long memory sees.
  const auto pattern = Column65536([&](size_t i) {
    narrow[i] = i < 3000 ? static_cast<int32_t>(random()) : narrow[i - 3000];
    return int64_t{narrow[i]};
  });
  EXPECT_LE(Chosen(pattern->column, Policy::Aim::kSmall).segment.size(),
            kHeads + kPromise * CompressedBytes(narrow.data(), narrow.size() * sizeof(int32_t)));
  for (const auto &owned :
       {Column65536([&](size_t i) { return std::sin(static_cast<double>(i % 777)); }),
        Column65536([&](size_t) { return std::sqrt(static_cast<double>(random() % 30)); }),
        Column65536([&](size_t i) { return static_cast<double>(i * i % 1000) / 8; })}) {
    EXPECT_LE(Chosen(owned->column, Policy::Aim::kSmall).segment.size(),
              kHeads + kPromise * CompressedBytes(owned->doubles.data(), kCount * sizeof(double)));
  }
}

TEST(ChooseTest, TheNamedIsTakenIfItFits) {
  const auto owned = SortedKeys();
  Policy policy;
  policy.aim = Policy::Aim::kNamed;
  policy.named = {Codec::kRunLength, Wrap::kZstd};
  std::vector<uint8_t> segment;
  Encoding taken;
  ASSERT_EQ(Encode(owned->column, policy, {}, &segment, &taken), Status::kOk);
  EXPECT_EQ(taken, policy.named);
  policy.named = {Codec::kFsst, Wrap::kNone};
  segment.clear();
  ASSERT_EQ(Encode(owned->column, policy, {}, &segment, &taken), Status::kOk);
  EXPECT_NE(taken, policy.named);
  EXPECT_EQ(Difference(owned->column, segment), "");
}

TEST(ChooseTest, ShortColumnsOfEveryKindFit) {
  for (const size_t count : {0, 1, 2, 5}) {
    const Owned ints(std::vector<int64_t>(count, -1)), doubles(std::vector<double>(count, 0.1)),
        floats(std::vector<float>(count, 0.1f)), strings(std::vector<std::string>(count, "ab"));
    for (const Owned *owned : {&ints, &doubles, &floats, &strings}) {
      for (const auto aim : {Policy::Aim::kAuto, Policy::Aim::kFast, Policy::Aim::kSmall}) {
        Chosen(owned->column, aim);
      }
    }
  }
}

TEST(ChooseTest, InterruptionLeavesNothing) {
  const auto owned = SortedKeys();
  std::vector<uint8_t> segment;
  Encoding taken;
  const Stop stop = {[](void *) { return true; }, nullptr};
  EXPECT_EQ(Encode(owned->column, {}, stop, &segment, &taken), Status::kInterrupted);
  EXPECT_TRUE(segment.empty());
}

}  // namespace
}  // namespace helios::codec
