// Dictionaries: the parts that dictionary.hpp draws, and those of numbers.
#include "codec/core/dictionary.hpp"

#include <algorithm>

#include "codec/core/bitpack.hpp"
#include "codec/core/gather.hpp"
#include "codec/core/nested.hpp"
#include "codec/core/word_table.hpp"

namespace helios::codec {

Status AppendDictionary(const Column &column, const Column &different,
                        std::span<const uint32_t> codes, Stop stop, std::vector<uint8_t> *out) {
  const Status status = AppendNested(different, Codec::kDictionary, stop, out);
  if (status != Status::kOk) return status;
  const Shape shape = ShapeOf(column);
  VectorWriter writer(shape.vectors(), out);
  for (size_t index = 0; index < shape.vectors(); ++index) {
    int64_t values[kVectorValues];
    const size_t count = shape.values_of(index);
    std::copy_n(codes.data() + index * kVectorValues, count, values);
    AppendBlock(values, count, out);
    writer.End();
  }
  return Status::kOk;
}

Status DictionaryBody::Open(const Shape &shape, Body *body) {
  shape_ = shape;
  std::span<const uint8_t> segment;
  size_t at = 0;
  Status status = FindNested(body, &at, Codec::kDictionary, shape.kind, &segment);
  if (status == Status::kOk) status = values_.Open(segment);
  if (status == Status::kOk) status = table_.Open(shape, body, at);
  return status;
}

Status DictionaryBody::Find(size_t index, Block *block) {
  std::span<const uint8_t> bytes;
  if (const Status status = table_.Find(index, &bytes); status != Status::kOk) return status;
  Cursor cursor(bytes);
  const bool whole = block->Take(&cursor, shape_.values_of(index)) && cursor.left() == 0;
  return whole ? Status::kOk : Status::kCorrupted;
}

Status DictionaryBody::Codes(size_t index, int64_t *codes) {
  Block block;
  if (const Status status = Find(index, &block); status != Status::kOk) return status;
  block.Decode(codes);
  const uint64_t *words = reinterpret_cast<const uint64_t *>(codes);
  return Greatest(words, shape_.values_of(index)) < values_.count() ? Status::kOk
                                                                    : Status::kCorrupted;
}

Status DictionaryBody::CodeAt(size_t position, size_t *code) {
  Block block;
  const Status status = Find(position / kVectorValues, &block);
  if (status != Status::kOk) return status;
  *code = static_cast<uint64_t>(block.At(position % kVectorValues));
  return *code < values_.count() ? Status::kOk : Status::kCorrupted;
}

Status DictionaryBody::SelectCodes(size_t index, size_t low, size_t high, Selection *selection) {
  Block block;
  if (const Status status = Find(index, &block); status != Status::kOk) return status;
  block.SelectRange(static_cast<int64_t>(low), static_cast<int64_t>(high), selection);
  return Status::kOk;
}

namespace {

Status EncodeNumbers(const Column &column, Stop stop, std::vector<uint8_t> *out) {
  if (column.count < kLeastMeanUses) return Status::kUnfit;
  const size_t most = column.count / kLeastMeanUses;
  WordTable table(most);
  std::vector<uint32_t> firsts, codes(column.count);
  for (size_t i = 0; i < column.count; ++i) {
    codes[i] = table.Number(WordAt(column, i), static_cast<uint32_t>(firsts.size()));
    if (codes[i] < firsts.size()) continue;
    if (firsts.size() == most) return Status::kUnfit;
    firsts.push_back(static_cast<uint32_t>(i));
  }
  // Floating-point bits in the order of integers ascend with the values of one sign, which is what
  // the codec of the nested values can make use of.
  std::vector<std::pair<int64_t, uint32_t>> order(firsts.size());
  for (uint32_t i = 0; i < order.size(); ++i) {
    order[i] = {static_cast<int64_t>(WordAt(column, firsts[i])), i};
  }
  std::sort(order.begin(), order.end());
  std::vector<uint32_t> sorted(firsts.size()), rank(firsts.size());
  for (uint32_t i = 0; i < order.size(); ++i) {
    rank[order[i].second] = i;
    sorted[i] = firsts[order[i].second];
  }
  for (uint32_t &code : codes) code = rank[code];
  const Gathered different(column, sorted);
  return AppendDictionary(column, different.column(), codes, stop, out);
}

template <typename T>
class NumberDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    shape_ = shape;
    values_.clear();
    return body_.Open(shape, body);
  }

  Status Read(size_t index, const Target &target) override {
    Status status = LoadValues();
    alignas(64) int64_t codes[kVectorValues];
    if (status == Status::kOk) status = body_.Codes(index, codes);
    if (status != Status::kOk) return status;
    T *places = PlacesOf<T>(target);
    for (size_t i = 0; i < shape_.values_of(index); ++i) places[i] = values_[codes[i]];
    return Status::kOk;
  }

  Status ReadOne(size_t position, const Target &target) override {
    size_t code;
    if (const Status status = body_.CodeAt(position, &code); status != Status::kOk) return status;
    Values value;
    const Status status = body_.values().ReadOne(code, &value);
    if (status == Status::kOk) PlacesOf<T>(target)[0] = ArrayOf<T>(value)[0];
    return status;
  }

  Status SelectRange(size_t index, int64_t low, int64_t high, Selection *selection) override {
    if constexpr (!std::is_same_v<T, int64_t>) return Status::kUnfit;
    if (const Status status = LoadValues(); status != Status::kOk) return status;
    const auto begin = std::lower_bound(values_.begin(), values_.end(), low);
    const auto end = std::upper_bound(begin, values_.end(), high);
    if (begin == end) return Status::kOk;
    return body_.SelectCodes(index, begin - values_.begin(), end - values_.begin() - 1, selection);
  }

 private:
  // Decodes the different values, once.
  Status LoadValues() {
    Reader &reader = body_.values();
    if (!values_.empty()) return Status::kOk;
    for (size_t index = 0; index < reader.vectors(); ++index) {
      Values values;
      const Status status = reader.Read(index, &values);
      if (status != Status::kOk) {
        values_.clear();
        return status;
      }
      values_.insert(values_.end(), ArrayOf<T>(values), ArrayOf<T>(values) + values.count);
    }
    // Ranges of values are ranges of codes only then.
    if (std::is_same_v<T, int64_t> && !std::is_sorted(values_.begin(), values_.end())) {
      values_.clear();
      return Status::kCorrupted;
    }
    return Status::kOk;
  }

  Shape shape_;
  DictionaryBody body_;
  std::vector<T> values_;  // empty until needed
};

constexpr double kLookUpNanoseconds = 0.8;

constexpr Scheme kSchemes[] = {
    {Codec::kDictionary, Kind::kInt, EncodeNumbers, MakeDecoder<NumberDecoder<int64_t>>,
     kLookUpNanoseconds},
    {Codec::kDictionary, Kind::kFloat, EncodeNumbers, MakeDecoder<NumberDecoder<float>>,
     kLookUpNanoseconds},
    {Codec::kDictionary, Kind::kDouble, EncodeNumbers, MakeDecoder<NumberDecoder<double>>,
     kLookUpNanoseconds},
};

}  // namespace

std::span<const Scheme> DictionarySchemes() { return kSchemes; }

}  // namespace helios::codec
