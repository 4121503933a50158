// Dictionaries of strings, as dictionary.hpp draws them. A string is looked for by its code.
#include <algorithm>
#include <numeric>
#include <string>
#include <unordered_map>

#include "codec/core/dictionary.hpp"
#include "codec/core/gather.hpp"

namespace helios::codec {
namespace {

Status Encode(const Column &column, Stop stop, std::vector<uint8_t> *out) {
  if (column.count < kLeastMeanUses) return Status::kUnfit;
  const size_t most = column.count / kLeastMeanUses;
  std::unordered_map<std::string_view, uint32_t> numbers;  // in the order of first use
  std::vector<uint32_t> firsts, codes(column.count);
  for (size_t i = 0; i < column.count; ++i) {
    const uint32_t next = static_cast<uint32_t>(firsts.size());
    codes[i] = numbers.try_emplace(StringAt(column, i), next).first->second;
    if (codes[i] < next) continue;
    if (next == most) return Status::kUnfit;
    firsts.push_back(static_cast<uint32_t>(i));
  }

  std::vector<uint32_t> order(firsts.size()), rank(firsts.size()), sorted(firsts.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return StringAt(column, firsts[a]) < StringAt(column, firsts[b]);
  });
  for (uint32_t i = 0; i < order.size(); ++i) {
    rank[order[i]] = i;
    sorted[i] = firsts[order[i]];
  }
  for (uint32_t &code : codes) code = rank[code];
  const Gathered different(column, sorted);
  return AppendDictionary(column, different.column(), codes, stop, out);
}

class DictionaryDecoder : public Decoder {
 public:
  Status Open(const Shape &shape, Body *body) override {
    shape_ = shape;
    strings_.clear();
    return body_.Open(shape, body);
  }

  Status Read(size_t index, const Target &target) override {
    if (const Status status = LoadStrings(); status != Status::kOk) return status;
    alignas(64) int64_t codes[kVectorValues];
    if (const Status status = body_.Codes(index, codes); status != Status::kOk) return status;
    for (size_t i = 0; i < shape_.values_of(index); ++i) target.strings[i] = strings_[codes[i]];
    return Status::kOk;
  }

  Status ReadOne(size_t position, const Target &target) override {
    size_t code;
    if (const Status status = body_.CodeAt(position, &code); status != Status::kOk) return status;
    Values value;
    const Status status = body_.values().ReadOne(code, &value);
    if (status == Status::kOk) target.strings[0] = value.strings[0];
    return status;
  }

  Status SelectEqual(size_t index, std::string_view value, Selection *selection) override {
    if (const Status status = LoadStrings(); status != Status::kOk) return status;
    const auto found = std::lower_bound(strings_.begin(), strings_.end(), value);
    if (found == strings_.end() || *found != value) return Status::kOk;
    const size_t code = static_cast<size_t>(found - strings_.begin());
    return body_.SelectCodes(index, code, code, selection);
  }

 private:
  // Decodes the different strings, once.
  Status LoadStrings() {
    if (!strings_.empty()) return Status::kOk;
    Reader &reader = body_.values();
    bytes_.clear();
    std::vector<size_t> ends;
    for (size_t index = 0; index < reader.vectors(); ++index) {
      Values values;
      if (const Status status = reader.Read(index, &values); status != Status::kOk) return status;
      for (size_t i = 0; i < values.count; ++i) {
        bytes_.append(values.strings[i]);
        ends.push_back(bytes_.size());
      }
    }
    size_t begin = 0;
    for (const size_t end : ends) {
      strings_.emplace_back(bytes_.data() + begin, end - begin);
      begin = end;
    }
    // A string has one code only then.
    if (std::is_sorted(strings_.begin(), strings_.end())) return Status::kOk;
    strings_.clear();
    return Status::kCorrupted;
  }

  Shape shape_;
  DictionaryBody body_;
  std::vector<std::string_view> strings_;  // by code, in bytes_; empty until needed
  std::string bytes_;
};

constexpr Scheme kSchemes[] = {{.codec = Codec::kDictionary,
                                .kind = Kind::kBytes,
                                .encode = Encode,
                                .decoder = MakeDecoder<DictionaryDecoder>,
                                .nanoseconds = 1.5}};

}  // namespace

std::span<const Scheme> DictionaryStringSchemes() { return kSchemes; }

}  // namespace helios::codec
