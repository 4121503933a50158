// Numbers in bytes: appended by encoders, taken with checks by decoders. No alignment.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace helios::codec {

// Strings of bits are read a word at a time from the byte that holds their first.
static_assert(std::endian::native == std::endian::little, "segments are little-endian");

// Appends the bytes of a number.
template <typename T>
void Append(std::vector<uint8_t> *out, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  const size_t at = out->size();
  out->resize(at + sizeof(T));
  std::memcpy(out->data() + at, &value, sizeof(T));
}

// Appends `count` numbers as they are in memory; `values` may be null when there are none.
template <typename T>
void AppendArray(std::vector<uint8_t> *out, const T *values, size_t count) {
  if (count == 0) return;
  const size_t at = out->size();
  out->resize(at + count * sizeof(T));
  std::memcpy(out->data() + at, values, count * sizeof(T));
}

// Number `index` of an array in bytes.
template <typename T>
T Load(const uint8_t *bytes, size_t index = 0) {
  T value;
  std::memcpy(&value, bytes + index * sizeof(T), sizeof(T));
  return value;
}

// Takes numbers and arrays off the front of hostile bytes.
class Cursor {
 public:
  explicit Cursor(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  size_t left() const { return bytes_.size(); }
  std::span<const uint8_t> rest() const { return bytes_; }

  // False, and nothing taken, when too few bytes are left.
  template <typename T>
  bool Take(T *value) {
    if (bytes_.size() < sizeof(T)) return false;
    *value = Load<T>(bytes_.data());
    bytes_ = bytes_.subspan(sizeof(T));
    return true;
  }
  bool TakeBytes(size_t length, const uint8_t **bytes) {
    if (bytes_.size() < length) return false;
    *bytes = bytes_.data();
    bytes_ = bytes_.subspan(length);
    return true;
  }

 private:
  std::span<const uint8_t> bytes_;
};

}  // namespace helios::codec
