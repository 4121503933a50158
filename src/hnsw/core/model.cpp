// Model blob, native (little-endian) byte order, every part 16-byte aligned from the start:
//
//    0 ┌ "HQM1" ┬ version ┬ total bytes      ┐
//   16 ├ checksum of the rest ┬ metric kind bits rotate ┬ dim ┤
//   32 ├ subquantizers ┬ centroids ┬ seed    ┤
//   48 ├ bias ┬ spread ┬ 8 zero bytes        ┤
//   64 ├ product: rotation[dim][dim] if rotate, then codebooks[dim][stride]
//      └ rabitq:  rotated mean[dim rounded up to 64]
#include "hnsw/core/model.hpp"

#include <cstddef>

#include "vector/core/distance.hpp"

namespace helios::hnsw {
namespace {

constexpr char kMagic[4] = {'H', 'Q', 'M', '1'};
constexpr uint32_t kVersion = 1;
constexpr size_t kAlignment = 16;

struct Header {
  char magic[4];
  uint32_t version;
  uint64_t bytes;
  uint64_t checksum;
  uint8_t metric, kind, bits, rotate;
  uint32_t dim;
  uint32_t subquantizers, centroids;
  uint64_t seed;
  float bias, spread;
  uint64_t zero;
};
static_assert(sizeof(Header) == 64);

constexpr size_t kChecked = offsetof(Header, checksum) + sizeof(uint64_t);

// Multiplies and rotates four lanes of 64-bit words: fast enough to run at every open.
uint64_t Checksum(const uint8_t* data, size_t bytes) {
  constexpr uint64_t kPrime = 0x9E3779B185EBCA87u;
  constexpr size_t kLanes = 4;
  uint64_t lane[kLanes] = {1, 2, 3, 4};
  for (size_t at = 0; at < bytes; at += sizeof lane) {
    uint64_t word[kLanes] = {};
    std::memcpy(word, data + at, std::min(sizeof word, bytes - at));
    for (size_t l = 0; l < kLanes; ++l) {
      lane[l] = std::rotl(lane[l] ^ (word[l] * kPrime), 31) * kPrime + word[l];
    }
  }
  uint64_t hash = bytes;
  for (uint64_t l : lane) hash = (std::rotl(hash, 27) ^ l ^ (l >> 29)) * kPrime;
  return hash ^ (hash >> 32);
}

// Floats of each part, each rounded up to the alignment.
struct Parts {
  size_t rotation = 0, codebooks = 0, mean = 0;
  size_t Bytes() const { return sizeof(Header) + sizeof(float) * (rotation + codebooks + mean); }
};

Parts PartsOf(const CodecSpec& spec) {
  constexpr size_t kUnit = kAlignment / sizeof(float);
  const size_t dim = spec.dim;
  Parts parts;
  if (spec.kind == CodecKind::kProduct) {
    if (spec.rotate) parts.rotation = RoundUp(dim * dim, kUnit);
    parts.codebooks = dim * CodebookStride(spec);
  } else if (spec.kind == CodecKind::kRabitq) {
    parts.mean = PaddedDim(spec);
  }
  return parts;
}

bool AllFinite(const float* x, size_t n) {
  // A sum of exponents tests keeps the loop free of branches.
  uint32_t bad = 0;
  constexpr uint32_t kExponent = 0x7F800000;
  for (size_t i = 0; i < n; ++i) bad |= (std::bit_cast<uint32_t>(x[i]) & kExponent) == kExponent;
  return bad == 0;
}

// Clears what the kind does not use, so that equal models are equal bytes.
CodecSpec Normalized(CodecSpec spec) {
  if (spec.kind != CodecKind::kProduct) spec.subquantizers = spec.centroids = 0;
  if (spec.kind != CodecKind::kRabitq) spec.bits = 0;
  if (spec.kind == CodecKind::kRabitq) spec.rotate = false;
  return spec;
}

size_t ScratchFloats(const CodecSpec& spec) {
  switch (spec.kind) {
    case CodecKind::kScalar:
      return spec.rotate ? spec.dim : 0;
    case CodecKind::kProduct:
      return size_t{spec.dim} * 2 + CodebookStride(spec);
    case CodecKind::kRabitq:
      return PaddedDim(spec);
  }
  return 0;
}

}  // namespace

bool CheckSpec(const CodecSpec& spec, const char** why) {
  const char* problem = nullptr;
  if (spec.metric < Metric::kL2 || spec.metric > Metric::kL1) {
    problem = "unknown metric";
  } else if (spec.kind < CodecKind::kScalar || spec.kind > CodecKind::kRabitq) {
    problem = "unknown kind of codec";
  } else if (spec.dim < 1 || spec.dim > kMaxDim) {
    problem = "dimensions out of range";
  } else if (spec.kind == CodecKind::kProduct) {
    if (spec.subquantizers < 1 || spec.subquantizers > spec.dim) {
      problem = "subquantizers must be between 1 and the dimensions";
    } else if (spec.centroids < 1 || spec.centroids > kMaxCentroids) {
      problem = "centroids out of range";
    } else if (spec.rotate && spec.dim > kMaxLearnedRotationDim) {
      problem = "too many dimensions for a learned rotation";
    }
  } else if (spec.kind == CodecKind::kRabitq) {
    if (spec.bits != 1 && spec.bits != 4) {
      problem = "bits must be 1 or 4";
    } else if (spec.metric == Metric::kL1) {
      problem = "RaBitQ does not estimate L1 distances";
    }
  }
  if (problem == nullptr && spec.kind != CodecKind::kRabitq && spec.rotate &&
      spec.metric == Metric::kL1) {
    problem = "a rotation does not keep L1 distances";
  }
  *why = problem;
  return problem == nullptr;
}

std::vector<uint8_t> Serialize(const Parameters& parameters) {
  const CodecSpec& spec = parameters.spec;
  const Parts parts = PartsOf(spec);
  std::vector<uint8_t> blob(parts.Bytes());
  uint8_t* at = blob.data() + sizeof(Header);
  const auto append = [&at](const std::vector<float>& part, size_t floats) {
    if (!part.empty()) std::memcpy(at, part.data(), part.size() * sizeof(float));
    at += floats * sizeof(float);
  };
  append(parameters.rotation, parts.rotation);
  append(parameters.codebooks, parts.codebooks);
  append(parameters.mean, parts.mean);

  Header header = {};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kVersion;
  header.bytes = blob.size();
  header.metric = static_cast<uint8_t>(spec.metric);
  header.kind = static_cast<uint8_t>(spec.kind);
  header.bits = spec.bits;
  header.rotate = spec.rotate;
  header.dim = spec.dim;
  header.subquantizers = spec.subquantizers;
  header.centroids = spec.centroids;
  header.seed = spec.seed;
  header.bias = parameters.bias;
  header.spread = parameters.spread;
  std::memcpy(blob.data(), &header, sizeof header);
  Seal(blob.data(), blob.size());
  return blob;
}

void Seal(uint8_t* blob, size_t bytes) {
  const uint64_t checksum = Checksum(blob + kChecked, bytes - kChecked);
  std::memcpy(blob + offsetof(Header, checksum), &checksum, sizeof checksum);
}

bool Codec::Open(const void* blob, size_t bytes, Codec* out, const char** why) {
  const auto fail = [why](const char* problem) {
    *why = problem;
    return false;
  };
  if (reinterpret_cast<uintptr_t>(blob) % kAlignment != 0) return fail("model is not aligned");
  if (blob == nullptr || bytes < sizeof(Header)) return fail("model is too short");
  const auto* data = static_cast<const uint8_t*>(blob);
  Header header;
  std::memcpy(&header, data, sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) return fail("not a codec model");
  if (header.version != kVersion) return fail("unknown version of codec model");
  if (header.bytes != bytes) return fail("model has the wrong size");
  if (header.rotate > 1 || header.zero != 0) return fail("model header is damaged");

  Codec codec;
  codec.spec_ = {.metric = Metric{header.metric},
                 .kind = CodecKind{header.kind},
                 .dim = header.dim,
                 .subquantizers = header.subquantizers,
                 .centroids = header.centroids,
                 .bits = header.bits,
                 .rotate = header.rotate != 0,
                 .seed = header.seed};
  if (!CheckSpec(codec.spec_, why)) return false;
  const Parts parts = PartsOf(codec.spec_);
  if (parts.Bytes() != bytes) return fail("model has the wrong size");
  if (Checksum(data + kChecked, bytes - kChecked) != header.checksum) {
    return fail("model checksum does not match");
  }
  const auto* floats = reinterpret_cast<const float*>(data + sizeof(Header));
  if (!AllFinite(floats, (bytes - sizeof(Header)) / sizeof(float)) ||
      !AllFinite(&header.bias, 1) || !AllFinite(&header.spread, 1) || header.spread < 0) {
    return fail("model holds a number that is not finite");
  }
  if (parts.rotation != 0) codec.rotation_ = floats;
  if (parts.codebooks != 0) codec.codebooks_ = floats + parts.rotation;
  if (parts.mean != 0) codec.mean_ = floats;
  codec.bias_ = header.bias;
  codec.spread_ = header.spread;
  codec.code_bytes_ = CodeBytes(codec.spec_);
  codec.scratch_floats_ = ScratchFloats(codec.spec_);
  const bool padded = codec.spec_.kind == CodecKind::kRabitq;
  codec.coded_dim_ = padded ? PaddedDim(codec.spec_) : codec.spec_.dim;
  *out = codec;
  return true;
}

size_t Codec::CodeBytes(const CodecSpec& spec) {
  switch (spec.kind) {
    case CodecKind::kScalar:
      return ScalarCodeBytes(spec);
    case CodecKind::kProduct:
      return ProductCodeBytes(spec);
    case CodecKind::kRabitq:
      return RabitqCodeBytes(spec);
  }
  return 0;
}

void Codec::Encode(const float* x, uint8_t* code, float* scratch) const {
  switch (spec_.kind) {
    case CodecKind::kScalar:
      return ScalarEncode(*this, x, code, scratch);
    case CodecKind::kProduct:
      return ProductEncode(*this, x, code, scratch);
    case CodecKind::kRabitq:
      return RabitqEncode(*this, x, code, scratch);
  }
}

void Codec::Decode(const uint8_t* code, float* x, float* scratch) const {
  switch (spec_.kind) {
    case CodecKind::kScalar:
      return ScalarDecode(*this, code, x, scratch);
    case CodecKind::kProduct:
      return ProductDecode(*this, code, x, scratch);
    case CodecKind::kRabitq:
      return RabitqDecode(*this, code, x, scratch);
  }
}

void Codec::DecodeCoded(const uint8_t* code, float* x) const {
  switch (spec_.kind) {
    case CodecKind::kScalar:
      return ScalarDecodeCoded(*this, code, x);
    case CodecKind::kProduct:
      return ProductDecodeCoded(*this, code, x);
    case CodecKind::kRabitq:
      return RabitqDecodeCoded(*this, code, x);
  }
}

void QueryScorer::Prepare(const Codec& codec, const float* query) {
  codec_ = codec;
  query_.assign(query, query + codec.spec().dim);
  switch (codec.spec().kind) {
    case CodecKind::kScalar:
      return PrepareScalar();
    case CodecKind::kProduct:
      return PrepareProduct();
    case CodecKind::kRabitq:
      return PrepareRabitq();
  }
}

float QueryScorer::Distance(const uint8_t* code) const {
  switch (codec_.spec().kind) {
    case CodecKind::kScalar:
      return ScalarDistance(code);
    case CodecKind::kProduct:
      return ProductDistance(code);
    case CodecKind::kRabitq:
      return RabitqDistance(code);
  }
  return 0;
}

Estimate QueryScorer::Bound(const uint8_t* code) const {
  Estimate estimate = {};
  switch (codec_.spec().kind) {
    case CodecKind::kScalar:
      estimate = ScalarBound(code);
      break;
    case CodecKind::kProduct:
      estimate = ProductBound(code);
      break;
    case CodecKind::kRabitq:
      estimate = RabitqBound(code);
      break;
  }
  // Damaged codes may hold anything, negative widths included.
  if (!std::isfinite(estimate.distance) || !(estimate.error >= 0)) {
    estimate.error = INFINITY;
  }
  return estimate;
}

float WorkingDistance(Metric metric, const float* a, const float* b, size_t dim) {
  switch (metric) {
    case Metric::kL2:
      return vector::L2Squared(a, b, dim);
    case Metric::kInnerProduct:
      return -vector::Dot(a, b, dim);
    case Metric::kCosine:
      return 1 - vector::Dot(a, b, dim);
    case Metric::kL1:
      return vector::L1(a, b, dim);
  }
  return 0;
}

TrainStatus Train(const CodecSpec& spec, const float* sample, size_t n, size_t memory_limit_bytes,
                  Interrupted interrupted, void* arg, std::vector<uint8_t>* model) {
  const char* why;
  if (!CheckSpec(spec, &why)) return TrainStatus::kUnsupported;
  if (n < MinimumTrainingRows(spec)) return TrainStatus::kTooFewRows;
  const Poll poll{interrupted, arg};
  Parameters parameters;
  parameters.spec = Normalized(spec);
  TrainStatus status = TrainStatus::kOk;
  switch (spec.kind) {
    case CodecKind::kScalar:
      status = ScalarTrain(sample, n, poll, &parameters);
      break;
    case CodecKind::kProduct:
      status = ProductTrain(sample, n, memory_limit_bytes, poll, &parameters);
      break;
    case CodecKind::kRabitq:
      status = RabitqTrain(sample, n, poll, &parameters);
      break;
  }
  if (status == TrainStatus::kOk) {
    status = Calibrate(sample, n, poll, &parameters);
  }
  if (status == TrainStatus::kOk) *model = Serialize(parameters);
  return status;
}

}  // namespace helios::hnsw
