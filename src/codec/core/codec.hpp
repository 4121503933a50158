// Codecs of column segments: up to 65,536 values of one kind, without nulls, as compact bytes that can
// be decoded 1,024 values at a time. Pure kernels: no PostgreSQL here; nothing throws but
// std::bad_alloc.
//
//   segment  | magic version kind codec wrap | counts, sizes | body                              |
//   body     wrap none: what the codec wrote. lz4, zstd: frames of it, each compressed by itself
//
// A vector is 1,024 values of a segment (the last one may be shorter): what is decoded at once, and
// what codecs lay out so that it can be found without what is before it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace helios::codec {

constexpr size_t kVectorValues = 1024;
constexpr size_t kMaxSegmentValues = size_t{64} * 1024;
constexpr size_t kMaxSegmentBytes = size_t{512} * 1024 * 1024;  // of the values of kBytes together

enum class Kind : uint8_t {
  kInt = 1,  // int64_t: all integers, dates, times, numeric as a scaled integer
  kFloat,    // float, bit-exact: every NaN and both zeros are kept
  kDouble,   // double, bit-exact
  kBytes,    // strings of bytes
};

// What stands in a segment: never renumbered.
enum class Codec : uint8_t {
  kRaw = 1,
  kConstant,          // one value
  kRunLength,         // values and lengths of runs, both packed
  kDictionary,        // codes, packed, and the different values: for kBytes in plain or as FSST
  kFrameOfReference,  // kInt: offsets from the least of a vector, bit-packed
  kDelta,             // kInt: differences of neighbours, bit-packed
  kDeltaOfDelta,      // kInt: differences of those
  kGorilla,           // kFloat, kDouble: XOR with the value before (Pelkonen et al. 2015, 4.1.2)
  kAlp,               // kFloat, kDouble: decimals as integers (Afroozeh et al. 2023, section 3)
  kAlpRd,             // kFloat, kDouble: front bits by dictionary (the same, section 3.4)
  kFsst,              // kBytes: symbols of up to 8 bytes (Boncz et al. 2020)
  kLetters,           // kBytes: strings of one pattern, place by place
};
enum class Wrap : uint8_t { kNone = 0, kLz4 = 1, kZstd = 2 };
struct Encoding {
  Codec codec = Codec::kRaw;
  Wrap wrap = Wrap::kNone;
  bool operator==(const Encoding &) const = default;
};

// Values to be encoded; the caller owns them. Of the pointers the one of the kind is set.
struct Column {
  Kind kind = Kind::kInt;
  size_t count = 0;
  const int64_t *ints = nullptr;
  const float *floats = nullptr;
  const double *doubles = nullptr;
  const uint32_t *offsets = nullptr;  // kBytes: count + 1, ascending, offsets[0] is 0
  const uint8_t *bytes = nullptr;
};

enum class Status : uint8_t {
  kOk,
  kUnfit,      // the codec cannot hold these values, or not in fewer bytes than raw: take another
  kCorrupted,  // bytes that no encoder wrote
  kUnknown,    // a version, codec or wrap that this library does not know
  kInterrupted
};

// Polled every few milliseconds of work; true stops the work. May be null.
using Interrupted = bool (*)(void *arg);
struct Stop {
  Interrupted interrupted = nullptr;
  void *arg = nullptr;
  bool requested() const { return interrupted != nullptr && interrupted(arg); }
};

// Which encodings are considered, and what is weighed.
struct Policy {
  enum class Aim : uint8_t {
    kAuto,   // smallest, where reading may cost no more than a stated multiple of the fastest
    kFast,   // no wrap; random access to single vectors
    kSmall,  // smallest, never more than 2 % above zstd or lz4 over the whole segment
    kNamed,  // `codec` and `wrap`, or if these do not fit what kAuto would take
  };
  Aim aim = Aim::kAuto;
  Encoding named;
  int zstd_level = 3;
};

// What a codec can do, as a row of the registry.
struct CodecInfo {
  Codec codec;
  std::string_view name;  // as users write it: 'fsst', 'alp', 'delta', …
  bool kinds[5];          // by Kind
};
std::span<const CodecInfo> Registry();
// The encoding of a name ('none' is raw, 'zstd' raw under zstd); false if there is none.
bool ParseEncoding(std::string_view name, Encoding *encoding);
// "fsst", "alp+zstd", "zstd": what ParseEncoding takes, static text.
std::string_view EncodingName(Encoding encoding);

// Takes the encoding for these values by a sample, writes the segment behind what is in *out, and
// tells what was taken. Never kUnfit.
Status Encode(const Column &column, const Policy &policy, Stop stop, std::vector<uint8_t> *out,
              Encoding *taken);

// Writes a segment by one encoding; kUnfit leaves *out as it was.
Status EncodeAs(const Column &column, Encoding encoding, int zstd_level, Stop stop,
                std::vector<uint8_t> *out);

// Decoded values; they belong to the reader and are good until its next Read, those of kBytes too.
struct Values {
  size_t count = 0;
  const int64_t *ints = nullptr;
  const float *floats = nullptr;
  const double *doubles = nullptr;
  const std::string_view *strings = nullptr;
};

// Which values of a vector fit a condition: bit i of word i / 64.
struct Selection {
  uint64_t words[kVectorValues / 64];
};

// Reads one segment. Owns what it decodes into; may be opened anew for another segment, which keeps its
// buffers.
class Reader {
 public:
  Reader();
  ~Reader();
  Reader(const Reader &) = delete;
  Reader &operator=(const Reader &) = delete;

  // Checks all that decoding relies on but the body of each vector. The bytes are the caller's and
  // must outlive the reading; they are hostile.
  Status Open(std::span<const uint8_t> segment);

  Kind kind() const;
  Encoding encoding() const;
  size_t count() const;
  size_t vectors() const { return (count() + kVectorValues - 1) / kVectorValues; }

  // Decodes vector `index` (0 … vectors() - 1). Decoding a vector again right after costs nothing.
  Status Read(size_t index, Values *values);
  // One value: as Read, but a codec that can reach a value by itself decodes no more.
  Status ReadOne(size_t position, Values *value);

  // Marks the values of vector `index` that equal `value`, or lie in [low, high], deciding on encoded
  // data where the codec allows it. kInt and kBytes (equal only).
  Status SelectEqual(size_t index, int64_t value, Selection *selection);
  Status SelectEqual(size_t index, std::string_view value, Selection *selection);
  Status SelectRange(size_t index, int64_t low, int64_t high, Selection *selection);

 private:
  struct State;
  State *state_;
};

// Bytes that a segment's header alone says; for statistics.
struct SegmentInfo {
  Kind kind;
  Encoding encoding;
  size_t count;
  size_t value_bytes;  // of the values as they are in memory; kBytes: their bytes and 4 for each
};
Status Inspect(std::span<const uint8_t> segment, SegmentInfo *info);

}  // namespace helios::codec
