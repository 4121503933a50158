// Symbol tables and what they make of strings.
#include "codec/core/fsst.hpp"

#include <random>

#include "codec/core/round_trip.hpp"
#include "gtest/gtest.h"

namespace helios::codec {
namespace {

// Encodes and decodes one string, in buffers of exactly the promised room.
std::string ThereAndBack(const SymbolTable &table, const std::string &string) {
  const SymbolMatcher matcher(table);
  const std::vector<uint8_t> in(string.begin(), string.end());
  std::vector<uint8_t> codes(SymbolMatcher::MostBytes(in.size()));
  codes.resize(matcher.Encode(in.data(), in.size(), codes.data()));
  std::vector<uint8_t> out(string.size() + SymbolDecoder::kSlack);
  size_t length;
  if (!SymbolDecoder(table).Decode(codes, out.data(), string.size(), &length)) return "not decoded";
  return {out.begin(), out.begin() + static_cast<ptrdiff_t>(length)};
}

Symbol MakeSymbol(std::string_view text) {
  Symbol symbol{.bytes = 0, .length = static_cast<uint8_t>(text.size())};
  std::memcpy(&symbol.bytes, text.data(), text.size());
  return symbol;
}

TEST(FsstTest, EveryByteGoesThereAndBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  for (const SymbolTable &table :
       {SymbolTable(), SymbolTable({MakeSymbol("\xFF"), MakeSymbol("abc"), MakeSymbol("a")}),
        SymbolTable::Train(Owned(std::vector<std::string>(100, all)).column)}) {
    EXPECT_EQ(ThereAndBack(table, all), all);
    for (size_t length = 0; length < 40; ++length)
      EXPECT_EQ(ThereAndBack(table, all.substr(256 - length)), all.substr(256 - length));
  }
}

TEST(FsstTest, NoSymbolReachesOverTheEndOfAString) {
  using std::string_literals::operator""s;
  const SymbolTable table({MakeSymbol("ab\0\0\0"s), MakeSymbol("c\0"s), MakeSymbol("\0\0\0"s)});
  for (const std::string &string : {"ab"s, "ab\0"s, "ab\0\0\0"s, "c"s, "c\0"s, "\0"s, "\0\0\0\0"s,
                                    "0123456ab"s, "0123456ab\0\0"s, "0123456789c"s})
    EXPECT_EQ(ThereAndBack(table, string), string);
}

TEST(FsstTest, OfTwoSymbolsWithOneStartTheLongerIsTaken) {
  const SymbolTable table({MakeSymbol("abcd"), MakeSymbol("abcdefgh"), MakeSymbol("ab")});
  const SymbolMatcher matcher(table);
  const auto codes = [&](std::string_view string) {
    std::vector<uint8_t> out(SymbolMatcher::MostBytes(string.size()));
    return matcher.Encode(reinterpret_cast<const uint8_t *>(string.data()), string.size(),
                          out.data());
  };
  EXPECT_EQ(codes("abcdefgh"), 1u);
  EXPECT_EQ(codes("abcdefghabcd"), 2u);
  EXPECT_EQ(codes("ababcd"), 2u);
  EXPECT_EQ(codes("abcX"), 5u);  // ab, and two escaped bytes
}

TEST(FsstTest, TrainingIsRepeatableAndFindsWhatRepeats) {
  std::vector<std::string> urls;
  for (int i = 0; i < 5000; ++i)
    urls.push_back("http://example.com/item/" + std::to_string(i * 7919));
  const Owned owned(urls);
  const SymbolTable table = SymbolTable::Train(owned.column);
  std::vector<uint8_t> once, again;
  table.Write(&once);
  SymbolTable::Train(owned.column).Write(&again);
  EXPECT_EQ(once, again);
  EXPECT_LE(once.size(), SymbolTable::kMaxBytes);

  const SymbolMatcher matcher(table);
  std::vector<uint8_t> codes(1000);
  size_t encoded = 0;
  for (const std::string &url : urls)
    encoded +=
        matcher.Encode(reinterpret_cast<const uint8_t *>(url.data()), url.size(), codes.data());
  EXPECT_LT(encoded * 4, owned.bytes.size());
}

TEST(FsstTest, ATableIsReadAsItWasWritten) {
  std::vector<Symbol> symbols;
  for (uint64_t i = 0; i < kMaxSymbols; ++i)
    symbols.push_back({.bytes = i, .length = static_cast<uint8_t>(1 + i % kMaxSymbolBytes)});
  for (const SymbolTable &table : {SymbolTable(), SymbolTable(symbols)}) {
    std::vector<uint8_t> bytes;
    table.Write(&bytes);
    SymbolTable back;
    size_t length;
    ASSERT_EQ(back.Read(bytes, &length), Status::kOk);
    EXPECT_EQ(length, bytes.size());
    std::vector<uint8_t> rewritten;
    back.Write(&rewritten);
    EXPECT_EQ(bytes, rewritten);
    for (size_t cut = 0; cut < bytes.size(); ++cut)
      EXPECT_EQ(back.Read({bytes.data(), cut}, &length), Status::kCorrupted);
  }
  const std::vector<uint8_t> too_many(SymbolTable::kMaxBytes + 100, 200);
  size_t length;
  EXPECT_EQ(SymbolTable().Read(too_many, &length), Status::kCorrupted);
}

TEST(FsstTest, DecodingKeepsToItsRoom) {
  const SymbolDecoder decoder(SymbolTable({MakeSymbol("12345678")}));
  const std::vector<uint8_t> codes(100, 0);
  std::vector<uint8_t> out(800 + SymbolDecoder::kSlack);
  size_t length;
  EXPECT_TRUE(decoder.Decode(codes, out.data(), 800, &length));
  EXPECT_EQ(length, 800u);
  for (const size_t room : {0, 1, 7, 8, 100, 799}) {
    std::vector<uint8_t> less(room + SymbolDecoder::kSlack);
    EXPECT_FALSE(decoder.Decode(codes, less.data(), room, &length));
  }
  const std::vector<uint8_t> escapes(10, kEscapeCode);
  for (const size_t cut : {1, 3, 5})
    EXPECT_FALSE(decoder.Decode({escapes.data(), cut}, out.data(), 800, &length));
}

TEST(FsstTest, StringsAreDecodedTogetherAndFound) {
  const SymbolDecoder decoder(SymbolTable({MakeSymbol("abc"), MakeSymbol("d")}));
  // By length: "d" is 0, "abc" 1.
  const std::vector<uint8_t> codes{1, 0, kEscapeCode, 'x', 0, 1, 1};
  std::vector<uint8_t> out(100 + SymbolDecoder::kSlack);
  uint32_t begins[8];
  ASSERT_TRUE(decoder.DecodeAll(codes, out.data(), 100, begins));
  const std::vector<uint32_t> expected{0, 3, 4, SymbolDecoder::kNowhere, 5, 6, 9, 12};
  EXPECT_EQ(std::vector<uint32_t>(std::begin(begins), std::end(begins)), expected);
  EXPECT_EQ(std::string(out.begin(), out.begin() + 12), "abcdxdabcabc");
}

}  // namespace
}  // namespace helios::codec
