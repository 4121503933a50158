// Segments of every codec, kind and wrap: round trips of random and adversarial values, damage, and
// conditions on encoded data.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "codec/core/round_trip.hpp"
#include "gtest/gtest.h"

namespace helios::codec {
namespace {

constexpr size_t kCounts[] = {0, 1, 2, 3, 1023, 1024, 1025, 5000, 65536};
constexpr Wrap kWraps[] = {Wrap::kNone, Wrap::kLz4, Wrap::kZstd};

// A set of values and what they are like.
struct Sample {
  std::string name;
  std::unique_ptr<Owned> owned;
};

std::vector<Sample> IntSamples(size_t count) {
  std::mt19937_64 random(count);
  const auto make = [&](auto value) {
    std::vector<int64_t> values(count);
    for (size_t i = 0; i < count; ++i) values[i] = value(i);
    return std::make_unique<Owned>(std::move(values));
  };
  const int64_t extremes[] = {INT64_MIN, INT64_MAX, 0, -1, 1, INT32_MIN, INT32_MAX};
  std::vector<Sample> samples;
  samples.push_back({"zeros", make([](size_t) { return int64_t{0}; })});
  samples.push_back({"random", make([&](size_t) { return static_cast<int64_t>(random()); })});
  samples.push_back({"extremes", make([&](size_t) { return extremes[random() % 7]; })});
  samples.push_back(
      {"small", make([&](size_t) { return static_cast<int64_t>(random() % 9) - 4; })});
  samples.push_back({"ascending", make([](size_t i) { return static_cast<int64_t>(i * 3 + 7); })});
  samples.push_back(
      {"regular", make([](size_t i) { return 1700000000000000 + 1000000 * int64_t(i); })});
  samples.push_back({"runs", make([](size_t i) { return static_cast<int64_t>(i / 100 % 7); })});
  samples.push_back({"outliers above", make([&](size_t i) {
                       return i % 97 == 0 ? INT64_MAX : static_cast<int64_t>(random() % 1000);
                     })});
  samples.push_back({"outliers below", make([&](size_t i) {
                       return i % 97 == 0 ? INT64_MIN : static_cast<int64_t>(random() % 1000);
                     })});
  samples.push_back({"squares", make([](size_t i) { return static_cast<int64_t>(i * i); })});
  return samples;
}

template <typename T>
std::vector<Sample> FloatSamples(size_t count) {
  std::mt19937_64 random(count);
  const auto make = [&](auto value) {
    std::vector<T> values(count);
    for (size_t i = 0; i < count; ++i) values[i] = static_cast<T>(value(i));
    return std::make_unique<Owned>(std::move(values));
  };
  using Limits = std::numeric_limits<T>;
  const auto bits = [&] {
    T value;
    const uint64_t word = random();
    std::memcpy(&value, &word, sizeof(value));
    return value;
  };
  const T extremes[] = {T(0),
                        T(-0.0),
                        Limits::infinity(),
                        -Limits::infinity(),
                        Limits::max(),
                        Limits::denorm_min(),
                        Limits::quiet_NaN(),
                        -Limits::quiet_NaN()};
  std::vector<Sample> samples;
  samples.push_back({"bits", make([&](size_t) { return bits(); })});
  samples.push_back({"extremes", make([&](size_t) { return extremes[random() % 8]; })});
  samples.push_back({"decimals", make([&](size_t) { return double(random() % 100000) / 100; })});
  samples.push_back({"some are no decimals", make([&](size_t i) {
                       return i % 50 == 0 ? bits() : T(double(random() % 1000) / 10);
                     })});
  samples.push_back({"unit", make([&](size_t) { return std::sin(double(random() % 100000)); })});
  samples.push_back({"runs", make([](size_t i) { return double(i / 300) * 0.5; })});
  samples.push_back({"constant", make([](size_t) { return -0.0; })});
  samples.push_back({"few", make([&](size_t) { return std::sqrt(double(random() % 20)); })});
  return samples;
}

std::vector<Sample> BytesSamples(size_t count) {
  std::mt19937_64 random(count);
  const auto make = [&](auto value) {
    std::vector<std::string> values(count);
    for (size_t i = 0; i < count; ++i) values[i] = value(i);
    return std::make_unique<Owned>(values);
  };
  std::vector<Sample> samples;
  samples.push_back({"empty", make([](size_t) { return std::string(); })});
  samples.push_back({"constant", make([](size_t) { return std::string("constant"); })});
  samples.push_back({"few", make([&](size_t) { return "value " + std::to_string(random() % 5); })});
  samples.push_back({"runs", make([](size_t i) { return "run " + std::to_string(i / 40); })});
  samples.push_back({"words", make([&](size_t) {
                       return "https://example.org/item/" + std::to_string(random() % 100000);
                     })});
  samples.push_back({"bytes", make([&](size_t) {
                       std::string value(random() % 12, '\0');
                       for (char &c : value) c = static_cast<char>(random());
                       return value;
                     })});
  samples.push_back(
      {"one long", make([](size_t i) { return std::string(i == 1 ? 70000 : 3, 'x'); })});
  return samples;
}

std::vector<Sample> Samples(Kind kind, size_t count) {
  switch (kind) {
    case Kind::kInt:
      return IntSamples(count);
    case Kind::kFloat:
      return FloatSamples<float>(count);
    case Kind::kDouble:
      return FloatSamples<double>(count);
    case Kind::kBytes:
      break;
  }
  return BytesSamples(count);
}

std::string KindName(const testing::TestParamInfo<Kind> &info) {
  const char *names[] = {"", "Int", "Float", "Double", "Bytes"};
  return names[static_cast<size_t>(info.param)];
}

class SegmentTest : public testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(Kinds, SegmentTest,
                         testing::Values(Kind::kInt, Kind::kFloat, Kind::kDouble, Kind::kBytes),
                         KindName);

// Encodes by one codec even where it is longer than raw, up to the longest body that may be.
Status EncodeAnyway(const Column &column, Codec codec, std::vector<uint8_t> *out) {
  const Scheme *scheme = FindScheme(codec, column.kind);
  if (scheme == nullptr) return Status::kUnfit;
  WriteHeader(ShapeOf(column), {codec, Wrap::kNone}, out);
  const Status status = scheme->encode(column, {}, out);
  const size_t longest = kHeaderBytes + LongestBody(ShapeOf(column));
  return status == Status::kOk && out->size() > longest ? Status::kUnfit : status;
}

TEST_P(SegmentTest, EveryCodecGivesBackWhatItTook) {
  for (const size_t count : kCounts) {
    for (const Sample &sample : Samples(GetParam(), count)) {
      for (const CodecInfo &info : Registry()) {
        std::vector<uint8_t> segment;
        const Column &column = sample.owned->column;
        if (EncodeAnyway(column, info.codec, &segment) != Status::kOk) continue;
        ASSERT_EQ(Difference(column, segment), "")
            << count << " values, " << sample.name << ", " << info.name;
      }
    }
  }
}

TEST_P(SegmentTest, EveryWrapGivesBackWhatItTook) {
  for (const size_t count : {size_t{1025}, kMaxSegmentValues}) {
    for (const Sample &sample : Samples(GetParam(), count)) {
      for (const CodecInfo &info : Registry()) {
        for (const Wrap wrap : kWraps) {
          std::vector<uint8_t> segment = {1, 2, 3};
          const Column &column = sample.owned->column;
          const Encoding encoding = {info.codec, wrap};
          const Status status = EncodeAs(column, encoding, 1, {}, &segment);
          if (status == Status::kUnfit) {
            ASSERT_EQ(segment.size(), 3u) << EncodingName(encoding);
            continue;
          }
          ASSERT_EQ(status, Status::kOk);
          ASSERT_EQ(Difference(column, std::span(segment).subspan(3)), "")
              << count << " values, " << sample.name << ", " << EncodingName(encoding);
        }
      }
    }
  }
}

TEST_P(SegmentTest, CodecsTakeTheirOwnKindsOnly) {
  for (const CodecInfo &info : Registry()) {
    const bool listed = info.kinds[static_cast<size_t>(GetParam())];
    EXPECT_TRUE(listed || FindScheme(info.codec, GetParam()) == nullptr) << info.name;
  }
}

// Reads all there is to read, whatever it says.
void ReadAll(std::span<const uint8_t> segment) {
  const std::vector<uint8_t> copy(segment.begin(), segment.end());
  Reader reader;
  if (reader.Open(copy) != Status::kOk) return;
  Values values;
  Selection selection;
  for (size_t index = 0; index < reader.vectors(); ++index) {
    reader.SelectRange(index, -5, 5, &selection);
    reader.SelectEqual(index, "value 1", &selection);
    reader.ReadOne(index * kVectorValues, &values);
    if (reader.Read(index, &values) != Status::kOk || values.strings == nullptr) continue;
    // The sanitizer sees strings that point outside.
    size_t sum = 0;
    for (size_t i = 0; i < values.count; ++i) {
      for (const char c : values.strings[i]) sum += static_cast<unsigned char>(c);
    }
    ASSERT_GE(sum, 0u);
  }
}

TEST_P(SegmentTest, DamagedBytesAreRefusedOrReadSafely) {
  std::mt19937 random(3);
  for (const size_t count : {size_t{3}, size_t{1500}}) {
    for (const Sample &sample : Samples(GetParam(), count)) {
      for (const CodecInfo &info : Registry()) {
        for (const Wrap wrap : kWraps) {
          std::vector<uint8_t> segment;
          const Column &column = sample.owned->column;
          const Status status = wrap == Wrap::kNone
                                    ? EncodeAnyway(column, info.codec, &segment)
                                    : EncodeAs(column, {info.codec, wrap}, 1, {}, &segment);
          if (status != Status::kOk) continue;
          for (size_t round = 0; round < 40; ++round) {
            ReadAll(std::span(segment).first(random() % segment.size()));
            std::vector<uint8_t> damaged = segment;
            // Heads are where most meaning is.
            const size_t reach =
                round % 2 == 0 ? std::min<size_t>(segment.size(), 64) : segment.size();
            damaged[random() % reach] ^= static_cast<uint8_t>(1u << random() % 8);
            damaged[random() % reach] = static_cast<uint8_t>(random());
            ReadAll(damaged);
          }
        }
      }
    }
  }
}

TEST(SegmentSelectTest, ConditionsMatchDecodedValues) {
  for (const Sample &sample : IntSamples(3000)) {
    const Column &column = sample.owned->column;
    for (const CodecInfo &info : Registry()) {
      std::vector<uint8_t> segment;
      if (EncodeAnyway(column, info.codec, &segment) != Status::kOk) continue;
      const int64_t bounds[] = {INT64_MIN, -1, 0, 3, column.ints[5], column.ints[2999], INT64_MAX};
      for (const int64_t low : bounds) {
        for (const int64_t high : bounds) {
          Reader reader;
          ASSERT_EQ(reader.Open(segment), Status::kOk);
          for (size_t index = 0; index < reader.vectors(); ++index) {
            Selection selection;
            ASSERT_EQ(reader.SelectRange(index, low, high, &selection), Status::kOk);
            for (size_t i = 0; i < kVectorValues; ++i) {
              const size_t at = index * kVectorValues + i;
              const bool expected =
                  at < column.count && low <= column.ints[at] && column.ints[at] <= high;
              ASSERT_EQ(selection.words[i / 64] >> (i % 64) & 1, expected)
                  << sample.name << " by " << info.name << ", value " << at << " in [" << low
                  << ", " << high << "]";
            }
          }
        }
      }
    }
  }
}

TEST(SegmentSelectTest, EqualStringsAreFound) {
  for (const Sample &sample : BytesSamples(3000)) {
    const Column &column = sample.owned->column;
    for (const CodecInfo &info : Registry()) {
      std::vector<uint8_t> segment;
      if (EncodeAnyway(column, info.codec, &segment) != Status::kOk) continue;
      for (const std::string_view value : {"", "constant", "value 1", "run 7", "absent"}) {
        Reader reader;
        ASSERT_EQ(reader.Open(segment), Status::kOk);
        for (size_t index = 0; index < reader.vectors(); ++index) {
          Selection selection;
          ASSERT_EQ(reader.SelectEqual(index, value, &selection), Status::kOk);
          for (size_t i = 0; i < kVectorValues; ++i) {
            const size_t at = index * kVectorValues + i;
            const bool expected = at < column.count && StringAt(column, at) == value;
            ASSERT_EQ(selection.words[i / 64] >> (i % 64) & 1, expected)
                << sample.name << " by " << info.name << ", value " << at;
          }
        }
      }
    }
  }
}

// What is behind a frame is neither needed nor looked at to read what is in it.
TEST(SegmentFramesTest, ReadingNeedsItsOwnFrameOnly) {
  std::vector<double> values(kMaxSegmentValues);
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sqrt(static_cast<double>(i % 777));
  const Owned owned(std::move(values));
  for (const Wrap wrap : {Wrap::kLz4, Wrap::kZstd}) {
    std::vector<uint8_t> segment;
    ASSERT_EQ(EncodeAs(owned.column, {Codec::kRaw, wrap}, 3, {}, &segment), Status::kOk);
    std::fill(segment.end() - 100, segment.end(), uint8_t{0xff});
    Reader reader;
    ASSERT_EQ(reader.Open(segment), Status::kOk);
    Values read;
    EXPECT_EQ(reader.Read(0, &read), Status::kOk);
    EXPECT_TRUE(SameValue(owned.column, 1000, read, 1000));
    EXPECT_EQ(reader.Read(reader.vectors() - 1, &read), Status::kCorrupted);
    EXPECT_EQ(reader.Read(reader.vectors() / 2, &read), Status::kOk);
  }
}

TEST(SegmentNamesTest, NamesAndEncodingsAgree) {
  for (const CodecInfo &info : Registry()) {
    for (const Wrap wrap : kWraps) {
      Encoding parsed;
      ASSERT_TRUE(ParseEncoding(EncodingName({info.codec, wrap}), &parsed));
      EXPECT_EQ(parsed, (Encoding{info.codec, wrap}));
    }
  }
  Encoding encoding;
  EXPECT_TRUE(ParseEncoding("zstd", &encoding));
  EXPECT_EQ(encoding, (Encoding{Codec::kRaw, Wrap::kZstd}));
  EXPECT_FALSE(ParseEncoding("brotli", &encoding));
  EXPECT_FALSE(ParseEncoding("", &encoding));
}

TEST(SegmentHeaderTest, TellsWhatItHoldsAndRefusesTheUnknown) {
  const Owned owned(std::vector<std::string>{"ab", "c"});
  std::vector<uint8_t> segment;
  ASSERT_EQ(EncodeAs(owned.column, {}, 3, {}, &segment), Status::kOk);
  SegmentInfo info;
  ASSERT_EQ(Inspect(segment, &info), Status::kOk);
  EXPECT_EQ(info.count, 2u);
  EXPECT_EQ(info.value_bytes, 3 + 2 * sizeof(uint32_t));
  const auto with = [&](size_t at, uint8_t byte) {
    std::vector<uint8_t> changed = segment;
    changed[at] = byte;
    return Inspect(changed, &info);
  };
  EXPECT_EQ(with(0, 'x'), Status::kCorrupted);
  EXPECT_EQ(with(2, 9), Status::kUnknown);
  EXPECT_EQ(with(3, 9), Status::kCorrupted);
  EXPECT_EQ(with(4, 99), Status::kUnknown);
  EXPECT_EQ(with(5, 9), Status::kUnknown);
  EXPECT_EQ(with(8, 9), Status::kCorrupted);
}

}  // namespace
}  // namespace helios::codec
