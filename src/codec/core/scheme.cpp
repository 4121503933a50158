// The list of codecs: their schemes and their names.
#include "codec/core/scheme.hpp"

#include <array>

namespace helios::codec {
namespace {

constexpr CodecInfo Row(Codec codec, std::string_view name, bool ints, bool floats, bool bytes) {
  return {codec, name, {false, ints, floats, floats, bytes}};
}

constexpr std::array kCodecs = {
    Row(Codec::kRaw, "none", true, true, true),
    Row(Codec::kConstant, "constant", true, true, true),
    Row(Codec::kRunLength, "rle", true, true, true),
    Row(Codec::kDictionary, "dictionary", true, true, true),
    Row(Codec::kFrameOfReference, "for", true, false, false),
    Row(Codec::kDelta, "delta", true, false, false),
    Row(Codec::kDeltaOfDelta, "delta2", true, false, false),
    Row(Codec::kGorilla, "gorilla", false, true, false),
    Row(Codec::kAlp, "alp", false, true, false),
    Row(Codec::kAlpRd, "alp_rd", false, true, false),
    Row(Codec::kFsst, "fsst", false, false, true),
    Row(Codec::kLetters, "letters", false, false, true),
};

// Names of encodings: by codec in the order of kCodecs, then by wrap.
constexpr std::string_view kNames[kCodecs.size()][3] = {
    {"none", "lz4", "zstd"},
    {"constant", "constant+lz4", "constant+zstd"},
    {"rle", "rle+lz4", "rle+zstd"},
    {"dictionary", "dictionary+lz4", "dictionary+zstd"},
    {"for", "for+lz4", "for+zstd"},
    {"delta", "delta+lz4", "delta+zstd"},
    {"delta2", "delta2+lz4", "delta2+zstd"},
    {"gorilla", "gorilla+lz4", "gorilla+zstd"},
    {"alp", "alp+lz4", "alp+zstd"},
    {"alp_rd", "alp_rd+lz4", "alp_rd+zstd"},
    {"fsst", "fsst+lz4", "fsst+zstd"},
    {"letters", "letters+lz4", "letters+zstd"},
};

// Every list of schemes there is.
constexpr std::span<const Scheme> (*kSchemes[])() = {
    RawSchemes,       RawStringSchemes,  ConstantSchemes,
    RunLengthSchemes, DictionarySchemes, DictionaryStringSchemes,
    IntegerSchemes,   GorillaSchemes,    AlpSchemes,
    AlpRdSchemes,     LettersSchemes,    FsstSchemes};

}  // namespace

std::span<const CodecInfo> Registry() { return kCodecs; }

bool ParseEncoding(std::string_view name, Encoding *encoding) {
  for (size_t codec = 0; codec < kCodecs.size(); ++codec) {
    for (size_t wrap = 0; wrap < std::size(kNames[codec]); ++wrap) {
      if (kNames[codec][wrap] != name) continue;
      *encoding = {kCodecs[codec].codec, static_cast<Wrap>(wrap)};
      return true;
    }
  }
  return false;
}

std::string_view EncodingName(Encoding encoding) {
  const size_t codec = static_cast<size_t>(encoding.codec) - static_cast<size_t>(Codec::kRaw);
  const size_t wrap = static_cast<size_t>(encoding.wrap);
  if (codec >= kCodecs.size() || wrap >= std::size(kNames[0])) return "unknown";
  return kNames[codec][wrap];
}

const Scheme *FindScheme(Codec codec, Kind kind) {
  for (const auto schemes : kSchemes) {
    for (const Scheme &scheme : schemes()) {
      if (scheme.codec == codec && scheme.kind == kind) return &scheme;
    }
  }
  return nullptr;
}

Shape ShapeOf(const Column &column) {
  switch (column.kind) {
    case Kind::kInt:
      return {column.kind, column.count, column.count * sizeof(int64_t)};
    case Kind::kFloat:
      return {column.kind, column.count, column.count * sizeof(float)};
    case Kind::kDouble:
      return {column.kind, column.count, column.count * sizeof(double)};
    case Kind::kBytes:
      break;
  }
  const size_t bytes = column.count == 0 ? 0 : column.offsets[column.count];
  return {column.kind, column.count, bytes + column.count * sizeof(uint32_t)};
}

}  // namespace helios::codec
