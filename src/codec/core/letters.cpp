// Strings of one pattern, such as uuid, hashes, phone numbers and dates in text: each place of a string
// has few different letters, and neighbouring places are a field, a number in mixed radix.
//
//   body   | places u8 | alphabet of each place … | table of vectors (vectors.hpp) |
//   alphabet | letters - 1 u8 | the letters, ascending |
//   vector | block (block.hpp) of the lengths | for each field: a block of its numbers |
//
// A string that is shorter than others has the first letter of each place behind its end. A field takes as
// many places as have at most kFieldCodes combinations. Its first place counts most, so that the numbers
// of sorted strings ascend.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>

#include "codec/core/block.hpp"
#include "codec/core/bytes.hpp"
#include "codec/core/gather.hpp"
#include "codec/core/vectors.hpp"

namespace helios::codec {
namespace {

constexpr size_t kMostPlaces = 64;
constexpr size_t kFieldCodes = 1024;  // three decimal digits, five bases of a genome
constexpr size_t kFieldPlaces = sizeof(uint64_t);

// The different letters of a place.
struct Alphabet {
  std::array<uint8_t, 256> letters;
  size_t count = 0;
};

// Neighbouring places, and how their letters make a number.
struct Field {
  size_t begin, end;  // places
  size_t codes = 1;   // combinations
};

std::vector<Field> MakeFields(std::span<const Alphabet> alphabets) {
  std::vector<Field> fields;
  for (size_t place = 0; place < alphabets.size(); ++place) {
    const size_t letters = alphabets[place].count;
    if (fields.empty() || fields.back().codes * letters > kFieldCodes ||
        place - fields.back().begin == kFieldPlaces)
      fields.push_back({place, place});
    fields.back().codes *= letters;
    ++fields.back().end;
  }
  return fields;
}

// What each letter adds to the number of its place's field; kNoLetter: it is not in the alphabet.
using Ranks = std::array<int64_t, 256>;
constexpr int64_t kNoLetter = INT64_MIN / 2;  // so low that no sum with it gets positive

std::vector<Ranks> MakeRanks(std::span<const Alphabet> alphabets, std::span<const Field> fields) {
  std::vector<Ranks> ranks(alphabets.size());
  for (const Field &field : fields) {
    int64_t weight = 1;
    for (size_t place = field.end; place-- > field.begin;) {
      const Alphabet &alphabet = alphabets[place];
      ranks[place].fill(kNoLetter);
      for (size_t i = 0; i < alphabet.count; ++i)
        ranks[place][alphabet.letters[i]] = static_cast<int64_t>(i) * weight;
      weight *= static_cast<int64_t>(alphabet.count);
    }
  }
  return ranks;
}

// The number of a field in a string; negative if a letter is in no alphabet.
int64_t CodeOf(const Field &field, std::span<const Ranks> ranks, std::string_view string) {
  int64_t code = 0;
  for (size_t place = field.begin; place < std::min(field.end, string.size()); ++place) {
    const int64_t rank = ranks[place][static_cast<uint8_t>(string[place])];
    code = rank == kNoLetter ? kNoLetter : code + rank;
  }
  return code;
}

// Finds the letters of each place; false if there are too many places.
bool MakeAlphabets(const Column &column, std::vector<Alphabet> *alphabets) {
  std::array<bool, 256> occurs[kMostPlaces] = {};
  size_t places = 0;
  for (size_t i = 0; i < column.count; ++i) {
    const std::string_view string = StringAt(column, i);
    if (string.size() > kMostPlaces) return false;
    places = std::max(places, string.size());
    for (size_t place = 0; place < string.size(); ++place)
      occurs[place][static_cast<uint8_t>(string[place])] = true;
  }
  alphabets->assign(places, {});
  for (size_t place = 0; place < places; ++place) {
    Alphabet &alphabet = (*alphabets)[place];
    for (size_t letter = 0; letter < occurs[place].size(); ++letter)
      if (occurs[place][letter]) alphabet.letters[alphabet.count++] = static_cast<uint8_t>(letter);
  }
  return true;
}

Status Encode(const Column &column, Stop stop, std::vector<uint8_t> *out) {
  std::vector<Alphabet> alphabets;
  if (!MakeAlphabets(column, &alphabets) || alphabets.empty()) return Status::kUnfit;
  const std::vector<Field> fields = MakeFields(alphabets);
  size_t bits = 0;
  for (const Field &field : fields) bits += std::bit_width(field.codes - 1);
  // Not shorter than raw, unless vectors differ much: no pattern, or one that few strings fill.
  if (bits * column.count >= 8 * size_t{column.offsets[column.count]}) return Status::kUnfit;

  Append(out, static_cast<uint8_t>(alphabets.size()));
  for (const Alphabet &alphabet : alphabets) {
    Append(out, static_cast<uint8_t>(alphabet.count - 1));
    AppendArray(out, alphabet.letters.data(), alphabet.count);
  }
  const std::vector<Ranks> ranks = MakeRanks(alphabets, fields);
  const Shape shape = ShapeOf(column);
  VectorWriter writer(shape.vectors(), out);
  for (size_t index = 0; index < shape.vectors(); ++index) {
    if (stop.requested()) return Status::kInterrupted;
    const size_t first = index * kVectorValues, count = shape.values_of(index);
    int64_t numbers[kVectorValues];
    for (size_t i = 0; i < count; ++i)
      numbers[i] = static_cast<int64_t>(StringAt(column, first + i).size());
    AppendBlock(numbers, count, out);
    for (const Field &field : fields) {
      for (size_t i = 0; i < count; ++i)
        numbers[i] = CodeOf(field, ranks, StringAt(column, first + i));
      AppendBlock(numbers, count, out);
    }
    if (!writer.End()) return Status::kUnfit;
  }
  return Status::kOk;
}

class LettersDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    shape_ = shape;
    const size_t head = std::min(body->size(), kMostHeadBytes);
    if (const Status status = body->Need(0, head); status != Status::kOk) return status;
    Cursor cursor({body->data(), head});
    uint8_t places;
    if (!cursor.Take(&places) || places == 0 || places > kMostPlaces) return Status::kCorrupted;
    alphabets_.assign(places, {});
    for (Alphabet &alphabet : alphabets_) {
      uint8_t more;
      const uint8_t *letters;
      if (!cursor.Take(&more) || !cursor.TakeBytes(size_t{more} + 1, &letters))
        return Status::kCorrupted;
      alphabet.count = size_t{more} + 1;
      std::copy_n(letters, alphabet.count, alphabet.letters.begin());
    }
    fields_ = MakeFields(alphabets_);
    ranks_.clear();
    MakeTexts();
    // Behind a string there is room for what a text is longer than its field.
    stride_ = places + sizeof(Text);
    if (capacity_ < kVectorValues * stride_) {
      capacity_ = kVectorValues * stride_;
      strings_.reset(new char[capacity_]);
    }
    return table_.Open(shape, body, head - cursor.left());
  }

  Status Read(size_t index, const Target &target) override {
    const size_t count = shape_.values_of(index);
    alignas(64) int64_t numbers[kVectorValues];
    const auto lengths = [&](const Block &block) {
      block.Decode(numbers);
      uint64_t longest = 0;
      for (size_t i = 0; i < count; ++i) {
        longest = std::max(longest, static_cast<uint64_t>(numbers[i]));
        target.strings[i] = {strings_.get() + i * stride_, static_cast<size_t>(numbers[i])};
      }
      return longest <= alphabets_.size();
    };
    const auto field = [&](size_t number, const Block &block) {
      block.Decode(numbers);
      uint64_t seen = 0;
      for (size_t i = 0; i < count; ++i) seen |= static_cast<uint64_t>(numbers[i]);
      if (seen >= kFieldCodes) return false;
      const Text *const texts = &texts_[number * kFieldCodes];
      char *place = strings_.get() + fields_[number].begin;
      for (size_t i = 0; i < count; ++i, place += stride_)
        std::memcpy(place, &texts[numbers[i]], sizeof(Text));
      return true;
    };
    return ForEachBlock(index, lengths, field);
  }

  Status ReadOne(size_t position, const Target &target) override {
    const size_t i = position % kVectorValues;
    const auto length = [&](const Block &block) {
      const uint64_t letters = static_cast<uint64_t>(block.At(i));
      target.strings[0] = {strings_.get(), letters};
      return letters <= alphabets_.size();
    };
    const auto field = [&](size_t number, const Block &block) {
      const uint64_t code = static_cast<uint64_t>(block.At(i));
      if (code >= kFieldCodes) return false;
      std::memcpy(strings_.get() + fields_[number].begin, &texts_[number * kFieldCodes + code],
                  sizeof(Text));
      return true;
    };
    return ForEachBlock(position / kVectorValues, length, field);
  }

  Status SelectEqual(size_t index, std::string_view value, Selection *selection) override {
    if (ranks_.empty()) ranks_ = MakeRanks(alphabets_, fields_);
    const int64_t letters = static_cast<int64_t>(value.size());
    const auto length = [&](const Block &block) {
      block.SelectRange(letters, letters, selection);
      return true;
    };
    const auto field = [&](size_t number, const Block &block) {
      const int64_t code = CodeOf(fields_[number], ranks_, value);
      Selection fits = {};
      if (code >= 0) block.SelectRange(code, code, &fits);
      for (size_t i = 0; i < std::size(fits.words); ++i) selection->words[i] &= fits.words[i];
      return true;
    };
    return ForEachBlock(index, length, field);
  }

 private:
  static constexpr size_t kMostHeadBytes = 1 + kMostPlaces * (1 + 256);
  using Text = uint64_t;  // the letters of a field, the first one lowest, and zeros

  // Lists the letters for each number of each field; zeros for those that no encoder writes.
  void MakeTexts() {
    texts_.assign(fields_.size() * kFieldCodes, 0);
    for (size_t f = 0; f < fields_.size(); ++f)
      for (size_t code = 0; code < fields_[f].codes; ++code) {
        size_t rest = code;
        Text text = 0;
        for (size_t place = fields_[f].end; place-- > fields_[f].begin;) {
          const Alphabet &alphabet = alphabets_[place];
          text = text << 8 | alphabet.letters[rest % alphabet.count];
          rest /= alphabet.count;
        }
        texts_[f * kFieldCodes + code] = text;
      }
  }

  // Gives the blocks of a vector to lengths(block), then to field(number of the field, block); both say
  // whether they are good.
  template <typename Lengths, typename ForField>
  Status ForEachBlock(size_t index, Lengths lengths, ForField field) {
    std::span<const uint8_t> bytes;
    if (const Status status = table_.Find(index, &bytes); status != Status::kOk) return status;
    Cursor cursor(bytes);
    const size_t count = shape_.values_of(index);
    Block block;
    if (!block.Take(&cursor, count) || !lengths(block)) return Status::kCorrupted;
    for (size_t number = 0; number < fields_.size(); ++number)
      if (!block.Take(&cursor, count) || !field(number, block)) return Status::kCorrupted;
    return cursor.left() == 0 ? Status::kOk : Status::kCorrupted;
  }

  Shape shape_;
  std::vector<Alphabet> alphabets_;  // by place
  std::vector<Field> fields_;
  std::vector<Ranks> ranks_;  // by place; empty until needed
  std::vector<Text> texts_;   // by field and number
  VectorTable table_;
  std::unique_ptr<char[]> strings_;
  size_t stride_ = 0, capacity_ = 0;
};

constexpr Scheme kSchemes[] = {{.codec = Codec::kLetters,
                                .kind = Kind::kBytes,
                                .encode = Encode,
                                .decoder = MakeDecoder<LettersDecoder>,
                                .nanoseconds = 6.0}};

}  // namespace

std::span<const Scheme> LettersSchemes() { return kSchemes; }

}  // namespace helios::codec
