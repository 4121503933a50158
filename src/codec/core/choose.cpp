// Takes an encoding for a column.
//
//   1. A sample of runs of neighbours is encoded by every codec of the kind, and what is worth it is
//      wrapped: how the sizes of all candidates are guessed. How many values differ is counted.
//   2. The policy ranks the candidates by size and by the time that reading takes.
//   3. The first few encode the whole column: true sizes decide between them.
#include <algorithm>
#include <cmath>
#include <functional>

#include "codec/core/gather.hpp"
#include "codec/core/segment.hpp"
#include "codec/core/word_table.hpp"

namespace helios::codec {
namespace {

// Runs of whole vectors show differences, repeats and frames as the column has them.
constexpr size_t kSampledRuns = 4;
constexpr size_t kSampledBytes = size_t{1} << 17;  // of strings, roughly
// Of so many single values this share differs, at least, where more than half of 65,536 values differ: a
// dictionary is no use then.
constexpr size_t kSampledSingles = 2048;
constexpr double kMostlyDifferent = 0.97;
constexpr size_t kFinalists = 3;
constexpr size_t kFinalistsSmall = 6;
// Guesses beyond the best by this factor and these bytes are no finalists, save for kSmall: the heads of
// bodies are guessed too large, since they do not grow with the sample.
constexpr double kHopeless = 1.25;
constexpr double kHopelessBytes = 2048;

// kAuto takes nothing that takes longer to read than this multiple of the fastest, and a wrap only
// where it saves a tenth. Of what is nearly as small it takes the fastest.
constexpr double kSlowest = 8;
constexpr double kWrapHandicap = 1 / 0.9;
constexpr double kNearlyAsSmall = 1.05;
// kFast gives more for speed.
constexpr double kNearlyAsSmallFast = 1.1;
// A wrap over a codec that is this much longer than the best is not tried: it hardly makes up for it.
constexpr double kWorthWrapping = 2;

// Nanoseconds to decompress a byte, and to get one from where segments are kept.
constexpr double kLz4Nanoseconds = 0.4;
constexpr double kZstdNanoseconds = 1.4;
constexpr double kFetchNanoseconds = 0.5;

// An encoding with its size in bytes and its time to read in nanoseconds per value, both guessed.
struct Candidate {
  Encoding encoding;
  double bytes;
  double nanoseconds;
};

// The size by which a policy compares.
double Weight(Policy::Aim aim, Wrap wrap, double bytes) {
  return aim == Policy::Aim::kAuto && wrap != Wrap::kNone ? bytes * kWrapHandicap : bytes;
}

// Time to read a value from a segment of `bytes` whose body, unwrapped, has `body_bytes`.
double ReadNanoseconds(const Shape &shape, Encoding encoding, double bytes, double body_bytes) {
  const Scheme &scheme = *FindScheme(encoding.codec, shape.kind);
  const double unwrap = encoding.wrap == Wrap::kNone  ? 0
                        : encoding.wrap == Wrap::kLz4 ? kLz4Nanoseconds
                                                      : kZstdNanoseconds;
  return scheme.nanoseconds +
         (unwrap * body_bytes + kFetchNanoseconds * bytes) / static_cast<double>(shape.count);
}

// Takes runs of neighbours at equal distances; the whole column if it is short.
std::vector<uint32_t> SampleRuns(const Column &column) {
  const Shape shape = ShapeOf(column);
  const size_t value_bytes = std::max<size_t>(shape.value_bytes / column.count, 1);
  const size_t run =
      std::clamp<size_t>(kSampledBytes / kSampledRuns / value_bytes, 1, kVectorValues);
  std::vector<uint32_t> positions;
  const size_t runs = column.count <= kSampledRuns * run ? 1 : kSampledRuns;
  const size_t length = runs == 1 ? column.count : run;
  for (size_t i = 0; i < runs; ++i) {
    const size_t begin = runs == 1 ? 0 : i * (column.count - length) / (runs - 1);
    for (size_t j = 0; j < length; ++j) positions.push_back(static_cast<uint32_t>(begin + j));
  }
  return positions;
}

// Counts the different ones among `count` values at equal distances.
size_t CountDifferent(const Column &column, size_t count) {
  WordTable table(count);
  uint32_t different = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t at = i * column.count / count;
    const uint64_t word = column.kind == Kind::kBytes
                              ? std::hash<std::string_view>()(StringAt(column, at))
                              : WordAt(column, at);
    if (table.Number(word, different) == different) ++different;
  }
  return different;
}

// The segments of a column; its bodies are encoded once for all wraps.
class Segments {
 public:
  Segments(const Column &column, int zstd_level, size_t frame_bytes)
      : column_(column), zstd_level_(zstd_level), frame_bytes_(frame_bytes) {}

  // Makes the segment by an encoding, as EncodeAs.
  Status Make(Encoding encoding, Stop stop, std::vector<uint8_t> *segment) {
    Made &made = Find(encoding);
    if (made.status == Status::kInterrupted) {
      made.status = EncodeBody(column_, encoding, stop, &made.body);
    }
    if (made.status != Status::kOk) return made.status;
    segment->clear();
    return AppendSegment(ShapeOf(column_), encoding, made.body, zstd_level_, frame_bytes_, stop,
                         segment);
  }

 private:
  // A body, once it was encoded.
  struct Made {
    Encoding encoding;
    Status status = Status::kInterrupted;
    std::vector<uint8_t> body;
  };

  Made &Find(Encoding encoding) {
    if (!HasOwnForm(encoding.codec, column_.kind)) encoding.wrap = Wrap::kNone;
    if (encoding.wrap != Wrap::kNone) encoding.wrap = Wrap::kZstd;  // one form for both
    for (Made &made : made_) {
      if (made.encoding == encoding) return made;
    }
    return made_.emplace_back(Made{.encoding = encoding, .body = {}});
  }

  const Column &column_;
  const int zstd_level_;
  const size_t frame_bytes_;
  std::vector<Made> made_;
};

// Guesses sizes and times of all encodings.
class Guesses {
 public:
  Guesses(const Column &column, const Policy &policy)
      : column_(column),
        shape_(ShapeOf(column)),
        policy_(policy),
        sample_(column, SampleRuns(column)),
        segments_(sample_.column(), policy.zstd_level, kWholeBody),
        scale_(static_cast<double>(std::max<size_t>(shape_.value_bytes, 1)) /
               static_cast<double>(std::max<size_t>(ShapeOf(sample_.column()).value_bytes, 1))) {}

  // Gives the candidates; kInterrupted is the only failure.
  Status Make(Stop stop, std::vector<Candidate> *candidates) {
    for (const CodecInfo &info : Registry()) {
      std::vector<uint8_t> segment;
      const Status status = segments_.Make({info.codec, Wrap::kNone}, stop, &segment);
      if (status == Status::kInterrupted) return status;
      if (status != Status::kOk || info.codec == Codec::kDictionary) continue;
      const double bytes = static_cast<double>(segment.size() - kHeaderBytes) * scale_;
      Add({info.codec, Wrap::kNone}, bytes, 0, candidates);
    }
    AddDictionary(candidates);
    if (policy_.aim == Policy::Aim::kFast) return Status::kOk;
    double best = INFINITY;
    for (const Candidate &candidate : *candidates) best = std::min(best, candidate.bytes);
    const std::vector<Candidate> unwrapped = *candidates;
    for (const Candidate &candidate : unwrapped) {
      const Codec codec = candidate.encoding.codec;
      if (codec != Codec::kRaw && candidate.bytes > kWorthWrapping * best) continue;
      const Status status = AddWraps(candidate, stop, candidates);
      if (status == Status::kInterrupted) return status;
    }
    return Status::kOk;
  }

 private:
  void Add(Encoding encoding, double bytes, double body_bytes, std::vector<Candidate> *candidates) {
    candidates->push_back({encoding, bytes, ReadNanoseconds(shape_, encoding, bytes, body_bytes)});
  }

  // Adds what wraps make of a candidate, by what they make of its sample.
  Status AddWraps(const Candidate &candidate, Stop stop, std::vector<Candidate> *candidates) {
    std::vector<uint8_t> unwrapped, wrapped;
    Status status = segments_.Make(candidate.encoding, stop, &unwrapped);
    if (status != Status::kOk) return status;
    for (const Wrap wrap : {Wrap::kLz4, Wrap::kZstd}) {
      const Encoding encoding = {candidate.encoding.codec, wrap};
      status = segments_.Make(encoding, stop, &wrapped);
      if (status == Status::kInterrupted) return status;
      if (status != Status::kOk) continue;
      const double share =
          static_cast<double>(wrapped.size()) / static_cast<double>(unwrapped.size());
      Add(encoding, candidate.bytes * share, candidate.bytes, candidates);
    }
    return Status::kOk;
  }

  // A dictionary of the column is not that of the sample, scaled: the values do not grow in number.
  void AddDictionary(std::vector<Candidate> *candidates) {
    if (FindScheme(Codec::kDictionary, shape_.kind) == nullptr) return;
    const size_t singles = std::min(shape_.count, kSampledSingles);
    if (static_cast<double>(CountDifferent(column_, singles)) >
        kMostlyDifferent * static_cast<double>(singles)) {
      return;
    }
    const double count = static_cast<double>(shape_.count);
    const double different = static_cast<double>(CountDifferent(column_, shape_.count));
    double value_bytes = static_cast<double>(shape_.value_bytes) / count;
    if (shape_.kind != Kind::kBytes) {
      for (const Candidate &other : *candidates) {
        value_bytes = std::min(value_bytes, other.bytes / count);
      }
    }
    const double bytes = different * value_bytes + count * std::ceil(std::log2(different)) / 8;
    Add({Codec::kDictionary, Wrap::kNone}, bytes, 0, candidates);
  }

  const Column &column_;
  const Shape shape_;
  const Policy &policy_;
  const Gathered sample_;
  Segments segments_;
  const double scale_;
};

// Removes what the policy rules out, and puts the most promising first.
void Rank(Policy::Aim aim, std::vector<Candidate> *candidates) {
  if (aim == Policy::Aim::kAuto) {
    double fastest = INFINITY;
    for (const Candidate &candidate : *candidates) {
      fastest = std::min(fastest, candidate.nanoseconds);
    }
    std::erase_if(*candidates, [=](const Candidate &candidate) {
      return candidate.nanoseconds > kSlowest * fastest;
    });
  }
  std::stable_sort(
      candidates->begin(), candidates->end(), [aim](const Candidate &a, const Candidate &b) {
        return Weight(aim, a.encoding.wrap, a.bytes) < Weight(aim, b.encoding.wrap, b.bytes);
      });
}

// The smallest encoding so far, or one that is nearly as small and faster.
class Winner {
 public:
  Winner(const Column &column, const Policy &policy)
      : policy_(policy),
        segments_(column, policy.zstd_level,
                  policy.aim == Policy::Aim::kSmall ? kWholeBody : kFrameBytes) {}

  // Encodes the whole column, once; kUnfit if the candidate cannot.
  Status Try(const Candidate &candidate, Stop stop) {
    if (std::find(tried_.begin(), tried_.end(), candidate.encoding) != tried_.end()) {
      return Status::kOk;
    }
    tried_.push_back(candidate.encoding);
    std::vector<uint8_t> segment;
    const Status status = segments_.Make(candidate.encoding, stop, &segment);
    if (status != Status::kOk) return status;
    const double weight =
        Weight(policy_.aim, candidate.encoding.wrap, static_cast<double>(segment.size()));
    const double margin = policy_.aim == Policy::Aim::kSmall  ? 1
                          : policy_.aim == Policy::Aim::kFast ? kNearlyAsSmallFast
                                                              : kNearlyAsSmall;
    const bool faster = candidate.nanoseconds < nanoseconds_;
    if (segment_.empty() || weight * (faster ? 1 : margin) < weight_ * (faster ? margin : 1)) {
      segment_.swap(segment);
      encoding_ = candidate.encoding;
      weight_ = weight;
      nanoseconds_ = candidate.nanoseconds;
    }
    return status;
  }

  void Give(std::vector<uint8_t> *out, Encoding *taken) const {
    out->insert(out->end(), segment_.begin(), segment_.end());
    *taken = encoding_;
  }

 private:
  const Policy &policy_;
  Segments segments_;
  std::vector<Encoding> tried_;
  std::vector<uint8_t> segment_;
  Encoding encoding_;
  double weight_ = 0, nanoseconds_ = 0;
};

// Encodes by the best of what seems best.
Status Choose(const Column &column, const Policy &policy, Stop stop, std::vector<uint8_t> *out,
              Encoding *taken) {
  std::vector<Candidate> candidates;
  const Status status = Guesses(column, policy).Make(stop, &candidates);
  if (status != Status::kOk) return status;
  Rank(policy.aim, &candidates);
  Winner winner(column, policy);
  const bool small = policy.aim == Policy::Aim::kSmall;
  const size_t most = small ? kFinalistsSmall : kFinalists;
  size_t finalists = 0;
  const double best = Weight(policy.aim, candidates[0].encoding.wrap, candidates[0].bytes);
  for (const Candidate &candidate : candidates) {
    const double weight = Weight(policy.aim, candidate.encoding.wrap, candidate.bytes);
    const bool hopeless = weight > kHopeless * best + kHopelessBytes;
    if (hopeless && finalists > 0 && !small) break;
    const Status tried = winner.Try(candidate, stop);
    if (tried == Status::kInterrupted) return tried;
    if (tried == Status::kOk && ++finalists == most) break;
  }
  // What kSmall promises to keep up with; and what always fits.
  for (const Wrap wrap : {Wrap::kNone, Wrap::kLz4, Wrap::kZstd}) {
    if (!small && (wrap != Wrap::kNone || finalists > 0)) continue;
    if (winner.Try({{Codec::kRaw, wrap}, 0, 0}, stop) == Status::kInterrupted) {
      return Status::kInterrupted;
    }
  }
  winner.Give(out, taken);
  return Status::kOk;
}

}  // namespace

Status Encode(const Column &column, const Policy &policy, Stop stop, std::vector<uint8_t> *out,
              Encoding *taken) {
  Encoding named;
  if (policy.aim == Policy::Aim::kNamed) named = policy.named;
  if (policy.aim == Policy::Aim::kNamed || column.count == 0) {
    const Status status = EncodeAs(column, named, policy.zstd_level, stop, out);
    if (status == Status::kOk) *taken = named;
    if (status != Status::kUnfit) return status;
  }
  Policy open = policy;
  if (open.aim == Policy::Aim::kNamed) open.aim = Policy::Aim::kAuto;
  return Choose(column, open, stop, out, taken);
}

}  // namespace helios::codec
