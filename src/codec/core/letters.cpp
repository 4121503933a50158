// Strings of one length, such as uuid, hexadecimal hashes, phone numbers and dates in text: each place of
// a string has few different letters, and neighbouring places are a field, a number in mixed radix.
//
//   body   | length u8 | alphabet of each place … | table of vectors (vectors.hpp) |
//   alphabet | letters - 1 u8 | the letters, ascending |
//   vector | for each field: a block (block.hpp) of its numbers |
//
// A field takes as many places as have at most kFieldCodes combinations. Its first place counts most, so
// that the numbers of sorted strings ascend.
#include <algorithm>
#include <array>
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
int64_t CodeOf(const Field &field, std::span<const Ranks> ranks, const uint8_t *string) {
  int64_t code = 0;
  for (size_t place = field.begin; place < field.end; ++place) {
    const int64_t rank = ranks[place][string[place]];
    code = rank == kNoLetter ? kNoLetter : code + rank;
  }
  return code;
}

Status Encode(const Column &column, Stop stop, std::vector<uint8_t> *out) {
  if (column.count == 0) return Status::kUnfit;
  const size_t length = column.offsets[1];
  if (length == 0 || length > kMostPlaces) return Status::kUnfit;
  for (size_t i = 0; i <= column.count; ++i)
    if (column.offsets[i] != i * length) return Status::kUnfit;

  std::vector<std::array<bool, 256>> occurs(length);
  for (size_t i = 0; i < column.count; ++i)
    for (size_t place = 0; place < length; ++place)
      occurs[place][column.bytes[i * length + place]] = true;
  std::vector<Alphabet> alphabets(length);
  Append(out, static_cast<uint8_t>(length));
  for (size_t place = 0; place < length; ++place) {
    Alphabet &alphabet = alphabets[place];
    for (size_t letter = 0; letter < occurs[place].size(); ++letter)
      if (occurs[place][letter]) alphabet.letters[alphabet.count++] = static_cast<uint8_t>(letter);
    Append(out, static_cast<uint8_t>(alphabet.count - 1));
    AppendArray(out, alphabet.letters.data(), alphabet.count);
  }

  const std::vector<Field> fields = MakeFields(alphabets);
  const std::vector<Ranks> ranks = MakeRanks(alphabets, fields);
  const Shape shape = ShapeOf(column);
  VectorWriter writer(shape.vectors(), out);
  for (size_t index = 0; index < shape.vectors(); ++index) {
    if (stop.requested()) return Status::kInterrupted;
    const uint8_t *const strings = column.bytes + index * kVectorValues * length;
    for (const Field &field : fields) {
      int64_t codes[kVectorValues];
      for (size_t i = 0; i < shape.values_of(index); ++i)
        codes[i] = CodeOf(field, ranks, strings + i * length);
      AppendBlock(codes, shape.values_of(index), out);
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
    uint8_t length;
    if (!cursor.Take(&length) || length == 0 || length > kMostPlaces) return Status::kCorrupted;
    if (shape.value_bytes != shape.count * (length + sizeof(uint32_t))) return Status::kCorrupted;
    alphabets_.assign(length, {});
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
    stride_ = length + sizeof(Text);
    if (capacity_ < kVectorValues * stride_) {
      capacity_ = kVectorValues * stride_;
      strings_.reset(new char[capacity_]);
    }
    return table_.Open(shape, body, head - cursor.left());
  }

  Status Read(size_t index, const Target &target) override {
    const size_t count = shape_.values_of(index);
    const Status status = ForEachField(index, [&](size_t field, const Block &block) {
      alignas(64) int64_t codes[kVectorValues];
      block.Decode(codes);
      uint64_t seen = 0;
      for (size_t i = 0; i < count; ++i) seen |= static_cast<uint64_t>(codes[i]);
      if (seen >= kFieldCodes) return Status::kCorrupted;
      const Text *const texts = &texts_[field * kFieldCodes];
      char *place = strings_.get() + fields_[field].begin;
      for (size_t i = 0; i < count; ++i, place += stride_)
        std::memcpy(place, &texts[codes[i]], sizeof(Text));
      return Status::kOk;
    });
    for (size_t i = 0; i < count; ++i)
      target.strings[i] = {strings_.get() + i * stride_, alphabets_.size()};
    return status;
  }

  Status ReadOne(size_t position, const Target &target) override {
    target.strings[0] = {strings_.get(), alphabets_.size()};
    return ForEachField(position / kVectorValues, [&](size_t field, const Block &block) {
      const uint64_t code = static_cast<uint64_t>(block.At(position % kVectorValues));
      if (code >= kFieldCodes) return Status::kCorrupted;
      std::memcpy(strings_.get() + fields_[field].begin, &texts_[field * kFieldCodes + code],
                  sizeof(Text));
      return Status::kOk;
    });
  }

  Status SelectEqual(size_t index, std::string_view value, Selection *selection) override {
    if (value.size() != alphabets_.size()) return Status::kOk;
    if (ranks_.empty()) ranks_ = MakeRanks(alphabets_, fields_);
    Selection found;
    std::fill(std::begin(found.words), std::end(found.words), ~uint64_t{0});
    const Status status = ForEachField(index, [&](size_t field, const Block &block) {
      Selection fits = {};
      const int64_t code =
          CodeOf(fields_[field], ranks_, reinterpret_cast<const uint8_t *>(value.data()));
      if (code >= 0) block.SelectRange(code, code, &fits);
      for (size_t i = 0; i < std::size(found.words); ++i) found.words[i] &= fits.words[i];
      return Status::kOk;
    });
    if (status == Status::kOk) *selection = found;
    return status;
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

  // Gives each field of a vector to use(number of the field, block of its codes).
  template <typename Use>
  Status ForEachField(size_t index, Use use) {
    std::span<const uint8_t> bytes;
    if (const Status status = table_.Find(index, &bytes); status != Status::kOk) return status;
    Cursor cursor(bytes);
    for (size_t field = 0; field < fields_.size(); ++field) {
      Block block;
      if (!block.Take(&cursor, shape_.values_of(index))) return Status::kCorrupted;
      if (const Status status = use(field, block); status != Status::kOk) return status;
    }
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
