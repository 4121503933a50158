// For the tests of this room: columns that own their values, and the check that a segment gives them
// back in every way of reading.
#pragma once

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "codec/core/codec.hpp"
#include "codec/core/gather.hpp"
#include "codec/core/segment.hpp"

namespace helios::codec {

// Values of one kind with a Column that shows them; neither moves.
struct Owned {
  Column column;
  std::vector<int64_t> ints;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<uint32_t> offsets;
  std::vector<uint8_t> bytes;

  explicit Owned(std::vector<int64_t> values) : ints(std::move(values)) {
    column = {.kind = Kind::kInt, .count = ints.size(), .ints = ints.data()};
  }
  explicit Owned(std::vector<float> values) : floats(std::move(values)) {
    column = {.kind = Kind::kFloat, .count = floats.size(), .floats = floats.data()};
  }
  explicit Owned(std::vector<double> values) : doubles(std::move(values)) {
    column = {.kind = Kind::kDouble, .count = doubles.size(), .doubles = doubles.data()};
  }
  explicit Owned(const std::vector<std::string> &values) {
    offsets.push_back(0);
    for (const std::string &value : values) {
      bytes.insert(bytes.end(), value.begin(), value.end());
      offsets.push_back(static_cast<uint32_t>(bytes.size()));
    }
    column = {.kind = Kind::kBytes,
              .count = values.size(),
              .offsets = offsets.data(),
              .bytes = bytes.data()};
  }
  Owned(const Owned &) = delete;
  Owned &operator=(const Owned &) = delete;
};

// Says whether place `at` of what was read is value `i` of the column, bit by bit.
inline bool SameValue(const Column &column, size_t i, const Values &values, size_t at) {
  switch (column.kind) {
    case Kind::kInt:
      return column.ints[i] == values.ints[at];
    case Kind::kFloat:
      return std::memcmp(column.floats + i, values.floats + at, sizeof(float)) == 0;
    case Kind::kDouble:
      return std::memcmp(column.doubles + i, values.doubles + at, sizeof(double)) == 0;
    case Kind::kBytes:
      break;
  }
  const uint32_t begin = column.offsets[i], length = column.offsets[i + 1] - begin;
  return values.strings[at] ==
         std::string_view(reinterpret_cast<const char *>(column.bytes) + begin, length);
}

// Empty when a segment holds exactly the column, else what differs. Reads vectors forwards, then
// backwards (each must be decodable without its neighbours), then single values.
inline std::string Difference(const Column &column, std::span<const uint8_t> segment) {
  // A copy of its own makes the sanitizer see reads beyond the end.
  const std::vector<uint8_t> copy(segment.begin(), segment.end());
  Reader reader;
  if (const Status status = reader.Open(copy); status != Status::kOk) {
    return "Open gives " + std::to_string(static_cast<int>(status));
  }
  if (reader.count() != column.count) return "count is " + std::to_string(reader.count());
  const auto check = [&](size_t vector) -> std::string {
    Values values;
    if (const Status status = reader.Read(vector, &values); status != Status::kOk) {
      return "Read gives " + std::to_string(static_cast<int>(status));
    }
    if (values.count != std::min(kVectorValues, column.count - vector * kVectorValues)) {
      return "Read gives a count of " + std::to_string(values.count);
    }
    for (size_t i = 0; i < values.count; ++i) {
      if (!SameValue(column, vector * kVectorValues + i, values, i)) {
        return "value " + std::to_string(vector * kVectorValues + i) + " differs";
      }
    }
    return {};
  };
  for (size_t vector = 0; vector < reader.vectors(); ++vector) {
    if (std::string difference = check(vector); !difference.empty()) return difference;
  }
  for (size_t vector = reader.vectors(); vector-- > 0;) {
    if (std::string difference = check(vector); !difference.empty()) return difference;
  }
  std::mt19937 random(1);
  for (size_t i = 0; i < std::min<size_t>(column.count, 50); ++i) {
    const size_t position = random() % column.count;
    Values value;
    if (reader.ReadOne(position, &value) != Status::kOk || value.count != 1 ||
        !SameValue(column, position, value, 0)) {
      return "ReadOne of " + std::to_string(position) + " differs";
    }
  }
  return {};
}

}  // namespace helios::codec
