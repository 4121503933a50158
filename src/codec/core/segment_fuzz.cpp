// Feeds segments to the reader, which must refuse them or read them the same in every way; and takes the
// input for values that must come back from an encoding. The corpus is regress/fuzz/segment.
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "codec/core/round_trip.hpp"

namespace {

using namespace helios::codec;

// The bytes of value `i`.
std::string BytesOf(Kind kind, const Values &values, size_t i) {
  const auto bytes = [](const auto &value) {
    return std::string(reinterpret_cast<const char *>(&value), sizeof(value));
  };
  switch (kind) {
    case Kind::kInt:
      return bytes(values.ints[i]);
    case Kind::kFloat:
      return bytes(values.floats[i]);
    case Kind::kDouble:
      return bytes(values.doubles[i]);
    case Kind::kBytes:
      break;
  }
  return std::string(values.strings[i]);
}

void Require(bool holds) {
  if (!holds) std::abort();
}

// Checks a condition on encoded data against what was decoded.
template <typename Fits>
void RequireSelected(const Selection &selection, size_t count, Fits fits) {
  for (size_t i = 0; i < kVectorValues; ++i) {
    const bool selected = (selection.words[i / 64] >> (i % 64) & 1) != 0;
    Require(selected == (i < count && fits(i)));
  }
}

// Reads a vector as a whole, by single values and by conditions.
void ReadVector(std::span<const uint8_t> segment, size_t index) {
  // Fresh readers: what one keeps may not help the other.
  Reader whole, single, selecting;
  Values values, value;
  Require(whole.Open(segment) == Status::kOk && single.Open(segment) == Status::kOk &&
          selecting.Open(segment) == Status::kOk);
  const Status status = whole.Read(index, &values);
  for (size_t i = 0; i < std::min(kVectorValues, whole.count() - index * kVectorValues); i += 97) {
    const Status one = single.ReadOne(index * kVectorValues + i, &value);
    if (status != Status::kOk || one != Status::kOk) continue;
    Require(BytesOf(whole.kind(), values, i) == BytesOf(whole.kind(), value, 0));
  }
  Selection selection;
  if (whole.kind() == Kind::kInt) {
    for (const int64_t bound : {int64_t{0}, status == Status::kOk ? values.ints[0] : int64_t{7}}) {
      const int64_t high = bound | 0xff;
      if (selecting.SelectRange(index, bound, high, &selection) != Status::kOk) continue;
      if (status != Status::kOk) continue;
      RequireSelected(selection, values.count,
                      [&](size_t i) { return bound <= values.ints[i] && values.ints[i] <= high; });
    }
  }
  if (whole.kind() == Kind::kBytes) {
    const std::string_view sought = status == Status::kOk ? values.strings[0] : "e";
    if (selecting.SelectEqual(index, sought, &selection) != Status::kOk) return;
    if (status != Status::kOk) return;
    // Codes that no encoder writes may hide a string, but none is found that is not there.
    for (size_t i = 0; i < kVectorValues; ++i) {
      const bool selected = (selection.words[i / 64] >> (i % 64) & 1) != 0;
      Require(!selected || (i < values.count && values.strings[i] == sought));
    }
  }
}

// Checks that a codec gives values back.
void RoundTrip(const Owned &owned, const CodecInfo &info, Wrap wrap) {
  std::vector<uint8_t> segment;
  if (EncodeAs(owned.column, {info.codec, wrap}, 1, {}, &segment) != Status::kOk) return;
  Require(Difference(owned.column, segment).empty());
}

// Takes bytes for numbers, and, where one is 0, 10, 20, … for the end of a string.
template <typename T>
std::vector<T> Numbers(const uint8_t *data, size_t size) {
  std::vector<T> values(size / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), data, values.size() * sizeof(T));
  return values;
}
std::vector<std::string> Strings(const uint8_t *data, size_t size) {
  std::vector<std::string> values(1);
  for (size_t i = 0; i < size; ++i) {
    values.back().push_back(static_cast<char>(data[i]));
    if (data[i] % 10 == 0) values.emplace_back();
  }
  return values;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Reader reader;
  if (reader.Open({data, size}) == Status::kOk) {
    for (size_t index = 0; index < reader.vectors(); ++index) ReadVector({data, size}, index);
  }
  if (size < 2) return 0;
  const CodecInfo &info = Registry()[data[size - 1] % Registry().size()];
  const Wrap wrap = static_cast<Wrap>(data[size - 2] % 3);
  RoundTrip(Owned(Numbers<int64_t>(data, size)), info, wrap);
  RoundTrip(Owned(Numbers<float>(data, size)), info, wrap);
  RoundTrip(Owned(Numbers<double>(data, size)), info, wrap);
  RoundTrip(Owned(Strings(data, size)), info, wrap);
  return 0;
}
