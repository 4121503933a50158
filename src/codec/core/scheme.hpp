// What a codec is to the rest of the room: a function that writes bodies and a class that reads them.
// Each codec's file offers one Scheme per kind it serves and draws its body at its head; scheme.cpp
// lists them all.
#pragma once

#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

#include "codec/core/codec.hpp"
#include "codec/core/wrap.hpp"

namespace helios::codec {

// What the header of a segment says about its values.
struct Shape {
  Kind kind;
  size_t count;
  size_t value_bytes;  // see SegmentInfo

  size_t vectors() const { return (count + kVectorValues - 1) / kVectorValues; }
  // Values of a vector: all but the last have kVectorValues.
  size_t values_of(size_t index) const {
    return index + 1 < vectors() ? kVectorValues : count - index * kVectorValues;
  }
};
Shape ShapeOf(const Column &column);

// Where values are decoded to: of the pointers the one of the kind is set, to room for kVectorValues,
// all of which may be written to.
struct Target {
  int64_t *ints = nullptr;
  float *floats = nullptr;
  double *doubles = nullptr;
  std::string_view *strings = nullptr;
};

// The arrays of a column, of values and of a target by the type of their elements. Strings of a column
// are not an array: see gather.hpp.
template <typename T, typename From>
const T *ArrayOf(const From &from) {
  if constexpr (std::is_same_v<T, int64_t>) {
    return from.ints;
  } else if constexpr (std::is_same_v<T, float>) {
    return from.floats;
  } else if constexpr (std::is_same_v<T, double>) {
    return from.doubles;
  } else {
    return from.strings;
  }
}
template <typename T>
T *PlacesOf(const Target &target) {
  return const_cast<T *>(ArrayOf<T>(target));
}
template <typename T>
constexpr Kind kKindOf = std::is_same_v<T, int64_t>  ? Kind::kInt
                         : std::is_same_v<T, float>  ? Kind::kFloat
                         : std::is_same_v<T, double> ? Kind::kDouble
                                                     : Kind::kBytes;

// Reads bodies of one codec and kind, one after another; owns what it decodes with. All bytes are
// hostile: every function may return kCorrupted, none reads or writes outside of what it was given.
class Decoder {
 public:
  virtual ~Decoder() = default;

  // Checks what the other functions rely on. The body stays the caller's and outlives the reading.
  virtual Status Open(const Shape &shape, Body *body) = 0;
  // Decodes vector `index` < shape.vectors(). Strings point into the body or into the decoder and are
  // good until its next Read, ReadOne or Open.
  virtual Status Read(size_t index, const Target &target) = 0;

  // The others may say kUnfit: the caller takes Read, and compares.

  // Decodes the value at `position` < shape.count into the first place.
  virtual Status ReadOne(size_t, const Target &) { return Status::kUnfit; }
  // Sets the bits of a vector's values that lie in [low, high]; kInt. The selection is clear before.
  virtual Status SelectRange(size_t, int64_t, int64_t, Selection *) { return Status::kUnfit; }
  // Sets the bits of a vector's values that equal the string; kBytes. The selection is clear before.
  virtual Status SelectEqual(size_t, std::string_view, Selection *) { return Status::kUnfit; }
};

struct Scheme {
  Codec codec;
  Kind kind;
  // Appends the body of a column of this kind; kUnfit (when the codec cannot hold the values, or when
  // the body is obviously no shorter than the raw one) and kInterrupted leave what was appended.
  Status (*encode)(const Column &column, Stop stop, std::vector<uint8_t> *out);
  std::unique_ptr<Decoder> (*decoder)();
  // Time to decode one value from memory, in nanoseconds, roughly: what the chooser weighs.
  double nanoseconds;
  // Taken instead of `encode` where a wrap will compress the body, if not null: like it, but leaves in
  // sight what repeats.
  Status (*encode_for_wrap)(const Column &column, Stop stop, std::vector<uint8_t> *out) = nullptr;
};

// Makes the decoder class of a scheme.
template <typename D>
std::unique_ptr<Decoder> MakeDecoder() {
  return std::make_unique<D>();
}

// The scheme of a codec for a kind; null if there is none.
const Scheme *FindScheme(Codec codec, Kind kind);
// Bytes of the body that kRaw makes of a column.
size_t RawBytes(const Column &column);

// Schemes of each file.
std::span<const Scheme> RawSchemes();               // raw.cpp
std::span<const Scheme> RawStringSchemes();         // raw_strings.cpp
std::span<const Scheme> ConstantSchemes();          // constant.cpp
std::span<const Scheme> RunLengthSchemes();         // run_length.cpp
std::span<const Scheme> DictionarySchemes();        // dictionary.cpp
std::span<const Scheme> DictionaryStringSchemes();  // dictionary_strings.cpp
std::span<const Scheme> IntegerSchemes();           // integers.cpp
std::span<const Scheme> GorillaSchemes();           // gorilla.cpp
std::span<const Scheme> AlpSchemes();               // alp.cpp
std::span<const Scheme> AlpRdSchemes();             // alp_rd.cpp
std::span<const Scheme> FsstSchemes();              // fsst_strings.cpp
std::span<const Scheme> LettersSchemes();           // letters.cpp

}  // namespace helios::codec
