// Segments of strings in every codec: round trips, equality on encoded data, damage.
#include <zstd.h>

#include <functional>
#include <random>

#include "codec/core/round_trip.hpp"
#include "gtest/gtest.h"

namespace helios::codec {
namespace {

constexpr Codec kCodecs[] = {Codec::kRaw, Codec::kDictionary, Codec::kFsst, Codec::kLetters};
constexpr Wrap kWraps[] = {Wrap::kNone, Wrap::kLz4, Wrap::kZstd};

using Strings = std::vector<std::string>;

// Calls `visit` with a segment for each encoding that fits.
void ForEachEncoding(const Column &column,
                     const std::function<void(Encoding, const std::vector<uint8_t> &)> &visit) {
  for (const Codec codec : kCodecs)
    for (const Wrap wrap : kWraps) {
      std::vector<uint8_t> segment;
      const Status status = EncodeAs(column, {codec, wrap}, 1, {}, &segment);
      if (status == Status::kUnfit) continue;
      ASSERT_EQ(status, Status::kOk);
      visit({codec, wrap}, segment);
    }
}

// What segments must give back, and what equality must find in them.
void ExpectRoundTrips(const Strings &strings, const char *what) {
  const Owned owned(strings);
  Strings wanted{"", "no such string"};
  if (!strings.empty()) wanted.insert(wanted.end(), {strings.front(), strings[strings.size() / 2]});
  ForEachEncoding(owned.column, [&](Encoding encoding, const std::vector<uint8_t> &segment) {
    EXPECT_EQ(Difference(owned.column, segment), "") << what << ", " << EncodingName(encoding);
    Reader reader;
    ASSERT_EQ(reader.Open(segment), Status::kOk);
    for (const std::string &value : wanted)
      for (size_t vector = 0; vector < reader.vectors(); ++vector) {
        Selection selection;
        ASSERT_EQ(reader.SelectEqual(vector, value, &selection), Status::kOk);
        for (size_t i = 0; i < kVectorValues; ++i) {
          const size_t at = vector * kVectorValues + i;
          const bool selected = selection.words[i / 64] >> (i % 64) & 1;
          ASSERT_EQ(selected, at < strings.size() && strings[at] == value)
              << what << ", " << EncodingName(encoding) << ", value " << at;
        }
      }
  });
}

Strings RandomWords(size_t count, size_t different, uint32_t seed) {
  std::mt19937 random(seed);
  Strings words(different), strings(count);
  for (std::string &word : words)
    for (size_t length = random() % 12; length > 0; --length)
      word.push_back(static_cast<char>('a' + random() % 7));
  for (std::string &string : strings)
    string = words[random() % different] + (random() % 3 ? "" : words[random() % different]);
  return strings;
}

TEST(StringsTest, CountsAroundAVectorAndASegment) {
  for (const size_t count : {size_t{0}, size_t{1}, size_t{2}, kVectorValues - 1, kVectorValues,
                             kVectorValues + 1, kMaxSegmentValues})
    ExpectRoundTrips(RandomWords(count, 300, 1), "words");
}

TEST(StringsTest, StringsThatRepeatNothing) {
  std::mt19937 random(2);
  Strings strings(3000);
  for (std::string &string : strings)
    for (size_t length = random() % 20; length > 0; --length)
      string.push_back(static_cast<char>(random()));
  ExpectRoundTrips(strings, "random bytes");
  for (std::string &string : strings) string.resize(7);
  ExpectRoundTrips(strings, "random bytes of one length");
}

TEST(StringsTest, StringsThatAreAllAlike) {
  ExpectRoundTrips(Strings(5000, ""), "empty strings");
  ExpectRoundTrips(Strings(5000, "x"), "one letter");
  ExpectRoundTrips(Strings(2500, std::string(1000, 'y')), "long runs");
  ExpectRoundTrips(Strings(1500, std::string(3, '\0')), "zeros");
  ExpectRoundTrips(Strings(1500, std::string(9, '\xFF')), "escapes");
}

TEST(StringsTest, LongStringsBesideShortOnes) {
  Strings strings = RandomWords(2000, 1000, 3);
  for (const std::string &word : RandomWords(300000, 900, 4)) strings[7] += word;
  strings[0] = strings[7].substr(0, 100000);
  strings[1500] = strings[7].substr(100000, 300000);
  ExpectRoundTrips(strings, "megabytes");
}

TEST(StringsTest, NearlyAllDifferent) {
  Strings strings(5000);
  for (size_t i = 0; i < strings.size(); ++i)
    strings[i] = "user" + std::to_string(i * i) + "@example.org";
  ExpectRoundTrips(strings, "addresses");
}

TEST(StringsTest, ADictionaryHasItsStringsByFsstWhereThatIsShorter) {
  Strings strings;
  for (size_t i = 0; i < 10000; ++i)
    strings.push_back("a rather long description of article " + std::to_string(i * 7 % 1500));
  const Owned owned(strings);
  std::vector<uint8_t> dictionary, fsst;
  ASSERT_EQ(EncodeAs(owned.column, {Codec::kDictionary, Wrap::kNone}, 1, {}, &dictionary),
            Status::kOk);
  ASSERT_EQ(EncodeAs(owned.column, {Codec::kFsst, Wrap::kNone}, 1, {}, &fsst), Status::kOk);
  EXPECT_LT(dictionary.size(), size_t{30000});
  EXPECT_LT(dictionary.size(), fsst.size());
  ExpectRoundTrips(strings, "descriptions");
}

TEST(StringsTest, StringsOfOnePatternPlaceByPlace) {
  std::mt19937 random(8);
  const auto strings_like = [&](size_t count, const char *pattern) {
    Strings strings(count);
    for (std::string &string : strings)
      for (const char *letter = pattern; *letter != 0; ++letter)
        string.push_back(*letter == 'x'   ? "0123456789abcdef"[random() % 16]
                         : *letter == 'd' ? static_cast<char>('0' + random() % 10)
                         : *letter == '?' ? static_cast<char>(random())
                                          : *letter);
    return strings;
  };
  ExpectRoundTrips(strings_like(2500, "xxxxxxxx-xxxx-4xxx-xxxx-xxxxxxxxxxxx"), "uuid");
  ExpectRoundTrips(strings_like(1025, "dd-ddd-ddd-dddd"), "phones");
  ExpectRoundTrips(strings_like(1, "x"), "one letter");
  ExpectRoundTrips(strings_like(3000, "?"), "all letters");
  ExpectRoundTrips(strings_like(3000, "????????"), "all letters in eight places");
  Strings numbers;
  for (int i = 0; i < 3000; ++i) numbers.push_back(std::to_string(random() % 100000 * i));
  ExpectRoundTrips(numbers, "numbers");
  ExpectRoundTrips(strings_like(1100, std::string(64, 'd').c_str()), "the longest");
  Strings longer = strings_like(1100, std::string(65, 'd').c_str());
  const Owned owned(longer);
  std::vector<uint8_t> segment;
  EXPECT_EQ(EncodeAs(owned.column, {Codec::kLetters, Wrap::kNone}, 1, {}, &segment),
            Status::kUnfit);
  EXPECT_TRUE(segment.empty());

  const Owned hashes(strings_like(kMaxSegmentValues, "xxxxxxxxxxxxxxxx"));
  ASSERT_EQ(EncodeAs(hashes.column, {Codec::kLetters, Wrap::kNone}, 1, {}, &segment), Status::kOk);
  EXPECT_LT(segment.size() * 1.99, hashes.bytes.size());
}

// What a wrap makes of raw strings is as short as what zstd makes of the strings as lines of text.
TEST(StringsTest, AWrapSeesRawStringsAsText) {
  for (const size_t different : {size_t{500}, size_t{20000}}) {
    const Strings strings = RandomWords(20000, different, 9);
    std::string lines;
    for (const std::string &string : strings) lines += string + "\n";
    std::vector<char> plain(ZSTD_compressBound(lines.size()));
    constexpr int kLevel = 9;
    const size_t bytes =
        ZSTD_compress(plain.data(), plain.size(), lines.data(), lines.size(), kLevel);
    const Owned owned(strings);
    std::vector<uint8_t> body, segment;
    const Encoding encoding{Codec::kRaw, Wrap::kZstd};
    ASSERT_EQ(EncodeBody(owned.column, encoding, {}, &body), Status::kOk);
    ASSERT_EQ(
        AppendSegment(ShapeOf(owned.column), encoding, body, kLevel, kWholeBody, {}, &segment),
        Status::kOk);
    EXPECT_LT(static_cast<double>(segment.size()), 1.01 * static_cast<double>(bytes));
  }
}

TEST(StringsTest, DamageIsToldOrHarmless) {
  const Strings strings = RandomWords(2500, 150, 5);
  const Owned owned(strings);
  std::mt19937 random(6);
  ForEachEncoding(owned.column, [&](Encoding, const std::vector<uint8_t> &segment) {
    const auto read_all = [](const std::vector<uint8_t> &bytes) {
      Reader reader;
      if (reader.Open(bytes) != Status::kOk) return;
      Values values;
      Selection selection;
      for (size_t vector = 0; vector < reader.vectors(); ++vector) {
        if (reader.kind() == Kind::kBytes) reader.SelectEqual(vector, "abc", &selection);
        if (reader.ReadOne(vector * kVectorValues, &values) == Status::kOk &&
            values.strings != nullptr)
          values.strings[0].find('\n');
        if (reader.Read(vector, &values) != Status::kOk || values.strings == nullptr) continue;
        for (size_t i = 0; i < values.count; ++i) values.strings[i].find('\n');
      }
    };
    for (int round = 0; round < 300; ++round) {
      std::vector<uint8_t> bytes = segment;
      // Half of it in the first bytes, where the sizes are.
      const size_t range = round % 2 == 0 ? bytes.size() : std::min<size_t>(bytes.size(), 80);
      bytes[random() % range] ^= static_cast<uint8_t>(1u << (random() % 8));
      if (round % 3 == 0) bytes.resize(random() % bytes.size());
      read_all(bytes);
    }
  });
}

}  // namespace
}  // namespace helios::codec
