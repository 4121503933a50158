// Strings as numbers in a dictionary, which has each of them once, in ascending order:
//
//   body | codec of the dictionary u8 | its strings u32 | their value bytes u32 | bytes of it u32 |
//        | width of codes u8 | dictionary: a body of kRaw or kFsst, the shorter | codes (bits.hpp) |
//
// A string is looked for by its code. What is seen by a wrap is raw, and its codes are whole bytes:
// other forms hide from it what repeats.
#include <algorithm>
#include <bit>
#include <memory>
#include <unordered_map>

#include "codec/core/bits.hpp"
#include "codec/core/bytes.hpp"
#include "codec/core/scheme.hpp"

namespace helios::codec {
namespace {

// The different strings of a column, ascending, as a column of their own, and the code of each value.
struct Dictionary {
  std::vector<uint32_t> offsets{0};
  std::vector<uint8_t> bytes;
  std::vector<uint32_t> codes;

  Column column() const {
    return {.kind = Kind::kBytes,
            .count = offsets.size() - 1,
            .offsets = offsets.data(),
            .bytes = bytes.data()};
  }
};

// False if more than half of the values are different: other codecs do better.
bool Build(const Column &column, Dictionary *dictionary) {
  std::unordered_map<std::string_view, uint32_t> numbers;  // in the order of appearance
  std::vector<std::string_view> strings;
  dictionary->codes.reserve(column.count);
  for (size_t i = 0; i < column.count; ++i) {
    const uint32_t begin = column.offsets[i];
    const std::string_view string(reinterpret_cast<const char *>(column.bytes) + begin,
                                  column.offsets[i + 1] - begin);
    const auto [entry, fresh] = numbers.try_emplace(string, strings.size());
    if (fresh) strings.push_back(string);
    if (strings.size() > column.count / 2) return false;
    dictionary->codes.push_back(entry->second);
  }

  std::vector<uint32_t> order(strings.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return strings[a] < strings[b]; });
  std::vector<uint32_t> code_of(strings.size());
  for (uint32_t code = 0; code < order.size(); ++code) {
    const std::string_view string = strings[order[code]];
    code_of[order[code]] = code;
    dictionary->bytes.insert(dictionary->bytes.end(), string.begin(), string.end());
    dictionary->offsets.push_back(static_cast<uint32_t>(dictionary->bytes.size()));
  }
  for (uint32_t &code : dictionary->codes) code = code_of[code];
  return true;
}

void Write(const Dictionary &dictionary, Codec codec, std::span<const uint8_t> body, uint32_t width,
           std::vector<uint8_t> *out) {
  const Shape shape = ShapeOf(dictionary.column());
  Append(out, codec);
  Append(out, static_cast<uint32_t>(shape.count));
  Append(out, static_cast<uint32_t>(shape.value_bytes));
  Append(out, static_cast<uint32_t>(body.size()));
  Append(out, static_cast<uint8_t>(width));
  AppendArray(out, body.data(), body.size());
  AppendBits(dictionary.codes, width, out);
}

uint32_t Width(const Dictionary &dictionary) {
  return static_cast<uint32_t>(std::bit_width(dictionary.offsets.size() - 2));
}

Status Encode(const Column &column, Stop stop, std::vector<uint8_t> *out) {
  Dictionary dictionary;
  if (!Build(column, &dictionary) || column.count == 0) return Status::kUnfit;
  const Column strings = dictionary.column();
  std::vector<uint8_t> raw, fsst;
  Status status = FindScheme(Codec::kRaw, Kind::kBytes)->encode(strings, stop, &raw);
  if (status != Status::kOk) return status;
  status = FindScheme(Codec::kFsst, Kind::kBytes)->encode(strings, stop, &fsst);
  if (status == Status::kInterrupted) return status;
  if (status == Status::kOk && fsst.size() < raw.size())
    Write(dictionary, Codec::kFsst, fsst, Width(dictionary), out);
  else
    Write(dictionary, Codec::kRaw, raw, Width(dictionary), out);
  return Status::kOk;
}

Status EncodeForWrap(const Column &column, Stop stop, std::vector<uint8_t> *out) {
  Dictionary dictionary;
  if (!Build(column, &dictionary) || column.count == 0) return Status::kUnfit;
  std::vector<uint8_t> raw;
  const Status status =
      FindScheme(Codec::kRaw, Kind::kBytes)->encode_for_wrap(dictionary.column(), stop, &raw);
  if (status == Status::kOk)
    Write(dictionary, Codec::kRaw, raw, (Width(dictionary) + 7) / 8 * 8, out);
  return status;
}

class DictionaryDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    shape_ = shape;
    body_ = body;
    strings_.clear();
    if (const Status status = body->Need(0, kHeadBytes); status != Status::kOk) return status;
    Cursor cursor({body->data(), kHeadBytes});
    Codec codec;
    uint32_t strings, value_bytes, bytes;
    uint8_t width;
    cursor.Take(&codec);
    cursor.Take(&strings);
    cursor.Take(&value_bytes);
    cursor.Take(&bytes);
    cursor.Take(&width);
    own_ = {Kind::kBytes, strings, value_bytes};
    width_ = width;
    codes_at_ = kHeadBytes + size_t{bytes};
    if (strings == 0 || strings > shape.count || width > kMaxBits ||
        value_bytes < strings * sizeof(uint32_t) || value_bytes > shape.value_bytes ||
        body->size() != codes_at_ + BitsBytes(shape.count, width))
      return Status::kCorrupted;
    if (codec != Codec::kRaw && codec != Codec::kFsst) return Status::kCorrupted;
    if (const Status status = body->Need(kHeadBytes, bytes); status != Status::kOk) return status;
    const std::span<const uint8_t> stored(body->data() + kHeadBytes, bytes);
    const Status status = own_body_.Open(Wrap::kNone, stored, stored.size());
    if (status != Status::kOk) return status;
    dictionary_ = FindScheme(codec, Kind::kBytes)->decoder();
    return dictionary_->Open(own_, &own_body_);
  }

  Status Read(size_t index, const Target &target) override {
    if (const Status status = Load(); status != Status::kOk) return status;
    const std::span<uint32_t> codes(codes_, shape_.values_of(index));
    if (const Status status = ReadCodes(index, codes); status != Status::kOk) return status;
    for (size_t i = 0; i < codes.size(); ++i) {
      if (codes[i] >= strings_.size()) return Status::kCorrupted;
      target.strings[i] = strings_[codes[i]];
    }
    return Status::kOk;
  }

  Status ReadOne(size_t position, const Target &target) override {
    const size_t size = BitsBytes(shape_.count, width_);
    if (const Status status = body_->Need(codes_at_, size); status != Status::kOk) return status;
    const uint32_t code = BitsAt(body_->data() + codes_at_, size, width_, position);
    if (code >= own_.count) return Status::kCorrupted;
    if (strings_.empty()) {
      const Status status = dictionary_->ReadOne(code, target);
      if (status != Status::kUnfit) return status;
      if (const Status loaded = Load(); loaded != Status::kOk) return loaded;
    }
    target.strings[0] = strings_[code];
    return Status::kOk;
  }

  Status SelectEqual(size_t index, std::string_view value, Selection *selection) override {
    if (const Status status = Load(); status != Status::kOk) return status;
    const auto found = std::lower_bound(strings_.begin(), strings_.end(), value);
    if (found == strings_.end() || *found != value) return Status::kOk;
    const uint32_t code = static_cast<uint32_t>(found - strings_.begin());
    const std::span<uint32_t> codes(codes_, shape_.values_of(index));
    if (const Status status = ReadCodes(index, codes); status != Status::kOk) return status;
    for (size_t i = 0; i < codes.size(); ++i)
      selection->words[i / 64] |= uint64_t{codes[i] == code} << (i % 64);
    return Status::kOk;
  }

 private:
  static constexpr size_t kHeadBytes = 1 + 3 * sizeof(uint32_t) + 1;

  // Decodes the dictionary unless that was done.
  Status Load() {
    if (!strings_.empty()) return Status::kOk;
    bytes_.reset(new char[own_.value_bytes]);
    std::vector<std::string_view> strings(own_.vectors() * kVectorValues);
    char *at = bytes_.get();
    for (size_t vector = 0; vector < own_.vectors(); ++vector) {
      std::string_view *const first = &strings[vector * kVectorValues];
      const Status status = dictionary_->Read(vector, {.strings = first});
      if (status != Status::kOk) return status;
      for (size_t i = 0; i < own_.values_of(vector); ++i) {
        first[i] = {at, first[i].copy(at, first[i].size())};
        at += first[i].size();
      }
    }
    strings.resize(own_.count);
    strings_ = std::move(strings);
    return Status::kOk;
  }

  Status ReadCodes(size_t index, std::span<uint32_t> codes) {
    const size_t size = BitsBytes(shape_.count, width_);
    if (const Status status = body_->Need(codes_at_, size); status != Status::kOk) return status;
    ReadBits(body_->data() + codes_at_, size, width_, index * kVectorValues, codes);
    return Status::kOk;
  }

  Shape shape_, own_;  // of the column, and of the dictionary
  Body *body_ = nullptr;
  Body own_body_;
  std::unique_ptr<Decoder> dictionary_;
  uint32_t width_ = 0;
  size_t codes_at_ = 0;
  std::vector<std::string_view> strings_;  // by code, in bytes_; empty until they are needed
  std::unique_ptr<char[]> bytes_;
  uint32_t codes_[kVectorValues];
};

constexpr Scheme kSchemes[] = {{.codec = Codec::kDictionary,
                                .kind = Kind::kBytes,
                                .encode = Encode,
                                .decoder = MakeDecoder<DictionaryDecoder>,
                                .nanoseconds = 1.5,
                                .encode_for_wrap = EncodeForWrap}};

}  // namespace

std::span<const Scheme> DictionaryStringSchemes() { return kSchemes; }

}  // namespace helios::codec
