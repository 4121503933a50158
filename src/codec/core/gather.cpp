// Gathering of values by position.
#include "codec/core/gather.hpp"

namespace helios::codec {
namespace {

template <typename T>
const T *Pick(const T *from, std::span<const uint32_t> positions, std::vector<T> *to) {
  to->reserve(positions.size());
  for (const uint32_t position : positions) to->push_back(from[position]);
  return to->data();
}

}  // namespace

Gathered::Gathered(const Column &from, std::span<const uint32_t> positions) {
  column_.kind = from.kind;
  column_.count = positions.size();
  switch (from.kind) {
    case Kind::kInt:
      column_.ints = Pick(from.ints, positions, &ints_);
      return;
    case Kind::kFloat:
      column_.floats = Pick(from.floats, positions, &floats_);
      return;
    case Kind::kDouble:
      column_.doubles = Pick(from.doubles, positions, &doubles_);
      return;
    case Kind::kBytes:
      break;
  }
  offsets_.reserve(positions.size() + 1);
  offsets_.push_back(0);
  for (const uint32_t position : positions) {
    const std::string_view value = StringAt(from, position);
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
  }
  column_.offsets = offsets_.data();
  column_.bytes = bytes_.data();
}

}  // namespace helios::codec
